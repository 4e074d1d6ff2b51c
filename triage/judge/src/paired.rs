//! Two runs of one scenario, and what they say together.
//!
//! `compare` says how they differ; what did not happen in one of them, or was not applicable,
//! decides here whether that means anything. Not responsible for the runs themselves.

use ctxfuzz_outcome::outcome::Outcome;
use ctxfuzz_scenario::effect::Effect;
use ctxfuzz_scenario::scenario::{Scenario, Verdict};

use crate::compare::{Comparison, compare};
use crate::inconclusive::{Inconclusive, Side};
use crate::shortfall::Shortfall;

/// What a pair did with a scenario.
#[derive(Clone, Debug)]
pub struct Paired {
    /// Kernel A's outcome.
    pub a: Outcome,
    /// Kernel B's outcome.
    pub b: Outcome,
    /// How they differ.
    pub comparison: Comparison,
}

impl Paired {
    /// Compares two runs, and takes back what they do not show because of what they left out.
    pub fn of(scenario: &Scenario, a: Outcome, b: Outcome) -> Paired {
        let mut comparison = compare(scenario, &a, &b);
        if left_out(&a) != left_out(&b) {
            // One of them did more than the other.
            comparison = comparison.inconclusive(Inconclusive::NotApplicable);
        }
        let sides = [(Side::A, &a), (Side::B, &b)];
        let shortfall = sides.into_iter().find_map(|(side, outcome)| {
            let shortfall = Shortfall::of(scenario, &outcome.effects)?;
            Some((Some(side), shortfall))
        });
        // What somebody could notice is a fact, whatever else did not happen.
        if let Some((side, shortfall)) = shortfall
            && comparison.comparable()
            && comparison.verdict <= Verdict::Dead
        {
            comparison = comparison.inconclusive(Inconclusive::DidNotHappen { side, shortfall });
        }
        Paired { a, b, comparison }
    }
}

/// The parts that a kernel could not be made to do. Why is each kernel's own.
fn left_out(outcome: &Outcome) -> Vec<(u16, Effect)> {
    let parts = outcome.effects.not_applicable.iter();
    parts.map(|part| (part.event, part.effect)).collect()
}

#[cfg(test)]
mod tests {
    use ctxfuzz_outcome::arch::RegisterFile;
    use ctxfuzz_outcome::effects::{Missing, NotApplicable};

    use super::*;
    use crate::compare::Standing;
    use crate::fixtures::Told;

    /// A run whose only task ends with this in FPSCR\[RN\], on which it may rely.
    fn run(rounding: u64) -> Outcome {
        let registers = RegisterFile {
            fpscr: rounding,
            ..RegisterFile::default()
        };
        let mut told = Told::nothing();
        told.started(0, None).dumped(0, registers);
        told.outcome
    }

    fn without_worker() -> Outcome {
        let mut outcome = run(0);
        outcome.effects.not_applicable = vec![NotApplicable {
            event: 0,
            effect: Effect::IoWorker,
            what: "no io_uring".into(),
        }];
        outcome
    }

    fn lacks_worker() -> Outcome {
        let mut outcome = run(0);
        outcome.effects.did_not_happen = vec![Missing {
            event: 0,
            effect: Effect::IoWorker,
            sign: "no worker",
        }];
        outcome
    }

    fn concluded(a: Outcome, b: Outcome) -> (Option<&'static str>, Verdict) {
        let Comparison {
            standing, verdict, ..
        } = Paired::of(&Scenario::default(), a, b).comparison;
        match standing {
            Standing::Comparable => (None, verdict),
            Standing::Inconclusive(why) => (Some(why.name()), verdict),
        }
    }

    #[test]
    fn runs_that_left_out_the_same_are_compared() {
        assert_eq!(concluded(run(0), run(0)), (None, Verdict::None));
        assert_eq!(concluded(run(0), run(1)), (None, Verdict::Live));
        let both = concluded(without_worker(), without_worker());
        assert_eq!(both, (None, Verdict::None));
    }

    #[test]
    fn a_run_that_did_more_than_the_other_says_nothing() {
        let nothing = (Some("not applicable"), Verdict::None);
        assert_eq!(concluded(without_worker(), run(0)), nothing);
        assert_eq!(concluded(run(1), without_worker()), nothing);
    }

    /// Silence is no answer then, but a difference that somebody can notice is one.
    #[test]
    fn what_did_not_happen_takes_back_silence_only() {
        let nothing = (Some("did not happen"), Verdict::None);
        assert_eq!(concluded(lacks_worker(), run(0)), nothing);
        assert_eq!(concluded(run(0), lacks_worker()), nothing);
        assert_eq!(concluded(lacks_worker(), run(1)), (None, Verdict::Live));
    }
}
