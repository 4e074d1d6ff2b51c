//! Exceptions: which of Unicorn's numbers is which interrupt, where PC is when it arrives, and how
//! it is delivered.

use unicorn_engine::RegisterPPC;

use super::super::exception::{Reason, Vector, deliver, rfscv_msr};
use super::super::instruction::{HOST_CALL, RFSCV, SCV_0, is_trap};
use super::super::pseries::{TIMER_VECTOR, Unserved};
use super::super::{Host, Stop};
use super::calls::host_call;
use super::{Engine, gpr, read, set, stop};
use crate::arch::msr;

/// Exception numbers as Unicorn reports them (QEMU's POWERPC_EXCP_*).
mod excp {
    pub const PROGRAM: u32 = 6;
    pub const FP_UNAVAILABLE: u32 = 7;
    pub const SYSTEM_CALL: u32 = 8;
    pub const VMX_UNAVAILABLE: u32 = 73;
    pub const VSX_UNAVAILABLE: u32 = 94;
    /// An instruction the emulator does not have, `scv` and `rfscv` among them.
    pub const ILLEGAL: u32 = 96;
}

/// `sc 1`.
const HYPERCALL: u32 = 0x4400_0022;
/// SRR1 of a program interrupt (Power ISA 3.1, Book III, 7.5.9): illegal instruction, privileged
/// instruction, trap.
const ILLEGAL: u64 = 0x8_0000;
const PRIVILEGED: u64 = 0x4_0000;
const TRAP: u64 = 0x2_0000;
/// The same: an enabled floating-point exception.
const FLOATING_POINT: u64 = 0x10_0000;
/// FPSCR\[FEX\]: an exception is set and enabled.
const FEX: u64 = 0x4000_0000;

pub(super) fn on_exception<H: Host>(uc: &mut Engine<'_, H>, number: u32) {
    let pc = read(uc, RegisterPPC::PC);
    let msr = read(uc, RegisterPPC::MSR);
    let user = msr & msr::PR != 0;
    let at = pc.wrapping_sub(4);
    match number {
        excp::SYSTEM_CALL if uc.get_data().word(at) == HOST_CALL => host_call(uc, at, msr),
        excp::SYSTEM_CALL if user => take(uc, Vector::SystemCall, pc, msr),
        excp::SYSTEM_CALL if msr & msr::IR == 0 => hypercall(uc, at),
        excp::SYSTEM_CALL if uc.get_data().word(at) == HYPERCALL => hypercall(uc, at),
        excp::FP_UNAVAILABLE => unavailable(uc, Vector::FpUnavailable, at, msr),
        excp::VMX_UNAVAILABLE => unavailable(uc, Vector::VmxUnavailable, at, msr),
        excp::VSX_UNAVAILABLE => unavailable(uc, Vector::VsxUnavailable, at, msr),
        excp::ILLEGAL if user && uc.get_data().word(at) == SCV_0 => {
            take(uc, Vector::SystemCallVectored, pc, msr)
        }
        excp::ILLEGAL if !user && uc.get_data().word(at) == RFSCV => {
            let ctr = read(uc, RegisterPPC::CTR);
            let lr = read(uc, RegisterPPC::LR);
            set(uc, RegisterPPC::MSR, rfscv_msr(msr, ctr));
            set(uc, RegisterPPC::PC, lr);
        }
        excp::PROGRAM | excp::ILLEGAL => program(uc, number, pc, msr),
        other => {
            let word = uc.get_data().word(at);
            stop(
                uc,
                Stop::EmulatorFault(format!("exception {other} on {word:#010x} at {at:#x}")),
            );
        }
    }
}

/// A program interrupt: a real kernel has a handler for it, and uses traps for its own warnings.
fn program<H: Host>(uc: &mut Engine<'_, H>, number: u32, pc: u64, msr: u64) {
    let at = pc.wrapping_sub(4);
    let word = uc.get_data().word(at);
    let user = msr & msr::PR != 0;
    let fpscr = read(uc, RegisterPPC::FPSCR);
    if number == excp::PROGRAM
        && !is_trap(word)
        && msr & (msr::FE0 | msr::FE1) != 0
        && fpscr & FEX != 0
    {
        return fp_exception(uc, pc, msr);
    }
    let srr1 = match number {
        _ if is_trap(word) => TRAP,
        excp::PROGRAM => PRIVILEGED,
        _ => ILLEGAL,
    };
    if uc.get_data().pseries.is_none() {
        let what = format!("program interrupt on {word:#010x} at {at:#x}");
        return stop(uc, Stop::Fault { what, user });
    }
    if !user && srr1 != TRAP {
        // A kernel that runs on hardware does not do this: it is the emulator that lacks the
        // instruction.
        let what =
            format!("the kernel uses an instruction the machine lacks: {word:#010x} at {at:#x}");
        return stop(uc, Stop::EmulatorFault(what));
    }
    let reason = Reason { srr1, data: None };
    take_with(uc, Vector::Program, reason, at, msr);
}

/// An enabled exception of the instruction at `pc`: of those with FE0 or FE1 on, Unicorn reports
/// the ones that an instruction causes, with PC at the instruction. (One that was set before FE0 or
/// FE1 was turned on is not reported at all: `errata`.)
fn fp_exception<H: Host>(uc: &mut Engine<'_, H>, pc: u64, msr: u64) {
    let site = uc.get_data().site(pc);
    if msr & msr::PR == 0 && uc.get_data().pseries.is_none() {
        let what = format!("floating-point exception in the kernel at {site:#x}");
        return stop(uc, Stop::Fault { what, user: false });
    }
    let reason = Reason {
        srr1: FLOATING_POINT,
        data: None,
    };
    take_with(uc, Vector::Program, reason, site, msr);
}

