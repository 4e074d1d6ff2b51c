//! Why a run is over before its budget is.

/// Why the guest itself ended the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GuestEnd {
    /// Nothing is left to run.
    AllDone,
    /// The kernel panicked.
    Panic(String),
    /// User code is not where it was, or has other registers than it had: the kernel came back
    /// wrong.
    Lost(String),
    /// What only code of this project can get wrong, whatever the kernel does. It is no finding.
    OurFault(String),
    /// What the host has read and written is not what user code has: nothing can be concluded.
    Misled(String),
}
