//! Bits of the MSR (Power ISA 3.1, Book III, 4.2.1).

use ctxfuzz_scenario::{Facility, Register};

/// 64-bit mode.
pub const SF: u64 = 1 << 63;
/// VMX available.
pub const VEC: u64 = 1 << 25;
/// VSX available.
pub const VSX: u64 = 1 << 23;
/// External interrupts enabled.
pub const EE: u64 = 1 << 15;
/// Problem state.
pub const PR: u64 = 1 << 14;
/// FP available.
pub const FP: u64 = 1 << 13;
/// Machine check enabled.
pub const ME: u64 = 1 << 12;
/// FP exception mode 0.
pub const FE0: u64 = 1 << 11;
/// Single step.
pub const SE: u64 = 1 << 10;
/// Branch trace.
pub const BE: u64 = 1 << 9;
/// FP exception mode 1.
pub const FE1: u64 = 1 << 8;
/// Instruction relocation.
pub const IR: u64 = 1 << 5;
/// Data relocation.
pub const DR: u64 = 1 << 4;
/// Performance monitor mark.
pub const PMM: u64 = 1 << 2;
/// Recoverable interrupt.
pub const RI: u64 = 1 << 1;
/// Little endian.
pub const LE: u64 = 1;
/// SRR1 bits 33:36 and 42:47, which hold the reason of an interrupt and no MSR bit.
pub const SRR1_REASON: u64 = 0x783f_0000;

/// Bits that say which facilities may be used.
pub const FACILITIES: u64 = FP | VEC | VSX;

/// The bit that makes a facility available.
pub const fn of(facility: Facility) -> u64 {
    match facility {
        Facility::Fp => FP,
        Facility::Vmx => VEC,
        Facility::Vsx => VSX,
    }
}

/// The bit of `regs->msr` that says whether the processor, not the image, has a register (see
/// [`Register::owner`]); 0 if none does.
pub const fn owner(register: Register) -> u64 {
    match register.owner() {
        Some(facility) => of(facility),
        None => 0,
    }
}

/// The bit of a signal frame's MSR that says whether the frame stores a register; 0 if it always
/// does.
pub const fn frame(register: Register) -> u64 {
    match register.frame_area() {
        Some(facility) => of(facility),
        None => 0,
    }
}
