//! Compiles a scenario into operations for the user-side interpreter, and into what else user
//! memory has to hold before it runs.

use std::sync::Arc;

use ctxfuzz_scenario::access::AccessOp;
use ctxfuzz_scenario::event::{Event, FpExceptions, Interrupt, RegisterValues, Syscall, Via};
use ctxfuzz_scenario::register::Register;
use ctxfuzz_scenario::scenario::{MAX_TASKS, Scenario, TaskStage};

use super::frame;
use super::operation::{MAX_OPERATIONS, NR_READ, Operation, kind};
use super::{
    BLOCK_SIZE, BLOCKS, DUMPS, FILLS, FUTEX, IMAGE_SIZE, IMAGES, MAX_FILLS, OPERATIONS, QUEUE,
    SETS, accessed, compute_number, facility_bit, image, lvx_form, pattern,
};
use crate::arch::{Endian, RegisterFile};
use crate::run::reads;

/// A scenario compiled for one byte order: bytes by user effective address.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// What to write before the run.
    pub segments: Vec<(u64, Vec<u8>)>,
    /// The operations, by their index in memory; the last ends the queue.
    pub operations: Arc<[Operation]>,
    /// Bits of the facilities whose registers each task loads when it starts.
    pub uses: [u64; MAX_TASKS],
    /// Tasks of the stage.
    pub tasks: u64,
    /// Bit mask of tasks that own a ring.
    pub rings: u64,
    /// Whether there is something to do for a tracer.
    pub traced: bool,
}

struct Compiler {
    endian: Endian,
    operations: Vec<Operation>,
    fills: Vec<u8>,
}

/// Compiles a scenario. Operations beyond what guest memory holds are left out,
/// always the same ones (no valid scenario comes near).
pub fn compile(scenario: &Scenario, endian: Endian) -> Compiled {
    let mut compiler = Compiler {
        endian,
        operations: Vec::new(),
        fills: Vec::new(),
    };
    for (index, event) in scenario.events.iter().enumerate() {
        compiler.event(index as u32, event);
    }
    compiler.operations.push(Operation::END);
    let in_memory = compiler
        .operations
        .iter()
        .flat_map(|operation| operation.bytes(endian));
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
            (OPERATIONS, in_memory.collect()),
            (FILLS, compiler.fills),
            (reads::SOURCE, reads::source(scenario)),
        ],
        tasks: count,
        uses: std::array::from_fn(|index| uses(scenario.stage.tasks.get(index))),
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
        operations: compiler.operations.into(),
    }
}

fn uses(task: Option<&TaskStage>) -> u64 {
    task.map_or(0, |t| {
        t.uses.iter().fold(0, |mask, f| mask | facility_bit(*f))
    })
}

fn block(index: u64, task: Option<&TaskStage>, endian: Endian) -> Vec<u8> {
    let mut bytes: Vec<u8> = [
        index,
        uses(task),
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

/// Registers a task of the stage starts with.
fn initial_registers(task: &TaskStage) -> RegisterFile {
    let mut file = task.pattern.map(pattern).unwrap_or_default();
    for (register, value) in &task.registers {
        file.set(*register, *value);
    }
    file
}

impl Compiler {
    fn push(&mut self, operation: Operation) {
        if self.operations.len() < MAX_OPERATIONS {
            self.operations.push(operation);
        }
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
                if let Some(image) = self.image(&pattern(*seed)) {
                    self.simple(index, kind::FILL, &[facility_bit(*facility), image]);
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
            Event::EditFrame(edit) => {
                self.simple(index, kind::EDIT_FRAME, &frame::changes_to_msr(*edit))
            }
            Event::FillFrame { .. } | Event::SetFrame(_) => self.write_frame(index, event),
            Event::Interrupt { vector, .. } => {
                self.simple(index, kind::INTERRUPT, &[vector_number(*vector)])
            }
            Event::Syscall { call, via, .. } => self.syscall(index, *call, *via),
        }
    }

    /// Puts registers into memory, and says where.
    fn image(&mut self, registers: &RegisterFile) -> Option<u64> {
        let number = self.fills.len() as u64 / IMAGE_SIZE;
        (number < MAX_FILLS).then(|| {
            self.fills.extend(image(registers, self.endian));
            FILLS + IMAGE_SIZE * number
        })
    }

    fn write_frame(&mut self, index: u32, event: &Event) {
        let (registers, copies) = frame::writes(event, self.endian);
        let Some(image) = self.image(&registers) else {
            return;
        };
        for copy in copies {
            self.push(copy.operation(index, image));
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
                // The interpreter puts the addresses in their places; until then the first one's
                // has what is added to it.
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
/// What an unprivileged task may not ask for: Linux finds out after it has duplicated the task. The
/// model goes by the operation's flag.
const CLONE_NEWUTS: u64 = 0x0400_0000;

/// PR_FP_EXC_DISABLED, _NONRECOV, _ASYNC, _PRECISE.
fn fpexc_number(mode: FpExceptions) -> u64 {
    match mode {
        FpExceptions::Disabled => 0,
        FpExceptions::Nonrecoverable => 1,
        FpExceptions::Async => 2,
        FpExceptions::Precise => 3,
    }
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
