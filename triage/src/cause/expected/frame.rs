//! Where a value was lost that is wrong in what the kernel has handed over: a signal frame, what a
//! tracer reads, a core dump.

use std::ops::Range;

use ctxfuzz_emulator::arch::msr;
use ctxfuzz_emulator::kernel::defects::Class;
use ctxfuzz_emulator::machine::address::KERNEL;
use ctxfuzz_emulator::run::capture::Observable;
use ctxfuzz_emulator::trace::{Cell, FrameAt, Recording, Step, Write};
use ctxfuzz_scenario::register::Register;

use super::case::Case;
use super::rewrite::Fix;
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
    let frame = signal_frame(case, seen);
    if let Some(fixes) = frame.and_then(|frame| claimed(case, &frame)) {
        return fixes;
    }
    let found = match frame {
        Some(frame) => in_frame(case, &frame),
        None => by_value(case, seen.violation.after),
    };
    let Some(first) = found.first() else {
        return not_saved(case).unwrap_or_default();
    };
    // What was wrong before it was handed over was lost before.
    let before = Case {
        window: Window {
            to: first.at,
            ..case.window
        },
        ..*case
    };
    if let Some(lost) = claimed_by_any(&before).or_else(|| before.lost()) {
        return lost;
    }
    if let Some(fixes) = not_marked(&before) {
        return fixes;
    }
    if let Some(fixes) = not_saved(&before) {
        return fixes;
    }
    let fixes = found
        .iter()
        .map(|written| case.with_value(written.at, (written.cell, written.right), written.write));
    fixes.collect()
}

/// The MSR in a frame lacks the bit of a facility whose registers the task has: they are not in the
/// frame.
pub fn without_flag(case: &Case<'_>, seen: &Seen) -> Fixes {
    let lacks = (seen.violation.before & !seen.violation.after) as u64;
    let Some(cell) = signal_frame(case, seen).map(|frame| frame.msr()) else {
        return Fixes::new();
    };
    let Some((at, write)) = case.last_write(case.steps(), |c| c == cell) else {
        return Fixes::new();
    };
    let before = Case {
        window: Window {
            to: at,
            ..case.window
        },
        ..*case
    };
    not_marked_as(&before, lacks & (msr::VEC | msr::VSX)).unwrap_or_else(|| {
        let right = case.after(at).value(cell) | u128::from(lacks);
        vec![case.with_value(at, (cell, right), write)]
    })
}

/// A frame lies where it must not: whoever was at work at every write to it has chosen the place.
pub fn in_red_zone(case: &Case<'_>) -> Fixes {
    let is_it = |w: &&Write| matches!(w.cell, Cell::UserStack(_));
    let writes = case
        .steps()
        .filter_map(|at| case.write(at).map(|write| (at, write)));
    let writes: Vec<(usize, &Write)> = writes.filter(|(_, w)| is_it(w)).collect();
    let Some((at, write)) = writes.last() else {
        return Fixes::new();
    };
    let like = writes.iter().fold((*write).clone(), |like, (_, other)| {
        case.common_caller(&like, Some(other))
    });
    let before = case.after(at.saturating_sub(1)).value(write.cell);
    let fix = case.with_value(*at, (write.cell, before), &like);
    vec![fix.of(Class::WrongLayout)]
}

fn signal_frame(case: &Case<'_>, seen: &Seen) -> Option<FrameAt> {
    frame_of(case.run, seen)
}

/// The frame that a violation is about.
fn frame_of(run: &Recording, seen: &Seen) -> Option<FrameAt> {
    let Look::Capture(Observable::SignalFrame, number) = seen.look else {
        return None;
    };
    run.frames.get(usize::from(number)).copied()
}

/// The step at which the kernel wrote last to the frame that a violation is about: that may be long
/// before its handler begins, with other handlers in between. (What lay there already is not
/// recorded when it is written again.)
pub fn written(run: &Recording, seen: &Seen, before: usize) -> Option<usize> {
    let frame = frame_of(run, seen)?;
    let parts = Register::all().flat_map(|register| frame.parts(register, 0));
    let cells: Vec<Cell> = parts.map(|part| part.cell).chain([frame.msr()]).collect();
    let is_it = |write: &Write| write.pc >= KERNEL && cells.contains(&write.cell);
    let mut steps = run.steps.iter().take(before);
    steps.rposition(|step| matches!(step, Step::Write(write) if is_it(write)))
}

/// The doublewords of a frame that have the register and are wrong. What the kernel has not written
/// lies there since before: it was to be written when the frame's MSR was.
fn in_frame<'a>(case: &Case<'a>, frame: &FrameAt) -> Vec<Written<'a>> {
    let end = case.after(case.window.to.saturating_sub(1));
    let parts = frame.parts(case.register, case.right).into_iter();
    let found = parts.filter_map(|part| {
        let has = end.value(part.cell);
        let right = has & !part.mask | part.bits;
        let is_it = |c| c == part.cell;
        let (at, write) = case
            .last_write(case.steps(), is_it)
            .or_else(|| case.last_write(case.steps(), |c| c == frame.msr()))
            .or_else(|| case.last_write(case.steps(), |c| matches!(c, Cell::UserStack(_))))?;
        (right != has).then_some(Written {
            at,
            write,
            cell: part.cell,
            right,
        })
    });
    found.collect()
}

