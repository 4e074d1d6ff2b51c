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
    /// How many points the kernel comes to.
    points: u16,
    places: Vec<Places>,
}

/// Points side by side of which the same came.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Places {
    /// The first: `past` or `after` in a scenario.
    from: u16,
    /// The last.
    to: u16,
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
            let (places, points, meant) = self.event(checker, scenario, event, endian)?;
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
                places,
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
    ) -> anyhow::Result<(Vec<Places>, u16, Status)> {
        let mut scenario = scenario.clone();
        let mut places: Vec<Places> = Vec::new();
        let mut status = Status::Nothing;
        for point in 0..=MAX_PLACES {
            set(&mut scenario.events[event], point);
            let mut judgement = checker.judge(&scenario, endian)?;
            let mut cell = Cell::of(&judgement);
            if cell.not_reached.contains(&(event as u16)) {
                return Ok((places, point, status));
            }
            let before = places.last().map(|last| (last.state, &last.registers));
            if before != Some((cell.state, &cell.registers)) && judgement.reported(self.abi) {
                // The first of them has been seen on a fresh machine too.
                judgement = checker.confirmed(&scenario, endian, judgement)?;
                cell = Cell::of(&judgement);
            }
            status.add(meaning(&judgement, self.abi));
            add(&mut places, point, cell);
            if cannot(&judgement, event) {
                return Ok((places, point + 1, status));
            }
        }
        Ok((places, MAX_PLACES, status))
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

fn add(places: &mut Vec<Places>, point: u16, cell: Cell) {
    match places.last_mut() {
        Some(last) if (last.state, &last.registers) == (cell.state, &cell.registers) => {
            last.to = point;
        }
        _ => places.push(Places {
            from: point,
            to: point,
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
    let word = if *points == 1 { "point" } else { "points" };
    let mut text = format!("{scenario} ({endian}): event {event}{place}: {points} {word}\n");
    for places in &swept.places {
        let range = match places.from == places.to {
            true => places.from.to_string(),
            false => format!("{}-{}", places.from, places.to),
        };
        let more = match (places.registers.as_slice(), &places.reason) {
            ([], None) => String::new(),
            ([], Some(reason)) => format!("  {reason}"),
            ([a, b, c, d, e, rest @ ..], _) => {
                format!("  {a} {b} {c} {d} {e} and {} more", rest.len())
            }
            (all, _) => format!("  {}", all.join(" ")),
        };
        text += format!("  {range:<9} {}{more}", places.state).trim_end();
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
        let mut places = Vec::new();
        let seven = ["f0", "f1", "f2", "f3", "f4", "f5", "f6"];
        for (point, cell) in (0..).zip([
            cell(State::Silent, &[]),
            cell(State::Silent, &[]),
            cell(State::Live, &seven),
            cell(State::Live, &["f0"]),
            cell(State::Live, &["f0"]),
        ]) {
            add(&mut places, point, cell);
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
            places,
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
