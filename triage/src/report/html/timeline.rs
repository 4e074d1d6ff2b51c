//! What happened, in order, with a lane for each kernel: which registers a task came back with that
//! the other kernel did not give it.

use ctxfuzz_emulator::run::outcome::{LogEntry, Outcome};
use ctxfuzz_scenario::register::Register;
use maud::{Markup, html};

use super::looks::{Look, Looks};
use super::{event, hex, marked};
use crate::cause::Explanation;
use crate::compare::What;
use crate::names;
use crate::observable::rule;

/// Registers shown with their values in one place.
const VALUES: usize = 3;

/// The section.
pub fn section(e: &Explanation, runs: &[Outcome; 2], looks: &Looks<'_>) -> Markup {
    let [a, b] = runs.each_ref().map(|run| run.log.as_slice());
    // Where the schedules part, what one of them did says nothing about the other.
    let common = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let mut shown = vec![None; 256];
    html! {
        section id="timeline" {
            h2 { "Timeline" }
            p { "Each line is something that happened. The lanes have the registers that a task comes out of it with, where they differ." }
            div.lanes.head aria-hidden="true" { span {} span.lane.a { (e.lanes()[0]) } span.lane.b { (e.lanes()[1]) } }
            ol.timeline {
                @for (index, entry) in a.iter().take(common).enumerate() {
                    @let look = look(entry, index, looks);
                    (both(entry, look, &mut shown, e))
                }
                @for entry in &a[common..] { (one(entry, "a", e)) }
                @for entry in &b[common..] { (one(entry, "b", e)) }
                li.lanes {
                    div.what { strong { "The end of the run" } }
                    div.lane.a { (names::end_with_detail(&runs[0].end)) }
                    div.lane.b { (names::end_with_detail(&runs[1].end)) }
                }
            }
        }
    }
}

fn look<'l, 'a>(entry: &LogEntry, index: usize, looks: &'l Looks<'a>) -> Option<&'l Look<'a>> {
    match *entry {
        LogEntry::Event { index, task } => looks.after_event(task, index),
        LogEntry::TaskStarted { task, .. }
        | LogEntry::SignalDelivered { task, .. }
        | LogEntry::Execed { task }
        | LogEntry::ContextSaved { task, .. }
        | LogEntry::Dumped { task } => looks.at_entry(task, index),
        LogEntry::SigReturned { .. } | LogEntry::Traced { .. } | LogEntry::Captured { .. } => None,
    }
}

fn words(entry: &LogEntry, e: &Explanation) -> String {
    match *entry {
        LogEntry::TaskStarted { parent: None, .. } => "starts and loads its registers".into(),
        LogEntry::TaskStarted {
            parent: Some(parent),
            ..
        } => format!("starts as a child of task {parent}"),
        LogEntry::Event { index, .. } => event(Some(index), &e.scenario),
        LogEntry::SignalDelivered { .. } => "enters its signal handler".into(),
        LogEntry::SigReturned { .. } => "returns from its signal handler".into(),
        LogEntry::Traced { .. } => "is stopped by a tracer, which reads its registers".into(),
        LogEntry::Execed { .. } => "has become a new program".into(),
        LogEntry::Captured { observable, .. } => rule(observable).words.perfect.into(),
        LogEntry::ContextSaved { .. } => "has swapped its context".into(),
        LogEntry::Dumped { .. } => "has dumped its final registers".into(),
    }
}

/// What the causes have to say about an entry.
fn marks(entry: &LogEntry, e: &Explanation) -> Vec<&'static str> {
    let LogEntry::Event { index, .. } = *entry else {
        return Vec::new();
    };
    let here = |event: Option<u16>| event == Some(index);
    let mut marks = Vec::new();
    for (what, any) in [
        ("cause", e.causes.iter().any(|c| here(c.event))),
        (
            "damage",
            e.causes
                .iter()
                .any(|c| c.damage.as_ref().is_some_and(|d| here(d.event))),
        ),
        (
            "copied to memory",
            e.causes.iter().any(|c| {
                c.copies
                    .iter()
                    .any(|copy| copy.in_memory && here(copy.event))
            }),
        ),
        (
            "in user space",
            e.causes
                .iter()
                .any(|c| c.user_return.is_some_and(|(event, _)| here(event))),
        ),
    ] {
        if any {
            marks.push(what);
        }
    }
    marks
}

type Seen = Option<Vec<(Register, u128, u128)>>;

fn both(entry: &LogEntry, look: Option<&Look<'_>>, shown: &mut [Seen], e: &Explanation) -> Markup {
    let differing: Option<Vec<(Register, u128, u128)>> = look.map(|look| {
        let values = look.differing.iter();
        values
            .map(|&register| (register, look.a.get(register), look.b.get(register)))
            .collect()
    });
    let known = &mut shown[usize::from(entry.task())];
    let still = differing
        .as_ref()
        .is_some_and(|now| !now.is_empty() && known.as_ref() == Some(now));
    if differing.is_some() {
        known.clone_from(&differing);
    }
    let differing = differing.unwrap_or_default();
    html! {
        li.lanes.differs[!differing.is_empty()] {
            div.what { (what(entry, e)) }
            div.lane.a { (lane(&differing, still, |(_, a, b)| (*a, *b))) }
            div.lane.b { (lane(&differing, still, |(_, a, b)| (*b, *a))) }
        }
    }
}

fn what(entry: &LogEntry, e: &Explanation) -> Markup {
    html! {
        span.task { "task " (entry.task()) } " " (words(entry, e))
        @for mark in marks(entry, e) { " " span.mark { (mark) } }
    }
}

fn lane(
    differing: &[(Register, u128, u128)],
    still: bool,
    values: impl Fn(&(Register, u128, u128)) -> (u128, u128),
) -> Markup {
    if still {
        let names = differing
            .iter()
            .take(VALUES * 2)
            .map(|(register, ..)| register.to_string());
        let more = differing.len().saturating_sub(VALUES * 2);
        return html! { span.muted { "still " (names.collect::<Vec<_>>().join(", ")) @if more > 0 { " and " (more) " more" } } };
    }
    html! {
        @for difference in differing.iter().take(VALUES) {
            @let (own, other) = values(difference);
            @let text = |value| hex(What::Register(difference.0), value);
            div { (difference.0) " " (marked(&text(own), &text(other))) }
        }
        @if let Some(more) = differing.len().checked_sub(VALUES).filter(|&more| more > 0) { div.muted { "and " (more) " more" } }
    }
}

/// After the schedules have parted.
fn one(entry: &LogEntry, lane: &str, e: &Explanation) -> Markup {
    html! {
        li.lanes.differs {
            div.what { (what(entry, e)) }
            div.lane.a { @if lane == "a" { "only here" } }
            div.lane.b { @if lane == "b" { "only here" } }
        }
    }
}
