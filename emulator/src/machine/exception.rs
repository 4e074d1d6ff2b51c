//! Exceptions vectored as the Power ISA says: SRR0, SRR1, the new MSR, and the AIL=3 address.
//!
//! The host cannot write SRR0 and SRR1, so delivery runs a short stub first that takes them from
//! the machine page. `scv` and `rfscv`, which Unicorn does not have, need only registers the host
//! can write. The stubs are made here and not assembled, as the other programs of the machine are
//! (emulator/programs): each ends in a branch to an address that is known when a machine is made.

use super::address::{KERNEL, OwnPages};
use super::instruction::{branch, ld_absolute, mtspr};
use super::memory::Memory;
use crate::arch::msr;

/// Interrupts of the SRR class that this machine delivers, by vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Vector {
    /// 0x100, of the model only: hardware takes it in real mode, whatever AIL says, and this
    /// machine as if AIL counted.
    SystemReset,
    /// 0x300, a load or store that cannot be translated or is not permitted.
    DataStorage,
    /// 0x400, a fetch that cannot be translated or is not permitted.
    InstructionStorage,
    /// 0x500.
    External,
    /// 0x600, a load or store at an address that is not aligned.
    Alignment,
    /// 0x700.
    Program,
    /// 0x800.
    FpUnavailable,
    /// 0x900.
    Decrementer,
    /// 0xa00.
    Doorbell,
    /// 0xc00.
    SystemCall,
    /// 0xf20.
    VmxUnavailable,
    /// 0xf40.
    VsxUnavailable,
    /// `scv 0`, which is vectored to 0x3000 and uses LR and CTR.
    SystemCallVectored,
}

impl Vector {
    /// Those that use SRR0 and SRR1, in stub order.
    const STUBBED: [Vector; 12] = [
        Vector::DataStorage,
        Vector::InstructionStorage,
        Vector::Program,
        Vector::External,
        Vector::FpUnavailable,
        Vector::Decrementer,
        Vector::Doorbell,
        Vector::SystemCall,
        Vector::VmxUnavailable,
        Vector::VsxUnavailable,
        Vector::Alignment,
        Vector::SystemReset,
    ];

    /// The vector's number (`pt_regs.trap`).
    pub fn number(self) -> u64 {
        match self {
            Vector::SystemReset => 0x100,
            Vector::DataStorage => 0x300,
            Vector::InstructionStorage => 0x400,
            Vector::Alignment => 0x600,
            Vector::Program => 0x700,
            Vector::External => 0x500,
            Vector::FpUnavailable => 0x800,
            Vector::Decrementer => 0x900,
            Vector::Doorbell => 0xa00,
            Vector::SystemCall => 0xc00,
            Vector::VmxUnavailable => 0xf20,
            Vector::VsxUnavailable => 0xf40,
            Vector::SystemCallVectored => 0x3000,
        }
    }

    /// Name for reports.
    pub fn name(self) -> &'static str {
        match self {
            Vector::SystemReset => "system reset interrupt",
            Vector::DataStorage => "data storage interrupt",
            Vector::InstructionStorage => "instruction storage interrupt",
            Vector::Alignment => "alignment interrupt",
            Vector::Program => "program interrupt",
            Vector::External => "external interrupt",
            Vector::FpUnavailable => "FP unavailable",
            Vector::Decrementer => "decrementer",
            Vector::Doorbell => "doorbell",
            Vector::SystemCall => "system call (sc)",
            Vector::VmxUnavailable => "VMX unavailable",
            Vector::VsxUnavailable => "VSX unavailable",
            Vector::SystemCallVectored => "system call (scv 0)",
        }
    }

    /// Whether an instruction caused it that should not have, if it was the kernel's: everything
    /// but interrupts from outside and system calls.
    pub fn is_error(self) -> bool {
        !matches!(
            self,
            Vector::SystemReset
                | Vector::External
                | Vector::Decrementer
                | Vector::Doorbell
                | Vector::SystemCall
                | Vector::SystemCallVectored
        )
    }

    /// Whether user code takes it because it wants the kernel to do something, by a system call, or
    /// by a load or store that the kernel does instead; and not on its way there, as for a page
    /// that is not there yet.
    pub fn is_request(self) -> bool {
        matches!(
            self,
            Vector::SystemCall | Vector::SystemCallVectored | Vector::Alignment
        )
    }

    /// Whether DAR and DSISR come with it.
    pub fn has_data(self) -> bool {
        matches!(self, Vector::DataStorage | Vector::Alignment)
    }

    /// Effective address with AIL=3.
    pub fn address(self) -> u64 {
        match self {
            Vector::SystemCallVectored => KERNEL + 0x3000,
            other => KERNEL + 0x4000 + other.number(),
        }
    }

    /// Offset of its stub in the machine's page of stubs.
    fn stub(self) -> u64 {
        let index = Self::STUBBED.iter().position(|v| *v == self).unwrap_or(0);
        STUB_STRIDE * index as u64
    }
}

