//! The transparency oracle for libFuzzer: one kernel, seen again on a fresh machine before anybody
//! hears of a violation.

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_emulator::run::{Runner, RunnerError};
use ctxfuzz_scenario::Scenario;
use ctxfuzz_triage::cause::Explainer;
use ctxfuzz_triage::definedness::Abi;
use ctxfuzz_triage::kernels::Kernels;
use ctxfuzz_triage::machines::Ran;

use crate::environment::Settings;
use crate::guest;

/// One kernel and the signatures nobody wants to hear of again.
pub struct Transparency {
    name: KernelName,
    endian: Endian,
    runner: Runner,
    /// A machine of its own, with everything recorded.
    explainer: Explainer,
    abi: Abi,
    known: Vec<String>,
}

impl Transparency {
    /// Kernel `CTXFUZZ_KERNEL` (repaired), and the rest of [`Settings`].
    pub fn from_environment() -> Result<Self, String> {
        let settings = Settings::from_environment([("CTXFUZZ_KERNEL", "repaired")])?;
        let [kernel] = settings.kernels;
        Self::new(kernel, settings.endian, settings.abi, settings.known)
    }

    /// Starts it.
    pub fn new(
        name: KernelName,
        endian: Endian,
        abi: Abi,
        known: Vec<String>,
    ) -> Result<Self, String> {
        let runner = observed(&name, endian).map_err(|e| e.to_string())?;
        let kernels = Kernels::One(name.clone());
        Ok(Transparency {
            explainer: Explainer::new(&kernels, endian).map_err(|e| e.to_string())?,
            name,
            endian,
            runner,
            abi,
            known,
        })
    }

    /// Runs a scenario. The signature of the first new violation that a fresh machine shows too, as
    /// a campaign on this kernel would name it.
    pub fn run(&mut self, scenario: &Scenario) -> Option<String> {
        let ran = Ran::of_one(scenario, self.runner.run(scenario));
        guest::cover([&self.runner]);
        if !ran.comparison.reported(self.abi) {
            return None;
        }
        let mut signatures = self.explainer.explain(scenario).reported(self.abi);
        if signatures.is_empty() {
            let kinds = ran.kinds(scenario, self.abi).into_iter();
            signatures.extend(kinds.map(|(name, _)| name));
        }
        let new = signatures
            .into_iter()
            .find(|one| !self.known.contains(one))?;
        let fresh = observed(&self.name, self.endian).ok()?.run(scenario);
        (Ran::of_one(scenario, fresh).comparison == ran.comparison).then_some(new)
    }
}

fn observed(name: &KernelName, endian: Endian) -> Result<Runner, RunnerError> {
    let mut runner = Runner::new(name, endian)?;
    runner.observe();
    Ok(runner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ctxfuzz_generators::random_scenario;

    /// What is wrong with `clobbering`.
    const CAUSES: [&str; 2] = ["save_altivec.v0-is-vscr", "save_fpu.f0-is-fpscr"];

    fn kernel(name: &str, endian: Endian, abi: Abi, known: &[&str]) -> Transparency {
        let known = known.iter().map(|&one| one.to_owned()).collect();
        let name = name.parse().expect("a kernel");
        Transparency::new(name, endian, abi, known).expect("it starts")
    }

    #[test]
    fn a_defect_is_found_unless_it_is_known_and_a_repaired_kernel_is_silent() {
        for endian in Endian::BOTH {
            let mut repaired = kernel("repaired", endian, Abi::Elf, &[]);
            let mut clobbering = kernel("clobbering", endian, Abi::Elf, &[]);
            let (scenario, found) = (0..2000)
                .map(random_scenario)
                .find_map(|one| {
                    assert_eq!(repaired.run(&one), None);
                    clobbering.run(&one).map(|found| (one, found))
                })
                .expect("no violation");
            assert!(CAUSES.contains(&&*found), "{found}");
            let mut told = kernel("clobbering", endian, Abi::Elf, &[&found]);
            assert_ne!(told.run(&scenario), Some(found));
        }
    }

    #[test]
    fn what_only_the_linux_abi_promises_is_reported_under_it_alone() {
        let mut elf = kernel("clobbering", Endian::Little, Abi::Elf, &[]);
        let mut linux = kernel("clobbering", Endian::Little, Abi::Linux, &[]);
        let found = (0..2000)
            .map(random_scenario)
            .filter(|one| elf.run(one).is_none())
            .find_map(|one| linux.run(&one))
            .expect("no violation");
        assert!(CAUSES.contains(&&*found), "{found}");
    }
}
