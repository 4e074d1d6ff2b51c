//! Where a register's right value was lost, in one recorded run.
//!
//! The kernel itself says which copy counts: the processor's where the task runs and owns the
//! facility (`regs->msr`), the image in `thread_struct` otherwise. So the right value was lost at
//! the step after which the copy that counts is no longer right: it was overwritten, or another
//! copy counts since, which was not brought up to date. Not responsible for what the kernel should
//! have done there (`rules`), nor for what became of the wrong value (`rewrite`).

use ctxfuzz_emulator::run::outcome::LogEntry;
use ctxfuzz_emulator::trace::{Cell, Write};
use ctxfuzz_scenario::scenario::Place;

use super::case::Case;
use super::journey::Journey;
use super::rewrite::Fix;
use super::{Fixes, Window, frame, is_system_call, last, ownership, rules, slot};
use crate::cause::state::Walk;
use crate::transparency::Seen;

/// The writes that the kernel should have made where a register's value was lost.
pub fn of(case: &Case<'_>, seen: &Seen) -> Fixes {
    let fixes = match seen.violation.place {
        Place::Child => child(case, seen),
        _ => of_task(case, seen),
    };
    let journey = Journey::of(case);
    let fixes = fixes.into_iter().map(|fix| Fix {
        journey: Some(journey),
        ..fix
    });
    fixes.collect()
}

/// A child has what its parent had when it was made: that may have been wrong already.
fn child(case: &Case<'_>, seen: &Seen) -> Fixes {
    let child = seen.violation.task;
    let parent = case.run.outcome.log.iter().find_map(|entry| match *entry {
        LogEntry::TaskStarted { task, parent } if task == child => parent,
        _ => None,
    });
    let slot = parent.and_then(|parent| slot(case.run, parent));
    let copied = case.last_write(case.steps(), |cell| cell == case.image());
    let (Some(slot), Some((to, _))) = (slot, copied) else {
        return of_task(case, seen);
    };
    let of_parent = Case {
        window: Window {
            slot,
            to,
            ..case.window
        },
        ..*case
    };
    let of_parent = of_parent.since_sigreturn().unwrap_or(of_parent);
    match of_parent.lost() {
        Some(fixes) if !fixes.is_empty() => fixes,
        _ => of_task(case, seen),
    }
}

fn of_task(case: &Case<'_>, seen: &Seen) -> Fixes {
    match seen.violation.place {
        Place::Register | Place::Child => frame::claimed_by_any(case)
            .or_else(|| case.lost())
            .unwrap_or_else(|| ownership::not_taken(case)),
        Place::SignalFrame | Place::Ptrace | Place::Core => frame::of(case, seen),
        _ => Fixes::new(),
    }
}

/// The right value where the kernel wrote the wrong one that counts in the end. What user code
/// wrote is not its fault.
pub fn by_last_writer(case: &Case<'_>) -> Fixes {
    let journey = Journey::of(case);
    let write = journey.got.and_then(|at| Some((at, case.write(at)?)));
    let write = write.filter(|(_, write)| case.in_kernel(write));
    let fix = write.map(|(at, write)| Fix {
        journey: Some(journey),
        rule: "no rule says why; this is who wrote what user code got",
        ..case.with(at, write.cell, write)
    });
    fix.into_iter().collect()
}

impl<'a> Case<'a> {
    /// The same from the task's last return from a signal handler on, if it has returned from one:
    /// a system call that a signal has interrupted begins again after it, with what the frame has.
    fn since_sigreturn(&self) -> Option<Case<'a>> {
        let fills = |w: &Write| {
            let is_image = matches!(w.cell, Cell::Image(of, _) if of == self.window.slot);
            let returns = |pc: &u64| {
                let function = self.code.function(*pc);
                function.is_some_and(|name| name.ends_with("_rt_sigreturn"))
            };
            is_image && w.trace.iter().any(returns)
        };
        let (at, _) = self.last_such(self.steps(), fills)?;
        let from = last(
            self.run,
            self.window.from..at,
            self.window.slot,
            is_system_call,
        )?;
        let window = Window {
            from,
            made: true,
            ..self.window
        };
        Some(Case { window, ..*self })
    }

    /// What was to be written where the copy that counts was no longer right; `None` if it is right
    /// at the end.
    pub fn lost(&self) -> Option<Fixes> {
        // Where registers are made anew, what was there before is the right value by chance.
        let found = self.lost_of(!self.window.made);
        match &found {
            Some(fixes) if fixes.is_empty() && self.window.made => self.lost_of(true),
            _ => found,
        }
    }

    /// The same, of the right value as it was there before, or only as it came.
    fn lost_of(&self, mut came: bool) -> Option<Fixes> {
        let mut walk = self.after(self.window.from);
        let is_own = |w: &Write| w.cell == self.image() || w.cell == self.hardware();
        let brings = |w: &Write| is_own(w) && self.is_right_value(w);
        let mut kept = self.run.kept.iter();
        let kept = kept.find(|(at, w)| *at >= self.window.from && brings(w));
        let mut held = (came && self.is_right(&walk)).then_some(self.window.from);
        for at in self.window.from + 1..self.window.to {
            walk.advance(at);
            let write = self.write(at);
            let comes = write.is_some_and(brings) || kept.is_some_and(|(before, _)| *before <= at);
            // A value that was written where it lay already is right without a step of its own.
            let is_write = write.is_some() || comes && !came;
            came |= comes;
            if is_write && came && self.is_right(&walk) || !is_write && held == Some(at - 1) {
                held = Some(at);
            }
        }
        if self.window.made && self.right == 0 && !self.is_right(&walk) {
            held = None;
        }
        match held {
            Some(at) if at + 1 >= self.window.to => None,
            Some(at) => Some(rules::lost_at(self, at + 1)),
            None => Some(rules::never_came(self, &walk)),
        }
    }

    fn is_right(&self, walk: &Walk<'_>) -> bool {
        let counts = match walk.is_live(self.window.slot, self.register) {
            true => self.hardware(),
            false => self.image(),
        };
        walk.value(counts) == self.right
            && walk
                .writer(counts)
                .is_none_or(|(_, write)| self.is_right_value(write))
    }
}