const STUB_STRIDE: u64 = 0x40;
const SRR0: u32 = 26;
const SRR1: u32 = 27;
const DAR: u32 = 19;
const DSISR: u32 = 18;
/// Where a stub finds the interrupted r3 to r6, in the machine's page.
const SAVED: u16 = 0x7000;

/// Writes the delivery stubs into memory: they take SRR0, SRR1, DAR and DSISR from r3 to r6, and
/// put the interrupted values of these back.
pub fn install_stubs(memory: &Memory, own: &OwnPages) {
    for vector in Vector::STUBBED {
        let sprs: &[u32] = if vector.has_data() {
            &[SRR0, SRR1, DAR, DSISR]
        } else {
            &[SRR0, SRR1]
        };
        let registers = || (3u32..).zip(sprs);
        let mut words: Vec<u32> = registers().map(|(r, spr)| mtspr(*spr, r)).collect();
        words.extend(registers().map(|(r, _)| ld_absolute(r, SAVED + 8 * (r as u16 - 3))));
        let offset = vector.stub();
        let end = own.stubs.ea + offset + 4 * words.len() as u64;
        // The stub page and the vectors are near each other: always in reach.
        words.extend(branch(end, vector.address()));
        for (i, word) in words.iter().enumerate() {
            memory.write_u32(own.stubs.pa + offset + 4 * i as u64, *word);
        }
    }
}

/// MSR in force in the handler of an SRR-class interrupt taken with MSR `old` (Power ISA 3.1, Book
/// III, 7.5; interrupts run in the machine's one byte order).
pub fn handler_msr(old: u64) -> u64 {
    use crate::arch::msr::*;
    (old | SF) & !(EE | PR | FP | VEC | VSX | FE0 | FE1 | SE | BE | PMM | RI)
}

/// MSR in force after `scv`: as [`handler_msr`], but EE and RI stay.
pub fn scv_msr(old: u64) -> u64 {
    handler_msr(old) | old & (msr::EE | msr::RI)
}

/// What comes with an exception besides its vector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reason {
    /// Bits for SRR1.
    pub srr1: u64,
    /// DAR and DSISR.
    pub data: Option<[u64; 2]>,
}

/// Register changes that deliver an exception; the caller applies them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// New PC.
    pub pc: u64,
    /// New MSR.
    pub msr: u64,
    /// New r3 to r6, for the stub.
    pub gprs: Option<[u64; 4]>,
    /// New LR and CTR (`scv`).
    pub link: Option<[u64; 2]>,
}

/// Delivers `vector` at `pc` (what SRR0 becomes) with MSR `old` and the given r3 to r6.
pub fn deliver(
    memory: &Memory,
    own: &OwnPages,
    vector: Vector,
    reason: Reason,
    pc: u64,
    old: u64,
    gprs: [u64; 4],
) -> Delivery {
    if vector == Vector::SystemCallVectored {
        return Delivery {
            pc: vector.address(),
            msr: scv_msr(old),
            gprs: None,
            link: Some([pc, old & !msr::SRR1_REASON]),
        };
    }
    for (i, value) in gprs.iter().enumerate() {
        memory.write_u64(own.page.pa + 8 * i as u64, *value);
    }
    let srr1 = old & !msr::SRR1_REASON | reason.srr1;
    let [dar, dsisr] = reason.data.unwrap_or([gprs[2], gprs[3]]);
    Delivery {
        pc: own.stubs.ea + vector.stub(),
        msr: handler_msr(old),
        gprs: Some([pc, srr1, dar, dsisr]),
        link: None,
    }
}

/// MSR after `rfscv`, which takes it from CTR; a hypervisor bit and the reason bits cannot be set
/// by it.
pub fn rfscv_msr(old: u64, ctr: u64) -> u64 {
    let user = msr::SF
        | msr::VEC
        | msr::VSX
        | msr::EE
        | msr::PR
        | msr::FP
        | msr::FE0
        | msr::SE
        | msr::BE
        | msr::FE1
        | msr::IR
        | msr::DR
        | msr::PMM
        | msr::RI
        | msr::LE;
    old & !user | ctr & user
}
