//! Both sides of an explained run, as the pages of findings show them: with what each task has at
//! each look.
//!
//! Of one kernel the other side is what was expected of it.

use ctxfuzz_emulator::run::outcome::Outcome;
use ctxfuzz_scenario::scenario::Scenario;
use ctxfuzz_triage::machines::Machines;

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
            let expected = expected(scenario, &outcome);
            [outcome, expected]
        }
    }
}

/// What the run of one kernel had to be.
fn expected(_: &Scenario, outcome: &Outcome) -> Outcome {
    outcome.clone()
}
