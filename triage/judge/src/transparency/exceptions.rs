//! FP exceptions: which of them a task must hear of, and as what (ISA 3.1, Book I, 4.2.2 and 4.4).

use ctxfuzz_scenario::event::{ComputeOp, Event, FpExceptions, Syscall};

/// The exceptions that FPSCR enables.
const ENABLES: u64 = 0xf8;
/// An exception is set and enabled.
const FEX: u64 = 0x4000_0000;

/// What the handler of SIGFPE makes of an FPSCR: exceptions are disabled, and so FEX is no longer
/// true.
pub(super) fn disabled(fpscr: u64) -> u64 {
    fpscr & !(ENABLES | FEX)
}

/// An enable bit of FPSCR, the exception's bit, and the `si_code` for it, in the order of Linux's
/// `__parse_fpscr`.
const CODES: [(u64, u64, i32); 5] = [
    (0x80, 0x2000_0000, 7),
    (0x40, 0x1000_0000, 4),
    (0x20, 0x0800_0000, 5),
    (0x10, 0x0400_0000, 3),
    (0x08, 0x0200_0000, 6),
];

/// `si_code` of a SIGFPE: the first exception that is set and enabled. FEX says whether there is
/// one, but Unicorn leaves it set when the enables are cleared.
fn enabled(fpscr: u64) -> Option<i32> {
    let mut codes = CODES.into_iter();
    let found = codes.find(|(enable, set, _)| fpscr & enable != 0 && fpscr & set != 0);
    found.map(|(_, _, code)| code)
}

/// The same as Linux has it, which knows a code for none (FPE_FLTUNK).
pub(super) fn code(fpscr: u64) -> i32 {
    enabled(fpscr).unwrap_or(14)
}

/// Whether a task has exceptions delivered after the event; `None` if it says nothing of that.
pub(super) fn delivered(event: &Event) -> Option<bool> {
    match event {
        Event::Syscall {
            call: Syscall::Prctl { fpexc },
            ..
        } => Some(*fpexc != FpExceptions::Disabled),
        _ => None,
    }
}

/// Whether the event is an instruction that has set an enabled exception, where none was before.
/// Only such a one is delivered, here as on a processor in a precise mode: what was set when the
/// exceptions were not delivered yet is not.
pub(super) fn raised(event: &Event, before: u64, after: u64) -> bool {
    let scalar = matches!(
        event,
        Event::Compute {
            op: ComputeOp::Fadd | ComputeOp::Fmul | ComputeOp::Fdiv,
            ..
        }
    );
    scalar && enabled(before).is_none() && enabled(after).is_some()
}
