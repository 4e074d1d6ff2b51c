//! What is known of a cause, as reports have it. Not responsible for finding any of it.

use ctxfuzz_emulator::kernel::defects::Class;
use ctxfuzz_emulator::trace::Cell;
use ctxfuzz_scenario::register::Register;
use ctxfuzz_scenario::scenario::Verdict;

use crate::compare::Difference;
use crate::pattern::Pattern;

/// One side's last write of a register that came to differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writer {
    /// `function+0xoffset/0xsize`.
    pub place: String,
    /// Name of the function.
    pub function: String,
    /// `file:line`, where the image says so.
    pub source: Option<String>,
    /// The instruction.
    pub instruction: String,
    /// Instructions around it, the one itself marked.
    pub around: Vec<String>,
    /// Call trace, innermost first: address and place.
    pub trace: Vec<(u64, String)>,
}

/// A register (or other tracked cell) that came to differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// What it is: `f0`, `thread_struct of task 0: f0`, ...
    pub name: String,
    /// Where it is.
    pub cell: Cell,
    /// The register, if it is one.
    pub register: Option<Register>,
    /// Value on kernel A.
    pub a: u128,
    /// Value on kernel B.
    pub b: u128,
    /// What the wrong value is.
    pub pattern: Option<Pattern>,
    /// If the values are the same: the kernel (0 or 1) that alone wrote it, with what it had. The
    /// other one has left something out.
    pub alone: Option<usize>,
}

/// The first damaged logical register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamageReport {
    /// The event then; `None` for the final dump.
    pub event: Option<u16>,
    /// Whose register.
    pub task: Option<u8>,
    /// Which.
    pub register: Register,
    /// Whether it is at the cause itself.
    pub at_cause: bool,
}

/// A later copy of a wrong value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyReport {
    /// The event then.
    pub event: Option<u16>,
    /// Where it went.
    pub to: Changed,
    /// Who wrote it on kernel A (or, if only B wrote, on B).
    pub writer: Option<Writer>,
    /// Whether the seed thread's three conditions hold.
    pub thread_conditions: bool,
    /// Whether it went to memory.
    pub in_memory: bool,
}

/// The end of a run that did not complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// 0: kernel A's, 1: kernel B's.
    pub side: usize,
    /// How, with what the kernel said.
    pub how: String,
}

/// One cause.
#[derive(Clone, Debug)]
pub struct Cause {
    /// Its stable name.
    pub signature: String,
    /// What kind of fault it is.
    pub class: Class,
    /// The worst verdict among the differences it leads to.
    pub verdict: Verdict,
    /// The event that was being done; `None` for the final dump.
    pub event: Option<u16>,
    /// How often it struck in this run.
    pub occurrences: usize,
    /// Set for a run that did not complete: there is nothing that came to differ, and the writers
    /// are where it ended.
    pub ended: Option<Ended>,
    /// What came to differ.
    pub changes: Vec<Changed>,
    /// The last write on kernel A.
    pub writer_a: Option<Writer>,
    /// The last write on kernel B.
    pub writer_b: Option<Writer>,
    /// The first damaged logical register, if there is one.
    pub damage: Option<DamageReport>,
    /// The first return to user space with damage: event and task.
    pub user_return: Option<(Option<u16>, Option<u8>)>,
    /// Later copies, in order.
    pub copies: Vec<CopyReport>,
    /// The differences it leads to.
    pub differences: Vec<Difference>,
    /// With one kernel: what the kernel did not do, or did wrong, in words.
    pub rule: Option<&'static str>,
    /// With one kernel: how the value of a register was lost.
    pub loss: Option<Loss>,
}

/// How the value of a register was lost on the only kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Which register.
    pub register: Register,
    /// What it had to be.
    pub right: u128,
    /// Where the right value was written last; `None` if it was nowhere in this run.
    pub held: Option<Stop>,
    /// What user code got instead, or what counts where it was handed over.
    pub got: Option<Stop>,
}

/// A write on the way of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// Its step in the recorded run: which of two came first.
    pub step: usize,
    /// The event then; `None` at the start and in the final dump.
    pub event: Option<u16>,
    /// The task that ran.
    pub running: Option<u8>,
    /// What was written.
    pub place: String,
    /// With which value.
    pub value: u128,
    /// By whom.
    pub writer: Writer,
}

impl Cause {
    /// The function at fault.
    pub fn function(&self) -> &str {
        self.signature.split('.').next().unwrap_or_default()
    }

    /// Whether what came to differ is something that is not traced write by write: a general
    /// purpose register, or data.
    pub fn is_untraced(&self) -> bool {
        let nothing = self.changes.is_empty() && self.ended.is_none();
        nothing && self.writer_a.is_none() && self.writer_b.is_none()
    }
}
