//! A judgement in the words of a comparison: what a task found is A's, what it had to find is B's.
//!
//! So campaigns, reports and explanations of one kernel are those of two.

use ctxfuzz_outcome::outcome::{End, Outcome};
use ctxfuzz_scenario::scenario::{Place, Scenario};

use super::{Judgement, Look, Seen, looks};
use crate::compare::{Comparison, Difference, Standing, What};
use crate::observable::rule;

/// What a judgement of this run says.
pub fn compared(scenario: &Scenario, outcome: &Outcome, judgement: &Judgement) -> Comparison {
    let standing = match &judgement.inconclusive {
        Some(why) => Standing::Inconclusive(why.clone()),
        None => Standing::Comparable,
    };
    // Most runs have none, and the way there is as long as that to the judgement.
    let seen = match judgement.violations.is_empty() {
        true => Vec::new(),
        false => looks(scenario, outcome),
    };
    let mut differences: Vec<Difference> = Vec::new();
    for seen in &seen {
        let difference = difference(seen);
        if !differences.contains(&difference) {
            differences.push(difference);
        }
    }
    differences.sort_by_key(|d| (d.task, d.place, d.frame, d.what));
    let died = differences.iter().any(|d| d.place == Place::End);
    Comparison {
        standing,
        differences,
        verdict: judgement.verdict,
        end_a: judgement.end.clone(),
        end_b: match died {
            true => End::Completed,
            false => judgement.end.clone(),
        },
        spent: [judgement.spent.clone(), None],
    }
}

/// The run as it had to be: what tasks found is right at each look that saw a violation. For
/// reports, which show it beside the run.
pub fn expected_outcome(scenario: &Scenario, outcome: &Outcome) -> Outcome {
    let mut expected = outcome.clone();
    for seen in looks(scenario, outcome) {
        let violation = &seen.violation;
        if violation.what == What::End {
            expected.end = End::Completed;
        }
        let What::Register(register) = violation.what else {
            continue;
        };
        let right = violation.before;
        match seen.look {
            Look::Capture(observable, number) if rule(observable).place == violation.place => {
                let mut captures = expected.captures.iter_mut();
                let capture = captures.find(|c| (c.observable, c.number) == (observable, number));
                if let Some(capture) = capture {
                    capture.registers.set(register, right);
                }
            }
            _ => {
                if let Some(look) = expected.observations.get_mut(seen.observation) {
                    look.registers.set(register, right);
                }
            }
        }
    }
    expected
}

/// A violation as a difference.
pub fn difference(seen: &Seen) -> Difference {
    let violation = &seen.violation;
    let frame = match seen.look {
        Look::Capture(observable, number)
            if rule(observable).numbered && rule(observable).place == violation.place =>
        {
            Some(number)
        }
        _ => None,
    };
    Difference {
        task: Some(violation.task),
        place: violation.place,
        what: violation.what,
        verdict: violation.verdict,
        a: violation.after,
        b: violation.before,
        frame,
    }
}
