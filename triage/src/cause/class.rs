//! What kind of fault a cause is, by what the recordings show: where the values come from, who
//! wrote them, whether a task needs them. The first rule that holds decides:
//!
//! 0. A frame lies elsewhere on a stack (`displaced`): *wrong layout*.
//! 1. One run did not complete, and nothing that is tracked was wrong before: *dies* (that one is
//!    `end`'s).
//! 2. What says who owns registers differs: facility bits of `regs->msr`, of the MSR that user code
//!    goes on with, or of a frame's MSR; `used_vr`, `used_vsr`; which task runs: *wrong owner*.
//!    Only FE0 and FE1, then and where the same function writes the same bits again: *control
//!    bits*.
//! 3. Only one side loaded registers: *wrong owner* if the other did not come to the code that
//!    does, as it took them for loaded, or if it put the same value into the image instead; *leaked
//!    from another task* if it did come there, and what is still in the register another task has
//!    written; of FPSCR and VSCR, whoever has.
//! 4. No data differs, only FPSCR, VSCR or VRSAVE: *control bits*, unless the side that wrote it
//!    wrote the data that goes with it too, and the other did not, or the other wrote what was
//!    there, and that is not zero: then 7 decides.
//! 5. Most values that differ are those of another place of the same state, or each side wrote what
//!    the other wrote, to another place (zero, too, where that is the other half of the same VSR):
//!    *wrong layout*.
//! 6. Registers: if only one side loaded them from the image of their task, the other kept what its
//!    own task had there: *stale restore*, unless the function that loads them has itself left what
//!    is there: it has borrowed the register. If only one side wrote a register that user code has
//!    had the kernel load: *lost update*. Else *clobbered live register*.
//! 7. Images: if only one side wrote, and that what the processor has, the other's image is not up
//!    to date: *lost update*; so it is if the other wrote what was there, as one of the two has
//!    lost that. If what one wrote is in the other's processor, they disagree about where it
//!    belongs: *wrong owner*. If it wrote anything else, the other has kept what will be loaded
//!    again: *stale restore*. If both wrote: *stale restore* if one of the values was there before,
//!    else *lost update*. Zero is in many registers: it counts as what the processor has only where
//!    an instruction stored it from a register.
//! 8. Signal frames: *lost update*.
//!
//! Like a signature it does not depend on which of the two kernels comes first.

use std::collections::HashSet;

use ctxfuzz_emulator::arch::RegisterFile;
use ctxfuzz_emulator::arch::msr;
use ctxfuzz_emulator::kernel::defects::Class;
use ctxfuzz_emulator::machine::instruction::stores_vsr;
use ctxfuzz_emulator::trace::Cell;
use ctxfuzz_scenario::register::Register;

use super::code::Code;
use super::raw::{Change, RawCause};
use super::signature::{owners_after, pattern, register};
use crate::pattern::Source;

const OWNERS: u64 = msr::FP | msr::VEC | msr::VSX;

/// The kind of a cause; the two kernels' code says which functions addresses belong to.
pub fn class(cause: &RawCause, codes: &[Code; 2]) -> Class {
    if cause.displaced.is_some() {
        return Class::WrongLayout;
    }
    let bits = cause.changes.iter().filter_map(bits).fold(0, |a, b| a | b);
    if (bits | owners_after(cause, codes)) & OWNERS != 0
        || cause.changes.iter().any(|c| c.cell == Cell::Current)
    {
        return Class::WrongOwner;
    }
    if bits != 0 {
        return Class::ControlBits;
    }
    let of = |is: fn(Cell) -> bool| -> Vec<&Change> {
        cause.changes.iter().filter(|c| is(c.cell)).collect()
    };
    // The running task always has its VRSAVE.
    let registers = of(|cell| matches!(cell, Cell::Hardware(r) if r != Register::Vrsave));
    let found = most(registers.iter().map(|c| of_register(c, cause, codes)));
    if let Some(class @ (Class::WrongOwner | Class::LeakedFromTask)) = found {
        return class;
    }
    let data = of(is_data);
    let images = of(|cell| matches!(cell, Cell::Image(..)));
    if data.is_empty() {
        let more = images.iter().find(|c| is_part(c, cause));
        return more.map_or(Class::ControlBits, |c| of_image(c, cause));
    }
    if misplaced(&data, cause) {
        return Class::WrongLayout;
    }
    found
        .or_else(|| most(images.iter().map(|c| of_image(c, cause))))
        .unwrap_or(Class::LostUpdate)
}

