//! Where the kernel did not keep to its own account of who owns registers: facility bits of
//! `regs->msr` that it left on, that it set with nothing loaded, or that it did not go by.

use ctxfuzz_emulator::arch::msr;
use ctxfuzz_emulator::trace::{Cell, Slot, Step, Write};
use ctxfuzz_scenario::register::Register;

use super::case::Case;
use super::rules::Moment;
use super::{Fixes, Window};
use crate::cause::end;
use crate::cause::state::Walk;
use crate::transparency::Violation;

/// The facilities whose registers a task can have in the processor.
const OWNERS: u64 = msr::FP | msr::VEC;

/// The bits that go off with these: VSX with FP and VMX, FE0 and FE1 with FP.
fn with_dependents(bits: u64) -> u64 {
    let fp = match bits & msr::FP {
        0 => 0,
        _ => msr::VSX | msr::FE0 | msr::FE1,
    };
    let vec = if bits & msr::VEC != 0 { msr::VSX } else { 0 };
    bits | fp | vec
}

/// The task's bits without these and what goes with them.
pub fn without(walk: &Walk<'_>, case: &Case<'_>, bits: u64) -> (Cell, u128) {
    let had = walk.value(case.bits()) as u64;
    (case.bits(), u128::from(had & !with_dependents(bits)))
}

/// Facility bits that are not what they have to be.
pub fn of(case: &Case<'_>, violation: &Violation) -> Fixes {
    let right = violation.before;
    let end = case.after(case.window.to.saturating_sub(1));
    if end.current() != case.window.slot {
        return left_on(case, (right ^ violation.after) as u64);
    }
    if end.value(case.bits()) == right {
        return not_taken(case);
    }
    let broken = violation.before ^ violation.after;
    let since = broken_since(case, case.window.to).map(|at| {
        let bits = case.after(at).value(case.bits());
        (at, bits & !broken | violation.before & broken)
    });
    let is_it = |cell| cell == case.bits();
    let found = match since {
        Some((at, whole)) => case.write(at).map(|write| (at, whole, write)),
        None => case
            .last_write(0..case.window.to, is_it)
            .map(|(at, write)| (at, right, write)),
    };
    let fix = found.map(|(at, right, write)| {
        let right = right & !u128::from(came_without_load(case, at, write));
        let write = made_by_copy_thread(case, at, write);
        case.with_value(at, (case.bits(), right), &write)
    });
    fix.into_iter().collect()
}

/// The write since which the task's bits are not whole, if they are not before a step.
pub fn broken_since(case: &Case<'_>, before: usize) -> Option<usize> {
    let mut walk = Walk::new(case.run);
    let mut since = None;
    for at in 0..before {
        walk.advance(at);
        if case.write(at).is_some_and(|w| w.cell == case.bits()) {
            since = match is_whole(walk.value(case.bits()) as u64) {
                true => None,
                false => since.or(Some(at)),
            };
        }
    }
    since
}

/// What a write has set of the task's facilities with nothing loaded in that stay in the kernel,
/// and what goes with them.
fn came_without_load(case: &Case<'_>, at: usize, write: &Write) -> u64 {
    let since_start = Case {
        window: Window {
            from: 0,
            ..case.window
        },
        ..*case
    };
    let stay = since_start.stay(at).start..since_start.stay_end(at);
    let had = case.after(at.saturating_sub(1)).value(case.bits()) as u64;
    let is_loaded = |bit: u64| {
        let of = |c| matches!(c, Cell::Hardware(r) if msr::owner(r) == bit);
        let name = |name: &str| case.code.loads(name, bit == msr::VEC);
        case.last_such(stay.clone(), |w| of(w.cell) && case.loads(w))
            .is_some()
            || case.last_left(stay.clone(), name).is_some()
    };
    let came = [msr::FP, msr::VEC].into_iter();
    let came = came.filter(|bit| write.value as u64 & !had & bit != 0 && !is_loaded(*bit));
    with_dependents(came.fold(0, |all, bit| all | bit))
}

/// Whether VSX is on only with FP and VMX, FE0 and FE1 only with FP.
fn is_whole(bits: u64) -> bool {
    let both = msr::FP | msr::VEC;
    (bits & msr::VSX == 0 || bits & both == both)
        && (bits & (msr::FE0 | msr::FE1) == 0 || bits & msr::FP != 0)
}

