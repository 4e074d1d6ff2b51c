//! What a scenario reaches on two kernels: edges of both, how the runs ended, and the signatures of what differs.

use std::collections::BTreeMap;

use bit_set::BitSet;
use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_emulator::run::RunnerError;
use ctxfuzz_emulator::run::outcome::Endian;
use ctxfuzz_scenario::Scenario;
use ctxfuzz_scenario::scenario::Verdict;
use ctxfuzz_triage::cause::Explainer;
use ctxfuzz_triage::pair::{Pair, Paired};

use crate::campaign::round::{edges, map_size};

/// An edge gone once, and gone more often: what a campaign tells apart too.
const CLASSES: usize = 2;

/// Two kernels, and the numbers of features.
pub struct Features {
    pair: Pair,
    explainer: Explainer,
    map: Vec<u8>,
    /// Edges that were seen.
    seen: BitSet,
    /// Numbers of what is no edge, by name.
    named: BTreeMap<String, usize>,
}

impl Features {
    /// Starts the kernels.
    pub fn new(a: &KernelName, b: &KernelName, endian: Endian) -> Result<Features, RunnerError> {
        let pair = Pair::new(a, b, endian)?;
        let map = vec![0; map_size(&pair)];
        Ok(Features {
            explainer: Explainer::new(a, b, endian)?,
            pair,
            map,
            seen: BitSet::new(),
            named: BTreeMap::new(),
        })
    }

    /// Runs a scenario.
    pub fn of(&mut self, scenario: &Scenario) -> BitSet {
        let paired = self.pair.run(scenario);
        edges(&self.pair, &mut self.map);
        let hits = self.map.iter().enumerate();
        let mut features: BitSet = hits
            .flat_map(|(edge, &hits)| {
                (0..usize::from(hits).min(CLASSES)).map(move |class| edge * CLASSES + class)
            })
            .collect();
        self.seen.union_with(&features);
        for name in self.names(scenario, &paired) {
            features.insert(self.number(name));
        }
        features
    }

    /// How the runs ended, if not well, and the causes of what differs.
    fn names(&mut self, scenario: &Scenario, paired: &Paired) -> Vec<String> {
        let comparison = &paired.comparison;
        if let Some(reason) = comparison.reason() {
            // The kind, not the place: schedules differ in many.
            let kind = reason.split(':').next().unwrap_or_default();
            return vec![format!("({kind})")];
        }
        if comparison.verdict <= Verdict::Dead {
            return Vec::new();
        }
        let signatures = self.explainer.explain(scenario).signatures();
        let verdict = comparison.verdict;
        signatures
            .iter()
            .map(|signature| format!("{signature} {verdict}"))
            .collect()
    }

    fn number(&mut self, name: String) -> usize {
        let next = self.map.len() * CLASSES + self.named.len();
        *self.named.entry(name).or_insert(next)
    }

    /// Features of coverage that were seen, and the names of the others.
    pub fn counts(&self) -> (usize, Vec<&str>) {
        (
            self.seen.len(),
            self.named.keys().map(String::as_str).collect(),
        )
    }
}
