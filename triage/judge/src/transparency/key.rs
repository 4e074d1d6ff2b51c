//! What tells one finding of the transparency oracle from another, so that a long check keeps one
//! scenario of each.
//!
//! Coarser than a cause: it says who can notice, where, how the kernel was entered, and which
//! register it was. Safe as a file name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ctxfuzz_scenario::event::Event;
use ctxfuzz_scenario::scenario::{Place, Scenario, Verdict};

use super::{Violation, When};
use crate::bucket::{Group, groups};
use crate::compare::{Difference, What};

/// How the kernel was entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Entry {
    Interrupt,
    Syscall,
    /// An access that was not aligned.
    Alignment,
    /// A facility was used that was not on.
    Unavailable,
}

impl Entry {
    fn of(scenario: &Scenario, when: When) -> Entry {
        let event = match when {
            When::Event(index) => scenario.events.get(usize::from(index)),
            When::Start | When::End => None,
        };
        match event {
            Some(Event::Interrupt { .. }) => Entry::Interrupt,
            Some(Event::Syscall { .. }) => Entry::Syscall,
            Some(Event::Access { .. }) => Entry::Alignment,
            _ => Entry::Unavailable,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Entry::Interrupt => "interrupt",
            Entry::Syscall => "syscall",
            Entry::Alignment => "alignment",
            Entry::Unavailable => "unavailable",
        }
    }
}

/// One kind of finding. Its `Display` is its name, `live.register.interrupt.vsr0`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    verdict: Verdict,
    place: Place,
    entry: Entry,
    group: Group,
}

impl Key {
    /// Who can notice.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Whether a violation in the words of a comparison is of this kind, however the kernel was
    /// entered.
    pub fn holds(&self, difference: &Difference) -> bool {
        let Difference { verdict, place, .. } = *difference;
        (verdict, place) == (self.verdict, self.place) && self.group.holds(difference.what)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Key {
            verdict,
            place,
            entry,
            group,
        } = self;
        write!(f, "{verdict}.{place}.{}.", entry.name())?;
        match group {
            Group::ManyVsr => f.write_str("many-vsr"),
            Group::ManyVr => f.write_str("many-v"),
            one => one.fmt(f),
        }
    }
}

/// The keys of some violations, each with what it was made from.
pub fn keys<'a>(
    scenario: &Scenario,
    violations: impl IntoIterator<Item = &'a Violation>,
) -> BTreeMap<Key, BTreeSet<What>> {
    let mut places: BTreeMap<(Verdict, Place, Entry), BTreeSet<What>> = BTreeMap::new();
    for violation in violations {
        let entry = Entry::of(scenario, violation.when);
        let place = (violation.verdict, violation.place, entry);
        places.entry(place).or_default().insert(violation.what);
    }
    let mut keys: BTreeMap<Key, BTreeSet<What>> = BTreeMap::new();
    for ((verdict, place, entry), whats) in places {
        let all = groups(whats.iter().copied());
        for &what in &whats {
            let group = all.iter().copied().find(|group| group.holds(what));
            if let Some(group) = group {
                let key = Key {
                    verdict,
                    place,
                    entry,
                    group,
                };
                keys.entry(key).or_default().insert(what);
            }
        }
    }
    keys
}
