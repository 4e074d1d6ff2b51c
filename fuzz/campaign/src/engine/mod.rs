//! The fuzzing engine: LibAFL, put together. Nothing outside this folder knows it.
//!
//! One process, no signal handlers, no host clock in any decision: what is tried next depends on
//! the seed and on coverage alone.

mod executor;
mod input;
mod mutator;
#[cfg(test)]
mod tests;

use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use ctxfuzz_generators::Aim;
use ctxfuzz_scenario::Scenario;
use libafl::corpus::{Corpus, InMemoryCorpus};
use libafl::events::NopEventManager;
use libafl::feedbacks::{ConstFeedback, MaxMapFeedback};
use libafl::schedulers::QueueScheduler;
use libafl::stages::StdMutationalStage;
use libafl::state::{HasCorpus, StdState};
use libafl::{Error, Evaluator, Fuzzer, StdFuzzer, feedback_and_fast};
use libafl_bolts::rands::StdRand;
use libafl_bolts::tuples::tuple_list;

use executor::HarnessExecutor;
use input::ScenarioInput;
use mutator::ScenarioMutator;

/// Most executions in a row that are made from one corpus entry.
const MUTATIONS_AN_ENTRY: NonZeroUsize = NonZeroUsize::new(32).unwrap();

/// What the engine drives.
pub trait Harness {
    /// Runs a scenario and counts edges in `coverage`, which is all zero before; or breaks without
    /// running it, to end the campaign.
    fn execute(&mut self, scenario: &Scenario, coverage: &mut [u8]) -> ControlFlow<()>;

    /// Scenarios from elsewhere to be tried next.
    fn receive(&mut self) -> Vec<Scenario> {
        Vec::new()
    }

    /// Hears how many scenarios the corpus has before anything is mutated.
    fn start_with(&mut self, _count: usize) {}

    /// Hears of a scenario that the engine made and keeps, because its coverage was new.
    fn keep(&mut self, _scenario: &Scenario) {}
}

/// What the engine is told at the start.
pub struct Plan {
    /// Decides every choice.
    pub seed: u64,
    /// The first scenarios; not empty.
    pub initial: Vec<Scenario>,
    /// Bytes of a coverage map.
    pub map_size: usize,
    /// Whether new coverage makes a scenario worth keeping. Without it only the first scenarios are
    /// ever mutated.
    pub feedback: bool,
    /// Whether pending work may be late by a number of preemption points, which is for kernels with
    /// the same ones only.
    pub delays: bool,
    /// In which functions it may come by name.
    pub aim: Aim,
}

/// The engine gave up: its own error, never the harness's.
#[derive(Debug, thiserror::Error)]
#[error("the fuzzing engine failed: {0}")]
pub struct EngineError(String);

/// Fuzzes until the harness breaks.
pub fn run(plan: Plan, harness: &mut dyn Harness) -> Result<(), EngineError> {
    match drive(plan, harness) {
        Ok(()) | Err(Error::ShuttingDown) => Ok(()),
        Err(error) => Err(EngineError(error.to_string())),
    }
}

/// The one place where LibAFL's types meet.
fn drive(plan: Plan, harness: &mut dyn Harness) -> Result<(), Error> {
    let edges = executor::edges(plan.map_size);
    let mut feedback = feedback_and_fast!(
        ConstFeedback::new(plan.feedback),
        MaxMapFeedback::new(&edges)
    );
    // A divergence is no objective: LibAFL would keep it out of the corpus, and what diverges is
    // worth mutating like anything else.
    let mut objective = ConstFeedback::new(false);
    let mut state = StdState::new(
        StdRand::with_seed(plan.seed),
        InMemoryCorpus::<ScenarioInput>::new(),
        InMemoryCorpus::<ScenarioInput>::new(),
        &mut feedback,
        &mut objective,
    )?;
    let mut fuzzer = StdFuzzer::new(QueueScheduler::new(), feedback, objective);
    let mut manager = NopEventManager::new();
    let mut executor = HarnessExecutor::new(harness, edges);
    let mut stages = tuple_list!(StdMutationalStage::with_max_iterations(
        ScenarioMutator {
            delays: plan.delays,
            aim: plan.aim,
        },
        MUTATIONS_AN_ENTRY
    ));

    for scenario in plan.initial {
        fuzzer.add_input(
            &mut state,
            &mut executor,
            &mut manager,
            ScenarioInput(scenario),
        )?;
    }
    let mut told = state.corpus().count();
    executor.harness().start_with(told);
    loop {
        let mut result = fuzzer
            .fuzz_one(&mut stages, &mut executor, &mut state, &mut manager)
            .map(drop);
        for scenario in executor.harness().receive() {
            let input = ScenarioInput(scenario);
            result = result.and_then(|()| {
                fuzzer
                    .evaluate_input(&mut state, &mut executor, &mut manager, &input)
                    .map(drop)
            });
        }
        // Also when the campaign ends here: what was found in an unfinished stage counts.
        let ids: Vec<_> = state.corpus().ids().skip(told).collect();
        told += ids.len();
        for id in ids {
            if let Some(ScenarioInput(scenario)) = state.corpus().get(id)?.borrow().input() {
                executor.harness().keep(scenario);
            }
        }
        result?;
    }
}
