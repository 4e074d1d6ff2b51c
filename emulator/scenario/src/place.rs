//! Where a difference or a violation was seen: each place with its word, its phrase, and what keeps
//! the value there.

use crate::json::names::named;
use crate::register::Register;

/// Where a difference was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A task's register at the end.
    Register,
    /// A child's (a task made during the run) register at the end.
    Child,
    /// A signal frame.
    SignalFrame,
    /// What a tracer read.
    Ptrace,
    /// What a core dump has.
    Core,
    /// The registers of a guest, as its hypervisor keeps them.
    Vcpu,
    /// A task's general purpose registers that user code never touches (r14 to r25) at the end.
    Gpr,
    /// A signal that only one kernel delivers, or its `si_code`.
    Siginfo,
    /// User memory: the red zone below the interrupted stack pointer, or what a `read` has
    /// delivered.
    Memory,
    /// A `thread_struct` image that outlives the run.
    ThreadStruct,
    /// The facility bits of a task's `regs->msr`.
    Msr,
    /// How the run ended.
    End,
}

named!(Place, "place", {
    Register = "register",
    Child = "child",
    SignalFrame = "signal_frame",
    Ptrace = "ptrace",
    Core = "core",
    Vcpu = "vcpu",
    Gpr = "gpr",
    Siginfo = "siginfo",
    Memory = "memory",
    ThreadStruct = "thread_struct",
    Msr = "msr",
    End = "end",
});

/// What keeps a value at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeper {
    /// The processor.
    Processor,
    /// The kernel, in its images of registers.
    Kernel,
    /// User memory, or a file.
    User,
}

impl Place {
    /// What keeps the value.
    pub fn keeper(self) -> Keeper {
        match self {
            Place::Register | Place::Child | Place::Gpr | Place::End => Keeper::Processor,
            Place::ThreadStruct | Place::Msr | Place::Ptrace => Keeper::Kernel,
            Place::SignalFrame | Place::Core | Place::Vcpu | Place::Siginfo | Place::Memory => {
                Keeper::User
            }
        }
    }

    /// Whether a difference there is always one of a register. Elsewhere it can be of something
    /// beside registers.
    pub fn needs_register(self) -> bool {
        match self {
            Place::Register
            | Place::Child
            | Place::Ptrace
            | Place::Core
            | Place::Vcpu
            | Place::ThreadStruct => true,
            Place::SignalFrame
            | Place::Gpr
            | Place::Siginfo
            | Place::Memory
            | Place::Msr
            | Place::End => false,
        }
    }

    /// What differs there, for people: "a live difference in ..."
    pub fn phrase(self, register: Option<Register>, task: u8) -> String {
        let what =
            register.map_or_else(|| "no register".to_owned(), |register| register.to_string());
        match self {
            Place::End => "how the run ends".to_owned(),
            Place::Register => format!("{what} of task {task}"),
            Place::Child => format!("{what} of child task {task}"),
            Place::SignalFrame if register.is_none() => {
                format!("the MSR of a signal frame of task {task}")
            }
            Place::SignalFrame => format!("{what} in a signal frame of task {task}"),
            Place::Ptrace => format!("{what} that a tracer read of task {task}"),
            Place::Core => format!("{what} in a core dump of task {task}"),
            Place::Vcpu => format!("{what} of the guest of task {task}"),
            Place::Gpr => format!("r14 to r25 of task {task}"),
            Place::Siginfo => format!("a SIGFPE of task {task}"),
            Place::Memory => format!("the red zone of task {task}, or in what it has read"),
            Place::Msr => format!("regs->msr of task {task}"),
            Place::ThreadStruct => format!("{what} in the thread_struct of task {task}"),
        }
    }
}