/// The same of whatever frame of the task the kernel has written.
pub fn claimed_by_any(case: &Case<'_>) -> Option<Fixes> {
    let mut frames = case.run.frames.iter();
    frames.find_map(|frame| claimed(case, frame))
}

/// The MSR of a frame says that it has the registers, and they were not written there: what lay
/// there before is taken for them.
fn claimed(case: &Case<'_>, frame: &FrameAt) -> Option<Fixes> {
    let bit = msr::of(case.register.frame_area()?) & (msr::VEC | msr::VSX);
    let (at, write) = case.last_write(case.steps(), |c| c == frame.msr())?;
    let beside = |r: &Register| std::mem::discriminant(r) == std::mem::discriminant(&case.register);
    let area: Vec<Cell> = Register::all()
        .filter(beside)
        .flat_map(|register| frame.parts(register, 0))
        .map(|part| part.cell)
        .collect();
    // What lay there already is not recorded when it is written again: then it is what the kernel
    // has of the register.
    let then = case.after(at);
    let has = |value| {
        let parts = frame.parts(case.register, value);
        let mut parts = parts.iter();
        parts.all(|part| then.value(part.cell) & part.mask == part.bits)
    };
    let is_written = case
        .last_write(case.steps(), |c| area.contains(&c))
        .is_some()
        || has(then.value(case.hardware()))
        || has(then.value(case.image()));
    let is_own = then.current() == case.window.slot;
    let claims = is_own && write.value as u64 & bit != 0;
    if bit == 0 || !claims || is_written || case.right != 0 {
        return None;
    }
    let without = write.value & !u128::from(bit);
    let fix = case.with_value(at, (write.cell, without), write);
    Some(vec![Fix {
        rule: "a frame says that it has registers which are not in it",
        ..fix.of(Class::WrongOwner)
    }])
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

/// The model's account of what a task has used says that it has not: whoever turned the facility on
/// for it first left that out, or whoever filled its image first from a frame.
fn not_marked(case: &Case<'_>) -> Option<Fixes> {
    not_marked_as(
        case,
        case.register.frame_area().map(msr::of)? & (msr::VEC | msr::VSX),
    )
}

fn not_marked_as(case: &Case<'_>, bit: u64) -> Option<Fixes> {
    let used = Cell::Used(case.window.slot);
    let end = case.after(case.window.to.saturating_sub(1));
    let marked = end.value(used) as u64;
    if bit == 0 || !case.run.knows_use || marked & bit != 0 {
        return None;
    }
    // A new program, or a frame without the facility, takes the mark away.
    let is_marked = |w: &Write| w.cell == used && w.value as u64 & bit != 0;
    let unmarked = case.last_such(0..case.window.to, is_marked);
    let from = unmarked.map_or(0, |(at, _)| at + 1);
    let turns_on = |w: &Write| w.cell == case.bits() && w.value as u64 & bit != 0;
    let turned_on = case.next_such(from..case.window.to, turns_on);
    let until = turned_on.map_or(case.window.to, |(at, _)| at);
    let filled =
        filled(case, from..until, bit).map(|(at, write)| (at, case.without_copiers(write)));
    let (at, write) = filled.or(turned_on.map(|(at, write)| (at, write.clone())))?;
    Some(vec![case.with_value(
        at,
        (used, u128::from(marked | bit)),
        &write,
    )])
}

/// Where the task itself, in the kernel, first puts a value into its image of what a facility has.
/// (A tracer or a parent does that for it, too; and VSCR of a new program has a value.)
fn filled<'a>(case: &Case<'a>, steps: Range<usize>, bit: u64) -> Option<(usize, &'a Write)> {
    let slot = case.window.slot;
    let is_it = |w: &Write| match w.cell {
        Cell::Image(of, register) => {
            let is_data = !register.is_control() && msr::frame(register) & bit != 0;
            of == slot && is_data && w.value != 0 && !case.is_save(w)
        }
        _ => false,
    };
    let mut from = steps.start;
    loop {
        let (at, write) = case.next_such(from..steps.end, is_it)?;
        if case.after(at).current() == slot {
            return Some((at, write));
        }
        // One that was kept may have the number of the step before.
        from = (at + 1).max(from + 1);
    }
}

/// The image is handed over, and the processor has the right value: it was to be saved before.
fn not_saved(case: &Case<'_>) -> Option<Fixes> {
    // What a tracer reads goes by way of a buffer.
    let read = ownership::handed_over(case).map(|(at, _)| at);
    let end = case.after(read.unwrap_or(case.window.to.saturating_sub(1)));
    let stale = end.value(case.image()) != case.right;
    let owned = match case.owner() {
        0 => end.value(case.hardware()) == case.right,
        bit => end.value(case.bits()) as u64 & bit != 0,
    };
    (stale && owned).then(|| ownership::to_be_saved(case))?
}
