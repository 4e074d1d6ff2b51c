//! Where a guest's register was lost while the guest runs as a task does (Linux's book3s_pr.c):
//! the processor has the guest's registers, and the bits of the task's `regs->msr` say so.
//!
//! The vcpu's own copy is no cell of a recording, so this follows the processor's alone.

use ctxfuzz_emulator::kernel::defects::Class;
use ctxfuzz_emulator::trace::{Cell, Write};

use super::Fixes;
use super::case::Case;
use super::rewrite::Fix;

/// The guest's register was in the processor, the kernel used that for itself, and the bits came on
/// again with nothing loaded (Linux's kvmppc_handle_lost_ext).
pub fn of(case: &Case<'_>) -> Fixes {
    let set_without_load = || {
        let runs = |at: usize| case.after(at).current() == case.window.slot;
        let is_right = |w: &Write| w.cell == case.hardware() && w.value == case.right;
        let (held, _) = case.last_such(case.steps(), is_right)?;
        let owner = case.owner();
        let comes_on = |at: &usize| {
            let had = || case.after(at.saturating_sub(1)).value(case.bits());
            let sets = |w: &Write| (w.value & !had()) as u64 & owner != 0;
            case.write(*at)
                .is_some_and(|w| w.cell == case.bits() && sets(w))
        };
        let at = (held + 1..case.window.to).find(comes_on)?;
        let write = case.write(at)?;
        let is_load = |w: &Write| {
            matches!(w.cell, Cell::Hardware(r) if case.is_beside(case.hardware(), Cell::Hardware(r)))
                && case.is_called_by(w, write)
        };
        let loaded = case.last_such(held + 1..at, is_load).is_some();
        (runs(at) && !loaded).then(|| case.with(at, case.hardware(), write).of(Class::WrongOwner))
    };
    let fix = set_without_load().map(|fix| Fix {
        rule: "the bit was set, and nothing of the guest was loaded",
        ..fix
    });
    fix.into_iter().collect()
}