/// User code goes on with another MSR than `regs->msr` says.
pub fn not_taken(case: &Case<'_>) -> Fixes {
    let returned = case.steps().rev();
    let mut returned = returned.filter(|at| case.run.steps[*at] == Step::UserReturn);
    let Some(at) = returned.next() else {
        return Fixes::new();
    };
    let told = case.after(at).value(case.bits());
    let Some((_, write)) = case.last_write(0..at, |cell| cell == Cell::UserMsr) else {
        return Fixes::new();
    };
    vec![case.with_value(at.saturating_sub(1), (Cell::UserMsr, told), write)]
}

/// The bit was set in the end, and what was loaded with it, if anything, was not right yet.
pub fn came_on(case: &Case<'_>, before: usize) -> Option<Fixes> {
    let mut walk = Walk::new(case.run);
    let mut on = None;
    for at in 0..before {
        let had = walk.value(case.bits()) as u64 & case.owner();
        walk.advance(at);
        let has = walk.value(case.bits()) as u64 & case.owner();
        if had == 0 && has != 0 {
            on = Some(at);
        }
    }
    let at = on?;
    let write = case.write(at)?;
    let bits = without(&case.after(at), case, case.owner());
    Some(vec![case.with_value(at, bits, write)])
}

/// The bit comes on with nothing loaded.
pub fn set_without_load(case: &Case<'_>, moment: &Moment<'_>) -> Option<Fixes> {
    // What came on with it was not loaded either.
    let had = moment.before.value(case.bits()) as u64;
    let came = moment.write.value as u64 & !had & (msr::FP | msr::VEC);
    let bits = without(&case.after(moment.at), case, came | case.owner());
    Some(vec![case.with_value(moment.at, bits, moment.write)])
}

/// The facilities that the task owns, and that were not saved in a stay in the kernel.
fn not_saved(case: &Case<'_>, walk: &Walk<'_>, before: usize) -> u64 {
    let owned = walk.value(case.bits()) as u64 & (msr::FP | msr::VEC);
    let slot = case.window.slot;
    let stay = case.stay(before);
    let is_saved = |bit: u64| {
        let of = |c| matches!(c, Cell::Image(of, r) if of == slot && msr::owner(r) == bit);
        case.last_write(stay.clone(), of).is_some()
    };
    [msr::FP, msr::VEC]
        .into_iter()
        .filter(|bit| owned & bit != 0 && !is_saved(*bit))
        .fold(0, |all, bit| all | bit)
}

/// Another task is about to run while this one owns registers that were not saved.
pub fn not_given_up(case: &Case<'_>, moment: &Moment<'_>) -> Option<Fixes> {
    let comes = moment.write.value == u128::from(case.window.slot.0);
    (!comes).then(|| gone(case, moment.at, moment.write))
}

fn gone(case: &Case<'_>, at: usize, write: &Write) -> Fixes {
    let walk = case.after(at.saturating_sub(1));
    let bits = without(&walk, case, not_saved(case, &walk, at) | case.owner());
    // Whoever switches has to see to it; the function that only changes stacks does not.
    let only_changes_stacks = |pc: &&u64| case.code.function(**pc).as_deref() == Some("_switch");
    let inner = write.trace.iter().take_while(only_changes_stacks);
    let like = case.outer(write, inner.count());
    let before = at.saturating_sub(1);
    let mut fixes = vec![case.with_value(before, bits, &like)];
    if walk.value(case.image()) != case.right {
        fixes.push(case.with(before, case.image(), &like));
    }
    fixes
}

/// The task runs again, and its bits say that the processor has its registers.
pub fn came_with_bits(case: &Case<'_>, moment: &Moment<'_>) -> Option<Fixes> {
    if !case.has_run(case.window.slot, moment.at) {
        return child_with_bits(case, moment.at);
    }
    went_with_bits(case, moment.at)
}

/// Bits of a task that does not run.
fn left_on(case: &Case<'_>, bits: u64) -> Fixes {
    let register = match bits & msr::VEC {
        0 => Register::Fpscr,
        _ => Register::Vscr,
    };
    let case = Case { register, ..*case };
    let found = match case.has_run(case.window.slot, case.window.to) {
        true => went_with_bits(&case, case.window.to),
        false => child_with_bits(&case, case.window.to),
    };
    found.unwrap_or_default()
}

