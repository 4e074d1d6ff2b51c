//! The differential oracle for libFuzzer: two kernels, replayed on machines of its own before
//! anybody hears of a divergence.

use std::borrow::Cow;

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_generators::drop_delays;
use ctxfuzz_scenario::Scenario;
use ctxfuzz_triage::bucket::BucketKey;
use ctxfuzz_triage::cause::Explainer;
use ctxfuzz_triage::definedness::Abi;
use ctxfuzz_triage::kernels::Kernels;
use ctxfuzz_triage::pair::{Pair, same_places};

use crate::environment::Settings;
use crate::guest;

/// Two kernels and the signatures nobody wants to hear of again.
pub struct Differential {
    pair: Pair,
    /// Machines of its own: a second opinion.
    explainer: Explainer,
    abi: Abi,
    known: Vec<String>,
    /// Whether pending work may come late.
    delays: bool,
}

impl Differential {
    /// Kernels `CTXFUZZ_A` (clobbering) and `CTXFUZZ_B` (fixed), and the rest of [`Settings`].
    pub fn from_environment() -> Result<Self, String> {
        let settings =
            Settings::from_environment([("CTXFUZZ_A", "clobbering"), ("CTXFUZZ_B", "fixed")])?;
        let Settings {
            endian, abi, known, ..
        } = settings;
        Self::new(settings.kernels, endian, abi, known)
    }

    /// Starts both.
    pub fn new(
        [a, b]: [KernelName; 2],
        endian: Endian,
        abi: Abi,
        known: Vec<String>,
    ) -> Result<Self, String> {
        let pair = Pair::new(&a, &b, endian).map_err(|e| e.to_string())?;
        Ok(Differential {
            delays: same_places([&a, &b], [pair.a.hash(), pair.b.hash()]),
            pair,
            explainer: Explainer::new(&Kernels::pair(&a, &b), endian).map_err(|e| e.to_string())?,
            abi,
            known,
        })
    }

    /// Runs a scenario. The signature of a new divergence that other machines show too, as a
    /// campaign would name it.
    pub fn run(&mut self, scenario: &Scenario) -> Option<String> {
        let mut fitting = Cow::Borrowed(scenario);
        if !self.delays {
            drop_delays(fitting.to_mut());
        }
        let scenario = &*fitting;
        let paired = self.pair.run(scenario);
        guest::cover([&self.pair.a, &self.pair.b]);
        if !paired.comparison.reported(self.abi) {
            return None;
        }
        let replayed = self.explainer.explain(scenario);
        if !replayed.comparison.reported(self.abi) {
            return None;
        }
        let mut signatures = replayed.reported(self.abi);
        if signatures.is_empty() {
            let bucket = BucketKey::of_pair(scenario, &paired)?;
            signatures.push(format!("unexplained.{bucket}"));
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

    #[test]
    fn only_causes_of_what_is_reported_are_named() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../corpus/fork-twice.json");
        let scenario = Scenario::load(file.as_ref()).expect("a scenario");
        let kernels = ["clobbering", "fixed"].map(|name| name.parse().expect("a kernel"));
        let [a, b]: [KernelName; 2] = kernels;
        let explainer = Explainer::new(&Kernels::pair(&a, &b), Endian::Little);
        let explained = explainer.expect("they start").explain(&scenario);
        assert_eq!(explained.reported(Abi::Elf), [""; 0]);
        let all = explained.signatures();
        assert!(all.contains(&"save_fpu.f0-is-fpscr".to_owned()), "{all:?}");
        assert_eq!(explained.reported(Abi::Linux), all);
    }
}
