//! One kernel, kept running in each byte order, and the oracle that watches it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_emulator::kernel::symbols::Symbols;
use ctxfuzz_emulator::run::outcome::Outcome;
use ctxfuzz_emulator::run::{Runner, RunnerError, kernel_symbols};
use ctxfuzz_scenario::scenario::Scenario;
use ctxfuzz_triage::definedness::Abi;
use ctxfuzz_triage::inconclusive::Inconclusive;
use ctxfuzz_triage::machines::Ran;
use ctxfuzz_triage::points::{self, Tried};
use ctxfuzz_triage::transparency::{Judgement, judge};

/// See the module.
pub struct Checker {
    kernel: KernelName,
    runners: HashMap<Endian, Runner>,
    /// A real kernel's, once they were asked for.
    symbols: Option<Symbols>,
}

impl Checker {
    /// For this kernel; machines are started when they are needed.
    pub fn new(kernel: &KernelName) -> Self {
        Checker {
            kernel: kernel.clone(),
            runners: HashMap::new(),
            symbols: None,
        }
    }

    /// The kernel.
    pub fn kernel(&self) -> &KernelName {
        &self.kernel
    }

    /// Runs a scenario, once.
    fn outcome(&mut self, scenario: &Scenario, endian: Endian) -> Result<Outcome, RunnerError> {
        let runner = match self.runners.entry(endian) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(observed(&self.kernel, endian)?),
        };
        Ok(runner.run(scenario))
    }

    /// Runs a scenario and judges it, once.
    pub fn judge(&mut self, scenario: &Scenario, endian: Endian) -> Result<Judgement, RunnerError> {
        Ok(judge(scenario, &self.outcome(scenario, endian)?))
    }

    /// The same in the words of a comparison.
    pub fn run(&mut self, scenario: &Scenario, endian: Endian) -> Result<Ran, RunnerError> {
        Ok(Ran::of_one(scenario, self.outcome(scenario, endian)?))
    }

    /// As [`Checker::judge`]; what is to be reported has been seen on a fresh machine too, or is
    /// not reported.
    pub fn check(
        &mut self,
        scenario: &Scenario,
        endian: Endian,
        abi: Abi,
    ) -> Result<Judgement, RunnerError> {
        let judgement = self.judge(scenario, endian)?;
        match judgement.reported(abi) {
            true => self.confirmed(scenario, endian, judgement),
            false => Ok(judgement),
        }
    }

    /// The judgement, if a fresh machine comes to the same one; else that there is none.
    pub fn confirmed(
        &self,
        scenario: &Scenario,
        endian: Endian,
        judgement: Judgement,
    ) -> Result<Judgement, RunnerError> {
        let again = judge(scenario, &observed(&self.kernel, endian)?.run(scenario));
        Ok(match again == judgement {
            true => judgement,
            false => judgement.withdrawn(Inconclusive::NotSeenAgain),
        })
    }

    /// The scenario with the preemption points of its late work by name, so that other builds of
    /// the kernel can run it, where this kernel shows the same then. A model's stay as they are:
    /// they are those of all its builds.
    pub fn by_name(
        &mut self,
        scenario: &Scenario,
        endian: Endian,
    ) -> Result<Scenario, RunnerError> {
        let mut runner = match self.runners.remove(&endian) {
            Some(runner) => runner,
            None => observed(&self.kernel, endian)?,
        };
        let named = self.named(scenario, endian, &mut runner);
        self.runners.insert(endian, runner);
        named
    }

    fn named(
        &mut self,
        scenario: &Scenario,
        endian: Endian,
        runner: &mut Runner,
    ) -> Result<Scenario, RunnerError> {
        let mut run = |scenario: &Scenario| {
            let judgement = judge(scenario, &runner.run(scenario));
            (judgement, runner.arrived().to_vec())
        };
        let (wanted, arrived) = run(scenario);
        if arrived.is_empty() {
            return Ok(scenario.clone());
        }
        let first = Tried {
            arrived,
            same: true,
        };
        points::by_name(scenario, &first, self.symbols(endian)?, |candidate| {
            let (judgement, arrived) = run(candidate);
            let same = judgement.violations == wanted.violations
                && judgement.inconclusive == wanted.inconclusive;
            Ok(Tried { arrived, same })
        })
    }

    /// Where the late work of an event came in the last run, as Linux prints it. `None` if it did
    /// not, and in a model.
    pub fn arrived(&mut self, event: u16, endian: Endian) -> Result<Option<String>, RunnerError> {
        let came = self.runners.get(&endian).and_then(|runner| {
            let mut all = runner.arrived().iter();
            all.find(|came| came.event == event).copied()
        });
        let Some(came) = came else {
            return Ok(None);
        };
        let at = self.symbols(endian)?.locate(came.address);
        Ok(at.map(|at| at.to_string()))
    }

    fn symbols(&mut self, endian: Endian) -> Result<&Symbols, RunnerError> {
        let symbols = match self.symbols.take() {
            Some(symbols) => symbols,
            None => kernel_symbols(&self.kernel, endian)?,
        };
        Ok(self.symbols.insert(symbols))
    }
}

