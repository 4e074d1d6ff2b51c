//! What the walk through two runs finds, before it has names: changes, and the causes that they
//! make up.

use std::collections::HashSet;
use std::rc::Rc;

use ctxfuzz_emulator::arch::RegisterFile;
use ctxfuzz_emulator::trace::{Cell, Slot, Write};
use ctxfuzz_scenario::register::Register;

/// A cell that differs, with what wrote it last on both sides.
#[derive(Clone, Debug)]
pub struct Change {
    /// Which.
    pub cell: Cell,
    /// Value on side A.
    pub a: u128,
    /// Value on side B.
    pub b: u128,
    /// The write that left A's value.
    pub writer_a: Option<Write>,
    /// The write that left B's value.
    pub writer_b: Option<Write>,
    /// Whether A's, B's write lies in the stretch in which the cell came to differ.
    pub recent: [bool; 2],
    /// Whether A, B wrote an image in that stretch with what it had.
    pub kept: [bool; 2],
    /// Whether A's, B's value was there when the running task came.
    pub foreign: [bool; 2],
    /// Whether A's, B's value is one that the cell had before, with another in between.
    pub former: [bool; 2],
    /// For doubleword 1 of a VSR: whether A wrote doubleword 0 again afterwards.
    pub rewritten: bool,
    /// Whether B is what was expected of A, and was given its value here.
    pub fixed: bool,
}

impl Change {
    /// The write that tells most: A's, unless only B wrote in the stretch in which the cell came to
    /// differ, or is what was expected.
    pub fn writer(&self) -> Option<&Write> {
        self.telling().map(|(_, write)| write)
    }

    /// The same, with the side that it is of: addresses mean something on their own side only.
    pub fn telling(&self) -> Option<(usize, &Write)> {
        match (&self.writer_a, &self.writer_b) {
            (_, Some(b)) if self.fixed => Some((1, b)),
            (Some(a), _) if self.recent[0] => Some((0, a)),
            (_, Some(b)) => Some((1, b)),
            (a, None) => a.as_ref().map(|a| (0, a)),
        }
    }

    /// Whether both kernels wrote the cell, with instructions that are the same.
    pub fn by_same_instruction(&self) -> bool {
        let writers = self.writer_a.as_ref().zip(self.writer_b.as_ref());
        self.recent == [true; 2] && writers.is_some_and(|(a, b)| a.word == b.word)
    }
}

/// A group of differences that came about together, and what became of them.
#[derive(Clone, Debug)]
pub struct RawCause {
    /// The event that was being done; `None`: when tasks dumped their registers at the end.
    pub event: Option<u16>,
    /// What differs since.
    pub changes: Vec<Change>,
    /// Of a frame that lies elsewhere on a stack: the functions that were at work at each write to
    /// it, innermost first.
    pub displaced: Option<Vec<String>>,
    /// Registers that user code has had the kernel load in its stead until then.
    pub asked: HashSet<Register>,
    /// Whether only A, only B wrote the data that goes with a control register which differs, with
    /// what it had.
    pub whole: [bool; 2],
    /// Functions that only one side entered in the stretch in which the state came to differ: A's,
    /// B's.
    pub detours: [HashSet<Rc<str>>; 2],
    /// The same since the kernel was entered.
    pub stays: [HashSet<Rc<str>>; 2],
    /// Registers of the processor on both sides then.
    pub hardware: [RegisterFile; 2],
    /// Their images of the running task.
    pub images: [RegisterFile; 2],
    /// Values that each side has elsewhere. If a stack came to differ: those on stacks; if what a
    /// tracer has read did: those in the tasks' images, too.
    pub known: [HashSet<u64>; 2],
    /// The first damaged logical register.
    pub damage: Option<Damage>,
    /// The first return to user space with damage: its event and the task's slot.
    pub user_return: Option<(Option<u16>, Slot)>,
    /// Later copies of the wrong values, in order.
    pub copies: Vec<Copied>,
    /// The slot of the task that ran then.
    pub slot: Slot,
    /// Whether that task has gone on in user space since.
    pub is_over: bool,
    /// Whether the runs still met afterwards: in what follows the last meeting one of them may do
    /// what the other never comes to.
    pub met: bool,
}

impl RawCause {
    /// Whether only one side entered a function in the stretch, or at all since the kernel was
    /// entered: there something was done, and not decided.
    pub fn is_detour(&self, function: &str) -> bool {
        let only_one =
            |[a, b]: &[HashSet<Rc<str>>; 2]| a.contains(function) != b.contains(function);
        only_one(&self.detours) || only_one(&self.stays)
    }
}

/// A logical register that differs.
#[derive(Clone, Debug)]
pub struct Damage {
    /// The event then.
    pub event: Option<u16>,
    /// Whose.
    pub slot: Slot,
    /// Which.
    pub register: Register,
    /// Whether it happened where the cause is.
    pub at_cause: bool,
}

/// A place that a wrong value was copied to.
#[derive(Clone, Debug)]
pub struct Copied {
    /// The event then.
    pub event: Option<u16>,
    /// The change.
    pub change: Change,
    /// Whether the task that ran when the cause came about has not gone on in user space since.
    pub same_stay: bool,
    /// The seed thread's three conditions: the image was not the FPSCR image before, is it now, and
    /// FP was on in `regs->msr` and the processor.
    pub thread_conditions: bool,
}
