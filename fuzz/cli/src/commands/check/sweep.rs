//! `check --sweep`: the late work of a scenario comes at one preemption point after the other, and
//! what comes of each is told.
//!
//! Where the point has a name, these are all that the kernel passes from the begin of that call of
//! the function on; else all from the begin of the event on. The last one is the last that the
//! kernel comes to. Not responsible for judging: each run is one of `check`.

use std::io::Write;

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_scenario::point::Percent;
use ctxfuzz_scenario::scenario::Scenario;
use ctxfuzz_scenario::{Event, MAX_PLACES, PreemptionPoint};
use ctxfuzz_triage::definedness::Abi;
use ctxfuzz_triage::identity::Identity;
use ctxfuzz_triage::matrix::{Cell, State};
use ctxfuzz_triage::transparency::Judgement;
use serde::Serialize;

use super::checker::Checker;
use super::meaning;
use crate::commands::Status;

/// What came of the points of one event's work, in JSON: one line an event and byte order.
#[derive(Debug, Serialize)]
struct Swept<'a> {
    scenario: &'a str,
    endian: &'static str,
    #[serde(flatten)]
    kernel: &'a Identity,
    /// Index of the event.
    event: usize,
    /// The function and its call, if the point has a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<PreemptionPoint>,
    /// How many points were tried: all that the kernel comes to, or [`MOST`].
    points: u16,
    /// What came of them, in their order.
    ranges: Vec<Points>,
}

/// Points that a scenario can name.
const MOST: u16 = MAX_PLACES + 1;

/// Points side by side of which the same came.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Points {
    /// The first: `past` or `after` in a scenario.
    from: u16,
    /// The last.
    to: u16,
    /// Where the work came at the first, in a real kernel.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<String>,
    state: State,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    registers: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// How a sweep is judged and printed.
pub struct Sweep<'a> {
    /// Whose promises count.
    pub abi: Abi,
    /// What runs.
    pub kernel: &'a Identity,
    /// One line of JSON an event.
    pub json: bool,
}

impl Sweep<'_> {
    /// Sweeps each event of a scenario whose work comes late; `None` if there is none.
    pub fn scenario(
        &self,
        checker: &mut Checker,
        (name, scenario): (&str, &Scenario),
        endian: Endian,
        out: &mut impl Write,
    ) -> anyhow::Result<Option<Status>> {
        let late = |event: &Event| event.pending().is_some_and(|pending| pending.is_late());
        let events = scenario.events.iter().enumerate();
        let events: Vec<usize> = events.filter(|(_, e)| late(e)).map(|(i, _)| i).collect();
        let mut status = None;
        for event in events {
            let (ranges, points, meant) = self.event(checker, scenario, event, endian)?;
            let pending = scenario.events[event].pending();
            let at = pending.and_then(|pending| pending.at);
            let swept = Swept {
                scenario: name,
                endian: endian.name(),
                kernel: self.kernel,
                event,
                at: at.map(|point| PreemptionPoint {
                    into: Percent(0),
                    past: 0,
                    ..point
                }),
                points,
                ranges,
            };
            match self.json {
                true => writeln!(out, "{}", serde_json::to_string(&swept)?)?,
                false => write!(out, "{}", text(&swept))?,
            }
            status.get_or_insert(Status::Nothing).add(meant);
        }
        Ok(status)
    }

    fn event(
        &self,
        checker: &mut Checker,
        scenario: &Scenario,
        event: usize,
        endian: Endian,
    ) -> anyhow::Result<(Vec<Points>, u16, Status)> {
        let mut scenario = scenario.clone();
        let mut ranges: Vec<Points> = Vec::new();
        let mut status = Status::Nothing;
        for point in 0..=MAX_PLACES {
            set(&mut scenario.events[event], point);
            let mut judgement = checker.judge(&scenario, endian)?;
            let mut cell = Cell::of(&judgement);
            if cell.not_reached.contains(&(event as u16)) {
                return Ok((ranges, point, status));
            }
            let place = checker.arrived(event as u16, endian)?;
            let same = ranges.last().is_some_and(|last| last.came_of(&cell));
            if !same && judgement.reported(self.abi) {
                // The first of them has been seen on a fresh machine too.
                judgement = checker.confirmed(&scenario, endian, judgement)?;
                cell = Cell::of(&judgement);
            }
            status.add(meaning(&judgement, self.abi));
            add(&mut ranges, (point, place), cell);
            if cannot(&judgement, event) {
                return Ok((ranges, point + 1, status));
            }
        }
        Ok((ranges, MOST, status))
    }
}

