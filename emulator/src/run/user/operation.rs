//! Operations of the user-side interpreter: what they are in memory, and what the host knows of
//! them without reading them back.

use crate::arch::Endian;
use crate::machine::{Vector, View};
use crate::run::abi::numbers;

use super::OPERATIONS;

/// Bytes of an operation.
const SIZE: u64 = 64;
/// Operations that there is room for, without the one that ends the queue.
pub(super) const MAX_OPERATIONS: usize = 511;
/// Offset of a system call's number.
const NUMBER: u64 = 8;
/// Offset of a system call's first argument.
const FIRST_ARGUMENT: u64 = 16;
/// `read`.
pub(super) const NR_READ: u64 = 3;
/// `getppid`.
const NR_GETPPID: u64 = 64;

numbers! {
    /// What an operation does (docs/internals.md, section 3).
    pub(in crate::run) mod kind: u32 {
        END = 0,
        SET_FPR = 1,
        SET_VSR = 2,
        SET_VSR_DW1 = 3,
        SET_VR = 4,
        SET_FPSCR = 5,
        SET_VSCR = 6,
        SET_VRSAVE = 7,
        FILL = 8,
        COMPUTE = 9,
        TOUCH = 10,
        SYSCALL = 11,
        FORK = 12,
        INTERRUPT = 13,
        SIGRETURN = 14,
        EXIT = 15,
        EDIT_FRAME = 16,
        SWAPCONTEXT = 17,
        EXEC = 18,
        ACCESS = 19,
    }
}

/// An operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Operation {
    /// Its [`kind`].
    pub(in crate::run) kind: u32,
    /// Index of the event that it is part of; `u32::MAX` of the one that ends the queue.
    pub event: u32,
    /// a0 to a5; of a system call its number and arguments.
    pub arguments: [u64; 6],
    /// Bit 0: the call is made with `scv`. Bit 1: it fails late.
    pub(in crate::run) flags: u64,
}

/// The index of the operation at an effective address, if an operation can be there.
pub fn operation_index(address: u64) -> Option<usize> {
    let offset = address.checked_sub(OPERATIONS)?;
    (offset % SIZE == 0).then_some((offset / SIZE) as usize)
}

impl Operation {
    /// The operation that ends the queue.
    pub(in crate::run) const END: Operation = Operation {
        kind: kind::END,
        event: u32::MAX,
        arguments: [0; 6],
        flags: 0,
    };

    /// Whether it ends the queue.
    pub fn is_end(&self) -> bool {
        self.kind == kind::END
    }

    /// Whether it asks the host for an interrupt.
    pub fn is_interrupt(&self) -> bool {
        self.kind == kind::INTERRUPT
    }

    /// Whether it returns from a signal handler, if its task is in one.
    pub fn is_sigreturn(&self) -> bool {
        self.kind == kind::SIGRETURN
    }

    /// Whether it makes a task.
    pub fn is_fork(&self) -> bool {
        self.kind == kind::FORK
    }

    /// Bytes that it reads from the pipe, if it does.
    pub fn read_bytes(&self) -> Option<u64> {
        let reads = self.kind == kind::SYSCALL && self.arguments[0] == NR_READ;
        reads.then(|| self.arguments[3])
    }

    /// The interrupt that it asks the host for.
    pub fn vector(&self) -> Option<Vector> {
        let vector = match self.arguments[0] {
            0x500 => Vector::External,
            0x900 => Vector::Decrementer,
            0xa00 => Vector::Doorbell,
            0x300 => Vector::DataStorage,
            0x100 => Vector::SystemReset,
            _ => return None,
        };
        self.is_interrupt().then_some(vector)
    }

    /// As it is in memory.
    pub(in crate::run) fn bytes(&self, endian: Endian) -> [u8; SIZE as usize] {
        let mut bytes = [0; SIZE as usize];
        let words = self.arguments.iter().chain([&self.flags]);
        let words = words.flat_map(|word| endian.bytes_u64(*word));
        let head = [self.kind, self.event].map(|half| endian.bytes_u32(half));
        let all = head.into_iter().flatten().chain(words);
        bytes.iter_mut().zip(all).for_each(|(to, byte)| *to = byte);
        bytes
    }
}

/// Has the operation that r29 points at be a call of `getppid`: for a kernel that cannot be made to
/// do what the scenario says.
pub fn replace_with_getppid(view: &View<'_>) {
    if let Some(pa) = view.map.physical(view.gpr(29)) {
        view.memory.write_u32(pa, kind::SYSCALL);
        view.memory.write_u64(pa + NUMBER, NR_GETPPID);
    }
}

/// Sets the first argument of the system call that r29 points at.
pub fn set_first_argument(view: &View<'_>, value: u64) {
    if let Some(pa) = view.map.physical(view.gpr(29)) {
        view.memory.write_u64(pa + FIRST_ARGUMENT, value);
    }
}
