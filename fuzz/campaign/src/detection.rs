//! How long a campaign takes until it meets one bug: the same engine, with nothing else to do.
//!
//! Two kernels differ in the bug alone, so the first divergence that would be reported is it. One
//! kernel may have other bugs: a violation is only looked at if a campaign would look into it, and
//! counts only if the kernel without the bug does not show it for the same scenario. Nothing is
//! kept, explained or minimized.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::defects::Defect;
use ctxfuzz_emulator::kernel::name::{KernelName, UnknownKernel};
use ctxfuzz_emulator::run::RunnerError;
use ctxfuzz_generators::Aim;
use ctxfuzz_scenario::Scenario;
use ctxfuzz_scenario::scenario::Place;
use ctxfuzz_triage::compare::{Comparison, Difference};
use ctxfuzz_triage::definedness::Abi;
use ctxfuzz_triage::kernels::Kernels;
use ctxfuzz_triage::machines::{Machines, Ran};

use super::engine::{self, Harness, Plan};
use super::kinds::Kinds;
use super::{CampaignError, aim, corpus, round};

/// What is searched for, and how.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    /// Two kernels that differ in the bug alone, or the one that has it.
    pub kernels: Kernels,
    /// The kernel without the bug, where there is one kernel. Without it everything that is
    /// reported counts.
    pub without: Option<KernelName>,
    /// Byte order.
    pub endian: Endian,
    /// What is reported.
    pub abi: Abi,
    /// Scenarios to start from.
    pub corpus: Option<&'a Path>,
    /// Whether there is a campaign; if not, random scenarios are run, as `check --runs` has them.
    pub feedback: bool,
    /// Decides every choice.
    pub seed: u64,
    /// Most executions.
    pub runs: u64,
}

impl Target<'_> {
    /// A defect of the catalogue: between its two kernels, or in the one that has it. From nothing,
    /// with coverage.
    ///
    /// # Errors
    ///
    /// If the catalogue names no kernel.
    pub fn of(defect: &Defect, one_kernel: bool) -> Result<Self, UnknownKernel> {
        let [a, b] = defect.pair();
        let (with, without): (KernelName, KernelName) = (a.parse()?, b.parse()?);
        let (kernels, without) = match one_kernel {
            true => (Kernels::One(with), Some(without)),
            false => (Kernels::Pair([with, without]), None),
        };
        Ok(Target {
            kernels,
            without,
            endian: Endian::Little,
            abi: Abi::that_shows(defect),
            corpus: None,
            feedback: true,
            seed: 1,
            runs: 100_000,
        })
    }
}

/// What one search came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    /// The execution that showed the bug; `None`: none within the budget.
    pub found: Option<u64>,
    /// Its scenario.
    pub scenario: Option<Scenario>,
    /// Executions made. Those that hold a violation against the kernel without the bug are not
    /// among them.
    pub executions: u64,
    /// Seconds they took.
    pub seconds: f64,
}

