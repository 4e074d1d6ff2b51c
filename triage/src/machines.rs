//! The machines of one kernel or of two: one scenario, and what the run says.
//!
//! Two kernels are compared. Of one kernel the run is judged, and a violation becomes a difference
//! between what its task found (A) and what it had to find (B). Not responsible for either
//! judgement (`ctxfuzz_judge`).

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::run::outcome::Outcome;
use ctxfuzz_emulator::run::{Runner, RunnerError};
use ctxfuzz_scenario::scenario::Scenario;

use crate::bucket::BucketKey;
use crate::compare::{Comparison, Difference};
use crate::definedness::Abi;
use crate::kernels::Kernels;
use crate::pair::{Pair, same_places};
use crate::transparency::{compared, judge, keys};

/// See the module.
pub enum Machines {
    /// Two kernels.
    Pair(Box<Pair>),
    /// One, whose tasks are looked at at each of their host calls.
    One(Box<Runner>),
}

/// What was run, and what it says.
#[derive(Clone, Debug)]
pub struct Ran {
    /// What each kernel did, A first.
    pub outcomes: Vec<Outcome>,
    /// What that says.
    pub comparison: Comparison,
}

impl Ran {
    /// What the only kernel did, whose tasks were looked at.
    pub fn of_one(scenario: &Scenario, outcome: Outcome) -> Ran {
        let comparison = compared(scenario, &outcome, &judge(scenario, &outcome));
        Ran {
            outcomes: vec![outcome],
            comparison,
        }
    }

    /// The kind of what differs; `None` if nothing does.
    pub fn bucket(&self, scenario: &Scenario) -> Option<BucketKey> {
        // A run that broke off did fewer events than the one it is held against.
        let logs = self.outcomes.iter().map(|outcome| &outcome.log);
        let log = logs.max_by_key(|log| log.len())?;
        BucketKey::of(scenario, log, &self.comparison)
    }

    /// What the reported differences are called where no cause of them is known, with those of each
    /// name: of two kernels the kind of divergence, of one the kinds of finding that `check` names.
    pub fn kinds(&self, scenario: &Scenario, abi: Abi) -> Vec<(String, Vec<Difference>)> {
        let reported = self.comparison.differences.iter();
        let reported = reported.filter(|difference| abi.reports(difference.verdict));
        let [only] = self.outcomes.as_slice() else {
            let bucket = self
                .bucket(scenario)
                .map(|kind| format!("unexplained.{kind}"));
            let all: Vec<Difference> = reported.cloned().collect();
            return bucket.into_iter().map(|name| (name, all.clone())).collect();
        };
        let judgement = judge(scenario, only);
        let violations = judgement.violations.iter();
        let violations = violations.filter(|violation| abi.reports(violation.verdict));
        let named = keys(scenario, violations).into_keys().map(|key| {
            let of = reported.clone().filter(|difference| key.holds(difference));
            (key.to_string(), of.cloned().collect())
        });
        named.collect()
    }
}

impl Machines {
    /// Starts the kernels on fresh machines.
    ///
    /// # Errors
    ///
    /// If a kernel cannot be loaded or started.
    pub fn new(kernels: &Kernels, endian: Endian) -> Result<Machines, RunnerError> {
        Ok(match kernels {
            Kernels::Pair([a, b]) => Machines::Pair(Box::new(Pair::new(a, b, endian)?)),
            Kernels::One(kernel) => {
                let mut runner = Runner::new(kernel, endian)?;
                runner.observe();
                Machines::One(Box::new(runner))
            }
        })
    }

    /// All of them, A first.
    pub fn runners(&self) -> Vec<&Runner> {
        match self {
            Machines::Pair(pair) => vec![&pair.a, &pair.b],
            Machines::One(runner) => vec![runner],
        }
    }

    /// Hashes of the kernels' images, A's first.
    pub fn hashes(&self) -> Vec<u64> {
        let runners = self.runners().into_iter();
        runners.map(Runner::hash).collect()
    }

    /// Whether interrupts can come at the same places in all of the kernels.
    pub fn same_places(&self) -> bool {
        match self {
            Machines::Pair(pair) => {
                let names = [pair.a.name(), pair.b.name()];
                same_places(names, [pair.a.hash(), pair.b.hash()])
            }
            Machines::One(_) => true,
        }
    }

    /// Runs a scenario and says what it shows.
    pub fn run(&mut self, scenario: &Scenario) -> Ran {
        match self {
            Machines::Pair(pair) => {
                let paired = pair.run(scenario);
                Ran {
                    outcomes: vec![paired.a, paired.b],
                    comparison: paired.comparison,
                }
            }
            Machines::One(runner) => Ran::of_one(scenario, runner.run(scenario)),
        }
    }
}
