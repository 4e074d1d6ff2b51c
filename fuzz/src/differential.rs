//! The differential oracle for libFuzzer: two kernels, replayed on machines of its own before anybody hears of a divergence.

use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_emulator::run::outcome::Endian;
use ctxfuzz_scenario::Scenario;
use ctxfuzz_triage::cause::Explainer;
use ctxfuzz_triage::definedness::Abi;
use ctxfuzz_triage::pair::Pair;

use crate::{environment, guest};

/// Two kernels and the signatures nobody wants to hear of again.
pub struct Differential {
    pair: Pair,
    /// Machines of its own: a second opinion.
    explainer: Explainer,
    abi: Abi,
    known: Vec<String>,
}

impl Differential {
    /// Kernels `CTXFUZZ_A` (clobbering) and `CTXFUZZ_B` (fixed), and the rest of [`environment`].
    pub fn from_environment() -> Result<Self, String> {
        Self::new(
            [
                environment::kernel("CTXFUZZ_A", "clobbering")?,
                environment::kernel("CTXFUZZ_B", "fixed")?,
            ],
            environment::endian()?,
            environment::abi()?,
            environment::known()?,
        )
    }

    /// Starts both.
    pub fn new(
        [a, b]: [KernelName; 2],
        endian: Endian,
        abi: Abi,
        known: Vec<String>,
    ) -> Result<Self, String> {
        Ok(Differential {
            pair: Pair::new(&a, &b, endian).map_err(|e| e.to_string())?,
            explainer: Explainer::new(&a, &b, endian).map_err(|e| e.to_string())?,
            abi,
            known,
        })
    }

    /// Runs a scenario. The signature of a new divergence that other machines show too.
    pub fn run(&mut self, scenario: &Scenario) -> Option<String> {
        let comparison = self.pair.run(scenario).comparison;
        guest::cover([&self.pair.a, &self.pair.b]);
        if !comparison.reported(self.abi) {
            return None;
        }
        let replayed = self.explainer.explain(scenario);
        if !replayed.comparison.reported(self.abi) {
            return None;
        }
        let mut signatures = replayed.signatures();
        if signatures.is_empty() {
            signatures.push("unexplained".to_owned());
        }
        signatures.into_iter().find(|one| !self.known.contains(one))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ctxfuzz_generators::random_scenario;

    fn pair(a: &str, b: &str, known: &[&str]) -> Differential {
        let kernels = [a, b].map(|name| name.parse().expect("a kernel"));
        let known = known.iter().map(|&one| one.to_owned()).collect();
        Differential::new(kernels, Endian::Little, Abi::Elf, known).expect("they start")
    }

    #[test]
    fn a_defect_is_found_unless_it_is_known_and_the_same_kernel_is_silent() {
        let mut same = pair("fixed", "fixed", &[]);
        let mut differing = pair("clobbering", "fixed", &[]);
        let (scenario, found) = (0..2000)
            .map(random_scenario)
            .filter(|one| one.validate().is_ok())
            .find_map(|one| {
                assert_eq!(same.run(&one), None);
                differing.run(&one).map(|found| (one, found))
            })
            .expect("no divergence");
        assert!(guest::covered().iter().all(|&edges| edges > 100));
        let mut told = pair("clobbering", "fixed", &[&found]);
        assert_ne!(told.run(&scenario), Some(found));
    }
}
