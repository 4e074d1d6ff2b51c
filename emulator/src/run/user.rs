//! Addresses and formats of user memory, and the compilation of a scenario into operations for the user-side interpreter.
//!
//! The format is docs/internals.md, section 3; nothing else in the host knows it.

use ctxfuzz_scenario::Facility;
use ctxfuzz_scenario::access::AccessOp;
use ctxfuzz_scenario::event::{
    ComputeOp, Event, FpExceptions, FrameEdit, Interrupt, RegisterValues, Syscall, Via,
};
use ctxfuzz_scenario::register::Register;
use ctxfuzz_scenario::scenario::{MAX_TASKS, Scenario, TaskStage};

use super::reads;
use crate::arch::{Endian, RegisterFile};
use crate::machine::address::{PAGE, USER_DATA, USER_TEXT};
use crate::machine::memory::Memory;

/// Shared page: address of the next operation, then control blocks used.
pub const QUEUE: u64 = USER_DATA;
/// Control blocks used, in the shared page.
pub const BLOCKS_USED: u64 = USER_DATA + 8;
/// The futex word, in the shared page: always 0, so that FUTEX_WAIT with 0 sleeps.
const FUTEX: u64 = USER_DATA + 16;
const BLOCKS: u64 = USER_DATA + PAGE;
const BLOCK_SIZE: u64 = 256;
const IMAGES: u64 = USER_DATA + 0x2000;
const DUMPS: u64 = USER_DATA + 0x6000;
const IMAGE_SIZE: u64 = 2048;
const OPERATIONS: u64 = USER_DATA + 0x1_0000;
/// Offset of a system call's first argument in an operation (a0 is its number).
pub const FIRST_ARGUMENT: u64 = 16;
/// Bytes of an operation.
const OPERATION_SIZE: u64 = 64;
const MAX_OPERATIONS: usize = 511;
const FILLS: u64 = USER_DATA + 0x1_8000;
const MAX_FILLS: u64 = 32;
/// User stacks, and where reads go: what a run may find dirty.
pub const SCRATCH: (u64, u64) = (reads::DESTINATION, 0x4_c000);

/// Where signal handlers start (docs/internals.md, section 3).
pub const SIGNAL_HANDLER: u64 = USER_TEXT + 0x100;
const STACKS: u64 = USER_DATA + 0x4_0000;
const STACKS_SIZE: u64 = 0x4_0000;

mod stacks;
mod writes;

pub use stacks::Stacks;
pub use writes::{written, written_at_start};

mod kind {
    pub const END: u32 = 0;
    pub const SET_FPR: u32 = 1;
    pub const SET_VSR: u32 = 2;
    pub const SET_VSR_DW1: u32 = 3;
    pub const SET_VR: u32 = 4;
    pub const SET_FPSCR: u32 = 5;
    pub const SET_VSCR: u32 = 6;
    pub const SET_VRSAVE: u32 = 7;
    pub const FILL: u32 = 8;
    pub const COMPUTE: u32 = 9;
    pub const TOUCH: u32 = 10;
    pub const SYSCALL: u32 = 11;
    pub const FORK: u32 = 12;
    pub const INTERRUPT: u32 = 13;
    pub const SIGRETURN: u32 = 14;
    pub const EXIT: u32 = 15;
    pub const EDIT_FRAME: u32 = 16;
    pub const SWAPCONTEXT: u32 = 17;
    pub const EXEC: u32 = 18;
    pub const ACCESS: u32 = 19;
}

/// The operations that give a value to a register that is the only one of its class.
const SETS: [(Register, u32); 3] = [
    (Register::Fpscr, kind::SET_FPSCR),
    (Register::Vscr, kind::SET_VSCR),
    (Register::Vrsave, kind::SET_VRSAVE),
];

/// Whether an operation (its kind) ends the queue.
pub fn is_end(kind: u32) -> bool {
    kind == kind::END
}

/// Whether an operation asks the host for an interrupt.
pub fn is_interrupt(kind: u32) -> bool {
    kind == kind::INTERRUPT
}

/// Whether an operation returns from a signal handler, if it is in one.
pub fn is_sigreturn(kind: u32) -> bool {
    kind == kind::SIGRETURN
}

/// Whether an operation makes a task.
pub fn is_fork(kind: u32) -> bool {
    kind == kind::FORK
}

/// Bytes that the operation at a physical address reads from the pipe, if it does.
pub fn read_bytes(memory: &Memory, pa: u64) -> Option<u64> {
    let argument = |n: u64| memory.read_u64(pa + 8 + 8 * n);
    (memory.read_u32(pa) == kind::SYSCALL && argument(0) == NR_READ).then(|| argument(3))
}

