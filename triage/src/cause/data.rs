//! The cause of wrong data in what was read from the pipe. Data are not tracked write by write: what counts is where the kernel went another way while it copied.

use ctxfuzz_emulator::trace::{Recording, Step};
use ctxfuzz_scenario::event::{Event, Syscall};
use ctxfuzz_scenario::scenario::Scenario;

use super::align::align;
use super::{Cause, beside, stay};
use crate::compare::{Difference, What};

/// The cause of a difference in what was read; `None` if it is no such difference.
pub fn cause(scenario: &Scenario, runs: &[Recording; 2], difference: &Difference) -> Option<Cause> {
    if difference.what != What::Data {
        return None;
    }
    let read = runs[0].outcome.reads.get(usize::from(difference.frame?))?;
    let (event, function) =
        parted(scenario, runs, read.event).unwrap_or((Some(read.event), "unknown"));
    let signature = format!("{function}.data");
    let events = (event, Some(read.event));
    Some(beside::untraced(signature, events, difference))
}

/// Where the runs first do not do the same while the pipe is written or read, up to the read in question: the event, and the function that both are in.
fn parted<'a>(
    scenario: &Scenario,
    runs: &'a [Recording; 2],
    read: u16,
) -> Option<(Option<u16>, &'a str)> {
    let [a, b] = runs;
    let meetings = align(a, b);
    let mut event = None;
    for (here, next) in meetings.iter().zip(meetings.iter().skip(1)) {
        if let Some(Step::Event { index, .. }) = a.steps.get(here.a) {
            if event == Some(read) {
                break;
            }
            event = *index;
        }
        let detour = detours(a, here.a, next.a) || detours(b, here.b, next.b);
        if detour && event.is_some_and(|event| copies(scenario, event)) {
            return Some((event, stay::innermost(a, here.a + 1)?));
        }
    }
    None
}

/// Whether a run does anything between two steps but change registers.
fn detours(run: &Recording, from: usize, to: usize) -> bool {
    let between = run.steps.get(from + 1..to).unwrap_or_default();
    between.iter().any(|step| !matches!(step, Step::Write(_)))
}

/// Whether data are copied in an event.
fn copies(scenario: &Scenario, event: u16) -> bool {
    let event = scenario.events.get(usize::from(event));
    matches!(
        event,
        Some(Event::Syscall {
            call: Syscall::Read { .. } | Syscall::Write { .. },
            ..
        })
    )
}
