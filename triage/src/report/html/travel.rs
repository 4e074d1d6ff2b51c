//! How the wrong value travelled, as a picture: a track that moves between the processor, the
//! kernel's images and user memory.

use ctxfuzz_emulator::trace::Cell;
use ctxfuzz_scenario::place::Keeper;
use maud::{Markup, html};

use super::causes::trace;
use super::event;
use crate::cause::{Cause, CopyReport, Explanation, Writer};

/// Copies that are drawn.
const MOST_COPIES: usize = 40;
/// Those that have their call traces with them.
const MOST_TRACES: usize = 8;
/// Where the three tracks are, in pixels from the left.
const TRACKS: [usize; 3] = [14, 42, 70];
const WIDTH: usize = 84;

/// Where a value is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Track {
    Processor,
    Image,
    User,
}

struct Stop<'c> {
    track: Track,
    kind: &'static str,
    what: String,
    detail: String,
    /// Who made the copy.
    writer: Option<&'c Writer>,
}

impl Track {
    fn of(cell: Cell) -> Track {
        match cell {
            Cell::Hardware(_) | Cell::UserMsr | Cell::Current => Track::Processor,
            Cell::Image(..) | Cell::Facilities(_) | Cell::Used(_) => Track::Image,
            Cell::UserStack(_) | Cell::RegisterSet(_) => Track::User,
        }
    }

    fn x(self) -> usize {
        TRACKS[self as usize]
    }

    fn letter(self) -> &'static str {
        ["P", "K", "U"][self as usize]
    }
}

/// The picture, with its legend; nothing if the value went nowhere.
pub fn picture(cause: &Cause, e: &Explanation) -> Markup {
    if cause.ended.is_some() {
        return html! {};
    }
    let stops = stops(cause, e);
    let hidden = cause.copies.len().saturating_sub(MOST_COPIES);
    html! {
        h3 { "How the wrong value travelled" }
        p.legend {
            @for (track, name) in [(Track::Processor, "processor"), (Track::Image, "the kernel's images (thread_struct)"), (Track::User, "user memory")] {
                span.dot.{ "dot-" (track.letter()) } aria-hidden="true" { (track.letter()) } " " (name) " "
            }
        }
        ol.travel {
            @for (index, stop) in stops.iter().enumerate() {
                @let before = index.checked_sub(1).map(|before| &stops[before]);
                (draw(before, stop, index + 1 < stops.len()))
            }
        }
        @if hidden > 0 { p { "And to " (hidden) " more places: " code { "ctxfuzz explain --json" } " has all." } }
    }
}

/// A stop with its piece of the track. The picture is stretched to the height of the text beside
/// it.
fn draw(before: Option<&Stop<'_>>, stop: &Stop<'_>, goes_on: bool) -> Markup {
    let x = stop.track.x();
    html! {
        li {
            svg.track viewBox={ "0 0 " (WIDTH) " 100" } preserveAspectRatio="none" aria-hidden="true" {
                @if let Some(before) = before { path d={ "M" (before.track.x()) " 0 L" (x) " 50" } vector-effect="non-scaling-stroke" {} }
                @if goes_on { path d={ "M" (x) " 50 L" (x) " 100" } vector-effect="non-scaling-stroke" {} }
            }
            span.dot.stop.{ "dot-" (stop.track.letter()) }.{ "at-" (stop.track.letter()) } aria-hidden="true" { (stop.track.letter()) }
            div.stop-text {
                div { span.mark { (stop.kind) } " " (stop.what) }
                div.muted { (stop.detail) }
                @if let Some(writer) = stop.writer { details { summary { "Call trace" } (trace(writer)) } }
            }
        }
    }
}