/// What is in memory before an access to VSR `register`: both doublewords, in the order of their addresses.
pub fn accessed(register: u8) -> [u64; 2] {
    pattern(0x6d69_7361_6c69_676e + u64::from(register)).vsr[0]
}

/// The task whose control block is at this address, if one is.
pub fn task_of_block(block: u64) -> Option<u8> {
    let index = block.checked_sub(BLOCKS)? / BLOCK_SIZE;
    (index < MAX_TASKS as u64).then_some(index as u8)
}

/// A scenario compiled for one byte order: bytes by user effective address.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// What to write before the run.
    pub segments: Vec<(u64, Vec<u8>)>,
    /// Tasks of the stage.
    pub tasks: u64,
    /// Bit mask of tasks that own a ring.
    pub rings: u64,
    /// Whether there is something to do for a tracer.
    pub traced: bool,
}

#[derive(Clone, Copy)]
struct Operation {
    kind: u32,
    event: u32,
    arguments: [u64; 6],
    flags: u64,
}

struct Compiler {
    endian: Endian,
    operations: Vec<u8>,
    count: usize,
    fills: Vec<u8>,
}

/// Compiles a scenario. Operations beyond what guest memory holds are left out, always the same ones (no valid scenario comes near).
pub fn compile(scenario: &Scenario, endian: Endian) -> Compiled {
    let mut compiler = Compiler {
        endian,
        operations: Vec::new(),
        count: 0,
        fills: Vec::new(),
    };
    for (index, event) in scenario.events.iter().enumerate() {
        compiler.event(index as u32, event);
    }
    compiler.push(Operation {
        kind: kind::END,
        event: u32::MAX,
        arguments: [0; 6],
        flags: 0,
    });
    let tasks = scenario.stage.tasks.iter().take(MAX_TASKS);
    let mut blocks = Vec::new();
    let mut images = Vec::new();
    for index in 0..MAX_TASKS as u64 {
        let task = scenario.stage.tasks.get(index as usize);
        blocks.extend(block(index, task, endian));
    }
    for task in tasks.clone() {
        images.extend(image(&initial_registers(task), endian));
    }
    let count = tasks.count() as u64;
    let shared = [OPERATIONS, count, 0].map(|v| endian.bytes_u64(v)).concat();
    Compiled {
        segments: vec![
            (QUEUE, shared),
            (BLOCKS, blocks),
            (IMAGES, images),
            (OPERATIONS, compiler.operations),
            (FILLS, compiler.fills),
            (reads::SOURCE, reads::source(scenario)),
        ],
        tasks: count,
        traced: scenario
            .events
            .iter()
            .filter_map(Event::pending)
            .any(|pending| pending.ptrace.is_some()),
        rings: scenario
            .stage
            .io_uring
            .iter()
            .fold(0, |mask, task| mask | 1 << (task & 7)),
    }
}

fn block(index: u64, task: Option<&TaskStage>, endian: Endian) -> Vec<u8> {
    let uses = task.map_or(0, |t| {
        t.uses.iter().fold(0, |mask, f| mask | facility_bit(*f))
    });
    let mut bytes: Vec<u8> = [
        index,
        uses,
        0,
        IMAGES + IMAGE_SIZE * index,
        DUMPS + IMAGE_SIZE * index,
    ]
    .iter()
    .flat_map(|v| endian.bytes_u64(*v))
    .collect();
    bytes.resize(BLOCK_SIZE as usize, 0);
    bytes
}

pub(super) fn facility_bit(facility: Facility) -> u64 {
    match facility {
        Facility::Fp => 1,
        Facility::Vmx => 2,
        Facility::Vsx => 4,
    }
}

/// The register values of a pattern: distinct for each seed, register and half, and never zero.
pub fn pattern(seed: u64) -> RegisterFile {
    let mut state = seed;
    let mut next = || {
        // SplitMix64, so that near seeds give unrelated values.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) | 1
    };
    let mut file = RegisterFile::default();
    for vsr in &mut file.vsr {
        *vsr = [next(), next()];
    }
    file
}

/// Registers a task of the stage starts with.
fn initial_registers(task: &TaskStage) -> RegisterFile {
    let mut file = task.pattern.map(pattern).unwrap_or_default();
    for (register, value) in &task.registers {
        file.set(*register, *value);
    }
    file
}