/// Whether the kernel does not do the work of this event at all.
fn cannot(judgement: &Judgement, event: usize) -> bool {
    let parts = &judgement.effects.not_applicable;
    parts.iter().any(|part| part.event == Some(event as u16))
}

/// Has the work of an event come at this point.
fn set(event: &mut Event, point: u16) {
    let Some(pending) = event.pending_mut() else {
        return;
    };
    match &mut pending.at {
        Some(at) => (at.into, at.past) = (Percent(0), point),
        None => pending.after = point,
    }
}

impl Points {
    fn came_of(&self, cell: &Cell) -> bool {
        (self.state, &self.registers, &self.reason) == (cell.state, &cell.registers, &cell.reason)
    }
}

fn add(ranges: &mut Vec<Points>, (point, place): (u16, Option<String>), cell: Cell) {
    match ranges.last_mut() {
        Some(last) if last.came_of(&cell) => last.to = point,
        _ => ranges.push(Points {
            from: point,
            to: point,
            place,
            state: cell.state,
            registers: cell.registers,
            reason: cell.reason,
        }),
    }
}

fn text(swept: &Swept<'_>) -> String {
    let Swept {
        scenario,
        endian,
        event,
        points,
        ..
    } = swept;
    let place = swept.at.map_or_else(String::new, |at| format!(", {at}"));
    let points = match *points {
        1 => "1 point".to_owned(),
        MOST => format!("the first {MOST} points"),
        points => format!("{points} points"),
    };
    let mut text = format!("{scenario} ({endian}): event {event}{place}: {points}\n");
    for range in &swept.ranges {
        let numbers = match range.from == range.to {
            true => range.from.to_string(),
            false => format!("{}-{}", range.from, range.to),
        };
        let registers = match range.registers.as_slice() {
            [a, b, c, d, e, rest @ ..] if !rest.is_empty() => {
                format!("{a} {b} {c} {d} {e} and {} more", rest.len())
            }
            all => all.join(" "),
        };
        let reason = range.reason.as_deref().unwrap_or_default();
        let place = range.place.as_deref().unwrap_or_default();
        let parts = [place, registers.as_str(), reason].into_iter();
        let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
        let line = format!("  {numbers:<9} {}  {}", range.state, parts.join(": "));
        text += line.trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(state: State, registers: &[&str]) -> Cell {
        Cell {
            state,
            registers: registers.iter().map(ToString::to_string).collect(),
            reason: None,
            not_reached: Vec::new(),
        }
    }

    #[test]
    fn points_side_by_side_of_which_the_same_came_are_one_line() {
        let mut ranges = Vec::new();
        let seven = ["f0", "f1", "f2", "f3", "f4", "f5", "f6"];
        for (point, cell) in (0..).zip([
            cell(State::Silent, &[]),
            cell(State::Silent, &[]),
            cell(State::Live, &seven),
            cell(State::Live, &["f0"]),
            cell(State::Live, &["f0"]),
        ]) {
            add(&mut ranges, (point, None), cell);
        }
        let identity = Identity {
            kernel: "fixed".to_owned(),
            release: None,
            image: None,
        };
        let swept = Swept {
            scenario: "one",
            endian: "le",
            kernel: &identity,
            event: 4,
            at: "save_fpu".parse().ok().map(PreemptionPoint::first_of),
            points: 5,
            ranges,
        };
        assert_eq!(
            text(&swept),
            "one (le): event 4, in save_fpu: 5 points\n  \
             0-1       silent\n  \
             2         live  f0 f1 f2 f3 f4 and 2 more\n  \
             3-4       live  f0\n"
        );
    }
}
