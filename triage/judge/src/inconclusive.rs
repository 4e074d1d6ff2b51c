//! Why a run, or two of them, say nothing about a kernel: the one list of reasons, each with a
//! short name for summaries and a line that says all of it.
//!
//! Every command takes both from here, so that the same thing is called the same everywhere. A new
//! reason is a new variant: the compiler asks for its name, its place and its line. How many there
//! were of each is [`Tally`]'s to say; docs/oracles.md ("When a run says nothing") has the list for
//! people.

mod tally;

use std::fmt;

use ctxfuzz_outcome::outcome::{End, Outcome, Spent};
use serde::Serialize;

use crate::compare::Parting;
use crate::names;
use crate::shortfall::Shortfall;

pub use tally::Tally;

/// One of two runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Kernel A's.
    A,
    /// Kernel B's.
    B,
}

/// Why nothing can be concluded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Inconclusive {
    /// A run was cut off.
    Budget {
        /// Which; `None` if there is one only.
        side: Option<Side>,
        /// Who spent it.
        spent: Option<Spent>,
    },
    /// A run was more than the emulator can do.
    EmulatorFault {
        /// Which; `None` if there is one only.
        side: Option<Side>,
        /// What it cannot do.
        what: String,
        /// Where that was.
        spent: Option<Spent>,
    },
    /// The tasks of the two runs did not do the same things in the same order.
    Schedules(Parting),
    /// Neither of two runs came to its end, and not for the same reason.
    NoCommonEnd {
        /// How A ended.
        a: String,
        /// How B ended.
        b: String,
    },
    /// Fresh machines did not show it.
    NotSeenAgain,
    /// A run lacks what an event owes, or what the scenario needs.
    DidNotHappen {
        /// Which; `None` if there is one only.
        side: Option<Side>,
        /// What it lacks.
        shortfall: Shortfall,
    },
    /// One kernel cannot be made to do a part of the scenario that the other one did.
    NotApplicable,
    /// Nobody looked at the tasks while they ran.
    NotObserved,
}

impl Inconclusive {
    /// What the end of a run says about all that it did: this, if it says nothing.
    pub fn of_end(side: Option<Side>, outcome: &Outcome) -> Option<Inconclusive> {
        let spent = || outcome.spent.clone();
        match &outcome.end {
            End::Budget => Some(Inconclusive::Budget {
                side,
                spent: spent(),
            }),
            End::EmulatorFault(what) => Some(Inconclusive::EmulatorFault {
                side,
                what: what.clone(),
                spent: spent(),
            }),
            End::Completed | End::KernelFault(_) | End::Hang => None,
        }
    }

    /// Its name in summaries and in JSON. It stays what it is.
    pub fn name(&self) -> &'static str {
        match self {
            Inconclusive::Budget { .. } => "budget",
            Inconclusive::EmulatorFault { .. } => "emulator fault",
            Inconclusive::Schedules(_) => "other schedules",
            Inconclusive::NoCommonEnd { .. } => "no common end",
            Inconclusive::NotSeenAgain => "not seen again",
            Inconclusive::DidNotHappen { .. } => "did not happen",
            Inconclusive::NotApplicable => "not applicable",
            Inconclusive::NotObserved => "not observed",
        }
    }

    /// Where in the kernel it was, and in which task, in as few words as a summary has room for.
    pub fn place(&self) -> Option<String> {
        match self {
            Inconclusive::Budget { spent, .. } | Inconclusive::EmulatorFault { spent, .. } => {
                let spent = spent.as_ref()?;
                Some(format!("{}, {}", spent.function, spent.task))
            }
            Inconclusive::DidNotHappen { shortfall, .. } => Some(shortfall.kinds()),
            _ => None,
        }
    }
}