fn stops<'c>(cause: &'c Cause, e: &Explanation) -> Vec<Stop<'c>> {
    let mut stops = vec![first(cause, e)];
    let mut seen = seen_by_tasks(cause, e).into_iter().peekable();
    for (index, copied) in cause.copies.iter().take(MOST_COPIES).enumerate() {
        while let Some((_, stop)) = seen.next_if(|(event, _)| time(*event) <= time(copied.event)) {
            stops.push(stop);
        }
        let mut stop = copy(copied, e);
        stop.writer = stop.writer.filter(|_| index < MOST_TRACES);
        stops.push(stop);
    }
    stops.extend(seen.map(|(_, stop)| stop));
    stops.extend(last(cause));
    stops
}

/// What is done at the start or the end has no event; a copy is at the end.
fn time(event: Option<u16>) -> u16 {
    event.unwrap_or(u16::MAX)
}

/// Where tasks had the wrong value, in order of time.
fn seen_by_tasks<'c>(cause: &Cause, e: &Explanation) -> Vec<(Option<u16>, Stop<'c>)> {
    let stop = |kind, what, at| Stop {
        track: Track::Processor,
        kind,
        what,
        detail: event(at, &e.scenario),
        writer: None,
    };
    let mut seen = Vec::new();
    if let Some(damage) = cause.damage.as_ref().filter(|damage| !damage.at_cause) {
        let what = format!("{} of {}", damage.register, whose(damage.task));
        seen.push((damage.event, stop("damage", what, damage.event)));
    }
    if let Some((at, task)) = cause.user_return {
        let what = format!("{} goes on with it", whose(task));
        seen.push((at, stop("in user space", what, at)));
    }
    seen.sort_by_key(|(event, _)| time(*event));
    seen
}

fn whose(task: Option<u8>) -> String {
    task.map_or_else(|| "a kernel thread".into(), |task| format!("task {task}"))
}

fn first<'c>(cause: &'c Cause, e: &Explanation) -> Stop<'c> {
    let change = cause.changes.first();
    let writer = cause.writer_a.as_ref().or(cause.writer_b.as_ref());
    let place = match writer {
        Some(writer) => writer.place.as_str(),
        None if cause.is_untraced() => cause.function(),
        None => "unknown code",
    };
    let names: Vec<&str> = cause
        .changes
        .iter()
        .take(4)
        .map(|change| change.name.as_str())
        .collect();
    let more = cause.changes.len() - names.len();
    let rest = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    Stop {
        track: change.map_or(Track::Processor, |change| Track::of(change.cell)),
        kind: "cause",
        what: format!("{}{rest} at {place}", names.join(", "))
            .trim_start()
            .to_owned(),
        detail: event(cause.event, &e.scenario),
        writer: None,
    }
}

fn copy<'c>(copied: &'c CopyReport, e: &Explanation) -> Stop<'c> {
    let by = copied
        .writer
        .as_ref()
        .map_or("unknown code", |writer| writer.place.as_str());
    let thread = if copied.thread_conditions {
        "; a debug patch that looks for a damaged image in save_fpu fires here"
    } else {
        ""
    };
    Stop {
        track: Track::of(copied.to.cell),
        kind: "copied",
        what: format!("to {} by {by}", copied.to.name),
        detail: format!("{}{thread}", event(copied.event, &e.scenario)),
        writer: copied.writer.as_ref(),
    }
}

/// Where it is seen in the end.
fn last(cause: &Cause) -> Option<Stop<'_>> {
    let mut places: Vec<String> = Vec::new();
    for difference in &cause.differences {
        let place = format!(
            "{} of {}",
            difference.place.name().replace('_', " "),
            whose(difference.task)
        );
        if !places.contains(&place) {
            places.push(place);
        }
    }
    let track = match cause.differences.first()?.place.keeper() {
        Keeper::Processor => Track::Processor,
        Keeper::Kernel => Track::Image,
        Keeper::User => Track::User,
    };
    Some(Stop {
        track,
        kind: "seen",
        what: format!("in the end, in the {}", places.join(", the ")),
        detail: String::new(),
        writer: None,
    })
}
