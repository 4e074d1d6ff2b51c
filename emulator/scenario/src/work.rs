//! What a kernel does in an event that has to do with registers.

/// A kind of work: two divergences after the same kinds of it are likely to have one cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Work {
    /// Another task could run.
    Switch,
    /// A signal.
    Signal,
    /// An io_uring worker was made.
    IoWorker,
    /// A task was duplicated by a system call.
    Fork,
    /// The kernel used a facility itself.
    EnableKernel,
    /// A guest ran.
    KvmRun,
    /// A task became a new program.
    Exec,
    /// A device's softirq.
    Softirq,
    /// The kernel loaded or stored for the user.
    Emulation,
    /// The machine was suspended.
    Hibernation,
}
