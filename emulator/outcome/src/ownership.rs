//! Rules of the kernel about who owns the FP, VMX and VSX registers, and what it is to break one.
//!
//! Not responsible for checking them: the host does, each time user code calls it (the emulator's
//! `run::ownership`).

/// A rule (catalogue: ownership invariants).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// User code runs with the facilities that `regs->msr` says it has: else SRR1 was not loaded
    /// again.
    InUse,
    /// VSX is on only with FP and VMX, because a VSX instruction checks neither.
    WholeVsx,
    /// FE0 and FE1 are on only with FP.
    ExceptionsNeedFp,
    /// A task that does not run owns no registers.
    SwitchedOut,
}

impl Rule {
    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Rule::InUse => "user code runs with other facilities than regs->msr says",
            Rule::WholeVsx => "VSX is on without FP or VMX",
            Rule::ExceptionsNeedFp => "FE0 or FE1 is on without FP",
            Rule::SwitchedOut => "a task that does not run owns registers",
        }
    }
}

/// A rule that does not hold for a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Breach {
    /// Whose bits.
    pub task: u8,
    /// Which rule.
    pub rule: Rule,
    /// What they would be if it held.
    pub expected: u64,
    /// What they are.
    pub found: u64,
}
