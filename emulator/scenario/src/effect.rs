//! Effects: what an event, or the work pending at it, must cause in a kernel.
//!
//! A kernel that runs a scenario without them was not tested with it. Which event owes which
//! effect, and how a run shows it, is the emulator's matter (`run::effects`); docs/oracles.md has
//! the table.

/// What an event or its pending work causes in a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// A task creates an io_uring worker (Linux: `create_worker_cb` or `io_wq_enqueue`, then
    /// `create_io_thread`).
    IoWorker,
    /// The kernel copies a page with VMX in a page fault (Linux: `copypage_power7`; since 6.2 a
    /// user copy of a page).
    PageCopy,
    /// A copy from or to user memory with VMX (Linux: `enter_vmx_usercopy`).
    VmxCopy,
    /// A signal handler is entered.
    Signal,
    /// Another task runs before the one that was interrupted goes on.
    Switch,
    /// A tracer stops a task and reads its registers.
    Ptrace,
    /// A task sleeps in a system call.
    Sleep,
    /// A task is made.
    Child,
    /// A task becomes a new program.
    Exec,
    /// The kernel writes a core dump.
    CoreDump,
    /// A guest runs and is left.
    Guest,
    /// The kernel emulates a load or store that is not aligned (Linux: `fix_alignment`).
    Alignment,
    /// The kernel uses FP, VMX or VSX itself, in a system call.
    KernelUse,
    /// A softirq that would use VMX.
    Softirq,
    /// A system reset interrupt is taken.
    SystemReset,
    /// The machine is suspended to disk.
    Hibernation,
}
