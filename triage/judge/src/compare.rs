//! How two outcomes of one scenario differ, and who can notice.
//!
//! Not responsible for why they differ (`cause`), nor for what is defined (`definedness`).

mod judge;
mod reads;
mod schedule;
#[cfg(test)]
mod tests;

use std::fmt;

use ctxfuzz_outcome::arch::RegisterFile;
use ctxfuzz_outcome::capture::SIGFPE;
use ctxfuzz_outcome::outcome::{End, LogEntry, Outcome, Spent};
use ctxfuzz_scenario::register::Register;
use ctxfuzz_scenario::scenario::{Place, Scenario, Verdict};

use self::judge::Judge;
use self::schedule::parting;
use crate::definedness::{Abi, Mask, fp_exception};
use crate::inconclusive::{Inconclusive, Side};
use crate::names;

pub(crate) use self::reads::quadword;
pub use self::schedule::Parting;

/// What differs: a register or, where no register does, something beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// A register's value.
    Register(Register),
    /// The facility bits of a stored MSR.
    Msr,
    /// A general purpose register.
    Gpr(u8),
    /// The `si_code` of a SIGFPE; 0 for one that was not delivered.
    SiCode,
    /// Bytes of the red zone that a signal frame has left alone.
    RedZone,
    /// What a read delivered: the first quadword of it that differs, as it lies in memory.
    Data,
    /// How the run ended.
    End,
}

impl What {
    /// The register, if it is one.
    pub fn register(self) -> Option<Register> {
        match self {
            What::Register(register) => Some(register),
            What::Msr | What::Gpr(_) | What::SiCode | What::RedZone | What::Data | What::End => {
                None
            }
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Register(register) => register.fmt(f),
            What::Msr => f.write_str("msr"),
            What::Gpr(n) => write!(f, "r{n}"),
            What::SiCode => f.write_str("si_code"),
            What::RedZone => f.write_str("red zone"),
            What::Data => f.write_str("data"),
            What::End => f.write_str("end"),
        }
    }
}

/// One thing that differs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Difference {
    /// Whose; `None` for a kernel thread. Task 0 for [`Place::End`], which is the whole run's.
    pub task: Option<u8>,
    /// Where it was seen.
    pub place: Place,
    /// What differs.
    pub what: What,
    /// Who can notice.
    pub verdict: Verdict,
    /// The value on kernel A; for an end, 0 completed, 1 kernel fault, 2 hang.
    pub a: u128,
    /// The value on kernel B.
    pub b: u128,
    /// The number of the capture, of kinds that have it in their rule: signal frames, what tracers
    /// read, reads.
    pub frame: Option<u16>,
}

/// Whether the two outcomes could be compared at all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// They were compared.
    Comparable,
    /// They could not, for this reason: a run says nothing about its kernel, or what the two say
    /// has no common meaning. Not a divergence.
    Inconclusive(Inconclusive),
}

/// The result of comparing two outcomes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Comparison {
    /// Whether they could be compared.
    pub standing: Standing,
    /// Every difference, dead ones too, by task, place, frame and register. Kernel threads come
    /// last.
    pub differences: Vec<Difference>,
    /// The greatest verdict among them; does not depend on the ABI policy.
    pub verdict: Verdict,
    /// How A ended.
    pub end_a: End,
    /// How B ended.
    pub end_b: End,
    /// What took most of A and of B, if that run did not come to its end.
    pub spent: [Option<Spent>; 2],
}

impl Comparison {
    /// Whether the two outcomes could be compared.
    pub fn comparable(&self) -> bool {
        self.standing == Standing::Comparable
    }

    /// The same, except that nothing can be concluded from it.
    pub fn inconclusive(self, why: Inconclusive) -> Self {
        Comparison {
            standing: Standing::Inconclusive(why),
            differences: Vec::new(),
            verdict: Verdict::None,
            ..self
        }
    }

    /// Why they could not.
    pub fn reason(&self) -> Option<&Inconclusive> {
        match &self.standing {
            Standing::Comparable => None,
            Standing::Inconclusive(why) => Some(why),
        }
    }

    /// Whether anything differs, be it only something that nobody can see.
    pub fn divergent(&self) -> bool {
        self.verdict != Verdict::None
    }

    /// Whether a user who asked for this policy wants to hear of it.
    pub fn reported(&self, abi: Abi) -> bool {
        abi.reports(self.verdict)
    }

    /// The differences somebody could notice.
    pub fn visible(&self) -> impl Iterator<Item = &Difference> {
        self.differences
            .iter()
            .filter(|difference| difference.verdict > Verdict::Dead)
    }
}

