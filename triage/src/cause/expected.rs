//! The second run where there is only one kernel: what its tasks had to find.

use ctxfuzz_emulator::trace::Recording;
use ctxfuzz_scenario::scenario::Scenario;

use crate::compare::Comparison;
use crate::transparency::{compared, judge};

/// What a run shows, and that run beside the expected one.
pub fn beside(scenario: &Scenario, run: Recording) -> (Comparison, [Recording; 2]) {
    let judgement = judge(scenario, &run.outcome);
    let comparison = compared(scenario, &run.outcome, &judgement);
    let expected = run.clone();
    (comparison, [run, expected])
}
