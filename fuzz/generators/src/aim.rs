//! Aims pending work at functions of the kernel: what is to come late comes in a function that the
//! kernel runs in such an event, most often one that has to do with registers.
//!
//! Not responsible for which functions these are: whoever has a kernel finds out.

use std::collections::{BTreeMap, BTreeSet};

use ctxfuzz_scenario::event::{Event, Interrupt};
use ctxfuzz_scenario::{Call, Depth, FunctionName, PreemptionPoint, Scenario};
use mutatis::{Candidates, Mutate, Result, Rng, Session};

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
    /// Those of the save paths.
    first: Vec<FunctionName>,
    all: Vec<FunctionName>,
}

/// What a kernel runs in each kind of event.
#[derive(Clone, Debug, Default)]
pub struct Aim {
    kinds: BTreeMap<Kind, Functions>,
}

impl Aim {
    /// From the functions that were seen in each kind of event; `is_first` tells those of the save
    /// paths.
    pub fn new(
        seen: &BTreeMap<Kind, BTreeSet<FunctionName>>,
        is_first: impl Fn(FunctionName) -> bool,
    ) -> Self {
        let functions = |all: &BTreeSet<FunctionName>| Functions {
            first: all.iter().copied().filter(|&name| is_first(name)).collect(),
            all: all.iter().copied().collect(),
        };
        Aim {
            kinds: seen
                .iter()
                .map(|(&kind, all)| (kind, functions(all)))
                .collect(),
        }
    }

    /// Has some of the work of a scenario come in functions. `counted`: whether numbers of
    /// preemption points mean the same in all kernels that run it; if not, none is left.
    pub fn aim(&self, scenario: &mut Scenario, seed: u64, counted: bool) {
        let mut aiming = Aiming { aim: self, counted };
        // There is always something to do, so there is no error.
        let _ = Session::new().seed(seed).mutate_with(&mut aiming, scenario);
    }

    fn aim_with(&self, rng: &mut Rng, scenario: &mut Scenario, counted: bool) {
        for event in &mut scenario.events {
            let functions = Kind::of(event).and_then(|kind| self.kinds.get(&kind));
            let (Some(functions), Some(pending)) = (functions, event.pending_mut()) else {
                continue;
            };
            if pending.at_once().is_none() || pending.ptrace.is_some() {
                continue;
            }
            let aims = match (pending.at, pending.after) {
                (Some(_), _) => once_in(rng, 4),
                (None, 0) => once_in(rng, 6),
                (None, _) => !counted || once_in(rng, 2),
            };
            if aims && let Some(point) = functions.point(rng, counted) {
                pending.after = 0;
                pending.at = Some(point);
            }
        }
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
    fn point(&self, rng: &mut Rng, counted: bool) -> Option<PreemptionPoint> {
        let from = match self.first.is_empty() || once_in(rng, 4) {
            true => &self.all,
            false => &self.first,
        };
        if from.is_empty() {
            return None;
        }
        let function = one_of(rng, from);
        let call = match once_in(rng, 6) {
            true => 1 + below(rng, 4) as u16,
            false => 1,
        };
        let into = match below(rng, 8) {
            0 => Depth::Points(0),
            1 | 2 if counted => Depth::Points(below(rng, 12) as u16),
            _ => Depth::Percent(1 + below(rng, 99) as u8),
        };
        Some(PreemptionPoint {
            function,
            call,
            into,
        })
    }
}

/// Another place close by.
pub(crate) fn nearby(rng: &mut Rng, depth: Depth) -> Depth {
    let back = once_in(rng, 2);
    match depth {
        Depth::Points(points) => {
            let by = 1 + below(rng, 3) as u16;
            Depth::Points(if back {
                points.saturating_sub(by)
            } else {
                points + by
            })
        }
        Depth::Percent(percent) => {
            let by = 1 + below(rng, 8) as u8;
            let moved = if back {
                percent.saturating_sub(by)
            } else {
                percent + by
            };
            Depth::Percent(moved.clamp(1, 99))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::any_scenario;

    fn aim() -> Aim {
        let names = |names: &[&str]| names.iter().filter_map(|name| name.parse().ok()).collect();
        let seen: BTreeMap<Kind, BTreeSet<FunctionName>> = Call::ALL
            .iter()
            .map(|&call| (Kind::Call(call), names(&["restore_math", "vfs_read"])))
            .collect();
        Aim::new(&seen, |name| name.as_str() == "restore_math")
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
    fn kernels_with_other_code_have_no_counted_points() {
        let (points, late) = points(false);
        assert_eq!(late, 0);
        let counted = points.iter().filter(|point| point.into.points() > 0);
        assert_eq!(counted.count(), 0);
        assert!(points.len() > 1000, "{}", points.len());
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
