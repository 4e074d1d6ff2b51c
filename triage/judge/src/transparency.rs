//! The transparency oracle: does one kernel leave the registers of its tasks alone?
//!
//! Between two host calls of a task the kernel may run, and other tasks with it, but the task must
//! find its registers as it left them, except for declared effects (`docs/oracles.md`). One kernel
//! is enough, so a violation says which kernel is wrong, and at which event. Not responsible for
//! the looks it judges (the emulator's `run::observe`) nor for what is defined (`definedness`).

mod comparison;
mod context;
mod exceptions;
mod key;
#[cfg(test)]
mod tests;
mod walk;

use ctxfuzz_outcome::capture::Observable;
use ctxfuzz_outcome::outcome::{End, Outcome, Spent};
use ctxfuzz_scenario::scenario::{Place, Scenario, Verdict};

use crate::compare::What;
use crate::definedness::Abi;
use crate::inconclusive::Inconclusive;
use crate::shortfall::{EffectsReport, Shortfall};

pub use comparison::{compared, difference, expected_outcome};
pub use key::{Key, keys};

/// When a task left user mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum When {
    /// While it loaded its first registers.
    Start,
    /// At an event of the scenario.
    Event(u16),
    /// While it dumped its last registers.
    End,
}

/// A register that a task did not find as it had left it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Violation {
    /// When the task left it. What harmed it happened between then and the next time that the task
    /// ran.
    pub when: When,
    /// Whose; for [`Place::End`] the task that did the last event.
    pub task: u8,
    /// Where it was found: in the task, in a child, in a signal frame.
    pub place: Place,
    /// What is wrong.
    pub what: What,
    /// Who can notice.
    pub verdict: Verdict,
    /// The value it had; for an end, 0 completed.
    pub before: u128,
    /// The value that was found; for an end, 1 kernel fault, 2 hang.
    pub after: u128,
}

/// Where a violation was seen: the looks that the differential oracle takes too, and all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Look {
    /// In a capture, by its kind and number; in a signal frame also at the start of its handler.
    Capture(Observable, u16),
    /// In a task's last registers.
    Last,
    /// Anywhere else.
    Between,
}

/// A violation, and where it was seen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Seen {
    /// In which look.
    pub look: Look,
    /// How many of the outcome's observations came before: it was seen in the next one, or between
    /// the two.
    pub observation: usize,
    /// What was seen.
    pub violation: Violation,
}

/// What the oracle says of one run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Judgement {
    /// Why the run says nothing about its kernel. There are no violations then.
    pub inconclusive: Option<Inconclusive>,
    /// In order of time, dead ones too.
    pub violations: Vec<Violation>,
    /// The greatest verdict among them; does not depend on the ABI policy.
    pub verdict: Verdict,
    /// How the run ended.
    pub end: End,
    /// What took most of it, if it did not come to its end.
    pub spent: Option<Spent>,
    /// What it did of what it was asked to.
    pub effects: EffectsReport,
}

impl Judgement {
    /// Whether a user who asked for this policy wants to hear of it.
    pub fn reported(&self, abi: Abi) -> bool {
        abi.reports(self.verdict)
    }

    /// The same run, taken back.
    pub fn withdrawn(self, why: Inconclusive) -> Judgement {
        Judgement {
            inconclusive: Some(why),
            violations: Vec::new(),
            verdict: Verdict::None,
            ..self
        }
    }
}

/// The violations of a run that was observed, in order of time, each with where it was seen.
pub fn looks(scenario: &Scenario, outcome: &Outcome) -> Vec<Seen> {
    walk::violations(scenario, outcome)
}

/// Judges a run that was observed.
pub fn judge(scenario: &Scenario, outcome: &Outcome) -> Judgement {
    let unseen = outcome.observations.is_empty() && !outcome.log.is_empty();
    let inconclusive =
        Inconclusive::of_end(None, outcome).or_else(|| unseen.then_some(Inconclusive::NotObserved));
    let violations = match inconclusive {
        None => looks(scenario, outcome).into_iter(),
        Some(_) => Vec::new().into_iter(),
    };
    let violations: Vec<Violation> = violations.map(|seen| seen.violation).collect();
    let verdicts = violations.iter().map(|v| v.verdict);
    let judgement = Judgement {
        inconclusive,
        verdict: verdicts.max().unwrap_or_default(),
        violations,
        end: outcome.end.clone(),
        spent: outcome.spent.clone(),
        effects: EffectsReport::new(scenario, &outcome.effects),
    };
    // What somebody could notice is a fact, whatever else did not happen.
    match Shortfall::of(scenario, &outcome.effects) {
        Some(shortfall)
            if judgement.verdict <= Verdict::Dead && judgement.inconclusive.is_none() =>
        {
            let side = None;
            judgement.withdrawn(Inconclusive::DidNotHappen { side, shortfall })
        }
        _ => judgement,
    }
}
