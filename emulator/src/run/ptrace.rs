//! The memory in which a tracer finds what it is to write, and leaves what it has read
//! (docs/internals.md, section 4). The same for the model's tracer and for a real kernel's.

pub use ctxfuzz_outcome::values::traced as values;
use ctxfuzz_scenario::Facility;
use ctxfuzz_scenario::ptrace::{Ptrace, SetRegset};
use ctxfuzz_scenario::register::Register;

use super::abi::numbers;
use super::images::doublewords;
use super::user;
use crate::arch::{Endian, RegisterFile};
use crate::machine::View;

/// Where it is, on a page of its own.
pub const AREA: u64 = 0x2000_c000;

/// Addresses of the register sets that were read last: first and one past the last.
pub const READ: (u64, u64) = (AREA + at::FP, AREA + at::DATA);

numbers! {
    /// Offsets in the area.
    pub(super) mod at: u64 {
        SET = 0,
        BYTES = 8,
        /// NT_PRFPREG.
        FP = 16,
        /// NT_PPC_VMX.
        VMX = 288,
        /// NT_PPC_VSX.
        VSX = 832,
        /// What is written.
        DATA = 1088,
    }
}

/// Quadword index of VSCR in NT_PPC_VMX.
const VSCR: u64 = 32;
/// Quadword index of VRSAVE, which is in its first word.
const VRSAVE: u64 = 33;

/// Tells the tracer what it is to write.
pub fn write(view: &View<'_>, ptrace: &Ptrace) {
    let Some(area) = view.map.physical(AREA) else {
        return;
    };
    let regset = ptrace.set.map_or(0, |set| user::facility_bit(set.regset));
    let data = ptrace.set.map_or_else(Vec::new, |set| {
        let mut bytes = regset_bytes(set.regset, &values(&set), view.memory.endian());
        bytes.truncate(set.len().into());
        bytes
    });
    view.memory.write_u64(area + at::SET, regset);
    view.memory.write_u64(area + at::BYTES, data.len() as u64);
    view.memory.write(area + at::DATA, &data);
}

/// A register set in memory.
fn regset_bytes(regset: Facility, file: &RegisterFile, endian: Endian) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(SetRegset::size(regset).into());
    let quadword = |[high, low]: [u64; 2]| {
        let pair = match endian {
            Endian::Little => [low, high],
            Endian::Big => [high, low],
        };
        pair.map(|half| endian.bytes_u64(half)).concat()
    };
    match regset {
        Facility::Fp => {
            let fprs = file.vsr[..32].iter().map(|vsr| vsr[0]);
            bytes.extend(fprs.chain([file.fpscr]).flat_map(|v| endian.bytes_u64(v)));
        }
        Facility::Vsx => {
            let halves = file.vsr[..32].iter().map(|vsr| vsr[1]);
            bytes.extend(halves.flat_map(|v| endian.bytes_u64(v)));
        }
        Facility::Vmx => {
            for vr in &file.vsr[32..] {
                bytes.extend(quadword(*vr));
            }
            bytes.extend(quadword([0, file.vscr.into()]));
            bytes.extend(endian.bytes_u32(file.vrsave));
            bytes.extend([0; 12]);
        }
    }
    bytes
}

/// What the tracer has read.
pub fn read(view: &View<'_>) -> RegisterFile {
    let mut file = RegisterFile::default();
    let word = |offset: u64| view.load(AREA + offset);
    let quadword = |n: u64| {
        let offset = at::VMX + 16 * n;
        doublewords(view.memory, word(offset), word(offset + 8))
    };
    for n in 0..32 {
        file.vsr[n as usize] = [word(at::FP + 8 * n), word(at::VSX + 8 * n)];
        file.vsr[32 + n as usize] = quadword(n);
    }
    file.set(Register::Fpscr, word(at::FP + 8 * 32).into());
    file.set(Register::Vscr, quadword(VSCR)[1].into());
    let first = word(at::VMX + 16 * VRSAVE);
    file.vrsave = match view.memory.endian() {
        Endian::Little => first as u32,
        Endian::Big => (first >> 32) as u32,
    };
    file
}
