//! Kinds of fault: what the catalogue says a defect is, and what an explanation says a cause is.
//! The rules by which a recording shows one are the triage crate's (`cause/class.rs`).

use std::fmt;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A register was overwritten while it held a value that somebody needs.
    ClobberedRegister,
    /// A memory image, a signal frame or a register set was not brought up to date, or an update
    /// was overwritten.
    LostUpdate,
    /// An older value came back in the place of a newer one.
    StaleRestore,
    /// Right values in wrong places.
    WrongLayout,
    /// The kernel is wrong about whose values the registers hold, or where a task's values are:
    /// facility bits, what a task has used, a missing save or load of a facility.
    WrongOwner,
    /// A task goes on with registers that another one left.
    LeakedFromTask,
    /// FPSCR, VSCR, VRSAVE or the exception mode is wrong, and nothing else.
    ControlBits,
    /// The kernel dies or hangs, or sends user code to where it dies.
    Dies,
}

impl Class {
    /// Every class.
    pub const ALL: [Class; 8] = [
        Class::ClobberedRegister,
        Class::LostUpdate,
        Class::StaleRestore,
        Class::WrongLayout,
        Class::WrongOwner,
        Class::LeakedFromTask,
        Class::ControlBits,
        Class::Dies,
    ];

    /// As JSON and tables have it.
    pub fn name(self) -> &'static str {
        match self {
            Class::ClobberedRegister => "clobbered-register",
            Class::LostUpdate => "lost-update",
            Class::StaleRestore => "stale-restore",
            Class::WrongLayout => "wrong-layout",
            Class::WrongOwner => "wrong-owner",
            Class::LeakedFromTask => "leaked-from-task",
            Class::ControlBits => "control-bits",
            Class::Dies => "dies",
        }
    }
}

/// In words, for people.
impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Class::ClobberedRegister => "clobbered live register",
            Class::LostUpdate => "lost update",
            Class::StaleRestore => "stale restore",
            Class::WrongLayout => "wrong layout",
            Class::WrongOwner => "wrong owner",
            Class::LeakedFromTask => "leaked from another task",
            Class::ControlBits => "control bits",
            Class::Dies => "the kernel dies",
        })
    }
}