/// What most of them are.
fn most(classes: impl Iterator<Item = Class>) -> Option<Class> {
    let classes: Vec<Class> = classes.collect();
    let count = |class: &Class| classes.iter().filter(|c| *c == class).count();
    let first = classes.first().copied()?;
    Some(
        Class::ALL
            .into_iter()
            .fold(first, |best, class| match count(&class) > count(&best) {
                true => class,
                false => best,
            }),
    )
}

/// What differs about ownership.
fn bits(change: &Change) -> Option<u64> {
    let differ = (change.a ^ change.b) as u64;
    match change.cell {
        Cell::Facilities(_) | Cell::Used(_) | Cell::UserMsr => Some(differ),
        Cell::UserStack(_) => is_frame_msr(change).then_some(differ),
        Cell::Hardware(_) | Cell::Image(..) | Cell::Current | Cell::RegisterSet(_) => None,
    }
}

/// Whether a doubleword of a user stack is the MSR of user code, but for its facility bits.
pub fn is_frame_msr(change: &Change) -> bool {
    let (a, b) = (change.a as u64, change.b as u64);
    let user = msr::SF | msr::PR;
    (a ^ b) & !OWNERS == 0 && a & user == user
}

fn is_data(cell: Cell) -> bool {
    match register(cell) {
        Some(register) => !register.is_control(),
        None => cell.is_user_memory(),
    }
}

/// Whether a control register in an image differs as part of what became of data: the side that
/// wrote it has written the facility's data too, with what was there, or the other side has written
/// it with what was there: something that is lost, so not zero.
fn is_part(change: &Change, cause: &RawCause) -> bool {
    match change.recent {
        [true, false] => cause.whole[0] || change.kept[1] && change.b != 0,
        [false, true] => cause.whole[1] || change.kept[0] && change.a != 0,
        _ => false,
    }
}

/// Whether what differs is mostly the right values in wrong places: what one side has in a place,
/// the other has in another one. Zero is everywhere and does not count.
fn misplaced(data: &[&Change], cause: &RawCause) -> bool {
    let [known_a, known_b] = [0, 1].map(|side| {
        let written = |c: &&Change| halves([c.a, c.b][side]);
        let files = [&cause.hardware[side], &cause.images[side]];
        let known = files.into_iter().flat_map(doublewords);
        let known = known.chain(data.iter().flat_map(written));
        known
            .chain(cause.known[side].iter().copied())
            .collect::<HashSet<u64>>()
    });
    let all_in = |value: u128, known: &HashSet<u64>| {
        let halves = halves(value);
        (!halves.is_empty()).then(|| halves.iter().all(|half| known.contains(half)))
    };
    // What `mffs` or `mfvscr` has left is no data: a small number, which is in many places.
    let moved = |c: &&&Change| {
        let source = pattern(cause, c).map(|p| p.source);
        matches!(source, Some(Source::Fpscr | Source::Vscr))
    };
    let elsewhere = data.iter().filter(|c| !moved(c)).filter_map(|change| {
        let (a, b) = (all_in(change.a, &known_b), all_in(change.b, &known_a));
        match change.recent {
            [true, false] => a,
            [false, true] => b,
            _ => Some(a? && b?),
        }
    });
    let (yes, no): (Vec<bool>, Vec<bool>) = elsewhere.partition(|elsewhere| *elsewhere);
    // What only one side wrote into an image or a register is a copy of something, wherever it
    // comes from: there it takes halves that have changed places.
    let both_or_user = |c: &&Change| c.recent == [true; 2] || c.cell.is_user_memory();
    let is_swapped = |c: &&&Change| pattern(cause, c).is_some_and(|p| p.source == Source::Swapped);
    let swapped = data.iter().filter(is_swapped).count();
    swapped * 2 > data.len()
        || crossed(data)
        || data.iter().any(both_or_user) && yes.len() > no.len()
}

/// Whether each side wrote what the other one wrote, to another place.
fn crossed(data: &[&Change]) -> bool {
    let in_other_half = data.iter().filter(|c| is_in_other_half(c, data)).count();
    if in_other_half * 2 > data.len() {
        return true;
    }
    let alone = |side: usize| {
        let changes = data
            .iter()
            .filter(move |c| c.recent[side] && !c.recent[1 - side]);
        let values = changes.map(move |c| [c.a, c.b][side]);
        values.filter(|value| *value != 0).collect::<Vec<u128>>()
    };
    let sides = [alone(0), alone(1)];
    let found = |side: usize| {
        let other = &sides[1 - side];
        sides[side]
            .iter()
            .filter(|value| other.contains(value))
            .count()
    };
    let all = sides[0].len() + sides[1].len();
    (found(0) + found(1)) * 2 > all
}

