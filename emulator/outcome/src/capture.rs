//! Captures: what a run shows of a task's registers, and what stands beside them.
//!
//! The host records one whenever registers can be seen where something relies on them: in a signal
//! frame, in a core dump, at a task's end. What a kind of capture means to an oracle and to a
//! report is not said here but in the judge crate (`observable`).

use ctxfuzz_scenario::effect::Effect;

use crate::arch::RegisterFile;

/// The kinds of captures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Observable {
    /// The final registers of a task, as user code sees them.
    Final,
    /// A signal frame as the handler found it, or a context that `swapcontext` saved.
    SignalFrame,
    /// What a tracer read from a task that it had stopped.
    Traced,
    /// The registers in a core dump.
    CoreDump,
    /// The registers of a guest, as its hypervisor has them when it leaves the guest.
    Guest,
    /// What a `read` delivered. If another read began during one, neither is captured.
    Read,
    /// A `thread_struct` at the moment the events were over.
    ThreadImage,
}

impl Observable {
    /// The effect that a [`LogEntry::Captured`](crate::outcome::LogEntry::Captured) of this kind
    /// shows. Of other kinds, other entries of the log show the effect.
    pub fn effect(self) -> Option<Effect> {
        match self {
            Observable::CoreDump => Some(Effect::CoreDump),
            Observable::Guest => Some(Effect::Guest),
            Observable::Final
            | Observable::SignalFrame
            | Observable::Traced
            | Observable::Read
            | Observable::ThreadImage => None,
        }
    }

    /// Whether the task does nothing more in user mode once this was captured.
    pub fn ends_task(self) -> bool {
        matches!(self, Observable::Final | Observable::CoreDump)
    }
}

/// General purpose registers that user code never touches, r14 to r25.
pub type Gprs = [u64; 12];

/// The number of the first of them.
pub const FIRST_GPR: u8 = 14;

/// The signal of an FP exception.
pub const SIGFPE: u8 = 8;

/// What user code may use below its stack pointer (64-Bit ELF V2 ABI, 2.2.2.4).
pub const RED_ZONE: u16 = 512;

/// One capture. The first fields, which are small, decide most comparisons of two captures.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Capture {
    /// Its kind.
    pub observable: Observable,
    /// Which of its kind: the index of the task for final registers, else a count in order of time.
    /// Entries of the log refer to captures by this number.
    pub number: u16,
    /// Whose; `None` for a kernel thread.
    pub task: Option<u8>,
    /// How many entries the log had when this was captured.
    pub log: usize,
    /// What was captured beside the registers.
    pub details: Details,
    /// The registers; all zero in a [`Observable::Read`]. Of a signal frame, VRs and VSCR are zero
    /// unless the frame's MSR has VEC, and doubleword 1 of VSR 0-31 is zero unless it has VSX: the
    /// frame does not store them.
    pub registers: RegisterFile,
}

impl Capture {
    /// A capture of registers alone. [`Outcome::record`](crate::outcome::Outcome::record) gives it
    /// its number and its place in the log.
    pub fn new(observable: Observable, task: Option<u8>, registers: RegisterFile) -> Self {
        Capture {
            observable,
            number: 0,
            task,
            log: 0,
            details: Details::None,
            registers,
        }
    }

    /// The same, with what stands beside the registers.
    pub fn with(self, details: Details) -> Self {
        Capture { details, ..self }
    }
}

/// What a capture has beside the registers of the FP, VMX and VSX facilities.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Details {
    /// Nothing.
    None,
    /// r14 to r25 of a task at its end.
    Gprs(Gprs),
    /// The rest of a signal frame.
    Frame(SignalFrame),
    /// The rest of a `thread_struct`.
    Thread {
        /// `regs->msr` (0 for a kernel thread).
        msr: u64,
    },
    /// The bytes that a `read` delivered.
    Data(Data),
}

/// A signal frame or a saved context, without its registers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SignalFrame {
    /// MSR in `gp_regs[PT_MSR]`.
    pub msr: u64,
    /// Which signal; 0 for a context.
    pub signal: u8,
    /// Of a SIGFPE its `si_code`; 0 for others.
    pub code: i32,
    /// How many bytes below the interrupted stack pointer the frame left alone, if fewer than
    /// [`RED_ZONE`].
    pub red_zone: Option<u16>,
}

/// What a `read` delivered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Data {
    /// Index into the scenario's events.
    pub event: u16,
    /// As many bytes as were asked for; 0 from where on nothing was delivered.
    pub bytes: Vec<u8>,
}
