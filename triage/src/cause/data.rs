//! The cause of wrong data in what was read from the pipe. Data are not tracked write by write:
//! what counts is where the kernel went another way while it copied.
//!
//! Its kind: if only one side used the VMX or VSX registers there, which the copy had, the two
//! disagree about whose they are: *wrong owner*. Else somebody came to use them later: *clobbered
//! live register*.

use ctxfuzz_emulator::kernel::defects::Class;
use ctxfuzz_emulator::run::capture::{Details, Observable};
use ctxfuzz_emulator::trace::{Cell, Recording, Step};
use ctxfuzz_scenario::event::{Event, Syscall};
use ctxfuzz_scenario::register::Register;
use ctxfuzz_scenario::scenario::Scenario;

use super::align::align;
use super::{Cause, beside, stay};
use crate::compare::{Difference, What};

/// The cause of a difference in what was read; `None` if it is no such difference.
pub fn cause(scenario: &Scenario, runs: &[Recording; 2], difference: &Difference) -> Option<Cause> {
    if difference.what != What::Data {
        return None;
    }
    let outcome = &runs[0].outcome;
    let read = outcome.capture(Observable::Read, difference.frame?)?;
    let Details::Data(read) = &read.details else {
        return None;
    };
    let parted = parted(scenario, runs, read.event).unwrap_or(Parted {
        event: Some(read.event),
        function: copier(runs, read.event).unwrap_or("unknown"),
        class: Class::ClobberedRegister,
    });
    let signature = format!("{}.data", parted.function);
    let events = (parted.event, Some(read.event));
    Some(Cause {
        class: parted.class,
        ..beside::untraced(signature, events, difference)
    })
}

/// Of one kernel: the page fault handler that let another task run in the middle of a copy, where
/// Linux has page faults disabled; or the function that copied last with VMX or VSX registers until
/// then.
fn copier(runs: &[Recording; 2], read: u16) -> Option<&str> {
    let run = &runs[0];
    let mut open: Vec<&str> = Vec::new();
    let mut found = None;
    let mut slept = None;
    let mut is_over = false;
    for step in &run.steps {
        match step {
            Step::Event { index, .. } => {
                is_over |= found.is_some() && index.is_some_and(|index| index > read);
            }
            Step::Enter(function) => open.push(stay::name(run, *function)),
            Step::Exit(function) => {
                let left = stay::name(run, *function);
                if let Some(depth) = open.iter().rposition(|open| *open == left) {
                    open.truncate(depth);
                }
            }
            Step::UserReturn => open.clear(),
            Step::Write(write) if !is_over && write.cell == Cell::Current => {
                let copies = open.iter().position(|name| name.contains("copy"));
                let inner = copies.and_then(|at| open.get(at..)).unwrap_or_default();
                let handler = inner.iter().rev().find(|name| name.contains("page_fault"));
                slept = slept.or(handler.copied());
            }
            Step::Write(write)
                if !is_over && matches!(write.cell, Cell::Hardware(Register::V(_))) =>
            {
                let copies = open.iter().rev().find(|name| name.contains("copy"));
                found = copies.copied().or(found);
            }
            _ => {}
        }
    }
    slept.or(found)
}

/// Where the runs first do not do the same.
struct Parted<'a> {
    event: Option<u16>,
    /// The function that both are in.
    function: &'a str,
    class: Class,
}

/// Where that is while the pipe is written or read, up to the read in question.
fn parted<'a>(scenario: &Scenario, runs: &'a [Recording; 2], read: u16) -> Option<Parted<'a>> {
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
        let ways = [between(a, here.a, next.a), between(b, here.b, next.b)];
        if ways.iter().any(|way| detours(way)) && event.is_some_and(|e| copies(scenario, e)) {
            let [in_a, in_b] = ways.map(uses_vectors);
            return Some(Parted {
                event,
                function: stay::innermost(a, here.a + 1)?,
                class: match in_a != in_b {
                    true => Class::WrongOwner,
                    false => Class::ClobberedRegister,
                },
            });
        }
    }
    None
}

/// What a run does between two steps.
fn between(run: &Recording, from: usize, to: usize) -> &[Step] {
    run.steps.get(from + 1..to).unwrap_or_default()
}

/// Whether that is anything but to change registers.
fn detours(way: &[Step]) -> bool {
    way.iter().any(|step| !matches!(step, Step::Write(_)))
}

/// Whether VMX or VSX registers change before another task or user code goes on.
fn uses_vectors(way: &[Step]) -> bool {
    for step in way {
        match step {
            Step::Event { .. } | Step::UserReturn => return false,
            Step::Write(write) => match write.cell {
                Cell::Current => return false,
                Cell::Hardware(Register::V(_) | Register::Vs(_)) => return true,
                _ => {}
            },
            _ => {}
        }
    }
    false
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