fn observed(kernel: &KernelName, endian: Endian) -> Result<Runner, RunnerError> {
    let mut runner = Runner::new(kernel, endian)?;
    runner.observe();
    Ok(runner)
}

#[cfg(test)]
mod tests {
    use ctxfuzz_generators::{any_scenario, random_scenario};
    use ctxfuzz_scenario::scenario::Verdict;

    use super::*;

    /// `repair-exec-preempt`: a signal finds MSR[VEC] set for a task that has not used VMX, leaves
    /// that part of the frame as it is, and the return from the handler loads it.
    #[test]
    fn a_judgement_does_not_depend_on_the_runs_before() -> anyhow::Result<()> {
        let text = r#"{"ctxfuzz": 1, "stage": {"tasks": [{"uses": ["vsx"], "pattern": "0x31dc1fb108a772c7", "registers": {"f0": "0xd334f3e3fc3995f5", "vs0": "0xf39d78d34c8a7c32", "v0": "0xdb439b62c3bc8bf85fa44aeb64575936", "fpscr": "0x582004002"}}, {"pattern": "0xe8a72a9932e189fb"}], "io_uring": [1]},
            "events": [
            {"syscall": {"call": "execve", "via": "scv", "pending": {"io_worker": true, "switch": 2, "after": 3}}},
            {"fill": {"facility": "vsx", "pattern": "0x4f5d4fa0a65409d1"}},
            {"interrupt": {"vector": "doorbell", "pending": {"io_worker": true, "switch": 0}}},
            {"interrupt": {"vector": "decrementer", "pending": {"signal": 10}}},
            {"interrupt": {"vector": "external"}},
            {"syscall": {"call": "kill", "signal": 10}},
            {"syscall": {"call": "prctl", "fpexc": "async", "via": "scv"}},
            {"interrupt": {"vector": "data_storage", "pending": {"io_worker": true}}},
            {"interrupt": {"vector": "external"}},
            {"touch": "vmx"},
            {"touch": "fp"}]}"#;
        let scenario = Scenario::from_json(text, "inline")?;
        let mut kept = Checker::new(&"fixed".parse()?);
        for seed in 0..60 {
            kept.judge(&any_scenario(seed), Endian::Big)?;
        }
        let again = kept.judge(&scenario, Endian::Big)?;
        let first = Checker::new(&"fixed".parse()?).judge(&scenario, Endian::Big)?;
        assert_eq!(again, first);
        Ok(())
    }

    #[test]
    fn what_a_fresh_machine_does_not_show_is_taken_back() -> anyhow::Result<()> {
        let mut checker = Checker::new(&"clobbering".parse()?);
        let loud = (0..100).map(random_scenario).find_map(|scenario| {
            let judgement = checker.judge(&scenario, Endian::Big).ok()?;
            (judgement.verdict == Verdict::Live).then_some((scenario, judgement))
        });
        let Some((scenario, judgement)) = loud else {
            anyhow::bail!("nothing was found");
        };
        let seen = checker.confirmed(&scenario, Endian::Big, judgement.clone())?;
        assert_eq!(seen, judgement);

        let mut imagined = judgement;
        imagined.violations.pop();
        let taken_back = checker.confirmed(&scenario, Endian::Big, imagined)?;
        assert!(taken_back.inconclusive.is_some() && taken_back.violations.is_empty());
        Ok(())
    }
}