fn unavailable<H: Host>(uc: &mut Engine<'_, H>, vector: Vector, at: u64, msr: u64) {
    let site = uc.get_data().site(at);
    if msr & msr::PR != 0 || uc.get_data().pseries.is_some() {
        take(uc, vector, site, msr);
    } else {
        stop(
            uc,
            Stop::Fault {
                what: format!("{} exception in the kernel at {site:#x}", vector.name()),
                user: false,
            },
        );
    }
}

/// Delivers an exception; `pc` becomes SRR0.
pub(super) fn take<H: Host>(uc: &mut Engine<'_, H>, vector: Vector, pc: u64, msr: u64) {
    take_with(uc, vector, Reason::default(), pc, msr);
}

/// As [`take`], for an exception that comes with more than its vector.
pub(super) fn take_with<H: Host>(
    uc: &mut Engine<'_, H>,
    vector: Vector,
    reason: Reason,
    pc: u64,
    msr: u64,
) {
    if msr & (msr::IR | msr::DR) != msr::IR | msr::DR {
        let what = format!("{} in real mode at {pc:#x}", vector.name());
        return stop(uc, Stop::EmulatorFault(what));
    }
    if let Some(host) = uc.get_data_mut().host.as_mut() {
        host.exception(vector, pc);
    }
    if msr & msr::PR != 0 {
        uc.get_data_mut().enters(vector);
    }
    let gprs = [3, 4, 5, 6].map(|n| gpr(uc, n));
    let inner = uc.get_data();
    let own = inner.map.own();
    let delivery = deliver(&inner.memory, &own, vector, reason, pc, msr, gprs);
    if let Some(gprs) = delivery.gprs {
        let registers = [
            RegisterPPC::R3,
            RegisterPPC::R4,
            RegisterPPC::R5,
            RegisterPPC::R6,
        ];
        let stubbed = if vector.has_data() { 4 } else { 2 };
        for (register, value) in registers.into_iter().zip(gprs).take(stubbed) {
            set(uc, register, value);
        }
    }
    if let Some([lr, ctr]) = delivery.link {
        set(uc, RegisterPPC::LR, lr);
        set(uc, RegisterPPC::CTR, ctr);
    }
    set(uc, RegisterPPC::MSR, delivery.msr);
    set(uc, RegisterPPC::PC, delivery.pc);
}

fn hypercall<H: Host>(uc: &mut Engine<'_, H>, at: u64) {
    let mut gprs = [3, 4, 5, 6, 7, 8, 9, 10, 11, 12].map(|n| gpr(uc, n));
    let before = gprs;
    let memory = uc.get_data().memory.clone();
    let Some(pseries) = &mut uc.get_data_mut().pseries else {
        let what = format!("hypercall at {at:#x}");
        return stop(uc, Stop::Fault { what, user: false });
    };
    if let Err(Unserved(which)) = pseries.hypercall(&memory, &mut gprs) {
        let what = format!("the kernel makes hypercall {which}, which this machine does not have");
        return stop(uc, Stop::EmulatorFault(what));
    }
    for (n, (new, old)) in gprs.iter().zip(before).enumerate() {
        if *new != old {
            let register = RegisterPPC::R3 as i32 + n as i32;
            set(uc, register, *new);
        }
    }
}

/// A timer is pending: stops the emulation before this block if its interrupt can be taken here.
pub(super) fn take_timer<H: Host>(uc: &mut Engine<'_, H>, pc: u64) {
    let msr = read(uc, RegisterPPC::MSR);
    let user = msr & msr::PR != 0;
    let inner = uc.get_data_mut();
    let own = inner.map.own().translate(pc).is_some();
    if msr & msr::EE == 0 || own || msr & msr::IR == 0 {
        return;
    }
    let Some(pseries) = &mut inner.pseries else {
        return;
    };
    let late = pseries.late_event();
    if !pseries.due(user) {
        return;
    }
    if let Some(event) = late.filter(|_| !user) {
        pseries.arrives(event, pc);
    }
    inner.interrupted_at = Some(pc);
    let _ = uc.emu_stop();
}

/// Called when the emulation has stopped: delivers what made it stop and says whether to go on.
pub(in super::super) fn resume<H: Host>(uc: &mut Engine<'_, H>) -> bool {
    let msr = read(uc, RegisterPPC::MSR);
    let inner = uc.get_data_mut();
    if inner.stop.is_some() {
        return false;
    }
    let fault = inner.fault.take();
    if let Some(pc) = inner.interrupted_at.take() {
        take(uc, TIMER_VECTOR, pc, msr);
        return true;
    }
    let Some(fault) = fault else {
        return false;
    };
    let pc = read(uc, RegisterPPC::PC);
    let site = uc.get_data().site(pc);
    match fault.delivery(msr & msr::PR != 0) {
        Ok((vector, reason)) => {
            take_with(uc, vector, reason, site, msr);
            uc.get_data().stop.is_none()
        }
        Err(what) => {
            let what = format!("{what} at {site:#x}");
            uc.get_data_mut().stop = Some(Stop::EmulatorFault(what));
            false
        }
    }
}