/// Fuzzes until the bug is met, the executions are over, or `stop` is set.
pub fn search(target: &Target<'_>, stop: &AtomicBool) -> Result<Search, anyhow::Error> {
    let mut hunt = Hunt::new(target, stop)?;
    let last: Vec<&KernelName> = target.kernels.names().iter().rev().take(1).collect();
    let aim = aim::at(&last, target.endian).map_err(CampaignError::from)?;
    let started = Instant::now();
    match target.feedback {
        true => hunt.campaign(aim)?,
        false => hunt.at_random(&aim),
    }
    if let Some(error) = hunt.trouble {
        return Err(CampaignError::from(error).into());
    }
    let (found, scenario) = hunt.found.unzip();
    Ok(Search {
        found,
        scenario,
        executions: hunt.executions,
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// Whether a run of one kernel shows a violation that the kernel without the bug does not show for
/// the same scenario. A run that says nothing, or broke off, is nothing to hold it against.
pub fn only_with(seen: &Comparison, without: &Comparison, abi: Abi) -> bool {
    let where_and_what = |d: &Difference| (d.task, d.place, d.frame, d.what);
    let reported = |comparison: &Comparison| -> Vec<_> {
        let all = comparison.differences.iter();
        let reported = all.filter(|d| abi.reports(d.verdict));
        reported.map(where_and_what).collect()
    };
    let there = reported(without);
    let broke_off = there.iter().any(|(_, place, ..)| *place == Place::End);
    let is_gone = |violation| !there.contains(violation);
    without.comparable() && !broke_off && reported(seen).iter().any(is_gone)
}

struct Hunt<'a> {
    target: &'a Target<'a>,
    machines: Machines,
    without: Option<Machines>,
    kinds: Kinds,
    stop: &'a AtomicBool,
    executions: u64,
    found: Option<(u64, Scenario)>,
    trouble: Option<RunnerError>,
}

impl<'a> Hunt<'a> {
    fn new(target: &'a Target<'a>, stop: &'a AtomicBool) -> Result<Self, CampaignError> {
        let start = |kernels: &Kernels| Machines::new(kernels, target.endian);
        let without = target.without.clone().map(Kernels::One);
        Ok(Hunt {
            target,
            machines: start(&target.kernels)?,
            without: without.as_ref().map(start).transpose()?,
            kinds: Kinds::new(target.abi),
            stop,
            executions: 0,
            found: None,
            trouble: None,
        })
    }

    fn campaign(&mut self, aim: Aim) -> Result<(), anyhow::Error> {
        let plan = Plan {
            seed: self.target.seed,
            initial: corpus::initial(self.target.corpus, self.target.seed)?.scenarios,
            map_size: round::map_size(&self.machines.runners()),
            feedback: true,
            delays: self.machines.same_places(),
            aim,
        };
        Ok(engine::run(plan, self)?)
    }

    fn at_random(&mut self, aim: &Aim) {
        let mut coverage = vec![0; round::map_size(&self.machines.runners())];
        let mut execute = |index| {
            let scenario = aim::random(aim, self.target.seed, index);
            self.execute(&scenario, &mut coverage)
        };
        // It ends when the budget does.
        let _ = (0..).try_for_each(&mut execute);
    }

    /// Whether what is reported is the bug.
    fn is_it(&mut self, scenario: &Scenario, ran: &Ran) -> Result<bool, RunnerError> {
        if self.target.kernels.only().is_none() {
            return Ok(true);
        }
        let bucket = ran.bucket(scenario);
        let Some(bucket) = bucket.filter(|b| self.kinds.is_new(b, &ran.comparison)) else {
            return Ok(false);
        };
        self.kinds.add(&bucket, &ran.comparison);
        if let Some(without) = &mut self.without {
            let there = without.run(scenario).comparison;
            if !only_with(&ran.comparison, &there, self.target.abi) {
                return Ok(false);
            }
        }
        // No finding is kept that a fresh machine does not show.
        let mut fresh = Machines::new(&self.target.kernels, self.target.endian)?;
        Ok(fresh.run(scenario).comparison == ran.comparison)
    }
}

impl Harness for Hunt<'_> {
    fn execute(&mut self, scenario: &Scenario, coverage: &mut [u8]) -> ControlFlow<()> {
        let over = self.executions >= self.target.runs || self.stop.load(Ordering::Relaxed);
        if over || self.found.is_some() || self.trouble.is_some() {
            return ControlFlow::Break(());
        }
        let ran = self.machines.run(scenario);
        self.executions += 1;
        round::edges(&self.machines.runners(), coverage);
        if ran.comparison.reported(self.target.abi) {
            match self.is_it(scenario, &ran) {
                Ok(true) => self.found = Some((self.executions, scenario.clone())),
                Ok(false) => {}
                Err(error) => self.trouble = Some(error),
            }
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests;
