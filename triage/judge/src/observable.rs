//! What oracles and reports make of each kind of capture: one row for a kind.
//!
//! A kind of plain registers needs nothing but its row. What a kind has beside registers is
//! compared by `compare/judge.rs` and by `transparency/walk/compare.rs`.

use ctxfuzz_outcome::capture::Observable;
use ctxfuzz_scenario::scenario::Place;

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Where differences and violations are said to be. (Those in final registers of a child are at
    /// [`Place::Child`].)
    pub place: Place,
    /// Whether a difference says in which capture of its kind it is. Otherwise a task has only one
    /// such capture, or nobody tells them apart.
    pub numbered: bool,
    /// Who relies on the registers.
    pub owner: Owner,
    /// What reports say of a [`LogEntry::Captured`](ctxfuzz_outcome::outcome::LogEntry).
    pub words: Words,
}

/// Who relies on captured registers, and so on which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The task: on those that the ABI and its own code define.
    Task {
        /// Whether VRSAVE may be any value that the task had before. Linux 6.1 keeps an image of
        /// VRSAVE that only switches and signals refresh.
        old_vrsave: bool,
    },
    /// A guest: on all of them, whatever the task that runs it may rely on.
    Guest,
}

/// What a task has done when the kernel has handed over its registers.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// "dumped core", after "task 1".
    pub past: &'static str,
    /// "dumps core", after "task 1".
    pub present: &'static str,
    /// "has left a core dump", after "task 1", in a timeline.
    pub perfect: &'static str,
}

/// The kinds of which other entries of the log tell, or none.
const NEVER_HANDED_OVER: Words = Words {
    past: "showed its registers",
    present: "shows its registers",
    perfect: "has shown its registers",
};

const TASK: Owner = Owner::Task { old_vrsave: false };

/// The row of a kind.
pub fn rule(observable: Observable) -> Rule {
    let row = |place, numbered, owner, words| Rule {
        place,
        numbered,
        owner,
        words,
    };
    let old_vrsave = Owner::Task { old_vrsave: true };
    let core = Words {
        past: "dumped core",
        present: "dumps core and is gone",
        perfect: "is gone, and has left a core dump",
    };
    let guest = Words {
        past: "left a guest",
        present: "has left its guest",
        perfect: "has left its guest",
    };
    let other = NEVER_HANDED_OVER;
    match observable {
        Observable::Final => row(Place::Register, false, TASK, other),
        Observable::SignalFrame => row(Place::SignalFrame, true, TASK, other),
        Observable::Traced => row(Place::Ptrace, true, TASK, other),
        Observable::CoreDump => row(Place::Core, false, old_vrsave, core),
        Observable::Guest => row(Place::Vcpu, false, Owner::Guest, guest),
        Observable::Read => row(Place::Memory, true, TASK, other),
        Observable::ThreadImage => row(Place::ThreadStruct, false, TASK, other),
    }
}
