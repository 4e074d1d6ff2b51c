//! Scenarios of which another fuzzer says that they show something: each is run on fresh machines,
//! and what it shows is kept as a campaign keeps it.
//!
//! Where they come from, and what is told of them, is the command's.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use ctxfuzz_generators::drop_delays;
use ctxfuzz_scenario::Scenario;
use ctxfuzz_triage::cause;

use super::queue::Queue;
use super::summary::{FindingSummary, KnownSummary};
use super::{CampaignError, Config, verification};

/// What a scenario shows on the kernels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// These causes; reviewed ones too, which are not kept.
    Causes(Vec<String>),
    /// Nothing that is reported.
    Nothing,
    /// Its runs say nothing about the kernels, for this reason.
    Inconclusive(String),
    /// Fresh machines do not agree.
    NotSeenAgain,
}

/// See the module.
pub struct Artifacts<'c> {
    config: &'c Config,
    queue: Queue<'c>,
    delays: bool,
    /// What was shown already, by scenario: services keep one crash several times.
    seen: BTreeMap<String, Shown>,
}

impl<'c> Artifacts<'c> {
    /// Starts the kernels once, to see that they can be, and opens the findings directory.
    pub fn open(config: &'c Config, stop: &'c AtomicBool) -> Result<Self, CampaignError> {
        let machines = verification::machines(config)?;
        Ok(Artifacts {
            config,
            queue: Queue::open(config, stop, machines.hashes())?,
            delays: machines.same_places(),
            seen: BTreeMap::new(),
        })
    }

    /// Runs one, and keeps what it shows.
    pub fn take(&mut self, mut scenario: Scenario) -> Result<Shown, CampaignError> {
        if !self.delays {
            drop_delays(&mut scenario);
        }
        // What it is called is no part of what it does.
        let key = Scenario {
            name: None,
            ..scenario.clone()
        };
        let key = key.to_json();
        if let Some(shown) = self.seen.get(&key) {
            return Ok(shown.clone());
        }
        let shown = self.look_into(&scenario)?;
        self.seen.insert(key, shown.clone());
        Ok(shown)
    }

    fn look_into(&mut self, scenario: &Scenario) -> Result<Shown, CampaignError> {
        let config = self.config;
        let ran = verification::machines(config)?.run(scenario);
        if let Some(why) = ran.comparison.reason() {
            return Ok(Shown::Inconclusive(why.to_string()));
        }
        if !ran.comparison.reported(config.abi) {
            return Ok(Shown::Nothing);
        }
        if !verification::reproduces(config, scenario, &ran.comparison)? {
            return Ok(Shown::NotSeenAgain);
        }
        let Some(bucket) = ran.bucket(scenario) else {
            return Ok(Shown::Nothing);
        };
        let explanation = cause::explain(&config.kernels, config.endian, scenario)?;
        let blames = verification::blame(
            config,
            &explanation,
            &ran.kinds(scenario, config.abi),
            &bucket,
        );
        let number = self.seen.len() as u64 + 1;
        if let Some(case) = self.queue.is_new(scenario, &ran, number, 0.0, true) {
            self.queue.take(case, true)?;
        }
        let mut causes: Vec<String> = blames.into_iter().map(|blame| blame.signature).collect();
        causes.sort();
        causes.dedup();
        Ok(Shown::Causes(causes))
    }

    /// What was found, and what was known.
    pub fn finish(mut self) -> Result<(Vec<FindingSummary>, Vec<KnownSummary>), CampaignError> {
        // What another process had begun to make may be left to do.
        self.queue.work(0)?;
        Ok((self.queue.findings().to_vec(), self.queue.known().to_vec()))
    }
}
