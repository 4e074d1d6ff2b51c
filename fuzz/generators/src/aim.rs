//! Aims pending work at functions of the kernel: what is to come late comes in a function that the
//! kernel runs in such an event, most often one that has to do with registers.
//!
//! Not responsible for which functions these are: whoever has a kernel finds out.

use std::collections::BTreeMap;

use ctxfuzz_scenario::event::{Event, Interrupt, Switch};
use ctxfuzz_scenario::{Call, FunctionName, MAX_PLACES, Percent, PreemptionPoint, Scenario};
use mutatis::{Candidates, Mutate, Result, Rng, Session};

use crate::constants::SIGNALS;
use crate::generate::{below, once_in, one_of};

/// A kind of event that enters the kernel by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A system call.
    Call(Call),
    /// A load or store that is not aligned.
    Access,
    /// An interrupt.
    Interrupt(Interrupt),
}

impl Kind {
    /// The kind of an event; `None` if it has no pending work.
    pub fn of(event: &Event) -> Option<Kind> {
        match event {
            Event::Syscall { call, .. } => Some(Kind::Call(call.call())),
            Event::Access { .. } => Some(Kind::Access),
            Event::Interrupt { vector, .. } => Some(Kind::Interrupt(*vector)),
            _ => None,
        }
    }
}

/// The functions that a kernel runs in one kind of event.
#[derive(Clone, Debug, Default)]
struct Functions {
    /// Those of the save paths that few other kinds run.
    own: Vec<FunctionName>,
    /// Those of the save paths.
    first: Vec<FunctionName>,
    all: Vec<FunctionName>,
}

/// A function is an event's own if it belongs to so many kinds of event at most.
const OWN: usize = 4;

/// Blocks of each function that ran in each kind of event.
pub type Seen = BTreeMap<Kind, BTreeMap<FunctionName, u64>>;

/// What a kernel runs in each kind of event.
#[derive(Clone, Debug, Default)]
pub struct Aim {
    kinds: BTreeMap<Kind, Functions>,
    preference: Preference,
}

/// What serves best on a kernel to say how late work is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preference {
    /// A number of preemption points, where there are few.
    Counted,
    /// A function: there are hundreds, most of which have nothing to do with registers.
    #[default]
    Named,
}

impl Aim {
    /// From the functions that were seen in each kind of event, and how many blocks of each ran;
    /// `is_first` tells those of the save paths.
    pub fn new(
        seen: &Seen,
        is_first: impl Fn(FunctionName) -> bool,
        preference: Preference,
    ) -> Self {
        let most =
            |name: &FunctionName| seen.values().filter_map(|all| all.get(name)).max().copied();
        // It runs at least half as much in this kind as in any.
        let belongs = |all: &BTreeMap<FunctionName, u64>, name: &FunctionName| {
            let blocks = all.get(name).copied().unwrap_or(0);
            most(name).is_some_and(|most| blocks * 2 >= most)
        };
        let kinds_of = |name: &FunctionName| seen.values().filter(|all| belongs(all, name)).count();
        let functions = |all: &BTreeMap<FunctionName, u64>| {
            let first = all.keys().copied().filter(|&name| is_first(name));
            let first: Vec<FunctionName> = first.collect();
            let own = first.iter().copied();
            let own = own.filter(|name| belongs(all, name) && kinds_of(name) <= OWN);
            Functions {
                own: own.collect(),
                first,
                all: all.keys().copied().collect(),
            }
        };
        let kinds = seen.iter().map(|(&kind, all)| (kind, functions(all)));
        Aim {
            kinds: kinds.collect(),
            preference,
        }
    }

    /// Has some of the work of a scenario come in functions. `counted`: whether numbers of
    /// preemption points mean the same in all kernels that run it; if not, none are counted.
    pub fn aim(&self, scenario: &mut Scenario, seed: u64, counted: bool) {
        let mut aiming = Aiming { aim: self, counted };
        // There is always something to do, so there is no error.
        let _ = Session::new().seed(seed).mutate_with(&mut aiming, scenario);
    }

    fn aim_with(&self, rng: &mut Rng, scenario: &mut Scenario, counted: bool) {
        if self.preference == Preference::Named && once_in(rng, 2) {
            self.interrupt_one(rng, scenario, counted);
        }
        for event in &mut scenario.events {
            let functions = Kind::of(event).and_then(|kind| self.kinds.get(&kind));
            let (Some(functions), Some(pending)) = (functions, event.pending_mut()) else {
                continue;
            };
            if pending.at_once().is_none() || pending.ptrace.is_some() {
                continue;
            }
            let aims = match (pending.at, pending.after, self.preference) {
                (Some(_), ..) => once_in(rng, 4),
                (None, 0, Preference::Named) => once_in(rng, 5),
                (None, 0, Preference::Counted) => once_in(rng, 24),
                (None, _, Preference::Named) => !counted || !once_in(rng, 4),
                (None, _, Preference::Counted) => !counted || once_in(rng, 6),
            };
            if aims && let Some(point) = functions.point(rng, self.preference, counted) {
                pending.after = 0;
                pending.at = Some(point);
            }
        }
    }