impl fmt::Display for Inconclusive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Inconclusive::Budget { side, spent } => {
                let ended = names::end(&End::Budget);
                write!(f, "{} ended with {ended}", run(*side))?;
                match spent {
                    Some(spent) => write!(f, ": cut off after {}", most(spent)),
                    None => Ok(()),
                }
            }
            Inconclusive::EmulatorFault { side, what, spent } => {
                let end = names::end_with_detail(&End::EmulatorFault(what.clone()));
                write!(f, "{} ended with {end}", run(*side))?;
                match spent {
                    Some(spent) => {
                        write!(f, "; in {}, {}", spent.function, named(&spent.task))
                    }
                    None => Ok(()),
                }
            }
            Inconclusive::Schedules(parting) => parting.fmt(f),
            Inconclusive::NoCommonEnd { a, b } => {
                write!(f, "neither run completed (A: {a}, B: {b})")
            }
            Inconclusive::NotSeenAgain => f.write_str("not seen again on a fresh machine"),
            Inconclusive::DidNotHappen { side, shortfall } => {
                write!(f, "in {} did not happen: {shortfall}", run(*side))
            }
            Inconclusive::NotApplicable => {
                f.write_str("the scenario does not apply to both kernels")
            }
            Inconclusive::NotObserved => f.write_str("the run was not observed"),
        }
    }
}

fn run(side: Option<Side>) -> &'static str {
    match side {
        None => "the run",
        Some(Side::A) => "run A",
        Some(Side::B) => "run B",
    }
}

/// What took most of a run, in words: `10000000 basic blocks, 97 % of them in task cryptomgr_test,
/// 45 % in its vli_mult`.
pub fn most(spent: &Spent) -> String {
    format!(
        "{} basic blocks, {} % of them in {}, {} % in its {}",
        spent.blocks,
        spent.in_task,
        named(&spent.task),
        spent.in_function,
        spent.function
    )
}

fn named(task: &str) -> String {
    match task.starts_with("task ") {
        true => task.to_owned(),
        false => format!("task {task}"),
    }
}

/// What took most of a run, in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SpentReport {
    /// Basic blocks of the run.
    pub blocks: u64,
    /// The task.
    pub task: String,
    /// How much of the run was in this task.
    pub task_percent: u8,
    /// The function.
    pub function: String,
    /// How much was in this function and this task.
    pub function_percent: u8,
}

impl SpentReport {
    /// Makes it.
    pub fn new(spent: &Spent) -> SpentReport {
        SpentReport {
            blocks: spent.blocks,
            task: spent.task.clone(),
            task_percent: spent.in_task,
            function: spent.function.clone(),
            function_percent: spent.in_function,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub fn spent() -> Spent {
        Spent {
            blocks: 10_000_000,
            task: "cryptomgr_test".to_owned(),
            in_task: 97,
            function: "vli_mult".to_owned(),
            in_function: 45,
        }
    }

    #[test]
    fn what_was_cut_off_says_who_spent_it() {
        let cut = |side, spent| Inconclusive::Budget { side, spent }.to_string();
        assert_eq!(
            cut(None, Some(spent())),
            "the run ended with budget: cut off after 10000000 basic blocks, 97 % of them in task cryptomgr_test, 45 % in its vli_mult"
        );
        let first = Spent {
            task: "task 1".to_owned(),
            ..spent()
        };
        assert!(cut(Some(Side::B), Some(first)).contains("run B ended with budget: cut off"));
        assert_eq!(cut(Some(Side::A), None), "run A ended with budget");
    }

    #[test]
    fn an_emulator_fault_says_where_it_was() {
        let fault = Inconclusive::EmulatorFault {
            side: None,
            what: "no such hypercall".to_owned(),
            spent: Some(spent()),
        };
        assert_eq!(
            fault.to_string(),
            "the run ended with emulator-fault: no such hypercall; in vli_mult, task cryptomgr_test"
        );
        assert_eq!(fault.place().as_deref(), Some("vli_mult, cryptomgr_test"));
    }
}
