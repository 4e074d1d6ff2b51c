//! What a run did of what it was asked to: effects that were seen, that did not happen, and that a
//! kernel cannot be made to have.
//!
//! Not responsible for which effects an event owes and how they show: the host keeps that account
//! (the emulator's `run::effects`). Not responsible for what a lack means either: that is an
//! oracle's business.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use ctxfuzz_scenario::effect::Effect;
use ctxfuzz_scenario::scenario::Scenario;

/// What a run did of what it was asked to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Effects {
    /// All tasks reached their end: what has not been seen by then does not come any more.
    pub completed: bool,
    /// Effects that were seen, owed or not.
    pub seen: BTreeSet<Effect>,
    /// Effects that were owed and not seen, in order of the events.
    pub did_not_happen: Vec<Missing>,
    /// What this kernel cannot do.
    pub not_applicable: Vec<NotApplicable>,
    /// Events whose pending work was to come late, at a place that the kernel never came to: it
    /// came on the way back to user mode.
    pub not_reached: BTreeSet<u16>,
}

/// An effect that was owed and not seen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Missing {
    /// Index into the scenario's events.
    pub event: u16,
    /// Which effect.
    pub effect: Effect,
    /// How it would have shown.
    pub sign: &'static str,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {}: {}: {}", self.event, self.effect, self.sign)
    }
}

/// A part of a scenario that a kernel cannot be made to do. The rest of the scenario runs all the
/// same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NotApplicable {
    /// Index into the scenario's events.
    pub event: u16,
    /// The effect that the event would have had.
    pub effect: Effect,
    /// What cannot be done, and why.
    pub what: Cow<'static, str>,
}

impl fmt::Display for NotApplicable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {}: {}", self.event, self.what)
    }
}

impl Effects {
    /// What a scenario needs (`needs`) and this run has not had: neither seen, nor known not to be
    /// applicable.
    pub fn unmet<'a>(&'a self, scenario: &'a Scenario) -> impl Iterator<Item = Effect> + 'a {
        let needs = scenario.needs.iter().copied();
        let needs = needs.filter(|_| self.completed);
        needs.filter(|need| !self.seen.contains(need) && !self.is_not_applicable(*need))
    }

    /// Whether some event's effect of this kind was not applicable.
    pub fn is_not_applicable(&self, effect: Effect) -> bool {
        let mut parts = self.not_applicable.iter();
        parts.any(|part| part.effect == effect)
    }

    /// Whether everything happened that was owed, and that the scenario needs, as far as it is
    /// applicable.
    pub fn are_complete(&self, scenario: &Scenario) -> bool {
        self.did_not_happen.is_empty() && self.unmet(scenario).next().is_none()
    }
}
