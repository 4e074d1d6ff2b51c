//! What the kernel should have done where a register's value was lost: tables of rules, of which
//! the first that holds decides.
//!
//! Not responsible for finding the step (`loss`), nor for bits of ownership (`ownership`).

use ctxfuzz_emulator::arch::msr;
use ctxfuzz_emulator::kernel::defects::Class;
use ctxfuzz_emulator::machine::Vector;
use ctxfuzz_emulator::trace::{Cell, Step, Write};
use ctxfuzz_scenario::facility::Facility;
use ctxfuzz_scenario::register::Register;

use super::case::Case;
use super::ownership::{self, without};
use super::rewrite::Fix;
use super::{Fixes, is_system_call, last};
use crate::cause::state::Walk;

/// The step at which the copy that counts was no longer right.
pub struct Moment<'a> {
    /// Its index.
    pub at: usize,
    /// What was written there.
    pub write: &'a Write,
    /// The run after the step before.
    pub before: Walk<'a>,
}

/// A rule: when it holds, and what was to be written then.
type Rule = (&'static str, fn(&Case<'_>, &Moment<'_>) -> Option<Fixes>);

/// The processor has the task's register, and it is overwritten.
const OVERWRITTEN: [Rule; 5] = [
    (
        "the kernel stored it wrongly in memory of user code",
        stored_wrongly,
    ),
    ("a special register was not put back", not_put_back),
    (
        "the kernel used the facility for itself",
        ownership::kernel_use,
    ),
    (
        "the kernel had saved the registers and left the bits on",
        ownership::saved_and_kept,
    ),
    ("an instruction overwrote the register", overwritten),
];

/// The bit comes on: the processor's copy counts from there on.
const TAKEN_FOR_LOADED: [Rule; 4] = [
    ("the register was loaded wrongly", loaded_wrongly),
    (
        "other registers of the facility were loaded",
        not_loaded_with_others,
    ),
    (
        "the function that loads them was called, and did not",
        loader_did_nothing,
    ),
    (
        "the bit was set, and nothing was loaded",
        ownership::set_without_load,
    ),
];

/// The bit goes off: the image counts from there on.
const TAKEN_FOR_SAVED: [Rule; 4] = [
    ("the register was saved wrongly", saved_wrongly),
    (
        "other registers of the facility were saved",
        not_saved_with_others,
    ),
    (
        "the function that saves them was called, and saved elsewhere",
        saver_did_nothing,
    ),
    (
        "the bit was cleared, and nothing was saved",
        cleared_without_save,
    ),
];

/// Another task runs from there on, or this one does.
const SWITCHED: [Rule; 3] = [
    (
        "a register that no bit guards was not saved or loaded",
        special_register,
    ),
    ("the task went with its bits on", ownership::not_given_up),
    (
        "the task came back with its bits on",
        ownership::came_with_bits,
    ),
];

fn first(rules: &[Rule], case: &Case<'_>, moment: &Moment<'_>) -> Fixes {
    let found = rules
        .iter()
        .find_map(|(name, rule)| Some((*name, rule(case, moment)?)));
    named(found)
}

/// What a rule has found, with its name.
fn named(found: Option<(&'static str, Fixes)>) -> Fixes {
    let (rule, fixes) = found.unwrap_or_default();
    fixes.into_iter().map(|fix| Fix { rule, ..fix }).collect()
}

/// What was to be written where the copy that counts was no longer right after this step.
pub fn lost_at(case: &Case<'_>, at: usize) -> Fixes {
    let Some(write) = case.write(at) else {
        return Fixes::new();
    };
    let moment = Moment {
        at,
        write,
        before: case.after(at.saturating_sub(1)),
    };
    let rules: &[Rule] = match write.cell {
        Cell::Hardware(_) => &OVERWRITTEN,
        Cell::Facilities(_) if write.value as u64 & case.owner() != 0 => &TAKEN_FOR_LOADED,
        Cell::Facilities(_) => &TAKEN_FOR_SAVED,
        Cell::Current => &SWITCHED,
        _ => return case.instead(at, write),
    };
    first(rules, case, &moment)
}

/// VRSAVE is a guest's for a while: whoever had to put it back came and did not.
fn not_put_back(case: &Case<'_>, moment: &Moment<'_>) -> Option<Fixes> {
    if case.owner() != 0 {
        return None;
    }
    let writer = case.code.function(moment.write.pc)?;
    let restores = |name: &str| name.contains("restore") && name.contains("spr");
    let others = |name: &str| name != writer && case.code.writes_vrsave(name);
    let steps = moment.at..case.stay_end(moment.at);
    let (at, function) = case
        .last_left(steps.clone(), restores)
        .or_else(|| case.last_left(steps, others))?;
    let like = case.by(function, moment.write);
    Some(vec![case.with(at, case.hardware(), &like)])
}

/// User code has loaded what the kernel had stored in its stead, wrongly.
fn stored_wrongly(case: &Case<'_>, moment: &Moment<'_>) -> Option<Fixes> {
    if case.in_kernel(moment.write) {
        return None;
    }
    // What is not aligned lies across doublewords: the value is none to look for.
    let is_emulator = |pc: &u64| {
        let name = case.code.function(*pc);
        name.is_some_and(|name| name.starts_with("do_") && name.ends_with("_store"))
    };
    let stores =
        |w: &Write| matches!(w.cell, Cell::UserStack(_)) && w.trace.iter().any(is_emulator);
    // A handler may have come in between.
    let (at, write) = case.last_such(0..moment.at, stores)?;
    let is_own = case.after(at).current() == case.window.slot;
    is_own.then(|| vec![case.with(at, write.cell, write)])
}

fn overwritten(case: &Case<'_>, moment: &Moment<'_>) -> Option<Fixes> {
    // What user code computes is no fault of its own.
    if !case.in_kernel(moment.write) {
        return None;
    }
    // It may do so in several steps: the last one is what is left.
    let function = case.code.function(moment.write.pc);
    let is_it = |w: &Write| {
        w.cell == moment.write.cell && w.value != case.right && case.code.function(w.pc) == function
    };
    let steps = moment.at..case.stay_end(moment.at);
    let last = case.last_such(steps, is_it);
    let (at, write) = last.unwrap_or((moment.at, moment.write));
    Some(case.instead(at, write))
}

/// The steps in which the register was to be copied: since the other copy counts.
fn copying(case: &Case<'_>, moment: &Moment<'_>) -> std::ops::Range<usize> {
    let stay = case.stay(moment.at);
    let bit = case.owner();
    let changed = stay.clone().rev().find(|at| {
        let write = case.write(*at);
        write.is_some_and(|w| {
            w.cell == case.bits() && (w.value ^ moment.write.value) as u64 & bit != 0
        })
    });
    changed.unwrap_or(stay.start)..moment.at
}

fn loaded_wrongly(case: &Case<'_>, moment: &Moment<'_>) -> Option<Fixes> {
    let cell = case.hardware();
    // A bit may be set before the load that it stands for.
    let steps = copying(case, moment).start..case.stay_end(moment.at);
    // What else writes it, as a copy with VMX, does not load what the task has.
    let (at, write) = case.last_such(steps, |w| w.cell == cell && case.loads(w))?;
    Some(vec![case.with(at, cell, write)])
}

fn not_loaded_with_others(case: &Case<'_>, moment: &Moment<'_>) -> Option<Fixes> {
    let cell = case.hardware();
    let owner = case.owner();
    let of_facility = |c| matches!(c, Cell::Hardware(r) if msr::owner(r) == owner);
    let steps = copying(case, moment).start..case.stay_end(moment.at);
    let (at, write) = case.last_such(steps, |w| of_facility(w.cell) && case.loads(w))?;
    Some(vec![case.with(at, cell, write)])
}

fn loader_did_nothing(case: &Case<'_>, moment: &Moment<'_>) -> Option<Fixes> {
    let words = facility_words(case.register);
    let is_it = |name: &str| {
        let loads = ["load", "do_restore", "restore_fp", "restore_altivec"];
        words.iter().any(|word| name.contains(word))
            && loads.iter().any(|word| name.starts_with(word))
    };
    let (at, function) = case.last_left(copying(case, moment), is_it)?;
    let like = case.by(function, moment.write);
    Some(vec![
        case.with(at, case.hardware(), &like).of(Class::WrongOwner),
    ])
}

/// What Linux's functions have in their names that are about a facility.
fn facility_words(register: Register) -> &'static [&'static str] {
    match register.owner() {
        Some(Facility::Fp) => &["fp"],
        Some(Facility::Vmx) => &["altivec", "vr_state"],
        Some(Facility::Vsx) => &["vsx"],
        None => &["spr"],
    }
}

fn saved_wrongly(case: &Case<'_>, moment: &Moment<'_>) -> Option<Fixes> {
    let cell = case.image();
    let (at, write) = case.last_write(copying(case, moment), |c| c == cell)?;
    Some(vec![case.with(at, cell, write)])
}

fn not_saved_with_others(case: &Case<'_>, moment: &Moment<'_>) -> Option<Fixes> {
    let steps = copying(case, moment);
    let (at, write) = case.last_write(steps, |c| case.is_image_of_facility(c))?;
    Some(vec![case.with(at, case.image(), write)])
}

fn saver_did_nothing(case: &Case<'_>, moment: &Moment<'_>) -> Option<Fixes> {
    let of_vmx = case.owner() == msr::VEC;
    let is_it = |name: &str| case.code.saves_a_facility(name, of_vmx);
    let (at, function) = case.last_left(copying(case, moment), is_it)?;
    let like = case.by(function, moment.write);
    Some(vec![case.with(at, case.image(), &like)])
}

fn cleared_without_save(case: &Case<'_>, moment: &Moment<'_>) -> Option<Fixes> {
    Some(vec![case.with(moment.at, case.image(), moment.write)])
}

/// What the task that went had was not saved: Linux loads VRSAVE only where the images differ.
fn other_task_not_saved(case: &Case<'_>, moment: &Moment<'_>) -> Option<Fixes> {
    let has = moment.before.value(case.hardware());
    let image = Cell::Image(moment.before.current(), case.register);
    let saves = |name: &str| case.code.reads_vrsave(name) && !case.code.writes_vrsave(name);
    let kernel = (0..moment.at).rev();
    let mut kernel = kernel.take_while(|at| case.run.steps[*at] != Step::UserReturn);
    let from = kernel.by_ref().last()?;
    let (at, function) = case.last_left(from..moment.at, saves)?;
    let fix = case.with_value(at, (image, has), &case.by(function, moment.write));
    (moment.before.value(image) != has).then(|| vec![fix])
}

/// VRSAVE: the image counts while the task does not run.
fn special_register(case: &Case<'_>, moment: &Moment<'_>) -> Option<Fixes> {
    if case.owner() != 0 {
        return None;
    }
    let comes = moment.write.value == u128::from(case.window.slot.0);
    let stay = case.stay(moment.at);
    if comes && let Some(fixes) = other_task_not_saved(case, moment) {
        return Some(fixes);
    }
    let moves = |name: &str| match comes {
        true => case.code.writes_vrsave(name),
        false => case.code.reads_vrsave(name) && !case.code.writes_vrsave(name),
    };
    let (at, function) = case.last_left(stay, moves)?;
    let like = case.by(function, moment.write);
    let cell = match comes {
        true => case.hardware(),
        false => case.image(),
    };
    Some(vec![case.with(at, cell, &like)])
}

/// The same, of what never came: the run at the end of the window is what they go by.
type Never = (&'static str, fn(&Case<'_>, &Walk<'_>) -> Option<Fixes>);

/// The right value did not come to where it counts: a new program's zeros, what a parent or a frame
/// had, what an access has loaded.
const NEVER: [Never; 7] = [
    (
        "an image was filled after it had been loaded",
        filled_too_late,
    ),
    ("an image was saved over that had been filled", saved_over),
    ("the kernel wrote a copy that does not count", wrong_copy),
    ("the register was written wrongly", written_wrongly),
    (
        "an access was emulated, and its register left out",
        not_emulated,
    ),
    ("the register was left out", left_out),
    ("nothing of the task was written", nothing_written),
];

/// What was to be written so that the right value came.
pub fn never_came(case: &Case<'_>, end: &Walk<'_>) -> Fixes {
    named(
        NEVER
            .iter()
            .find_map(|(name, rule)| Some((*name, rule(case, end)?))),
    )
}

fn is_live(case: &Case<'_>, walk: &Walk<'_>) -> bool {
    walk.is_live(case.window.slot, case.register)
}

/// The bits were set, and stale images loaded, before the right values were there.
fn filled_too_late(case: &Case<'_>, end: &Walk<'_>) -> Option<Fixes> {
    if case.owner() == 0 || !is_live(case, end) || end.value(case.image()) != case.right {
        return None;
    }
    let fills = |w: &Write| w.cell == case.image() && w.value == case.right && !case.is_save(w);
    let (filled, write) = case.last_such(case.window.looked..case.window.to, fills)?;
    is_live(case, &case.after(filled)).then(|| filled_while_live(case, filled, write))?
}

/// The image had the right value, and the kernel saved the processor's registers over it.
fn saved_over(case: &Case<'_>, _: &Walk<'_>) -> Option<Fixes> {
    let cell = case.image();
    let is_right = |w: &Write| w.cell == cell && w.value == case.right && !case.is_save(w);
    let (filled, write) = case.last_such(case.window.looked..case.window.to, is_right)?;
    let is_wrong = |w: &Write| w.cell == cell && w.value != case.right;
    let (at, over) = case.next_such(filled + 1..case.window.to, is_wrong)?;
    match is_live(case, &case.after(filled)) {
        true => filled_while_live(case, filled, write),
        false => Some(case.instead(at, over)),
    }
}

/// An image was filled while the processor's copy counts. If the function that fills it had seen to
/// it that it does not, whoever set the bits since is at fault; else it is that function, also if
/// it clears them too late.
fn filled_while_live(case: &Case<'_>, filled: usize, write: &Write) -> Option<Fixes> {
    let clears = |w: &Write| {
        w.cell == case.bits() && w.value as u64 & case.owner() == 0 && !case.gives_up(w)
    };
    let came_on = ownership::came_on(case, filled)?;
    let on = came_on.first()?.at;
    // Registers that are made anew may have been filled before the window in which they were made.
    if let Some((_, cleared)) = case.last_such(case.window.looked..on, clears)
        && case.is_called_by(write, cleared)
    {
        return Some(came_on);
    }
    if let Some(fixes) = ownership::saved_since(case, on, filled) {
        return Some(fixes);
    }
    let later = case.last_such(filled..case.stay_end(filled), clears);
    let like = match later {
        Some((_, later)) => case.common_caller(write, Some(later)),
        None => case.without_copiers(write),
    };
    let bits = without(&case.after(filled), case, case.owner());
    Some(vec![case.with_value(filled, bits, &like)])
}

/// The kernel put the right value into the processor's register, and the image counts.
fn wrong_copy(case: &Case<'_>, _: &Walk<'_>) -> Option<Fixes> {
    let cell = case.hardware();
    let is_right = |w: &Write| w.cell == cell && w.value == case.right && case.in_kernel(w);
    let (at, write) = case.last_such(case.steps(), is_right)?;
    // A load of an FPR makes zero of the other half for a moment.
    let next = case.next_write(at + 1..case.window.to, |c| c == cell);
    if next.is_some_and(|(_, w)| w.trace.get(1..) == write.trace.get(1..)) {
        return None;
    }
    let then = case.after(at);
    // What only moves a register does as it is told.
    let like = case.outer(write, 1);
    let fix = case.with(at, case.image(), &like).of(Class::WrongOwner);
    (!is_live(case, &then) && then.current() == case.window.slot).then(|| vec![fix])
}

/// The last steps in which the value was to come: those since the task's last system call.
fn arrival(case: &Case<'_>) -> std::ops::Range<usize> {
    let from = last(case.run, case.steps(), case.window.slot, is_system_call);
    from.unwrap_or(case.window.from)..case.window.to
}

fn written_wrongly(case: &Case<'_>, end: &Walk<'_>) -> Option<Fixes> {
    let steps = arrival(case);
    let image = case.last_write(steps.clone(), |c| c == case.image());
    if is_live(case, end)
        && let Some((at, write)) = case.last_write(steps, |c| c == case.hardware())
        && write.value != end.value(case.image())
    {
        return Some(vec![case.with(at, case.hardware(), write)]);
    }
    let is_wrong = |write: &Write| write.value != case.right && !case.is_save(write);
    let (at, write) = image.filter(|(_, write)| is_wrong(write))?;
    Some(vec![case.with(at, case.image(), write)])
}

/// What an access has loaded that the kernel did for user code: Linux's do_fp_load, do_vec_load and
/// do_vsx_load.
fn not_emulated(case: &Case<'_>, _: &Walk<'_>) -> Option<Fixes> {
    let is_alignment = |step: &Step| *step == Step::KernelEntry(Vector::Alignment);
    let from = last(case.run, case.steps(), case.window.slot, is_alignment)?;
    let loads = |name: &str| name.starts_with("do_") && name.ends_with("_load");
    let (at, function) = case.last_left(from..case.window.to, loads)?;
    let like = case.last_such(from..case.window.to, |w| w.trace.len() > 1);
    let like = match like {
        Some((_, like)) => case.by(function, like),
        None => case.made_by(function)?,
    };
    let live = is_live(case, &case.after(at));
    let cell = match live {
        true => case.hardware(),
        false => case.image(),
    };
    // What it has written there is not right.
    let written = case.last_write(from..case.window.to, |c| c == cell);
    let at = written.map_or(at, |(written, _)| written);
    Some(vec![case.with(at, cell, &like).of(Class::LostUpdate)])
}

fn left_out(case: &Case<'_>, end: &Walk<'_>) -> Option<Fixes> {
    let steps = arrival(case);
    let image = case.image();
    let beside = |w: &Write| case.is_beside(image, w.cell) && !case.is_save(w);
    let of_facility = |w: &Write| case.is_image_of_facility(w.cell) && !case.is_save(w);
    // That others took the registers meanwhile decides nothing about them.
    let decided = |w: &Write| w.cell == case.bits() && !case.gives_up(w);
    let of_task = |w: &Write| matches!(w.cell, Cell::Image(of, _) if of == case.window.slot);
    let (at, write) = case
        .last_such(steps.clone(), beside)
        .or_else(|| case.next_such(steps.clone(), decided))
        .or_else(|| case.last_such(steps.clone(), of_facility))
        .or_else(|| case.last_such(steps.clone(), of_task))?;
    let class = match case.right {
        _ if case.register.is_control() => Class::ControlBits,
        0 if case.window.made => Class::StaleRestore,
        _ => Class::LostUpdate,
    };
    let mut fixes = vec![case.with(at, image, write).of(class)];
    let loaded = case.last_write(at..case.window.to, |c| c == case.hardware());
    if is_live(case, end) && loaded.is_none() {
        fixes.push(case.with(at, case.hardware(), write));
    }
    Some(fixes)
}

fn nothing_written(case: &Case<'_>, _: &Walk<'_>) -> Option<Fixes> {
    let cell = case.hardware();
    let (at, write) = case.last_write(case.steps(), |c| c == cell)?;
    Some(vec![case.with(at, cell, write)])
}
