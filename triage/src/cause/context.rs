//! What a cause is seen together with, which says what kind of fault it is.

use std::collections::HashSet;

use ctxfuzz_emulator::arch::msr;
use ctxfuzz_emulator::trace::{Cell, Slot};
use ctxfuzz_scenario::event::Event;
use ctxfuzz_scenario::register::Register;
use ctxfuzz_scenario::scenario::Scenario;

use super::dispute::travelling;
use super::raw::{Change, RawCause};
use super::state::Walk;

/// The registers that loads of user code are about which the kernel has done up to an event, or is
/// doing: a task may be preempted in the middle of one.
pub fn asked(scenario: &Scenario, event: Option<u16>) -> HashSet<Register> {
    let count = event.map_or(scenario.events.len(), |event| usize::from(event) + 1);
    let loads = scenario.events.iter().take(count);
    let registers = loads.flat_map(|event| match event {
        Event::Access { op, register, .. } => op.defines(*register),
        _ => Vec::new(),
    });
    registers.map(|(register, _)| register).collect()
}

/// Whether only one side wrote data of the facility of a control register that differs in an image,
/// with what was there: then it is about the facility, and the rest is the same by chance.
pub fn whole(walks: [&Walk<'_>; 2], since: [usize; 2], changes: &[Change]) -> [bool; 2] {
    let beside = |c: &Change| match c.cell {
        Cell::Image(slot, Register::Fpscr) => Some((slot, msr::FP)),
        Cell::Image(slot, Register::Vscr) => Some((slot, msr::VEC)),
        _ => None,
    };
    let data = |(slot, bit)| {
        let registers = Register::all().filter(move |r| msr::owner(*r) == bit);
        let data = registers.filter(|r| !matches!(r, Register::Fpscr | Register::Vscr));
        data.map(move |r| Cell::Image(slot, r))
    };
    let cells: Vec<Cell> = changes.iter().filter_map(beside).flat_map(data).collect();
    let [a, b] = [0, 1].map(|side| {
        let written = |cell: &&Cell| walks[side].is_kept(**cell, since[side]);
        cells.iter().filter(written).count()
    });
    [a > 0 && b == 0, b > 0 && a == 0]
}

/// If memory of user code came to differ: what each side has on stacks. If what a tracer has read
/// did, what the tasks have in memory, too: the tracer runs, and reads what another has.
pub fn known(walks: [&Walk<'_>; 2], changes: &[Change]) -> [HashSet<u64>; 2] {
    let is_any = |of: fn(&Cell) -> bool| changes.iter().any(|c| of(&c.cell));
    let memory = is_any(|cell| cell.is_user_memory());
    let traced = is_any(|cell| matches!(cell, Cell::RegisterSet(_)));
    walks.map(|walk| {
        let stacks = memory.then(|| walk.stacks()).into_iter().flatten();
        let images = traced.then(|| walk.images()).into_iter().flatten();
        stacks.chain(images).collect()
    })
}

/// The cause that a signal's `si_code` follows from: the kernel has made it of FPSCR in the image
/// of the running task (Linux's parse_fpe), so no value travels, and FPSCR there is zero by the
/// time the frame is written.
pub fn told_by_fpscr(change: &Change, current: Slot, causes: &[RawCause]) -> Option<usize> {
    let fpscr = Cell::Image(current, Register::Fpscr);
    let has = |cause: &RawCause| cause.changes.iter().any(|c| c.cell == fpscr);
    is_si_code(change).then(|| causes.iter().rposition(has))?
}

/// Whether both sides have written a reason for a SIGFPE, and not the same.
fn is_si_code(change: &Change) -> bool {
    // FPE_FLTDIV to FPE_FLTINV, and FPE_FLTUNK. SIGUSR1 and SIGUSR2, which are in frames too, are
    // none.
    let is_code = |value: u128| matches!(value, 3..=7 | 14);
    matches!(change.cell, Cell::UserStack(_))
        && change.recent == [true; 2]
        && travelling(&change.cell, (change.a, change.b)).any(|(a, b)| is_code(a) && is_code(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(cell: Cell, a: u128, b: u128, recent: [bool; 2]) -> bool {
        is_si_code(&Change {
            cell,
            a,
            b,
            writer_a: None,
            writer_b: None,
            recent,
            kept: [false; 2],
            foreign: [false; 2],
            former: [false; 2],
            rewritten: false,
            fixed: false,
        })
    }

    #[test]
    fn a_reason_for_a_sigfpe_is_known_in_both_byte_orders_and_a_signal_is_none() {
        let (stack, both) = (Cell::UserStack(0x2004_f2a8), [true; 2]);
        assert!(told(stack, 14, 3, both));
        assert!(told(stack, 14 << 32, 3 << 32, both));
        assert!(!told(stack, 10, 12, both), "SIGUSR1 and SIGUSR2");
        assert!(!told(stack, 14, 8, both), "no reason");
        assert!(!told(stack, 14, 3, [true, false]), "one side kept it");
        assert!(!told(Cell::RegisterSet(0x2000_c010), 14, 3, both));
    }
}