    /// Has another task run in the middle of one event, or a signal come, if nothing is pending
    /// there: where few scenarios of those that have late work at all have it in a save path, most
    /// of what a kernel saves and loads would never be interrupted.
    fn interrupt_one(&self, rng: &mut Rng, scenario: &mut Scenario, counted: bool) {
        let quiet = |event: &&mut Event| {
            let pending = event.pending();
            pending.is_some_and(|pending| pending.is_none()) && event.can_be_late()
        };
        let mut events: Vec<&mut Event> = scenario.events.iter_mut().filter(quiet).collect();
        // Events that have save paths of their own.
        let own = |event: &&mut Event| {
            let functions = Kind::of(event).and_then(|kind| self.kinds.get(&kind));
            functions.is_some_and(|functions| !functions.own.is_empty())
        };
        if events.iter().any(own) {
            events.retain(own);
        }
        if events.is_empty() {
            return;
        }
        let index = below(rng, events.len());
        let event = &mut *events[index];
        let functions = Kind::of(event).and_then(|kind| self.kinds.get(&kind));
        let point = functions.and_then(|functions| functions.point(rng, self.preference, counted));
        if let (Some(point), Some(pending)) = (point, event.pending_mut()) {
            pending.at = Some(point);
            match once_in(rng, 4) {
                true => pending.signal = Some(one_of(rng, &SIGNALS)),
                false => pending.switch = Some(Switch::Any),
            }
        }
        event.drop_unfit();
    }
}

struct Aiming<'a> {
    aim: &'a Aim,
    counted: bool,
}

impl Mutate<Scenario> for Aiming<'_> {
    fn mutate(&mut self, candidates: &mut Candidates<'_>, scenario: &mut Scenario) -> Result<()> {
        candidates.mutation(|context| {
            self.aim.aim_with(context.rng(), scenario, self.counted);
            Ok(())
        })
    }
}

impl Functions {
    fn point(
        &self,
        rng: &mut Rng,
        preference: Preference,
        counted: bool,
    ) -> Option<PreemptionPoint> {
        let choices = match below(rng, 8) {
            0..=4 => [&self.own, &self.first, &self.all],
            5 | 6 => [&self.first, &self.all, &self.own],
            _ => [&self.all, &self.first, &self.own],
        };
        let from = choices.into_iter().find(|names| !names.is_empty())?;
        let function = one_of(rng, from);
        let call = match once_in(rng, 6) {
            true => 1 + below(rng, 4) as u16,
            false => 1,
        };
        let (into, past) = depth(rng, preference, counted);
        Some(PreemptionPoint {
            function,
            call,
            into,
            past,
        })
    }
}

/// How far into a function. The model has the same preemption points in each of its builds, as far
/// as they have the same code.
fn depth(rng: &mut Rng, preference: Preference, counted: bool) -> (Percent, u16) {
    let begins = counted && preference == Preference::Counted || once_in(rng, 4);
    let into = match begins {
        true => Percent(0),
        false => Percent(1 + below(rng, 99) as u8),
    };
    // Loops are short in bytes and long in preemption points.
    let bits = match counted && once_in(rng, 2) {
        true => 1 + below(rng, 6),
        false => 0,
    };
    (into, below(rng, 1 << bits) as u16)
}

/// Moves a point a little.
pub(crate) fn nearby(rng: &mut Rng, point: &mut PreemptionPoint) {
    let back = once_in(rng, 2);
    if once_in(rng, 2) {
        let by = 1 + below(rng, 3) as u16;
        point.past = match back {
            true => point.past.saturating_sub(by),
            false => (point.past + by).min(MAX_PLACES),
        };
    } else {
        let by = 1 + below(rng, 8) as u8;
        let Percent(percent) = point.into;
        point.into = Percent(match back {
            true => percent.saturating_sub(by),
            false => (percent + by).min(99),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::any_scenario;

    fn aim() -> Aim {
        let names = |names: &[&str]| {
            let names = names.iter().filter_map(|name| name.parse().ok());
            names.zip(std::iter::repeat(1)).collect()
        };
        let seen: Seen = Call::ALL
            .iter()
            .map(|&call| (Kind::Call(call), names(&["restore_math", "vfs_read"])))
            .collect();
        let is_first = |name: FunctionName| name.as_str() == "restore_math";
        Aim::new(&seen, is_first, Preference::Named)
    }

    /// The points of many scenarios, and what is still counted.
    fn points(counted: bool) -> (Vec<PreemptionPoint>, usize) {
        let (mut points, mut late) = (Vec::new(), 0);
        for seed in 0..2000 {
            let mut scenario = any_scenario(seed);
            aim().aim(&mut scenario, seed, counted);
            assert!(scenario.validate().is_ok(), "{seed}");
            for event in &scenario.events {
                let Some(pending) = event.pending() else {
                    continue;
                };
                points.extend(pending.at);
                late += usize::from(pending.after != 0 && matches!(event, Event::Syscall { .. }));
            }
        }
        (points, late)
    }

    #[test]
    fn save_paths_come_first() {
        let (points, late) = points(true);
        let first = points
            .iter()
            .filter(|point| point.function.as_str() == "restore_math");
        let first = first.count();
        assert!(
            first * 10 > points.len() * 7 && first < points.len(),
            "{first} of {}",
            points.len()
        );
        assert!(late > 0);
    }

    #[test]
    fn in_kernels_with_other_code_no_points_are_counted() {
        let (points, late) = points(false);
        assert_eq!(late, 0);
        assert!(points.iter().all(|point| point.past == 0));
        assert!(points.iter().any(|point| point.into != Percent(0)));
        assert!(points.len() > 500, "{}", points.len());
    }

    #[test]
    fn the_same_seed_aims_the_same() {
        let aimed = |seed| {
            let mut scenario = any_scenario(7);
            aim().aim(&mut scenario, seed, true);
            scenario
        };
        assert_eq!(aimed(3), aimed(3));
        assert!((0..20).any(|seed| aimed(seed) != aimed(3)));
    }
}
