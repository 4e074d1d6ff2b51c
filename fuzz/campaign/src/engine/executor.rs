//! LibAFL's executor: hands an input and the coverage map to the harness.
//!
//! Not LibAFL's own in-process executor, which installs signal handlers: Ctrl-C is the program's,
//! and a machine that does not come back is ended by its own budget.

use std::ops::ControlFlow;

use libafl::Error;
use libafl::executors::{Executor, ExitKind, HasObservers};
use libafl::observers::OwnedMapObserver;
use libafl::state::HasExecutions;
use libafl_bolts::tuples::RefIndexable;

use super::Harness;
use super::input::ScenarioInput;

/// Edge counts of one execution. Into which classes they are sorted is the harness's business.
pub type Edges = OwnedMapObserver<u8>;

/// An empty map.
pub fn edges(size: usize) -> Edges {
    OwnedMapObserver::new("edges", vec![0; size])
}

/// See the module.
pub struct HarnessExecutor<'h> {
    harness: &'h mut dyn Harness,
    observers: (Edges, ()),
}

impl<'h> HarnessExecutor<'h> {
    /// An executor that fills the given map.
    pub fn new(harness: &'h mut dyn Harness, edges: Edges) -> Self {
        HarnessExecutor {
            harness,
            observers: (edges, ()),
        }
    }

    /// The harness.
    pub fn harness(&mut self) -> &mut dyn Harness {
        self.harness
    }
}

impl<EM, S: HasExecutions, Z> Executor<EM, ScenarioInput, S, Z> for HarnessExecutor<'_> {
    fn run_target(
        &mut self,
        _fuzzer: &mut Z,
        state: &mut S,
        _manager: &mut EM,
        input: &ScenarioInput,
    ) -> Result<ExitKind, Error> {
        match self.harness.execute(&input.0, &mut self.observers.0) {
            ControlFlow::Continue(()) => {
                *state.executions_mut() += 1;
                Ok(ExitKind::Ok)
            }
            ControlFlow::Break(()) => Err(Error::shutting_down()),
        }
    }
}

impl HasObservers for HarnessExecutor<'_> {
    type Observers = (Edges, ());

    fn observers(&self) -> RefIndexable<&Self::Observers, Self::Observers> {
        RefIndexable::from(&self.observers)
    }

    fn observers_mut(&mut self) -> RefIndexable<&mut Self::Observers, Self::Observers> {
        RefIndexable::from(&mut self.observers)
    }
}
