//! A run in detail: which functions were entered and left, and every change of tracked state with
//! the instruction that made it.
//!
//! Only tracked state is recorded: VSRs, FPSCR, VSCR, VRSAVE, the facility bits of `regs->msr`,
//! `thread_struct` images, signal frames. Comparing two recordings and finding causes is the triage
//! crate's business. Nothing here knows which words of a kernel were patched.

pub mod disassembly;
mod frame;
mod loads;
mod record;
mod slots;
mod unwind;

use std::rc::Rc;

use ctxfuzz_scenario::register::Register;

pub use self::frame::{FrameAt, Part};
pub use self::record::{Tracer, record};
use crate::machine::Vector;
use crate::run::capture::Gprs;
use crate::run::outcome::Outcome;

/// A piece of tracked state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cell {
    /// A register of the processor.
    Hardware(Register),
    /// A register in a `thread_struct` image.
    Image(Slot, Register),
    /// FP, VEC, VSX, FE0 and FE1 of `regs->msr`.
    Facilities(Slot),
    /// `used_vr` and `used_vsr` of a task, as VEC and VSX: what frames and returns from handlers go
    /// by. Only of the model: a real kernel's are not known.
    Used(Slot),
    /// The facility bits of the MSR with which user code goes on.
    UserMsr,
    /// Which task runs: the slot, as a number.
    Current,
    /// A doubleword of a user stack, where signal frames are: its address.
    UserStack(u64),
    /// A doubleword of what a tracer or a core dump has of a task's registers: its address in the
    /// tracer's memory.
    RegisterSet(u64),
}

impl Cell {
    /// Whether it is memory of user code.
    pub fn is_user_memory(self) -> bool {
        matches!(self, Cell::UserStack(_) | Cell::RegisterSet(_))
    }

    /// The task in whose memory in the kernel it is.
    pub fn slot(self) -> Option<Slot> {
        match self {
            Cell::Image(slot, _) | Cell::Facilities(slot) | Cell::Used(slot) => Some(slot),
            _ => None,
        }
    }
}

/// A task in the kernel's task table: its index there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u8);

/// One step of a recorded run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// An event of the scenario begins; `None` when tasks are made to dump their registers at the
    /// end.
    Event {
        /// Which.
        index: Option<u16>,
        /// Whose.
        task: u8,
    },
    /// The host has looked at a task: the next of the outcome's observations, if there are any.
    Look,
    /// The kernel is entered.
    KernelEntry(Vector),
    /// User code goes on.
    UserReturn,
    /// A function is entered: index into [`Recording::functions`].
    Enter(u32),
    /// A function returns.
    Exit(u32),
    /// A cell changes.
    Write(Write),
}

/// A change of a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Which.
    pub cell: Cell,
    /// Its new value.
    pub value: u128,
    /// The instruction that changed it.
    pub pc: u64,
    /// Its word.
    pub word: u32,
    /// MSR of the processor then.
    pub msr: u64,
    /// Call trace by the back chain, innermost first, kernel addresses only (the first is `pc`).
    pub trace: Rc<[u64]>,
}

/// A place in kernel code, and how it was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The instruction.
    pub pc: u64,
    /// Call trace as in [`Write::trace`].
    pub trace: Rc<[u64]>,
}

/// A recorded run.
#[derive(Clone, Debug)]
pub struct Recording {
    /// What it came to.
    pub outcome: Outcome,
    /// The steps in order.
    pub steps: Vec<Step>,
    /// Writes of images with what they had, which are no steps: how many steps there were, and the
    /// write.
    pub kept: Vec<(usize, Write)>,
    /// Names of functions.
    pub functions: Vec<Rc<str>>,
    /// Values of all cells at the start, zero where not listed.
    pub initial: Vec<(Cell, u128)>,
    /// User index by slot (`None`: a kernel thread), as of the end.
    pub tasks: Vec<Option<u8>>,
    /// The contexts in the outcome's captures of signal frames, in order.
    pub frames: Vec<FrameAt>,
    /// r14 to r25 at each [`Step::UserReturn`], in order.
    pub gprs: Vec<Gprs>,
    /// Whether the kernel is one whose [`Cell::Used`] are known: a model.
    pub knows_use: bool,
    /// The last exception that the kernel itself caused: the end of many a run.
    pub fault: Option<Site>,
}
