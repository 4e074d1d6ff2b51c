//! Which registers the interpreter's operations write: user code's own doing, for which no kernel is to blame.

use ctxfuzz_scenario::Facility;
use ctxfuzz_scenario::access::{self, AccessOp};
use ctxfuzz_scenario::event::ComputeOp;
use ctxfuzz_scenario::register::Register;

use super::operation::{Operation, kind};
use super::{compute_number, facility_bit};

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
            kind::SET_FPSCR => vec![Register::Fpscr],
            kind::SET_VSCR => vec![Register::Vscr],
            kind::SET_VRSAVE => vec![Register::Vrsave],
            kind::FILL => data_registers(first),
            kind::COMPUTE => computed(first, register(second)),
            kind::ACCESS => written_by_access(first),
            _ => Vec::new(),
        }
    }
}

/// What user code itself writes when it loads again what a store has left: `lfd` doubleword 1, and the scalar store of VSX what it had not stored. The rest is what was
/// stored, and what a load loads is the kernel's doing.
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

/// The registers that a task writes between its start and its first operation: those of its initial image, for the facilities in `uses`.
pub fn written_at_start(uses: u64) -> Vec<Register> {
    let [fp, vmx, vsx] = [Facility::Fp, Facility::Vmx, Facility::Vsx].map(facility_bit);
    let mut registers = data_registers(uses);
    if uses & (fp | vsx) != 0 {
        registers.push(Register::Fpscr);
    }
    if uses & vmx != 0 {
        registers.push(Register::Vscr);
    }
    if uses & (vmx | vsx) != 0 {
        registers.push(Register::Vrsave);
    }
    registers
}

/// FPRs, VRs and VSRs of the facilities in a bit mask.
fn data_registers(facilities: u64) -> Vec<Register> {
    let has = |facility| facilities & facility_bit(facility) != 0;
    let vsr = has(Facility::Fp) || has(Facility::Vsx);
    let vr = has(Facility::Vmx) || has(Facility::Vsx);
    Register::all()
        .filter(|register| match register {
            Register::F(_) | Register::Vs(_) => vsr,
            Register::V(_) => vr,
            Register::Fpscr | Register::Vscr | Register::Vrsave => false,
        })
        .collect()
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