/// The kernel was to save registers of a task that does not run, and found that its bits say that
/// the processor has them: Linux's BUG_ON(tsk != current) in flush_fp_to_thread and its like. They
/// were left on when the task went.
pub fn flushed_elsewhere(case: &Case<'_>) -> Option<Fixes> {
    let place = end::place(case.run, case.code)?;
    if !(place.starts_with("flush_") && place.ends_with("_to_thread")) {
        return None;
    }
    let end = case.after(case.run.steps.len().saturating_sub(1));
    let owns = |slot: &Slot| {
        *slot != end.current() && end.value(Cell::Facilities(*slot)) as u64 & OWNERS != 0
    };
    let users = case
        .run
        .tasks
        .iter()
        .enumerate()
        .filter(|(_, user)| user.is_some());
    let mut users = users.map(|(slot, _)| Slot(slot as u8));
    let slot = users.find(owns)?;
    let of_other = Case {
        window: Window {
            slot,
            from: 0,
            to: case.run.steps.len(),
            ..case.window
        },
        ..*case
    };
    Some(left_on(&of_other, end.value(Cell::Facilities(slot)) as u64))
}

/// The task has not run yet: whoever wrote its bits last.
fn child_with_bits(case: &Case<'_>, before: usize) -> Option<Fixes> {
    let (at, write) = case.last_write(0..before, |cell| cell == case.bits())?;
    let bits = without(&case.after(at), case, case.owner());
    let like = made_by_copy_thread(case, at, write);
    Some(vec![case.with_value(at, bits, &like)])
}

/// A write of the bits of a task that has not run, as that of Linux's copy_thread: it makes the
/// registers that a child begins with, also where it leaves what was copied with its parent.
fn made_by_copy_thread(case: &Case<'_>, at: usize, write: &Write) -> Write {
    let made = case.last_left(at..case.window.to, |name| name == "copy_thread");
    let made = made.filter(|_| !case.has_run(case.window.slot, at));
    made.map_or_else(|| write.clone(), |(_, function)| case.by(function, write))
}

/// The last step before one at which another task came to run after this one.
fn went(case: &Case<'_>, before: usize) -> Option<usize> {
    let slot = u128::from(case.window.slot.0);
    let switches = (0..before).rev();
    let mut switches =
        switches.filter(|at| case.write(*at).is_some_and(|w| w.cell == Cell::Current));
    let mut next = None;
    switches
        .find_map(|at| {
            let came = case.write(at).is_some_and(|w| w.value == slot);
            let found = came.then_some(next).flatten();
            next = Some(at);
            found
        })
        .or(next)
}

/// The bits were on when the task went, or came on since.
fn went_with_bits(case: &Case<'_>, before: usize) -> Option<Fixes> {
    let went = went(case, before)?;
    let then = case.after(went);
    if then.value(case.bits()) as u64 & case.owner() == 0 {
        return came_on(case, before);
    }
    if not_saved(case, &then, went) & case.owner() != 0 {
        return Some(gone(case, went, case.write(went)?));
    }
    given_up(case, went)
}

/// The registers were saved before a step, and the bits left on: whoever wrote the bits after it.
fn given_up(case: &Case<'_>, before: usize) -> Option<Fixes> {
    let saved = case.last_write(0..before, |c| case.is_image_of_facility(c));
    let (at, save) = saved?;
    let next = case.next_write(at..before, |cell| cell == case.bits());
    let (at, like) = match next {
        Some((at, write)) => (at, write.clone()),
        None => (at, by_caller(case, save)),
    };
    let bits = without(&case.after(at), case, case.owner());
    Some(vec![case.with_value(at, bits, &like)])
}

