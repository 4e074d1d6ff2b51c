//! What a tracer does with the FP, VMX and VSX registers of a task that it has stopped. Types and
//! sizes only.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::facility::Facility;
use crate::json::bounded::{Bounded, RegsetBytes};
use crate::json::number::U64;
use crate::json::{object, optional};
use crate::register::Register;

/// A tracer's doings at one stop. It reads all three register sets each time (NT_PRFPREG,
/// NT_PPC_VMX, NT_PPC_VSX).
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Ptrace {
    /// What it writes after that (PTRACE_SETREGSET).
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "object::present"
    )]
    #[schemars(with = "SetRegset")]
    pub set: Option<SetRegset>,
}

/// A register set that a tracer writes, or the start of one.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct SetRegset {
    /// `fp`: NT_PRFPREG, f0-f31 and FPSCR. `vmx`: NT_PPC_VMX, v0-v31, VSCR and VRSAVE. `vsx`:
    /// NT_PPC_VSX, doubleword 1 of VSR 0-31.
    pub regset: Facility,
    /// Seed of the values; equal seeds give equal values. FPSCR gets a rounding mode only, VSCR NJ
    /// and SAT.
    #[serde(
        serialize_with = "optional::write_pattern",
        deserialize_with = "optional::pattern"
    )]
    #[schemars(with = "U64")]
    pub pattern: u64,
    /// How many bytes are written, from the first register on: a multiple of 8, or of 16 for `vmx`.
    /// All of them without it.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "Bounded::<RegsetBytes>::present"
    )]
    #[schemars(with = "Bounded<RegsetBytes>")]
    pub bytes: Option<u16>,
}

impl SetRegset {
    /// All of a register set.
    pub fn whole(regset: Facility, pattern: u64) -> Self {
        SetRegset {
            regset,
            pattern,
            bytes: None,
        }
    }

    /// Bytes of one register in a register set: iov_len has to be a multiple of it.
    pub fn element(regset: Facility) -> u16 {
        match regset {
            Facility::Fp | Facility::Vsx => 8,
            Facility::Vmx => 16,
        }
    }

    /// Bytes of a whole register set.
    pub fn size(regset: Facility) -> u16 {
        match regset {
            Facility::Fp => 33 * 8,
            Facility::Vmx => 34 * 16,
            Facility::Vsx => 32 * 8,
        }
    }

    /// Bytes that are written.
    pub fn len(&self) -> u16 {
        self.bytes.unwrap_or(Self::size(self.regset))
    }

    /// Whether no byte is written, which no valid scenario asks for.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Registers that are written.
    pub fn registers(&self) -> impl Iterator<Item = Register> {
        let regset = self.regset;
        let written = (self.len() / Self::element(regset)) as u8;
        let is_written = move |register: &Register| {
            let (set, element) = register.regset();
            set == regset && element < written
        };
        let mut registers: Vec<Register> = Register::all().filter(is_written).collect();
        registers.sort_by_key(|register| register.regset());
        registers.into_iter()
    }
}
