//! One look at a task: its registers when its user code called the host, whoever held them then.
//!
//! Not responsible for taking it (the emulator's `run::observe`) nor for judging it.

use ctxfuzz_scenario::register::Register;

use crate::arch::RegisterFile;
use crate::capture::Gprs;
use crate::ownership::Breach;

/// One look at one task.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Observation {
    /// Whose registers.
    pub task: u8,
    /// Entries of the outcome's log before this. [`Point::Started`], [`Point::Handler`] and
    /// [`Point::Dumped`] have their own entry next.
    pub log: usize,
    /// What the task is about to do, or has just come to.
    pub point: Point,
    /// Facility bits of MSR.
    pub facilities: u64,
    /// Registers that user code itself may change before the next look at this task.
    pub writes: Vec<Register>,
    /// The registers the task has: of the processor where the facility is on, else of its
    /// `thread_struct`.
    pub registers: RegisterFile,
    /// r14 to r25.
    pub gprs: Gprs,
    /// Rules about who owns the registers that do not hold.
    pub breaches: Vec<Breach>,
}

/// Where user code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Point {
    /// A task is about to load its first registers (a child loads none).
    Started,
    /// A task has become a new program.
    Execed,
    /// `swapcontext` has returned.
    Context,
    /// About to do an operation.
    Operation {
        /// The event it belongs to; `None` for the final dump.
        event: Option<u16>,
        /// The index a child that it makes will have.
        child: Option<u8>,
    },
    /// At the start of a signal handler.
    Handler {
        /// As in [`crate::outcome::LogEntry::SignalDelivered`].
        at_entry: bool,
    },
    /// The final registers are in the dump area; these are the ones here.
    Dumped,
}
