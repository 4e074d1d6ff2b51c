//! The second run where there is only one kernel: what its tasks had to find.
//!
//! A violation says that a register had one value when its task was last looked at, and has another
//! one now. `loss` finds the step in between at which the right value was lost, and `rewrite` makes
//! a copy of the recording that goes on with the right value there. So the rules that tell causes
//! of two runs apart tell those of one: what the kernel did is A, what it had to do is B. Neither
//! knows another kernel, a seeded bug, or a word that was patched.

use std::ops::Range;

mod case;
mod exception;
mod follow;
mod frame;
mod gprs;
mod guest;
mod interrupt;
mod journey;
mod loss;
mod ownership;
mod rewrite;
mod rules;

use ctxfuzz_emulator::machine::Vector;
use ctxfuzz_emulator::machine::address::KERNEL;
use ctxfuzz_emulator::run::observe::Point;
use ctxfuzz_emulator::run::outcome::{End, LogEntry, Outcome};
use ctxfuzz_emulator::trace::{Cell, Recording, Slot, Step};
use ctxfuzz_scenario::scenario::{Place, Scenario, Verdict};

use self::case::Case;
use self::follow::Explained;
pub use self::journey::Journey;
pub use self::rewrite::Fix;
use super::code::Code;
use crate::compare::{Comparison, What};
use crate::transparency::{Seen, compared, difference, judge, looks};

/// A run that was judged.
pub struct Judged {
    /// What it shows.
    pub comparison: Comparison,
    /// The run, and the one that was expected.
    pub runs: [Recording; 2],
    /// Where the two part.
    pub fixes: Vec<Fix>,
    /// Whether both are of kernels, and nothing was expected.
    pub is_pair: bool,
}

/// What a run shows, and that run beside the expected one.
pub fn beside(scenario: &Scenario, run: Recording, code: &Code) -> Judged {
    let judgement = judge(scenario, &run.outcome);
    let comparison = compared(scenario, &run.outcome, &judgement);
    let mut fixes = Vec::new();
    let mut expected = run.clone();
    if judgement.verdict > Verdict::Dead {
        let mut explained = Explained::default();
        for seen in counted(looks(scenario, &run.outcome)) {
            let case = Case::of(&run, code, &seen);
            let Some(case) = case.filter(|case| !explained.led_to(case, &seen)) else {
                continue;
            };
            if let What::Gpr(register) = seen.violation.what {
                gprs::put_right(&mut expected, &case.window, register, &seen);
            }
            let found = had_to_be_written(&case, &seen);
            if !found.is_empty() {
                explained.note(&run, &seen);
            }
            fixes.extend(led_to_by(found, &seen));
        }
    }
    judged(comparison, run, expected, fixes)
}

/// The same, where no rule has led to a cause: what user code has read is put right where it was
/// written. A violation must not go unheard because it is not understood.
pub fn by_last_writer(scenario: &Scenario, judged: Judged, code: &Code) -> Judged {
    let [run, _] = judged.runs;
    let mut fixes = Vec::new();
    for seen in counted(looks(scenario, &run.outcome)) {
        // The vcpu's own copy is no cell: who wrote it last is not known.
        let followed = seen.violation.place != Place::Vcpu;
        if let Some(case) = Case::of(&run, code, &seen).filter(|_| followed) {
            fixes.extend(led_to_by(loss::by_last_writer(&case), &seen));
        }
    }
    let expected = run.clone();
    self::judged(judged.comparison, run, expected, fixes)
}

fn judged(
    comparison: Comparison,
    run: Recording,
    expected: Recording,
    mut fixes: Vec<Fix>,
) -> Judged {
    fixes.sort_by_key(|fix: &Fix| (fix.at, fix.write.cell));
    fixes.dedup_by(|fix, kept| {
        let is_same = (fix.at, fix.write.cell) == (kept.at, kept.write.cell);
        if is_same {
            kept.seen.append(&mut fix.seen);
        }
        is_same
    });
    let mut expected = rewrite::expected(expected, &fixes);
    if comparison.end_a != comparison.end_b {
        expected.outcome.end = End::Completed;
    }
    Judged {
        comparison,
        runs: [run, expected],
        fixes,
        is_pair: false,
    }
}

