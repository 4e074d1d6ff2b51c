//! Both sides of an explained run, as the pages of findings show them: with what each task has at
//! each look.
//!
//! Of one kernel the other side is what was expected of it.

use ctxfuzz_emulator::run::outcome::Outcome;
use ctxfuzz_scenario::scenario::Scenario;
use ctxfuzz_triage::machines::Machines;
use ctxfuzz_triage::transparency::expected_outcome;

/// Runs a scenario for its page.
pub fn observed(machines: &mut Machines, scenario: &Scenario) -> [Outcome; 2] {
    match machines {
        Machines::Pair(pair) => {
            pair.a.observe();
            pair.b.observe();
            let paired = pair.run(scenario);
            [paired.a, paired.b]
        }
        Machines::One(runner) => {
            let outcome = runner.run(scenario);
            let expected = expected_outcome(scenario, &outcome);
            [outcome, expected]
        }
    }
}
