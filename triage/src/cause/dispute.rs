//! What facility a cell belongs to, by which values a cell's is known again, and what belongs to a
//! dispute about who owns one. Not responsible for finding either.

use std::collections::HashSet;

use ctxfuzz_emulator::arch::msr;
use ctxfuzz_emulator::trace::Cell;
use ctxfuzz_scenario::register::Register;

use super::raw::Change;

/// Class of a doubleword on a stack, or in other memory of user code.
pub const STACK: u64 = u64::MAX;

/// Class of what says who owns registers.
pub const CONTROL: u64 = u64::MAX - 1;

/// Class of FPSCR but for what is done to it in a frame and where it is loaded.
pub const FPSCR: u64 = u64::MAX - 2;

/// What all of these have, and no facility.
const CONTROL_BIT: u64 = 1 << 63;

const FEX: u128 = 1 << 30;
const VX: u128 = 1 << 29;
const ENABLES: u128 = 0xf8;

/// The facility that a cell's register belongs to.
pub fn class(cell: &Cell) -> Option<u64> {
    match cell {
        Cell::Hardware(register) | Cell::Image(_, register) => Some(msr::owner(*register)),
        Cell::UserStack(_) | Cell::RegisterSet(_) => Some(STACK),
        Cell::Facilities(_) | Cell::Used(_) | Cell::UserMsr | Cell::Current => Some(CONTROL),
    }
}

/// The values by which a cell's may be known again where they are copied to. A VR travels to memory
/// and frames in two halves; VRSAVE, a word, lies in the upper one of a doubleword in memory if
/// that is big endian.
pub fn travelling(cell: &Cell, (a, b): (u128, u128)) -> impl Iterator<Item = (u128, u128)> {
    let low = u128::from(u64::MAX);
    let is_vr = matches!(
        cell,
        Cell::Hardware(Register::V(_)) | Cell::Image(_, Register::V(_))
    );
    let halves = [(a >> 64, b >> 64), (a & low, b & low)];
    let halves = halves.into_iter().filter(move |(a, b)| is_vr && a != b);
    let is_upper = cell.is_user_memory() && (a ^ b) & u128::from(u32::MAX) == 0;
    let word = is_upper.then_some((a >> 32, b >> 32));
    halves.chain([(a, b)]).chain(word)
}

/// What of FPSCR stays, in an image or a frame: a handler turns the enable bits off (VE to XE), or
/// it would be called again at once, and FEX and VX are the processor's summary of the rest. `None`
/// if the cell cannot be FPSCR, or nothing of the difference stays.
pub fn lasting(cell: &Cell, (a, b): (u128, u128)) -> Option<(u128, u128)> {
    let can_be = matches!(
        cell,
        Cell::Hardware(Register::Fpscr) | Cell::Image(_, Register::Fpscr) | Cell::UserStack(_)
    );
    let [a, b] = [a, b].map(|value| value & !(FEX | VX | ENABLES));
    (can_be && a != b).then_some((a, b))
}

/// Where the sides come to disagree about who owns a facility, what became of its registers in the
/// same stretch is part of that: one saves or loads them, the other does not.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_in_the_upper_half_of_memory_is_known_again_and_of_a_register_it_is_not() {
        let pair = (0x5a5a_a5a5_0000_0000, 0);
        let values = |cell: Cell, pair| travelling(&cell, pair).collect::<Vec<_>>();
        let word = (0x5a5a_a5a5, 0);
        assert_eq!(values(Cell::UserStack(8), pair), [pair, word]);
        assert_eq!(
            values(Cell::UserStack(8), (pair.0 + 1, 0)),
            [(pair.0 + 1, 0)]
        );
        assert_eq!(values(Cell::Hardware(Register::F(1)), pair), [pair]);
        let vr = Cell::Hardware(Register::V(1));
        assert_eq!(values(vr, (7 << 64 | 1, 1)), [(7, 0), (7 << 64 | 1, 1)]);
    }
}
