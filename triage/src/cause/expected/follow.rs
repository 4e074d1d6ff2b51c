//! Whether a violation only follows from another one: what it holds to be right was wrong already.
//!
//! A task that has got another one's registers goes on with them, and its children, its frames and
//! its next switch are held to these. Not responsible for the causes of either (`loss`, `frame`).

use std::ops::Range;

use ctxfuzz_emulator::arch::msr;
use ctxfuzz_emulator::run::outcome::LogEntry;
use ctxfuzz_emulator::trace::{Recording, Step};
use ctxfuzz_scenario::register::Register;
use ctxfuzz_scenario::scenario::Place;
use rustc_hash::FxHashMap as HashMap;

use super::case::Case;
use crate::compare::What;
use crate::transparency::Seen;

/// The wrong values that tasks were seen to go on with, of which the cause is known; and where in
/// the log that was.
#[derive(Default)]
pub struct Explained(HashMap<(u8, Register, u128), usize>);

impl Explained {
    /// Takes note of a violation that has its cause.
    pub fn note(&mut self, run: &Recording, seen: &Seen) {
        let violation = &seen.violation;
        if let (What::Register(register), Place::Register) = (violation.what, violation.place) {
            let wrong = (violation.task, register, violation.after);
            self.0.insert(wrong, logged(run, seen));
        }
    }

    /// Whether it would be none if the task had never had such a value.
    pub fn led_to(&self, case: &Case<'_>, seen: &Seen) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let violation = &seen.violation;
        let looks = looked(case)..logged(case.run, seen);
        let log = &case.run.outcome.log;
        let is_wrong =
            |register, value| self.is_wrong(log, &looks, (violation.task, register, value));
        match violation.what {
            What::Register(register) => is_wrong(register, violation.before),
            // A frame has to have an area of which a register is not zero.
            What::Msr if violation.place == Place::SignalFrame => {
                let lacks = (violation.before & !violation.after) as u64;
                let then = case.after(case.window.looked);
                let area = Register::all().filter(|r| msr::frame(*r) & lacks != 0);
                let has = area.map(|r| (r, then.logical(case.window.slot, r)));
                let has: Vec<_> = has.filter(|(_, value)| *value != 0).collect();
                !has.is_empty() && has.into_iter().all(|(r, value)| is_wrong(r, value))
            }
            _ => false,
        }
    }

    /// Whether a task that was looked at between two entries of the log had begun with a value that
    /// was wrong. Zero is no sign of that: registers begin with it. Nor is what was seen before the
    /// task returned from a handler, which has registers of its own.
    fn is_wrong(
        &self,
        log: &[LogEntry],
        looks: &Range<usize>,
        (task, register, value): (u8, Register, u128),
    ) -> bool {
        let returned = |task: u8, entries: Range<usize>| {
            let entries = log.get(entries).unwrap_or_default();
            entries.contains(&LogEntry::SigReturned { task })
        };
        let is_from = |task: u8| {
            let since = self.0.get(&(task, register, value));
            since.is_some_and(|since| !returned(task, *since..looks.start))
        };
        value != 0 && !returned(task, looks.clone()) && lineage(log, task).any(is_from)
    }
}

/// How much had been logged when a violation was seen.
fn logged(run: &Recording, seen: &Seen) -> usize {
    let look = run.outcome.observations.get(seen.observation);
    look.map_or(run.outcome.log.len(), |look| look.log)
}

/// How much had been logged when the right value was seen.
fn looked(case: &Case<'_>) -> usize {
    let before = case.run.steps.iter().take(case.window.looked);
    let number = before.filter(|step| **step == Step::Look).count();
    let look = case.run.outcome.observations.get(number);
    look.map_or(0, |look| look.log)
}

/// A task, its parent, and so on: a child begins with what its parent has.
fn lineage(log: &[LogEntry], task: u8) -> impl Iterator<Item = u8> {
    let parent = |child: &u8| {
        log.iter().find_map(|entry| match *entry {
            LogEntry::TaskStarted { task, parent } if task == *child => parent,
            _ => None,
        })
    };
    std::iter::successors(Some(task), parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Task 2 is a child of task 0, which returns from a handler in entry 2.
    const LOG: [LogEntry; 4] = [
        LogEntry::TaskStarted {
            task: 0,
            parent: None,
        },
        LogEntry::TaskStarted {
            task: 2,
            parent: Some(0),
        },
        LogEntry::SigReturned { task: 0 },
        LogEntry::SigReturned { task: 1 },
    ];

    /// Whether a value that task 0 was seen to have wrong at the begin led to what was seen of a
    /// task between these entries.
    fn led(value: u128, task: u8, register: Register, looks: Range<usize>) -> bool {
        let mut explained = Explained::default();
        explained.0.insert((0, Register::F(1), value), 0);
        explained.is_wrong(&LOG, &looks, (task, register, value))
    }

    #[test]
    fn a_task_and_its_child_go_on_with_a_wrong_value() {
        assert!(led(7, 0, Register::F(1), 1..2));
        assert!(led(7, 2, Register::F(1), 1..2));
    }

    #[test]
    fn another_task_or_register_has_its_own() {
        assert!(!led(7, 1, Register::F(1), 1..2));
        assert!(!led(7, 0, Register::F(2), 1..2));
    }

    #[test]
    fn zero_is_what_registers_begin_with() {
        assert!(!led(0, 0, Register::F(1), 1..2));
    }

    #[test]
    fn behind_a_handler_the_value_is_the_task_s_own_again() {
        assert!(
            !led(7, 0, Register::F(1), 1..3),
            "it returns between the looks"
        );
        assert!(
            !led(7, 0, Register::F(1), 3..4),
            "it has returned before both"
        );
        assert!(led(7, 2, Register::F(1), 2..4), "another task returns");
    }
}