/// Compares what two kernels did with one scenario.
pub fn compare(scenario: &Scenario, a: &Outcome, b: &Outcome) -> Comparison {
    let lone = lone_fp_exception(scenario, a, b);
    let (standing, mut differences) = match standing(a, b) {
        Standing::Inconclusive(Inconclusive::Schedules(_)) if lone.is_some() => {
            (Standing::Comparable, lone.into_iter().collect())
        }
        Standing::Comparable if a == b => (Standing::Comparable, Vec::new()),
        Standing::Comparable if a.end == End::Completed && b.end == End::Completed => {
            (Standing::Comparable, Judge::new(scenario, a).against(b))
        }
        // Both broken in the same place: there is no state at the end to compare.
        Standing::Comparable if a.end == b.end => (Standing::Comparable, Vec::new()),
        Standing::Comparable => (Standing::Comparable, vec![ends(a, b)]),
        other => (other, Vec::new()),
    };
    differences.sort_by_key(|d| (d.task.is_none(), d.task, d.place, d.frame, d.what));
    let verdict = differences
        .iter()
        .map(|d| d.verdict)
        .max()
        .unwrap_or_default();
    Comparison {
        standing,
        differences,
        verdict,
        end_a: a.end.clone(),
        end_b: b.end.clone(),
        spent: [a.spent.clone(), b.spent.clone()],
    }
}

fn standing(a: &Outcome, b: &Outcome) -> Standing {
    for (side, outcome) in [(Side::A, a), (Side::B, b)] {
        if let Some(why) = Inconclusive::of_end(Some(side), outcome) {
            return Standing::Inconclusive(why);
        }
    }
    match (&a.end, &b.end) {
        (End::Completed, End::Completed) => match parting(a, b) {
            Some(parting) => Standing::Inconclusive(Inconclusive::Schedules(parting)),
            None => Standing::Comparable,
        },
        // Half a run has no final registers, but that the other side got to its end is a difference
        // in itself.
        (End::Completed, _) | (_, End::Completed) => Standing::Comparable,
        (End::KernelFault(x), End::KernelFault(y)) if x == y && a.log == b.log => {
            Standing::Comparable
        }
        (a, b) => Standing::Inconclusive(Inconclusive::NoCommonEnd {
            a: names::end_with_detail(a),
            b: names::end_with_detail(b),
        }),
    }
}

/// The schedules part where one kernel delivers a SIGFPE and the other does not. What raises it is
/// what the task computes, so that is no accident of scheduling; who can notice depends on whether
/// the task may rely on what it computes with.
fn lone_fp_exception(scenario: &Scenario, a: &Outcome, b: &Outcome) -> Option<Difference> {
    let at = a.log.iter().zip(&b.log).position(|(x, y)| x != y)?;
    let code = |outcome: &Outcome| match outcome.log[at] {
        LogEntry::SignalDelivered { task, frame, .. } => {
            let (_, frame) = outcome.signal_frame(frame)?;
            (frame.signal == SIGFPE).then_some((task, frame.code))
        }
        _ => None,
    };
    let (x, y) = (code(a), code(b));
    let (task, _) = x.xor(y)?;
    let value = |side: Option<(u8, i32)>| side.map_or(0, |(_, code)| u128::from(code as u32));
    Some(Difference {
        task: Some(task),
        place: Place::Siginfo,
        what: What::SiCode,
        verdict: fp_exception(scenario, &a.log[..at], task),
        a: value(x),
        b: value(y),
        frame: None,
    })
}

fn ends(a: &Outcome, b: &Outcome) -> Difference {
    Difference {
        task: Some(0),
        place: Place::End,
        what: What::End,
        verdict: Verdict::Live,
        a: end_code(&a.end),
        b: end_code(&b.end),
        frame: None,
    }
}

pub(crate) fn end_code(end: &End) -> u128 {
    match end {
        End::Completed => 0,
        End::KernelFault(_) => 1,
        End::Hang => 2,
        End::EmulatorFault(_) => 3,
        End::Budget => 4,
    }
}

pub(crate) fn unequal<'a>(
    a: &'a RegisterFile,
    b: &'a RegisterFile,
) -> impl Iterator<Item = (Register, u128, u128)> + 'a {
    Register::all()
        .map(|register| (register, a.get(register), b.get(register)))
        .filter(|(_, x, y)| x != y)
}

/// VRSAVE 0 and all ones count as the same: the kernel turns 0 into all ones whenever it loads VMX
/// on demand (`load_up_altivec`), which it may do at any time, so no program can tell from them
/// what a kernel did.
pub(crate) fn same_vrsave(register: Register, (a, b): (u128, u128)) -> bool {
    let all_ones = u128::from(u32::MAX);
    register == Register::Vrsave && [(0, all_ones), (all_ones, 0)].contains(&(a, b))
}

pub(crate) fn verdict(
    register: Register,
    values: (u128, u128),
    elf: &Mask,
    linux: &Mask,
) -> Verdict {
    let differing = values.0 ^ values.1;
    if same_vrsave(register, values) {
        Verdict::Dead
    } else if differing & elf.bits(register) != 0 {
        Verdict::Live
    } else if differing & linux.bits(register) != 0 {
        Verdict::Abi
    } else {
        Verdict::Dead
    }
}
