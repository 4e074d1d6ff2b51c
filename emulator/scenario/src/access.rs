//! Loads and stores of user code that end in an alignment interrupt.
//!
//! A POWER9 does nearly all misaligned accesses to ordinary memory itself; those to memory that is
//! not cached interrupt, and the kernel does them instead (Linux's `arch/powerpc/lib/sstep.c`).
//! Which registers are meant is said here; who does what with memory, `docs/scenario.md`.

use crate::facility::Facility;
use crate::register::Register;

/// The instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccessOp {
    /// `lfd` into an FPR.
    Lfd,
    /// `stfd` of an FPR.
    Stfd,
    /// `lxvd2x` into a VSR.
    Lxvd2x,
    /// `stxvd2x` of a VSR.
    Stxvd2x,
    /// `lxsdx` into doubleword 0 of a VSR; doubleword 1 becomes zero, as ISA 3.1 says.
    Lxsdx,
    /// `stxsdx` of doubleword 0 of a VSR.
    Stxsdx,
}

impl AccessOp {
    /// Whether it writes the register and not memory.
    pub fn is_load(self) -> bool {
        matches!(self, AccessOp::Lfd | AccessOp::Lxvd2x | AccessOp::Lxsdx)
    }

    /// The registers that a load writes, and whether they are defined then. Doubleword 1 after an
    /// `lfd` is not: a processor of ISA 3.1 makes it zero, to earlier ones it is undefined, and
    /// Linux 6.1, which does the load here, leaves it alone where the registers are in memory.
    pub fn defines(self, register: u8) -> Vec<(Register, bool)> {
        let written = vsr(register).into_iter();
        match self {
            AccessOp::Lfd => written
                .map(|register| (register, matches!(register, Register::F(_))))
                .collect(),
            AccessOp::Lxvd2x | AccessOp::Lxsdx => {
                written.map(|register| (register, true)).collect()
            }
            AccessOp::Stfd | AccessOp::Stxvd2x | AccessOp::Stxsdx => Vec::new(),
        }
    }

    /// The facility it needs. Which registers it is about does not matter: `lxvd2x` needs VSX for
    /// VSR 32-63 too.
    pub fn facility(self) -> Facility {
        match self {
            AccessOp::Lfd | AccessOp::Stfd => Facility::Fp,
            _ => Facility::Vsx,
        }
    }

    /// The largest register number it takes: 31 for an FPR, 63 for a VSR.
    pub fn last(self) -> u8 {
        match self.facility() {
            Facility::Fp => 31,
            _ => 63,
        }
    }
}

/// VSR n as the registers that scenarios name: `f<n>` and `vs<n>`, or `v<n-32>`.
pub fn vsr(n: u8) -> Vec<Register> {
    match n {
        0..32 => vec![Register::F(n), Register::Vs(n)],
        _ => vec![Register::V(n % 32)],
    }
}
