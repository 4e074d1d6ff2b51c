//! What facility a cell belongs to, and what belongs to a dispute about who owns one. Not responsible for finding either.

use std::collections::HashSet;

use ctxfuzz_emulator::machine::msr;
use ctxfuzz_emulator::trace::Cell;

use super::raw::Change;
use super::state::owner_bit;

/// Class of a doubleword on a stack, or in other memory of user code.
pub const STACK: u64 = u64::MAX;

/// Class of what says who owns registers.
pub const CONTROL: u64 = u64::MAX - 1;

/// What both of these have, and no facility.
const CONTROL_BIT: u64 = 1 << 63;

/// The facility that a cell's register belongs to.
pub fn class(cell: &Cell) -> Option<u64> {
    match cell {
        Cell::Hardware(register) | Cell::Image(_, register) => Some(owner_bit(*register)),
        Cell::UserStack(_) | Cell::RegisterSet(_) => Some(STACK),
        Cell::Facilities(_) | Cell::Used(_) | Cell::UserMsr | Cell::Current => Some(CONTROL),
    }
}

/// Where the sides come to disagree about who owns a facility, what became of its registers in the same stretch is part of that: one saves or loads them, the other does not.
pub fn one_dispute(groups: Vec<Vec<Change>>) -> Vec<Vec<Change>> {
    let disputed = |changes: &[Change]| -> u64 {
        let bits = changes
            .iter()
            .filter(|c| matches!(c.cell, Cell::Facilities(_)));
        bits.fold(0, |all, c| all | (c.a ^ c.b) as u64) & (msr::FP | msr::VEC)
    };
    let (mut disputes, others): (Vec<_>, Vec<_>) = groups
        .into_iter()
        .partition(|changes| disputed(changes) != 0);
    let mut apart = Vec::new();
    for changes in others {
        let facilities = changes.iter().map(|c| class(&c.cell).unwrap_or(CONTROL));
        let facilities: HashSet<u64> = facilities.collect();
        let of_these = |dispute: &&mut Vec<Change>| {
            let bits = disputed(dispute);
            facilities
                .iter()
                .all(|f| *f & CONTROL_BIT == 0 && *f & bits != 0)
        };
        match disputes.iter_mut().find(of_these) {
            Some(dispute) => dispute.extend(changes),
            None => apart.push(changes),
        }
    }
    // Disputes first: what else came about in the stretch follows from them.
    disputes.extend(apart);
    disputes
}
