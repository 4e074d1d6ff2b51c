//! Where the schedules of two runs part: who did what, in which order, up to a point, and how each
//! went on from there.

use std::fmt;

use ctxfuzz_outcome::capture::Observable;
use ctxfuzz_outcome::outcome::{LogEntry, Outcome};

use crate::names;
use crate::observable::rule;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Parting {
    /// They are the same for some time.
    Here {
        /// The last event that both did before, and who did it.
        after: Option<(u16, u8)>,
        /// How A went on; `None` if nothing more happened.
        a: Option<LogEntry>,
        /// How B went on.
        b: Option<LogEntry>,
    },
    /// All is the same, but not the same tasks reached their end.
    Ends {
        /// Those that did on A.
        a: Vec<u8>,
        /// Those that did on B.
        b: Vec<u8>,
    },
}

/// Where the schedules part, if they do.
pub fn parting(a: &Outcome, b: &Outcome) -> Option<Parting> {
    if a.log != b.log {
        let mut left = a.log.iter().filter(|entry| is_schedule(entry));
        let mut right = b.log.iter().filter(|entry| is_schedule(entry));
        let mut after = None;
        loop {
            match (left.next(), right.next()) {
                (None, None) => break,
                (x, y) if x == y => {
                    if let Some(LogEntry::Event { index, task }) = x {
                        after = Some((*index, *task));
                    }
                }
                (x, y) => {
                    let (a, b) = (x.cloned(), y.cloned());
                    return Some(Parting::Here { after, a, b });
                }
            }
        }
    }
    let dumped = |outcome: &Outcome| -> Vec<u8> {
        let last = outcome.captures_of(Observable::Final);
        let mut tasks: Vec<u8> = last.filter_map(|capture| capture.task).collect();
        tasks.sort_unstable();
        tasks
    };
    let (a, b) = (dumped(a), dumped(b));
    (a != b).then_some(Parting::Ends { a, b })
}

fn is_schedule(entry: &LogEntry) -> bool {
    matches!(
        entry,
        LogEntry::Event { .. }
            | LogEntry::TaskStarted { .. }
            | LogEntry::SignalDelivered { .. }
            | LogEntry::Traced { .. }
            | LogEntry::Execed { .. }
            | LogEntry::Captured { .. }
            | LogEntry::ContextSaved { .. }
    )
}

impl fmt::Display for Parting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Parting::Here { after, a, b } => {
                f.write_str("schedules differ")?;
                if let Some((event, task)) = after {
                    write!(f, " after event {event} of task {task}")?;
                }
                write!(f, ": on A {}, on B {}", went_on(a), went_on(b))
            }
            Parting::Ends { a, b } => write!(
                f,
                "not the same tasks reached their end: on A {}, on B {}",
                numbers(a),
                numbers(b)
            ),
        }
    }
}

fn went_on(entry: &Option<LogEntry>) -> String {
    match entry {
        None => "nothing more happened".to_owned(),
        Some(LogEntry::TaskStarted { task, .. }) => format!("task {task} started"),
        Some(LogEntry::Event { index, task }) => format!("task {task} did event {index}"),
        Some(LogEntry::SignalDelivered { task, .. }) => format!("task {task} got a signal"),
        Some(LogEntry::Traced { task, event, .. }) => {
            format!("task {task} was stopped by a tracer on its way back from event {event}")
        }
        Some(LogEntry::Execed { task }) => format!("task {task} became a new program"),
        Some(LogEntry::Captured {
            task, observable, ..
        }) => {
            format!("task {task} {}", rule(*observable).words.past)
        }
        Some(LogEntry::ContextSaved { task, .. }) => format!("task {task} swapped its context"),
        Some(LogEntry::SigReturned { task }) => format!("task {task} left its handler"),
        Some(LogEntry::Dumped { task }) => format!("task {task} reached its end"),
    }
}

fn numbers(tasks: &[u8]) -> String {
    match tasks {
        [] => "none".to_owned(),
        _ => {
            let numbers: Vec<String> = tasks.iter().map(|task| names::task(Some(*task))).collect();
            numbers.join(" ")
        }
    }
}