/// The registers were saved to be given up in the stay in which an image was filled, after the bit
/// had come on, and the bits were left on.
pub fn saved_since(case: &Case<'_>, on: usize, filled: usize) -> Option<Fixes> {
    let stays_live = |w: &Write| {
        let functions = w.trace.iter().filter_map(|pc| case.code.function(*pc));
        functions
            .into_iter()
            .any(|f| LEAVE_LIVE.contains(&f.as_str()))
    };
    let saves = |w: &Write| case.is_image_of_facility(w.cell) && case.is_save(w) && !stays_live(w);
    // A handler's registers are made in the stay that its frame is, which the window is a part of.
    let since_look = Case {
        window: Window {
            from: case.window.looked,
            ..case.window
        },
        ..*case
    };
    let from = since_look.stay(filled).start.max(on + 1);
    let (saved, _) = case.last_such(from..filled, saves)?;
    given_up(case, saved + 1)
}

/// The last time that the register's image was handed over: by Linux's user_regset functions, or by
/// what makes a reason for a SIGFPE of FPSCR.
pub fn handed_over<'a>(case: &Case<'a>) -> Option<(usize, &'a str)> {
    let names: &[&str] = match case.register {
        Register::Vs(_) => &["vsr_get"],
        Register::V(_) | Register::Vscr | Register::Vrsave => &["vr_get"],
        Register::F(_) | Register::Fpscr => &["fpr_get", "parse_fpe"],
    };
    case.last_left(case.steps(), |name| names.contains(&name))
}

/// What was to be handed over is still in the processor: whoever came to hand it over had to save
/// it first.
pub fn to_be_saved(case: &Case<'_>) -> Option<Fixes> {
    let like = case.last_such(case.steps(), |w| w.trace.len() > 1)?.1;
    let stay = case.stay(case.window.to);
    if case.owner() == 0 {
        let reads = |name: &str| case.code.reads_vrsave(name) && !case.code.writes_vrsave(name);
        let (at, function) = case.last_left(stay, reads)?;
        return Some(vec![case.with(at, case.image(), &case.by(function, like))]);
    }
    let (at, function) = handed_over(case)?;
    let bits = without(&case.after(at), case, case.owner());
    Some(vec![case.with_value(at, bits, &case.by(function, like))])
}

/// Linux's functions that save registers and leave them live, as they are asked to.
const LEAVE_LIVE: [&str; 2] = ["save_all", "flush_all_to_thread"];

/// The write as its caller's, as far up as functions only save registers.
fn by_caller(case: &Case<'_>, write: &Write) -> Write {
    let saves = |pc: &&u64| {
        let function = case.code.function(**pc);
        function.is_some_and(|f| {
            LEAVE_LIVE.contains(&f.as_str())
                || [false, true]
                    .into_iter()
                    .any(|vmx| case.code.saves_a_facility(&f, vmx))
        })
    };
    let saving = write.trace.iter().take_while(saves).count();
    case.outer(write, saving)
}

/// Registers that are live are loaded with something that is not the task's, after they were saved:
/// the kernel has taken them, and left the bits on.
pub fn saved_and_kept(case: &Case<'_>, moment: &Moment<'_>) -> Option<Fixes> {
    let image = moment.before.value(case.image());
    let foreign = case.loads(moment.write) && moment.write.value != image;
    let saved = image == case.right
        && case
            .last_write(case.stay(moment.at), |c| c == case.image())
            .is_some();
    (case.owner() != 0 && foreign && saved && !case.is_part_of_a_load(moment))
        .then(|| given_up(case, moment.at))?
}

/// The kernel uses a facility for itself while it has the registers of a task: whoever turned it on
/// should have saved them.
pub fn kernel_use(case: &Case<'_>, moment: &Moment<'_>) -> Option<Fixes> {
    if case.owner() == 0 {
        return None;
    }
    let is_it = |name: &str| name.starts_with("enable_kernel_");
    let (step, function) = case.last_left(case.stay(moment.at), is_it)?;
    let enabled = match function.rsplit('_').next() {
        Some("fp") => msr::FP,
        Some("altivec") => msr::VEC,
        _ => msr::FP | msr::VEC,
    };
    if enabled & case.owner() == 0 || case.is_save(moment.write) {
        return None;
    }
    let like = case.by(function, moment.write);
    let walk = case.after(step);
    let bits = without(
        &walk,
        case,
        not_saved(case, &walk, step) & enabled | case.owner(),
    );
    (bits.1 != walk.value(case.bits())).then(|| vec![case.with_value(step, bits, &like)])
}