/// What was to be written so that a violation was none.
fn had_to_be_written(case: &Case<'_>, seen: &Seen) -> Fixes {
    let violation = &seen.violation;
    let in_interrupt = match violation.what {
        What::Register(_) | What::Msr => interrupt::of(case),
        _ => None,
    };
    in_interrupt.unwrap_or_else(|| match violation.what {
        What::Register(_) if violation.place == Place::Vcpu => guest::of(case),
        What::Register(_) => loss::of(case, seen),
        What::Msr if violation.place == Place::SignalFrame => frame::without_flag(case, seen),
        What::Msr => ownership::of(case, violation),
        What::SiCode => exception::of(case, violation),
        What::RedZone => frame::in_red_zone(case),
        What::End => ownership::flushed_elsewhere(case).unwrap_or_default(),
        What::Gpr(_) | What::Data => Fixes::new(),
    })
}

fn led_to_by(fixes: Fixes, seen: &Seen) -> impl Iterator<Item = Fix> {
    let difference = difference(seen);
    fixes.into_iter().map(move |fix| Fix {
        seen: vec![difference.clone()],
        ..fix
    })
}

/// What somebody can notice; and what went wrong with it, though nobody can notice that: the
/// registers of the same facility, at the same look.
fn counted(seen: Vec<Seen>) -> Vec<Seen> {
    let facility = |seen: &Seen| {
        let register = seen.violation.what.register()?;
        Some((seen.observation, seen.violation.task, register.owner()))
    };
    let visible: Vec<_> = seen
        .iter()
        .filter(|seen| seen.violation.verdict > Verdict::Dead)
        .map(facility)
        .collect();
    let is_with = |seen: &Seen| facility(seen).is_some_and(|f| visible.contains(&Some(f)));
    seen.into_iter()
        .filter(|seen| seen.violation.verdict > Verdict::Dead || is_with(seen))
        .collect()
}

/// The part of a run in which a value was lost: steps, from the look that saw it to the one that
/// did not.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Where the task's `thread_struct` is.
    pub slot: Slot,
    /// The first step: the last look that did not see it, or where the registers were to be made
    /// since.
    pub from: usize,
    /// The last look that did not see it.
    pub looked: usize,
    /// The step after the last one.
    pub to: usize,
    /// Whether the registers were to be made in it: those of a new program, or what a frame has.
    /// Then a value that was there before is the right one by chance.
    pub made: bool,
}

impl Window {
    fn of(run: &Recording, seen: &Seen) -> Option<Window> {
        let looks = run.steps.iter().enumerate();
        let looks = looks.filter(|(_, step)| **step == Step::Look);
        let looks: Vec<usize> = looks.map(|(at, _)| at).collect();
        let task = seen.violation.task;
        let slot = slot(run, task)?;
        let step = |observation: usize| looks.get(observation).copied();
        let seen_at = step(seen.observation).unwrap_or(run.steps.len());
        let in_frame = seen.violation.place == Place::SignalFrame;
        let written = in_frame.then(|| frame::written(run, seen, seen_at));
        let written = written.flatten();
        let precedes = |at: usize| step(at).is_some_and(|step| step <= written.unwrap_or(seen_at));
        let before = before(&run.outcome, seen, precedes);
        let from = before.and_then(step).unwrap_or(0);
        // A frame is whole when user code of its task goes on.
        let own = |at: usize| {
            run.outcome
                .observations
                .get(at)
                .is_some_and(|o| o.task == task)
        };
        let whole = |written: usize| {
            let mut later = looks.iter().enumerate();
            later.position(|(at, look)| *look >= written && own(at))
        };
        let next = written.and_then(whole).unwrap_or(seen.observation);
        let to = step(next).unwrap_or(seen_at);
        let point = run.outcome.observations.get(seen.observation);
        let is_return = before.is_some_and(|before| returned(&run.outcome, before..next, task));
        let point = point.map(|look| look.point);
        let handler = !is_return && matches!(point, Some(Point::Handler { .. }));
        let made = match point {
            _ if is_return => last(run, from..to, slot, is_system_call),
            _ if seen.violation.place != Place::Register => None,
            Some(Point::Execed | Point::Context) => last(run, from..to, slot, is_system_call),
            Some(Point::Handler { .. }) => last(run, from..to, slot, writes_frame),
            _ => None,
        };
        Some(Window {
            slot,
            from: made.unwrap_or(from),
            looked: from,
            to,
            made: made.is_some() && !handler,
        })
    }
}

