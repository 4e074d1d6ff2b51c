//! Where the kernel has used a facility for itself in an interrupt: what it has interrupted may be
//! at work on the same registers, and the frame of the task is not that of the interrupt. Linux
//! asks
//! `in_interrupt` before (`may_use_simd`, `enter_vmx_usercopy`, `enter_vmx_ops`).
//!
//! Not responsible for uses by the task's own system call or exception (`ownership`).

use ctxfuzz_emulator::arch::msr;
use ctxfuzz_emulator::kernel::defects::Class;
use ctxfuzz_emulator::machine::address::KERNEL;
use ctxfuzz_emulator::trace::{Cell, Step, Write};

use super::Fixes;
use super::case::Case;
use super::rewrite::Fix;
use crate::cause::stay::name;

/// Parts of the names of Linux's functions below which code is in an interrupt.
const IN_INTERRUPT: [&str; 8] = [
    "softirq",
    "ipi_demux",
    "do_IRQ",
    "timer_interrupt",
    "doorbell_exception",
    "performance_monitor_exception",
    "system_reset_exception",
    "machine_check_exception",
];

/// The registers were given up for such a use: the task's bits had to stay as they were.
pub fn of(case: &Case<'_>) -> Option<Fixes> {
    let given_up = |w: &Write| w.cell == case.bits() && use_in_interrupt(case, w).is_some();
    let (at, write) = case.next_such(case.steps(), given_up)?;
    let had = case.after(at.saturating_sub(1)).value(case.bits());
    let gone = (had ^ write.value) as u64;
    if case.owner() != 0 && gone & (case.owner() | msr::VSX) == 0 {
        return None;
    }
    let function = decided(case, at, write)?;
    let fix = case.with_value(at, (case.bits(), had), &case.by(&function, write));
    Some(vec![Fix {
        class: Some(Class::WrongOwner),
        rule: "the kernel used the facility in an interrupt",
        ..fix
    }])
}

/// The functions that were at work at such a write, innermost first, from the one that called
/// Linux's `enable_kernel_fp` or its like.
fn use_in_interrupt(case: &Case<'_>, write: &Write) -> Option<Vec<String>> {
    let functions = write.trace.iter().filter_map(|pc| case.code.function(*pc));
    let mut callers = functions.skip_while(|f| !f.starts_with("enable_kernel_"));
    callers.next()?;
    let callers: Vec<String> = callers.collect();
    let is_interrupt = |f: &String| IN_INTERRUPT.iter().any(|part| f.contains(part));
    callers.iter().any(is_interrupt).then_some(callers)
}

/// Who has decided to use the facility. A function that only turns it on, as `enter_vmx_ops`, is
/// there to decide; one that also works with the registers has been told to.
fn decided(case: &Case<'_>, at: usize, write: &Write) -> Option<String> {
    let callers = use_in_interrupt(case, write)?;
    let caller = callers.first()?;
    let only_turns_on = case.run.steps[at + 1..].iter().find_map(|step| match step {
        Step::Exit(function) if name(case.run, *function) == caller => Some(true),
        Step::Write(w) if w.pc >= KERNEL && matches!(w.cell, Cell::Hardware(_)) => Some(false),
        _ => None,
    });
    match only_turns_on? {
        true => Some(caller.clone()),
        false => callers.get(1).cloned(),
    }
}
