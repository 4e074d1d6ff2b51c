//! The differential oracle for libFuzzer: two kernels, live verdicts only, replayed before anybody hears of it.

use std::env;

use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_emulator::run::outcome::Endian;
use ctxfuzz_scenario::Scenario;
use ctxfuzz_triage::cause::Explainer;
use ctxfuzz_triage::definedness::Abi;
use ctxfuzz_triage::pair::Pair;

/// Counters for one kernel; larger maps are folded, as libFuzzer looks at all of them after every run.
pub const COUNTERS: usize = 4096;

/// Two kernels and the signatures nobody wants to hear of again.
pub struct Differential {
    pair: Pair,
    /// Machines of its own: a second opinion.
    explainer: Explainer,
    known: Vec<String>,
}

impl Differential {
    /// Kernels `CTXFUZZ_A` (clobbering) and `CTXFUZZ_B` (fixed), known signatures `CTXFUZZ_KNOWN`, separated by commas.
    pub fn from_environment() -> Result<Self, String> {
        let value = |name, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
        let known = value("CTXFUZZ_KNOWN", "");
        let known = known.split(',').filter(|word| !word.is_empty());
        let kernels = ["CTXFUZZ_A", "CTXFUZZ_B"].map(|name| {
            let default = if name == "CTXFUZZ_A" {
                "clobbering"
            } else {
                "fixed"
            };
            value(name, default)
        });
        Self::new(&kernels[0], &kernels[1], known.map(str::to_owned).collect())
    }

    /// Starts two little-endian kernels.
    pub fn new(a: &str, b: &str, known: Vec<String>) -> Result<Self, String> {
        let kernel = |name: &str| name.parse::<KernelName>().map_err(|e| e.to_string());
        let names = [kernel(a)?, kernel(b)?];
        let pair = Pair::new(&names[0], &names[1], Endian::Little).map_err(|e| e.to_string())?;
        let explainer =
            Explainer::new(&names[0], &names[1], Endian::Little).map_err(|e| e.to_string())?;
        Ok(Differential {
            pair,
            explainer,
            known,
        })
    }

    /// Runs a scenario. The signature of a new live divergence that other machines show too.
    pub fn run(&mut self, scenario: &Scenario) -> Option<String> {
        if !self.pair.run(scenario).comparison.reported(Abi::Elf) {
            return None;
        }
        let replayed = self.explainer.explain(scenario);
        if !replayed.comparison.reported(Abi::Elf) {
            return None;
        }
        let mut signatures = replayed.signatures();
        if signatures.is_empty() {
            signatures.push("unexplained".to_owned());
        }
        signatures.into_iter().find(|one| !self.known.contains(one))
    }

    /// Which edges of the two kernels the last scenario reached.
    pub fn cover(&self, counters: &mut [[u8; COUNTERS]; 2]) {
        for (half, runner) in counters.iter_mut().zip([&self.pair.a, &self.pair.b]) {
            for (index, &hits) in runner.coverage().hits().iter().enumerate() {
                let byte = &mut half[index % COUNTERS];
                *byte = (*byte).max(hits.min(2));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ctxfuzz_generators::random_scenario;

    #[test]
    fn a_defect_is_found_unless_it_is_known_and_the_same_kernel_is_silent() {
        let mut same = Differential::new("fixed", "fixed", Vec::new()).unwrap();
        let mut pair = Differential::new("clobbering", "fixed", Vec::new()).unwrap();
        let (scenario, found) = (0..2000)
            .map(random_scenario)
            .filter(|one| one.validate().is_ok())
            .find_map(|one| {
                assert_eq!(same.run(&one), None);
                pair.run(&one).map(|found| (one, found))
            })
            .expect("no divergence");
        let mut counters = [[0; COUNTERS]; 2];
        pair.cover(&mut counters);
        assert!(
            counters
                .iter()
                .all(|half| half.iter().any(|&hits| hits != 0))
        );
        let mut told = Differential::new("clobbering", "fixed", vec![found.clone()]).unwrap();
        assert_ne!(told.run(&scenario), Some(found));
    }
}
