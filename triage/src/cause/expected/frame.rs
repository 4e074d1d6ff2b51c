//! Where a value was lost that is wrong in what the kernel has handed over: a signal frame, what a
//! tracer reads, a core dump.

use ctxfuzz_emulator::run::capture::Observable;
use ctxfuzz_emulator::run::outcome::LogEntry;
use ctxfuzz_emulator::trace::{Cell, FrameAt, Step, Write};
use ctxfuzz_scenario::register::Register;

use super::loss::Case;
use super::{Fixes, Window, ownership};
use crate::cause::dispute::travelling;
use crate::transparency::{Look, Seen};

/// A doubleword of user memory that has a part of the register: the step at which it was written
/// last, by whom, and what it had to be.
struct Written<'a> {
    at: usize,
    write: &'a Write,
    cell: Cell,
    right: u128,
}

/// See the module.
pub fn of(case: &Case<'_>, seen: &Seen) -> Fixes {
    let found = match signal_frame(case, seen) {
        Some(frame) => in_frame(case, &frame),
        None => by_value(case, seen.violation.after),
    };
    let Some(first) = found.first() else {
        return Fixes::new();
    };
    // What was wrong before it was handed over was lost before.
    let before = Case {
        window: Window {
            to: first.at,
            ..case.window
        },
        ..*case
    };
    if let Some(lost) = before.lost() {
        return lost;
    }
    if let Some(fixes) = not_saved(&before) {
        return fixes;
    }
    let fixes = found
        .iter()
        .map(|written| case.with_value(written.at, (written.cell, written.right), written.write));
    fixes.collect()
}

/// The frame that a violation is about.
fn signal_frame(case: &Case<'_>, seen: &Seen) -> Option<FrameAt> {
    let Look::Capture(Observable::SignalFrame, number) = seen.look else {
        return None;
    };
    let log = case.run.outcome.log.iter();
    let delivered = log.filter_map(|entry| match entry {
        LogEntry::SignalDelivered { frame, .. } => Some(*frame),
        _ => None,
    });
    let nth = delivered.into_iter().position(|frame| frame == number)?;
    case.run.frames.get(nth).copied()
}

/// The doublewords of a frame that have the register and are wrong. What the kernel has not written
/// lies there since before: it was to be written when the frame's MSR was.
fn in_frame<'a>(case: &Case<'a>, frame: &FrameAt) -> Vec<Written<'a>> {
    let end = case.after(case.window.to.saturating_sub(1));
    let cells = frame.cells(case.register);
    let halves = [(case.right >> 64), case.right & u128::from(u64::MAX)];
    let right = |index: usize, has: u128| match case.register {
        Register::V(_) => {
            let other = halves[1 - index];
            // Which half comes first is the byte order's: the one that is right is in its place.
            match has == halves[index] || has == other {
                true => has,
                false => halves[1 - index],
            }
        }
        Register::Vscr | Register::Vrsave => {
            let mut values = travelling(&cells[index], (has, case.right));
            values.next().map_or(case.right, |(_, b)| b)
        }
        _ => case.right,
    };
    let found = cells.iter().enumerate().filter_map(|(index, cell)| {
        let has = end.value(*cell);
        let right = right(index, has);
        let is_it = |c| c == *cell;
        let (at, write) = case
            .last_write(case.steps(), is_it)
            .or_else(|| case.last_write(case.steps(), |c| c == frame.msr()))
            .or_else(|| case.last_write(case.steps(), |c| matches!(c, Cell::UserStack(_))))?;
        (right != has).then_some(Written {
            at,
            write,
            cell: *cell,
            right,
        })
    });
    found.collect()
}

/// The last doubleword that was written with the wrong value.
fn by_value<'a>(case: &Case<'a>, wrong: u128) -> Vec<Written<'a>> {
    let pairs: Vec<(u128, u128)> = travelling(&case.hardware(), (wrong, case.right)).collect();
    let found = case.steps().rev().find_map(|at| match &case.run.steps[at] {
        Step::Write(write) if write.cell.is_user_memory() => {
            let (_, right) = *pairs.iter().find(|(a, _)| *a == write.value)?;
            Some(Written {
                at,
                write,
                cell: write.cell,
                right,
            })
        }
        _ => None,
    });
    found.into_iter().collect()
}

/// The image is handed over, and the processor has the right value: it was to be saved before.
fn not_saved(case: &Case<'_>) -> Option<Fixes> {
    let end = case.after(case.window.to.saturating_sub(1));
    let stale = end.value(case.image()) != case.right;
    let is_live = end.value(case.hardware()) == case.right;
    (stale && is_live).then(|| ownership::to_be_saved(case, &end))?
}
