//! Findings of one defect as campaigns meet them, not minimized: what root cause analysis has to
//! cope with.
//!
//! One campaign a seed, each with the engine of a real one and an empty corpus, and one finding of
//! each. Where a campaign meets nothing within its budget, another one starts from the defect's
//! witness, and the finding is a mutation of that.

mod reduced;

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::defects::Defect;
use ctxfuzz_generators::Aim;
use ctxfuzz_scenario::Scenario;
use ctxfuzz_triage::bucket::BucketKey;
use ctxfuzz_triage::definedness::Abi;
use ctxfuzz_triage::pair::Pair;

pub use self::reduced::{Reduced, reduced};
use super::engine::{self, Harness, Plan};
use super::{CampaignError, aim, corpus, round};

/// Executions in which a campaign that has met the defect looks for it in a new guise.
const PATIENCE: u64 = 100;

/// What is collected.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Byte order.
    pub endian: Endian,
    /// Findings.
    pub count: u64,
    /// Of the first campaign.
    pub seed: u64,
    /// Executions of a campaign from nothing, and of one from the witness.
    pub runs: u64,
}

/// A divergence as a campaign met it.
#[derive(Clone, Debug)]
pub struct Gathered {
    /// The scenario.
    pub scenario: Scenario,
    /// Whether it came from the witness.
    pub from_witness: bool,
}

/// Different findings of a defect, fewer than wanted if campaigns did not meet it.
pub fn collect(
    defect: &Defect,
    witness: &Scenario,
    wanted: Wanted,
) -> Result<Vec<Gathered>, anyhow::Error> {
    let [a, b] = defect.pair();
    let pair = Pair::new(&a.parse()?, &b.parse()?, wanted.endian).map_err(CampaignError::from)?;
    let mut hunt = Hunt {
        aim: aim::at(&[pair.b.name()], wanted.endian)?,
        pair,
        abi: Abi::that_shows(defect),
        kinds: BTreeSet::new(),
        runs: wanted.runs,
        executions: 0,
        since: 0,
        held: Vec::new(),
        witness: witness.clone(),
        met: None,
    };
    let mut all = Vec::new();
    for seed in (wanted.seed..).take(wanted.count as usize) {
        let nothing = corpus::initial(None, seed)?.scenarios;
        let mut from_witness = false;
        hunt.campaign(seed, nothing)?;
        if hunt.met.is_none() {
            from_witness = true;
            hunt.campaign(seed, vec![witness.clone()])?;
        }
        if let Some((kind, scenario)) = hunt.met.take() {
            hunt.kinds.insert(kind);
            hunt.held.push(scenario.clone());
            all.push(Gathered {
                scenario,
                from_witness,
            });
        }
    }
    Ok(all)
}

struct Hunt {
    pair: Pair,
    aim: Aim,
    abi: Abi,
    /// What earlier campaigns have met.
    kinds: BTreeSet<BucketKey>,
    held: Vec<Scenario>,
    witness: Scenario,
    runs: u64,
    /// Of this campaign.
    executions: u64,
    /// Since it has met something.
    since: u64,
    met: Option<(BucketKey, Scenario)>,
}

impl Hunt {
    fn campaign(&mut self, seed: u64, initial: Vec<Scenario>) -> Result<(), anyhow::Error> {
        (self.executions, self.since, self.met) = (0, 0, None);
        let plan = Plan {
            seed,
            initial,
            map_size: round::map_size(&[&self.pair.a, &self.pair.b]),
            feedback: true,
            delays: true,
            aim: self.aim.clone(),
        };
        Ok(engine::run(plan, self)?)
    }

    fn over(&self) -> bool {
        let new = |(kind, _): &(BucketKey, Scenario)| !self.kinds.contains(kind);
        self.executions >= self.runs || self.since >= PATIENCE || self.met.as_ref().is_some_and(new)
    }
}

impl Harness for Hunt {
    fn execute(&mut self, scenario: &Scenario, coverage: &mut [u8]) -> ControlFlow<()> {
        if self.over() {
            return ControlFlow::Break(());
        }
        let paired = self.pair.run(scenario);
        self.executions += 1;
        self.since += u64::from(self.met.is_some());
        round::edges(&[&self.pair.a, &self.pair.b], coverage);
        let old = self.held.contains(scenario) || *scenario == self.witness;
        if old || !paired.comparison.reported(self.abi) {
            return ControlFlow::Continue(());
        }
        if let Some(kind) = BucketKey::of_pair(scenario, &paired)
            && (self.met.is_none() || !self.kinds.contains(&kind))
        {
            self.met = Some((kind, scenario.clone()));
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use ctxfuzz_emulator::kernel::defects;

    use super::*;

    const WITNESS: &str = include_str!("../../../corpus/io-worker-on-interrupt-return.json");

    #[test]
    fn findings_are_different_the_same_every_time_and_none_of_a_control() -> anyhow::Result<()> {
        let witness = Scenario::from_json(WITNESS, "the corpus")?;
        let found = |id: &str, runs| -> anyhow::Result<Vec<Scenario>> {
            let defect = defects::find(id).ok_or_else(|| anyhow::anyhow!("no {id}"))?;
            let wanted = Wanted {
                endian: Endian::Little,
                count: 3,
                seed: 1,
                runs,
            };
            let found = collect(defect, &witness, wanted)?;
            Ok(found.into_iter().map(|found| found.scenario).collect())
        };
        let first = found("save-fpu-clobbers-f0", 500)?;
        assert_eq!(first.len(), 3);
        assert!(
            first
                .iter()
                .all(|s| first.iter().filter(|t| s == *t).count() == 1)
        );
        assert_eq!(found("save-fpu-clobbers-f0", 500)?, first);
        assert!(found("restore-math-declines", 50)?.is_empty());
        Ok(())
    }
}
