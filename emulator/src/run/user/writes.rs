//! Which registers the interpreter's operations write: user code's own doing, for which no kernel
//! is to blame.

use ctxfuzz_scenario::Facility;
use ctxfuzz_scenario::access::{self, AccessOp};
use ctxfuzz_scenario::event::ComputeOp;
use ctxfuzz_scenario::register::Register;

use super::operation::{Operation, kind};
use super::{SETS, compute_number, facility_bit};

impl Operation {
    /// The registers that it writes. That a facility is loaded for it is the kernel's doing and not
    /// among them.
    pub fn writes(&self) -> Vec<Register> {
        let register = |argument: u64| (argument & 31) as u8;
        let [first, second, ..] = self.arguments;
        let n = register(first);
        match self.kind {
            // `lfd` makes doubleword 1 zero.
            kind::SET_FPR | kind::SET_VSR => vec![Register::F(n), Register::Vs(n)],
            kind::SET_VSR_DW1 => vec![Register::Vs(n)],
            kind::SET_VR => vec![Register::V(n)],
            kind::FILL => data_registers(first),
            kind::COMPUTE => computed(first, register(second)),
            kind::ACCESS => written_by_access(first),
            kind => {
                let set = SETS.iter().filter(|(_, sets)| *sets == kind);
                set.map(|(register, _)| *register).collect()
            }
        }
    }
}

/// What user code itself writes when it loads again what a store has left: `lfd` doubleword 1, and
/// the scalar store of VSX what it had not stored. The rest is what was stored, and what a load
/// loads is the kernel's doing.
fn written_by_access(argument: u64) -> Vec<Register> {
    let number = (argument & 63) as u8;
    match AccessOp::ALL.get((argument >> 6) as usize) {
        Some(AccessOp::Stfd) => vec![Register::Vs(number % 32)],
        Some(AccessOp::Stxsdx) => access::vsr(number)
            .into_iter()
            .skip_while(|r| matches!(r, Register::F(_)))
            .collect(),
        _ => Vec::new(),
    }
}

/// The registers that a task writes between its start and its first operation: those of its initial
/// image, for the facilities in `uses`.
pub fn written_at_start(uses: u64) -> Vec<Register> {
    let used = |facility: &Facility| uses & facility_bit(*facility) != 0;
    let control = Register::control().filter(|control| control.facilities().iter().any(used));
    data_registers(uses).into_iter().chain(control).collect()
}

/// FPRs, VRs and VSRs of the facilities in a bit mask.
fn data_registers(facilities: u64) -> Vec<Register> {
    let has = |facility| facilities & facility_bit(facility) != 0;
    // VSX has the registers of both others.
    let written = |register: &Register| {
        !register.is_control() && (register.owner().is_some_and(has) || has(Facility::Vsx))
    };
    Register::all().filter(written).collect()
}

/// What a computation (its number) on a register writes.
fn computed(number: u64, n: u8) -> Vec<Register> {
    let is = |op| number == compute_number(op);
    let vmx = is(ComputeOp::Vaddubs) || is(ComputeOp::Vor);
    let mut registers = match vmx {
        true => vec![Register::V(n)],
        false => vec![Register::F(n), Register::Vs(n)],
    };
    if is(ComputeOp::Vaddubs) {
        registers.push(Register::Vscr);
    } else if !vmx && !is(ComputeOp::Fmr) && !is(ComputeOp::Xxlor) {
        registers.push(Register::Fpscr);
    }
    registers
}
