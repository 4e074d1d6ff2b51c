//! Addresses and formats of user memory (docs/internals.md, section 3; nothing else in the host
//! knows them), and the compilation of a scenario into it (`compile`).

use ctxfuzz_scenario::Facility;
use ctxfuzz_scenario::event::ComputeOp;
use ctxfuzz_scenario::register::Register;
use ctxfuzz_scenario::scenario::MAX_TASKS;

use super::reads;
use crate::arch::{Endian, RegisterFile};
use crate::machine::address::{PAGE, USER_DATA, USER_TEXT};
use crate::machine::memory::Memory;

/// Shared page: address of the next operation, then control blocks used.
pub const QUEUE: u64 = USER_DATA;
/// Control blocks used, in the shared page.
pub const BLOCKS_USED: u64 = USER_DATA + 8;
/// The futex word, in the shared page: always 0, so that FUTEX_WAIT with 0 sleeps.
pub(super) const FUTEX: u64 = USER_DATA + 16;
pub(super) const BLOCKS: u64 = USER_DATA + PAGE;
pub(super) const BLOCK_SIZE: u64 = 256;
pub(super) const IMAGES: u64 = USER_DATA + 0x2000;
pub(super) const DUMPS: u64 = USER_DATA + 0x6000;
const IMAGE_SIZE: u64 = 2048;
pub(super) const OPERATIONS: u64 = USER_DATA + 0x1_0000;
pub(super) const FILLS: u64 = USER_DATA + 0x1_8000;
const MAX_FILLS: u64 = 32;
/// User stacks, and where reads go: what a run may find dirty.
pub const SCRATCH: (u64, u64) = (reads::DESTINATION, 0x4_c000);

/// Where signal handlers start (docs/internals.md, section 3).
pub const SIGNAL_HANDLER: u64 = USER_TEXT + 0x100;
pub(super) const STACKS: u64 = USER_DATA + 0x4_0000;
const STACKS_SIZE: u64 = 0x4_0000;

mod compile;
mod frame;
mod operation;
mod stacks;
mod writes;

pub use compile::{Compiled, compile};
pub use ctxfuzz_outcome::values::{accessed, pattern};
pub(super) use operation::kind;
pub use operation::{Operation, operation_index, replace_with_getppid, set_first_argument};
pub use stacks::Stacks;
pub use writes::written_at_start;

/// The operations that give a value to a register that is the only one of its class.
const SETS: [(Register, u32); 3] = [
    (Register::Fpscr, kind::SET_FPSCR),
    (Register::Vscr, kind::SET_VSCR),
    (Register::Vrsave, kind::SET_VRSAVE),
];

/// The task whose control block is at this address, if one is.
pub fn task_of_block(block: u64) -> Option<u8> {
    let index = block.checked_sub(BLOCKS)? / BLOCK_SIZE;
    (index < MAX_TASKS as u64).then_some(index as u8)
}

pub(super) fn facility_bit(facility: Facility) -> u64 {
    match facility {
        Facility::Fp => 1,
        Facility::Vmx => 2,
        Facility::Vsx => 4,
    }
}

/// A register image (2048 bytes).
pub(super) fn image(file: &RegisterFile, endian: Endian) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(IMAGE_SIZE as usize);
    let mut push = |value: u64| bytes.extend(endian.bytes_u64(value));
    file.vsr.iter().flatten().for_each(|v| push(*v));
    push(file.fpscr);
    push(file.vrsave.into());
    push(0);
    push(file.vscr.into());
    for vr in &file.vsr[32..] {
        lvx_form(*vr, endian).into_iter().for_each(&mut push);
    }
    lvx_form([0, file.vscr.into()], endian)
        .into_iter()
        .for_each(push);
    bytes.resize(IMAGE_SIZE as usize, 0);
    bytes
}

/// The two doublewords in the order that `lvx` reads them.
fn lvx_form(vr: [u64; 2], endian: Endian) -> [u64; 2] {
    match endian {
        Endian::Little => [vr[1], vr[0]],
        Endian::Big => vr,
    }
}

/// Reads a task's dump.
pub fn read_dump(memory: &Memory, physical: impl Fn(u64) -> u64, task: u8) -> RegisterFile {
    let start = physical(DUMPS + IMAGE_SIZE * u64::from(task));
    let mut file = RegisterFile::default();
    for (n, vsr) in file.vsr.iter_mut().enumerate() {
        let at = start + 16 * n as u64;
        *vsr = [memory.read_u64(at), memory.read_u64(at + 8)];
    }
    file.fpscr = memory.read_u64(start + 1024);
    file.vrsave = memory.read_u64(start + 1032) as u32;
    file.vscr = memory.read_u64(start + 1048) as u32;
    file
}

fn compute_number(op: ComputeOp) -> u64 {
    match op {
        ComputeOp::Fadd => 0,
        ComputeOp::Fmul => 1,
        ComputeOp::Fdiv => 2,
        ComputeOp::Fmr => 3,
        ComputeOp::Xxlor => 4,
        ComputeOp::Xvadddp => 5,
        ComputeOp::Vaddubs => 6,
        ComputeOp::Vor => 7,
    }
}
