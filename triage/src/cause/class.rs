//! What kind of fault a cause is, by what the recordings show: where the values come from, who wrote them, whether a task needs them. The first rule that holds decides:
//!
//! 1. One run did not complete, and nothing that is tracked was wrong before: *dies* (that one is `end`'s).
//! 2. Facility bits differ (of `regs->msr`, of the MSR that user code goes on with, of a frame's MSR), or which task runs: *wrong owner*. Only FE0 and FE1: *control bits*.
//! 3. No data differs, only FPSCR, VSCR or VRSAVE: *control bits*.
//! 4. Most values that differ are those of another place of the same state: *wrong layout*.
//! 5. Registers: if only one side loaded them from memory, the other kept what was there: *leaked from another task* if another one wrote that, else *stale restore*. If a
//!    value is one that the register had before: *stale restore*. Else *clobbered live register*.
//! 6. Images: if only one side wrote, and that what the processor has, the other's image is not up to date: *lost update*. If it wrote anything else, the other has kept what will be
//!    loaded again: *stale restore*. If both wrote: as for registers, else *lost update*.
//! 7. Signal frames: *lost update*.
//!
//! Like a signature it does not depend on which of the two kernels comes first.

use std::collections::HashSet;

use ctxfuzz_emulator::kernel::defects::Class;
use ctxfuzz_emulator::machine::msr;
use ctxfuzz_emulator::run::outcome::RegisterFile;
use ctxfuzz_emulator::trace::Cell;
use ctxfuzz_scenario::register::Register;

use super::analyse::{Change, RawCause};
use super::signature::register;

const OWNERS: u64 = msr::FP | msr::VEC | msr::VSX;

/// The kind of a cause.
pub fn class(cause: &RawCause) -> Class {
    let bits = cause.changes.iter().filter_map(bits).fold(0, |a, b| a | b);
    if bits & OWNERS != 0 || cause.changes.iter().any(|c| c.cell == Cell::Current) {
        return Class::WrongOwner;
    }
    if bits != 0 {
        return Class::ControlBits;
    }
    let data: Vec<&Change> = cause.changes.iter().filter(|c| is_data(c.cell)).collect();
    if data.is_empty() {
        return Class::ControlBits;
    }
    if misplaced(cause, &data) {
        return Class::WrongLayout;
    }
    let most = |class: fn(&Change, &RawCause) -> Class, of: &[&Change]| {
        let classes: Vec<Class> = of.iter().map(|change| class(change, cause)).collect();
        let count = |class: &Class| classes.iter().filter(|c| *c == class).count();
        Class::ALL.into_iter().max_by_key(count)
    };
    let of = |is: fn(Cell) -> bool| -> Vec<&Change> {
        data.iter().filter(|c| is(c.cell)).copied().collect()
    };
    let hardware = of(|cell| matches!(cell, Cell::Hardware(_)));
    let images = of(|cell| matches!(cell, Cell::Image(..)));
    let found = match (hardware.is_empty(), images.is_empty()) {
        (false, _) => most(of_register, &hardware),
        (true, false) => most(of_image, &images),
        (true, true) => None,
    };
    found.unwrap_or(Class::LostUpdate)
}

/// Facility bits that differ.
fn bits(change: &Change) -> Option<u64> {
    let differ = (change.a ^ change.b) as u64;
    match change.cell {
        Cell::Facilities(_) | Cell::UserMsr => Some(differ),
        // A frame's MSR is a doubleword like any other, but for what differs in it.
        Cell::UserStack(_) => (differ & !OWNERS == 0).then_some(differ),
        Cell::Hardware(_) | Cell::Image(..) | Cell::Current => None,
    }
}

fn is_data(cell: Cell) -> bool {
    match register(cell) {
        Some(register) => !is_control(register),
        None => matches!(cell, Cell::UserStack(_)),
    }
}

fn is_control(register: Register) -> bool {
    matches!(
        register,
        Register::Fpscr | Register::Vscr | Register::Vrsave
    )
}