/// Whether only one side wrote a half of a VSR in an image, and only the other side the other half,
/// with the same value.
fn is_in_other_half(change: &Change, data: &[&Change]) -> bool {
    let other = match change.cell {
        Cell::Image(slot, Register::F(n)) => Cell::Image(slot, Register::Vs(n)),
        Cell::Image(slot, Register::Vs(n)) => Cell::Image(slot, Register::F(n)),
        _ => return false,
    };
    let is_it = |c: &&Change| match (change.recent, c.recent) {
        ([true, false], [false, true]) => c.cell == other && c.b == change.a,
        ([false, true], [true, false]) => c.cell == other && c.a == change.b,
        _ => false,
    };
    data.iter().any(is_it)
}

/// The doublewords of a value, but for zero, which is everywhere.
fn halves(value: u128) -> Vec<u64> {
    let halves = [(value >> 64) as u64, value as u64];
    halves.into_iter().filter(|half| *half != 0).collect()
}

fn doublewords(file: &RegisterFile) -> Vec<u64> {
    let data = Register::all().filter(|register| !register.is_control());
    data.flat_map(|register| halves(file.get(register)))
        .collect()
}

/// Where both sides have a value of a register: in the processor, in the image of the running task.
fn places(cause: &RawCause, side: usize, register: Register, value: u128) -> [bool; 2] {
    [&cause.hardware[side], &cause.images[side]].map(|file| file.get(register) == value)
}

fn of_register(change: &Change, cause: &RawCause, codes: &[Code; 2]) -> Class {
    let (writer, silent) = match change.recent {
        [true, false] => (0, 1),
        [false, true] => (1, 0),
        _ => return Class::ClobberedRegister,
    };
    let value = [change.a, change.b][writer];
    let has = |side| register(change.cell).map(|r| places(cause, side, r, value));
    let loaded = matches!(has(writer), Some([_, true]));
    let stored_instead = has(writer) == Some([true, false]) && has(silent) == Some([false, true]);
    let by = |side: usize| {
        let write = [&change.writer_a, &change.writer_b][side].as_ref()?;
        codes[side].function(write.pc)
    };
    let function = by(writer);
    let is_detour = function.as_ref().is_some_and(|f| cause.is_detour(f));
    let loads_all = || {
        let function = function.as_deref();
        function.is_some_and(|f| codes[writer].loads_a_facility(f))
    };
    // Both came to the load. What is still in the register may be the task's own, or the guest's,
    // and then it is no more right than another task's.
    let is_left_out = || {
        let is_control = register(change.cell).is_some_and(Register::is_control);
        is_control && by(silent) != function && (loaded || loads_all())
    };
    let asked = register(change.cell).is_some_and(|r| cause.asked.contains(&r));
    if stored_instead || is_detour && (loaded || loads_all()) {
        Class::WrongOwner
    } else if loaded && change.foreign[silent] || is_left_out() {
        Class::LeakedFromTask
    } else if loaded && by(silent) != function {
        Class::StaleRestore
    } else if asked {
        Class::LostUpdate
    } else {
        Class::ClobberedRegister
    }
}

fn of_image(change: &Change, cause: &RawCause) -> Class {
    let (writer, silent) = match change.recent {
        [true, false] => (0, 1),
        [false, true] => (1, 0),
        _ if change.former.contains(&true) => return Class::StaleRestore,
        _ => return Class::LostUpdate,
    };
    let value = [change.a, change.b][writer];
    // Zero is in many registers, and says something only where it was stored from one.
    let stored = [&change.writer_a, &change.writer_b][writer]
        .as_ref()
        .is_some_and(|w| stores_vsr(w.word));
    let in_processor = |side| {
        let has = |r| places(cause, side, r, value)[0] && (value != 0 || r.is_control() || stored);
        register(change.cell).is_some_and(has)
    };
    match (in_processor(writer), in_processor(silent)) {
        (true, _) => Class::LostUpdate,
        _ if change.kept[silent] => Class::LostUpdate,
        (false, true) => Class::WrongOwner,
        (false, false) => Class::StaleRestore,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_kind_counts_and_the_first_of_equals() {
        use Class::{ClobberedRegister, LostUpdate, StaleRestore};
        assert_eq!(most([].into_iter()), None);
        let two = [StaleRestore, LostUpdate, StaleRestore];
        assert_eq!(most(two.into_iter()), Some(StaleRestore));
        let equal = [LostUpdate, ClobberedRegister];
        assert_eq!(most(equal.into_iter()), Some(LostUpdate));
    }
}