/// Where the `thread_struct` of a task is.
fn slot(run: &Recording, task: u8) -> Option<Slot> {
    let slot = run.tasks.iter().rposition(|user| *user == Some(task))?;
    Some(Slot(slot as u8))
}

/// The last such step of a task.
fn last(
    run: &Recording,
    steps: Range<usize>,
    slot: Slot,
    is_it: fn(&Step) -> bool,
) -> Option<usize> {
    let first = run.initial.iter().find(|(cell, _)| *cell == Cell::Current);
    let mut current = first.map_or(0, |(_, value)| *value);
    let mut found = None;
    for (at, step) in run.steps.iter().enumerate().take(steps.end) {
        match step {
            Step::Write(write) if write.cell == Cell::Current => current = write.value,
            step if current == u128::from(slot.0) && steps.contains(&at) && is_it(step) => {
                found = Some(at);
            }
            _ => {}
        }
    }
    found
}

/// A new program has registers of its own, from the system call on.
fn is_system_call(step: &Step) -> bool {
    matches!(
        step,
        Step::KernelEntry(Vector::SystemCall | Vector::SystemCallVectored)
    )
}

/// A handler has registers of its own, when its frame has been written.
fn writes_frame(step: &Step) -> bool {
    matches!(step, Step::Write(write) if matches!(write.cell, Cell::UserStack(_)) && write.pc >= KERNEL)
}

/// Whether the task has returned from a handler between two observations.
fn returned(outcome: &Outcome, looks: Range<usize>, task: u8) -> bool {
    let log = |at: usize| outcome.observations.get(at).map(|look| look.log);
    let from = log(looks.start).unwrap_or(0);
    let to = log(looks.end).unwrap_or(outcome.log.len());
    let entries = outcome.log.get(from..to);
    entries.is_some_and(|entries| entries.contains(&LogEntry::SigReturned { task }))
}

/// The observation in which the register was right: the task's last one before, or its parent's
/// when it was made. (One that does not precede what a frame has says nothing about it.)
fn before(outcome: &Outcome, seen: &Seen, precedes: impl Fn(usize) -> bool) -> Option<usize> {
    let Violation { task, place, .. } = Violation::of(seen);
    let earlier = outcome.observations.iter().take(seen.observation);
    let earlier = earlier.enumerate().rev();
    let mut earlier = earlier.filter(|(at, _)| precedes(*at));
    let own = earlier.clone().find(|(_, look)| look.task == task);
    let mut of_parent = || {
        earlier.find(|(_, look)| {
            matches!(look.point, Point::Operation { child: Some(child), .. } if child == task)
        })
    };
    let found = match place {
        Place::Child => of_parent().or(own),
        _ => own.or_else(of_parent),
    };
    found.map(|(at, _)| at)
}

/// Whose violation it is, and where.
struct Violation {
    task: u8,
    place: Place,
}

impl Violation {
    fn of(seen: &Seen) -> Violation {
        Violation {
            task: seen.violation.task,
            place: seen.violation.place,
        }
    }
}

/// Every fix that a rule has made, one a cell and step.
type Fixes = Vec<Fix>;