/// Whether what differs is mostly the right values in wrong places.
fn misplaced(cause: &RawCause, data: &[&Change]) -> bool {
    let values = |value: fn(&Change) -> u128| -> HashSet<u64> {
        data.iter().flat_map(|c| halves(value(c))).collect()
    };
    let (all_a, all_b) = (values(|c| c.a), values(|c| c.b));
    let [known_a, known_b] = [0, 1].map(|side| {
        let files = [&cause.hardware[side], &cause.images[side]];
        files
            .into_iter()
            .flat_map(doublewords)
            .collect::<HashSet<u64>>()
    });
    let elsewhere = |change: &&&Change| {
        let (a, b) = (halves(change.a), halves(change.b));
        if a.is_empty() || b.is_empty() {
            // One side has nothing here: it may have it somewhere else.
            let moved = |values: &[u64], all: &HashSet<u64>| {
                !values.is_empty() && values.iter().all(|value| all.contains(value))
            };
            return moved(&a, &all_b) || moved(&b, &all_a);
        }
        let of_a = a.iter().all(|v| known_a.contains(v) || all_b.contains(v));
        let of_b = b.iter().all(|v| known_b.contains(v) || all_a.contains(v));
        let one_object = change.recent == [true; 2] || matches!(change.cell, Cell::UserStack(_));
        one_object && of_a && of_b
    };
    data.iter().filter(elsewhere).count() * 2 > data.len()
}

/// The doublewords of a value, but for zero, which is everywhere.
fn halves(value: u128) -> Vec<u64> {
    let halves = [(value >> 64) as u64, value as u64];
    halves.into_iter().filter(|half| *half != 0).collect()
}

fn doublewords(file: &RegisterFile) -> Vec<u64> {
    let data = Register::all().filter(|register| !is_control(*register));
    data.flat_map(|register| halves(file.get(register)))
        .collect()
}

fn of_register(change: &Change, _: &RawCause) -> Class {
    let loaded = change.writer().is_some_and(|w| is_load(w.word));
    let silent = match change.recent {
        [true, false] => Some(1),
        [false, true] => Some(0),
        _ => None,
    };
    match silent {
        Some(side) if loaded && change.foreign[side] => Class::LeakedFromTask,
        Some(_) if loaded => Class::StaleRestore,
        None if loaded && change.former.contains(&true) => Class::StaleRestore,
        _ => Class::ClobberedRegister,
    }
}

fn of_image(change: &Change, cause: &RawCause) -> Class {
    let saved = |side: usize, value| {
        register(change.cell).is_some_and(|r| cause.hardware[side].get(r) == value)
    };
    match change.recent {
        [true, false] if saved(0, change.a) => Class::LostUpdate,
        [false, true] if saved(1, change.b) => Class::LostUpdate,
        [true, false] | [false, true] => Class::StaleRestore,
        _ if change.former.contains(&true) => Class::StaleRestore,
        _ => Class::LostUpdate,
    }
}

/// Whether an instruction loads an FP, vector or VSX register from memory (Power ISA 3.1, appendix of opcodes).
fn is_load(word: u32) -> bool {
    let extended = (word >> 1) & 0x3ff;
    match word >> 26 {
        // lfd, lfdu
        50 | 51 => true,
        // lvx, lvxl, lfdx, lxvx, lxsdx, lxvw4x, lxvd2x
        31 => matches!(extended, 103 | 359 | 599 | 268 | 588 | 780 | 844),
        // lxv
        61 => word & 7 == 1,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_are_told_from_moves_and_stores() {
        let loads = [0xc803_0000, 0x7c00_18ce, 0x7c00_1e98]; // lfd f0,0(r3); lvx v0,0,r3; lxvd2x vs0,0,r3
        assert!(loads.into_iter().all(is_load));
        let others = [
            0xfc00_048e,
            0x1000_0604,
            0xd803_0000,
            0x7c00_19ce,
            0x7c00_1f98,
        ]; // mffs, mfvscr, stfd, stvx, stxvd2x
        assert!(!others.into_iter().any(is_load));
    }
}
