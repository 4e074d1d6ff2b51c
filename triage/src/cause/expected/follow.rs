//! Whether a violation only follows from another one: what it holds to be right was wrong already.
//!
//! A task that has got another one's registers goes on with them, and its children, its frames and
//! its next switch are held to these. Not responsible for the causes of either (`loss`, `frame`).

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

    /// Whether it would be none if the task had never had such a value. Zero is no sign of one:
    /// registers begin with it. Nor is what was seen before the task returned from a handler, which
    /// has registers of its own.
    pub fn led_to(&self, case: &Case<'_>, seen: &Seen) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let violation = &seen.violation;
        let log = &case.run.outcome.log;
        let returned = |task: u8, from: usize, to: usize| {
            let entries = log.get(from..to).unwrap_or_default();
            entries.contains(&LogEntry::SigReturned { task })
        };
        let looked = looked(case);
        if returned(violation.task, looked, logged(case.run, seen)) {
            return false;
        }
        let goes_on = |task: u8, since: usize| !returned(task, since, looked);
        let is_wrong = |register: Register, value: u128| {
            value != 0
                && lineage(case.run, violation.task).any(|task| {
                    let since = self.0.get(&(task, register, value));
                    since.is_some_and(|since| goes_on(task, *since))
                })
        };
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
fn lineage(run: &Recording, task: u8) -> impl Iterator<Item = u8> {
    let parent = |child: &u8| {
        run.outcome.log.iter().find_map(|entry| match *entry {
            LogEntry::TaskStarted { task, parent } if task == *child => parent,
            _ => None,
        })
    };
    std::iter::successors(Some(task), parent)
}
