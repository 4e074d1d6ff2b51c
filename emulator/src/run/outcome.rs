//! What one kernel did with one scenario: the data that oracles compare.
//!
//! Not responsible for producing it (see `run`) nor for judging it (see the triage crate).

use crate::arch::RegisterFile;

use super::collected::Collected;
use super::effects::Effects;
use super::observe::Observation;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// Every task reached its end.
    Completed,
    /// The kernel died: an FP instruction with MSR\[FP\] off, a wild access, a BUG.
    KernelFault(String),
    /// The machine's state recurs exactly: it would never end.
    Hang,
    /// The emulator could not do what was asked; says nothing about the kernel.
    EmulatorFault(String),
    /// Out of budget (basic blocks); says nothing about the kernel.
    Budget,
}

/// What happened, in order: the schedule, which is part of the outcome.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LogEntry {
    /// A task began to run. `parent` is the forking task for a child, `None` for a task of the stage.
    TaskStarted {
        /// Its index.
        task: u8,
        /// Who made it.
        parent: Option<u8>,
    },
    /// `task` is about to do event `index` of the scenario (once an event, however many operations it takes).
    Event {
        /// Index into the scenario's events.
        index: u16,
        /// Who does it.
        task: u8,
    },
    /// A signal handler was entered; `frame` indexes [`Outcome::frames`].
    SignalDelivered {
        /// Who handles it.
        task: u8,
        /// Which frame.
        frame: u16,
        /// Whether the frame interrupted another handler that had not begun yet: two signals were delivered at once.
        at_entry: bool,
    },
    /// `task` has become a new program.
    Execed {
        /// Who.
        task: u8,
    },
    /// The kernel has written a core dump of `task`, which is gone; `core` indexes [`Outcome::cores`].
    CoreDumped {
        /// Whose.
        task: u8,
        /// Which.
        core: u16,
    },
    /// A guest that `task` ran has been left; its registers index [`Outcome::vcpus`].
    GuestLeft {
        /// Whose vcpu.
        task: u8,
        /// Which registers.
        vcpu: u16,
    },
    /// `swapcontext` has returned; what it saved is in `frame`, which indexes [`Outcome::frames`].
    ContextSaved {
        /// Who called.
        task: u8,
        /// Which frame.
        frame: u16,
    },
    /// `task` returns from its handler with `rt_sigreturn`.
    SigReturned {
        /// Who returns.
        task: u8,
    },
    /// A tracer has stopped `task` on its way back from an event; `view` indexes [`Outcome::traced`]. It writes, if it does, after this.
    Traced {
        /// Who was stopped.
        task: u8,
        /// Index into the scenario's events.
        event: u16,
        /// What the tracer read.
        view: u16,
    },
    /// `task` has dumped its final registers into [`Outcome::tasks`].
    Dumped {
        /// Who.
        task: u8,
    },
}

/// General purpose registers that user code never touches, r14 to r25.
pub type Gprs = [u64; 12];

/// The number of the first of them.
pub const FIRST_GPR: u8 = 14;

/// A signal frame as the handler found it, or a context that `swapcontext` saved.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SignalFrame {
    /// Whose.
    pub task: u8,
    /// MSR in `gp_regs[PT_MSR]`.
    pub msr: u64,
    /// Which signal; 0 for a context.
    pub signal: u8,
    /// Of a SIGFPE its `si_code`; 0 for others.
    pub code: i32,
    /// Bytes below the interrupted stack pointer that the frame has left alone, if there are fewer than [`RED_ZONE`].
    pub red_zone: Option<u16>,
    /// Registers stored in the frame. VRs and VSCR are stored only if the frame's MSR has VEC, doubleword 1 of VSR 0-31 only if it has VSX; they are zero here otherwise.
    pub registers: RegisterFile,
}

/// What a `read` delivered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Read {
    /// Who read.
    pub task: u8,
    /// Index into the scenario's events.
    pub event: u16,
    /// How many entries the log had when the task was back.
    pub log: usize,
    /// As many bytes as were asked for; 0 from where on nothing was delivered.
    pub data: Vec<u8>,
}

/// The signal of an FP exception.
pub const SIGFPE: u8 = 8;

/// What user code may use below its stack pointer (64-Bit ELF V2 ABI, 2.2.2.4).
pub const RED_ZONE: u16 = 512;

/// A `thread_struct` at the moment the events were over.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ThreadImage {
    /// User index; `None` for a kernel thread.
    pub task: Option<u8>,
    /// `regs->msr` (0 for a kernel thread).
    pub msr: u64,
    /// The saved state; `vrsave` is the saved image.
    pub registers: RegisterFile,
}

impl Outcome {
    /// A run that ended so before anything was seen of it.
    pub fn empty(end: End) -> Self {
        Collected::default().into_outcome(end, Effects::default())
    }
}

/// What took most of a run that was cut off, or that would never end. Of a run that the emulator could not go on with: where it was.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Spent {
    /// Basic blocks of the run.
    pub blocks: u64,
    /// The task: `task 1` of the scenario, `director`, or the name that a real kernel has for it (`comm`).
    pub task: String,
    /// How much of what was looked at was in this task, in percent.
    pub in_task: u8,
    /// The function of the kernel, or `user code`.
    pub function: String,
    /// How much was in this function and in this task, in percent.
    pub in_function: u8,
}

/// What one kernel did with one scenario.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// Who spent it, if it was cut off, would never end, or was more than the emulator can do.
    pub spent: Option<Spent>,
    /// The schedule.
    pub log: Vec<LogEntry>,
    /// Final registers by task index, as user code sees them; `None` for a task that never dumped.
    pub tasks: Vec<Option<RegisterFile>>,
    /// Final r14 to r25 of the tasks that dumped their registers, by task index.
    pub gprs: Vec<Option<Gprs>>,
    /// Registers in core dumps, in order of time.
    pub cores: Vec<RegisterFile>,
    /// Registers of guests as their hypervisor has them when it leaves them, in order of time.
    pub vcpus: Vec<RegisterFile>,
    /// Signal frames in order of delivery.
    pub frames: Vec<SignalFrame>,
    /// What tracers read, in order of the stops.
    pub traced: Vec<RegisterFile>,
    /// What reads delivered, in order of their ends. Those that were not alone are left out: a read that another one began during.
    pub reads: Vec<Read>,
    /// `thread_struct` images, in order of the kernel's task table.
    pub images: Vec<ThreadImage>,
    /// What each task had at each of its host calls, in order of time; empty unless the runner was told to observe.
    pub observations: Vec<Observation>,
    /// Whether it did what the scenario asked for.
    pub effects: Effects,
}
