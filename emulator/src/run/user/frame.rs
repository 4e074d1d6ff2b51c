//! What a signal handler writes into its frame: which bytes of a register image go where.
//!
//! Not responsible for the frame's own layout, which the interpreter knows (`UC_FP_REGS` and
//! `UC_V_REGS` of the model's asm-offsets.h), nor for what the kernel makes of it.

use ctxfuzz_scenario::Facility;
use ctxfuzz_scenario::event::{Event, FrameEdit};
use ctxfuzz_scenario::ptrace::SetRegset;
use ctxfuzz_scenario::register::Register;

use super::operation::{Operation, kind};
use crate::arch::{Endian, RegisterFile, msr};
use crate::run::ptrace;

/// Operation flag: what is written lies behind what `v_regs` points at, not behind `fp_regs`.
const V_REGS: u64 = 4;

/// Offsets in a register image (docs/internals.md, section 3).
mod image {
    /// Doubleword 1 of VSR 0; one each 16 bytes.
    pub const VSR_LOW: u64 = 8;
    pub const FPSCR: u64 = 1024;
    pub const VRSAVE: u64 = 1032;
    /// VR 0 to 31 and VSCR, as `lvx` reads them.
    pub const VRS: u64 = 1056;
}

/// Doublewords that are copied from a register image into a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Copy {
    /// Bits of the frame's MSR that are set.
    claims: u64,
    /// Whether it goes behind what `v_regs` points at.
    in_v_regs: bool,
    /// Bytes from there.
    to: u64,
    /// Bytes from the start of the image.
    from: u64,
    doublewords: u64,
    /// Bytes in the image from one doubleword to the next.
    stride: u64,
}

impl Copy {
    /// The operation that does it, from the image at this address.
    pub fn operation(self, event: u32, image: u64) -> Operation {
        let from = image + self.from;
        Operation {
            kind: kind::EDIT_FRAME,
            event,
            arguments: [self.claims, 0, self.to, from, self.doublewords, self.stride],
            flags: if self.in_v_regs { V_REGS } else { 0 },
        }
    }

    /// Doublewords `first` to `first + count` of what the frame has of a facility, without its
    /// control registers.
    fn of(facility: Facility, first: u64, count: u64) -> Copy {
        let (from, stride) = match facility {
            Facility::Fp => (0, 16),
            Facility::Vmx => (image::VRS, 8),
            Facility::Vsx => (image::VSR_LOW, 16),
        };
        Copy {
            claims: 0,
            in_v_regs: facility != Facility::Fp,
            to: area(facility) + 8 * first,
            from: from + stride * first,
            doublewords: count,
            stride,
        }
    }

    fn fpscr() -> Copy {
        Copy {
            from: image::FPSCR,
            ..Copy::of(Facility::Fp, 32, 1)
        }
    }

    /// In the frame it is the first word of a quadword.
    fn vrsave(endian: Endian) -> Copy {
        let low_word = match endian {
            Endian::Little => 0,
            Endian::Big => 4,
        };
        Copy {
            from: image::VRSAVE + low_word,
            ..Copy::of(Facility::Vmx, 2 * 33, 1)
        }
    }
}

/// Where what the frame has of a facility begins, behind `fp_regs` or what `v_regs` points at.
fn area(facility: Facility) -> u64 {
    match facility {
        Facility::Fp | Facility::Vmx => 0,
        Facility::Vsx => u64::from(SetRegset::size(Facility::Vmx)),
    }
}

/// What an event of a handler writes into its frame: an image that has it, and what is copied from
/// there.
pub(super) fn writes(event: &Event, endian: Endian) -> (RegisterFile, Vec<Copy>) {
    match event {
        Event::FillFrame { facility, pattern } => {
            let registers = ptrace::values(&SetRegset::whole(*facility, *pattern));
            (registers, filled(*facility, endian))
        }
        Event::SetFrame(values) => {
            let mut registers = RegisterFile::default();
            for (register, value) in values {
                registers.set(*register, *value);
            }
            let copies = values.keys().map(|register| one(*register, endian));
            (registers, copies.collect())
        }
        _ => (RegisterFile::default(), Vec::new()),
    }
}

/// All that a frame has of a facility, with the bit of its MSR that says so.
fn filled(facility: Facility, endian: Endian) -> Vec<Copy> {
    let (mut copies, bit) = match facility {
        Facility::Fp => (vec![Copy::of(facility, 0, 32), Copy::fpscr()], msr::FP),
        // 32 VRs and VSCR.
        Facility::Vmx => (
            vec![Copy::of(facility, 0, 2 * 33), Copy::vrsave(endian)],
            msr::VEC,
        ),
        Facility::Vsx => (vec![Copy::of(facility, 0, 32)], msr::VSX),
    };
    for copy in &mut copies {
        copy.claims = bit;
    }
    copies
}

fn one(register: Register, endian: Endian) -> Copy {
    match register {
        Register::F(n) => Copy::of(Facility::Fp, n.into(), 1),
        Register::Vs(n) => Copy::of(Facility::Vsx, n.into(), 1),
        Register::V(n) => Copy::of(Facility::Vmx, 2 * u64::from(n), 2),
        Register::Fpscr => Copy::fpscr(),
        Register::Vscr => Copy::of(Facility::Vmx, 2 * 32, 2),
        Register::Vrsave => Copy::vrsave(endian),
    }
}

/// Arguments of the operation that changes the frame's MSR: the bits that are set, and those that
/// are cleared.
pub(super) fn changes_to_msr(edit: FrameEdit) -> [u64; 2] {
    match edit {
        // VEC and VSX are set already if the frame has what they stand for.
        FrameEdit::ClaimFacilities => [msr::FP, 0],
        FrameEdit::DropVmx => [0, msr::VEC],
        FrameEdit::DropVsx => [0, msr::VSX],
        FrameEdit::ClaimExceptions => [msr::FE0 | msr::FE1, 0],
    }
}