/// A register image (2048 bytes).
fn image(file: &RegisterFile, endian: Endian) -> Vec<u8> {
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

/// The kind and event index of the operation at a physical address.
pub fn operation_head(memory: &Memory, pa: u64) -> (u32, u32) {
    (memory.read_u32(pa), memory.read_u32(pa + 4))
}

impl Compiler {
    fn push(&mut self, operation: Operation) {
        if self.count >= MAX_OPERATIONS && operation.kind != kind::END {
            return;
        }
        self.count += 1;
        let endian = self.endian;
        self.operations.extend(endian.bytes_u32(operation.kind));
        self.operations.extend(endian.bytes_u32(operation.event));
        for argument in operation.arguments {
            self.operations.extend(endian.bytes_u64(argument));
        }
        self.operations.extend(endian.bytes_u64(operation.flags));
        debug_assert_eq!(self.operations.len() as u64 % OPERATION_SIZE, 0);
    }

    fn simple(&mut self, event: u32, kind: u32, arguments: &[u64]) {
        let mut all = [0; 6];
        all[..arguments.len()].copy_from_slice(arguments);
        self.push(Operation {
            kind,
            event,
            arguments: all,
            flags: 0,
        });
    }

    fn event(&mut self, index: u32, event: &Event) {
        match event {
            Event::Set(values) => self.set(index, values),
            Event::Fill {
                facility,
                pattern: seed,
            } => {
                let number = self.fills.len() as u64 / IMAGE_SIZE;
                if number < MAX_FILLS {
                    self.fills.extend(image(&pattern(*seed), self.endian));
                    self.simple(
                        index,
                        kind::FILL,
                        &[facility_bit(*facility), FILLS + IMAGE_SIZE * number],
                    );
                }
            }
            Event::Compute { op, register } => self.simple(
                index,
                kind::COMPUTE,
                &[compute_number(*op), (*register & 31).into()],
            ),
            Event::Access { op, register, .. } => {
                let number = AccessOp::ALL.iter().position(|other| other == op);
                let table = 64 * number.unwrap_or(0) as u64 + u64::from(*register & 63);
                let [first, second] = accessed(*register);
                self.simple(index, kind::ACCESS, &[table, first, second]);
            }
            Event::Touch(facility) => self.simple(index, kind::TOUCH, &[facility_bit(*facility)]),
            Event::EditFrame(edit) => self.simple(index, kind::EDIT_FRAME, &[edit_number(*edit)]),
            Event::Interrupt { vector, .. } => {
                self.simple(index, kind::INTERRUPT, &[vector_number(*vector)])
            }
            Event::Syscall { call, via, .. } => self.syscall(index, *call, *via),
        }
    }

    fn set(&mut self, index: u32, values: &RegisterValues) {
        let get = |register| values.get(&register).copied();
        for n in 0..32u8 {
            match (get(Register::F(n)), get(Register::Vs(n))) {
                (Some(f), Some(vs)) => {
                    self.simple(index, kind::SET_VSR, &[n.into(), f as u64, vs as u64])
                }
                (Some(f), None) => self.simple(index, kind::SET_FPR, &[n.into(), f as u64]),
                (None, Some(vs)) => self.simple(index, kind::SET_VSR_DW1, &[n.into(), vs as u64]),
                (None, None) => {}
            }
        }
        for n in 0..32u8 {
            if let Some(v) = get(Register::V(n)) {
                let [first, second] = lvx_form([(v >> 64) as u64, v as u64], self.endian);
                self.simple(index, kind::SET_VR, &[n.into(), first, second]);
            }
        }
        for (register, kind) in SETS {
            if let Some(value) = get(register) {
                self.simple(index, kind, &[0, value as u64]);
            }
        }
    }

    fn syscall(&mut self, event: u32, call: Syscall, via: Via) {
        let (kind, arguments): (u32, [u64; 6]) = match call {
            Syscall::Getppid => (kind::SYSCALL, [64, 0, 0, 0, 0, 0]),
            Syscall::SchedYield => (kind::SYSCALL, [158, 0, 0, 0, 0, 0]),
            Syscall::Fork => (kind::FORK, [2, 0, 0, 0, 0, 0]),
            Syscall::Vfork => (kind::FORK, [189, 0, 0, 0, 0, 0]),
            Syscall::Clone { fail } => {
                let flags = if fail {
                    SIGCHLD | CLONE_NEWUTS
                } else {
                    SIGCHLD
                };
                (kind::FORK, [120, flags, 0, 0, 0, 0])
            }
            Syscall::Read { bytes } => (
                kind::SYSCALL,
                [NR_READ, 0, reads::DESTINATION, bytes.into(), 0, 0],
            ),
            Syscall::Write { bytes } => (kind::SYSCALL, [4, 1, reads::SOURCE, bytes.into(), 0, 0]),
            Syscall::FutexWait => (kind::SYSCALL, [221, FUTEX, 0, 0, 0, 0]),
            Syscall::FutexWake => (kind::SYSCALL, [221, FUTEX, 1, 1, 0, 0]),
            Syscall::Kill { signal } => (kind::SYSCALL, [37, 0, signal.into(), 0, 0, 0]),
            Syscall::EnableKernel { facility } => {
                let facility = facility_bit(facility);
                (kind::SYSCALL, [ENABLE_KERNEL, facility, 0, 0, 0, 0])
            }
            Syscall::Prctl { fpexc } => {
                let mode = fpexc_number(fpexc);
                (kind::SYSCALL, [171, PR_SET_FPEXC, mode, 0, 0, 0])
            }
            Syscall::Swapcontext { small, misaligned } => {
                let size = if small {
                    UCONTEXT_SIZE_WITHOUT_VSX
                } else {
                    UCONTEXT_SIZE
                };
                // The interpreter puts the addresses in their places; until then the first one's has what is added to it.
                let misaligned = if misaligned { 8 } else { 0 };
                (kind::SWAPCONTEXT, [249, misaligned, 0, size, 0, 0])
            }
            Syscall::Execve => (kind::EXEC, [11, 0, 0, 0, 0, 0]),
            Syscall::Abort => (kind::SYSCALL, [37, 0, SIGABRT, 0, 0, 0]),
            Syscall::KvmRun { pr } => (kind::SYSCALL, [54, 0, KVM_RUN, pr.into(), 0, 0]),
            Syscall::Hibernate => (kind::SYSCALL, [HIBERNATE, 0, 0, 0, 0, 0]),
            Syscall::RtSigreturn => (kind::SIGRETURN, [0; 6]),
            Syscall::Exit => (kind::EXIT, [0; 6]),
        };
        let fails = matches!(call, Syscall::Clone { fail: true });
        self.push(Operation {
            kind,
            event,
            arguments,
            flags: u64::from(via == Via::Scv) | u64::from(fails) << 1,
        });
    }
}

const NR_READ: u64 = 3;
/// A number that Linux keeps free ("tux"), so that a real kernel says ENOSYS.
const ENABLE_KERNEL: u64 = 225;
/// As free.
const HIBERNATE: u64 = 226;
/// `_IO(KVMIO, 0x80)`. A real kernel says ENOTTY: file descriptor 0 is the pipe.
const KVM_RUN: u64 = 0xae80;
const SIGCHLD: u64 = 17;
const SIGABRT: u64 = 6;
const PR_SET_FPEXC: u64 = 12;
/// `sizeof(struct ucontext)`, and the size that programs knew before VSX.
const UCONTEXT_SIZE: u64 = 1696;
const UCONTEXT_SIZE_WITHOUT_VSX: u64 = UCONTEXT_SIZE - 32 * 8;
/// What an unprivileged task may not ask for: Linux finds out after it has duplicated the task. The model goes by the operation's flag.
const CLONE_NEWUTS: u64 = 0x0400_0000;

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

fn edit_number(edit: FrameEdit) -> u64 {
    match edit {
        FrameEdit::ClaimFacilities => 0,
        FrameEdit::DropVmx => 1,
        FrameEdit::DropVsx => 2,
    }
}

/// PR_FP_EXC_DISABLED, _NONRECOV, _ASYNC, _PRECISE.
fn fpexc_number(mode: FpExceptions) -> u64 {
    match mode {
        FpExceptions::Disabled => 0,
        FpExceptions::Nonrecoverable => 1,
        FpExceptions::Async => 2,
        FpExceptions::Precise => 3,
    }
}

/// Has the operation at a physical address be a call of `getppid` instead: for a kernel that cannot be made to do it.
pub fn make_harmless(memory: &Memory, pa: u64) {
    memory.write_u32(pa, kind::SYSCALL);
    memory.write_u64(pa + 8, 64);
}

fn vector_number(vector: Interrupt) -> u64 {
    match vector {
        Interrupt::External => 0x500,
        Interrupt::Decrementer => 0x900,
        Interrupt::Doorbell => 0xa00,
        Interrupt::DataStorage => 0x300,
        Interrupt::SystemReset => 0x100,
    }
}
