//! Why a run is over before its budget is.

/// Why the guest itself ended the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GuestEnd {
    /// Nothing is left to run.
    AllDone,
    /// The kernel panicked.
    Panic(String),
    /// A host call that does not exist: the interpreter or the kernel has lost its way.
    Lost(String),
    /// What the host has read and written is not what user code has: nothing can be concluded.
    Misled(String),
}
