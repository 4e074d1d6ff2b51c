//! A matrix for people: lines that fit a terminal, whatever the kernels are called.

use std::collections::BTreeMap;

use super::{Cell, Change, Matrix, Row, Since, State};
use crate::report::{COLUMNS, Lines};
use crate::untrusted::shown;

/// Columns of a cell, with the space before it.
const CELL: usize = 6;
/// Columns of a scenario's name; a longer one has a line of its own.
const NAME: usize = 30;
/// Cells in a line. What is more goes into another table.
const ACROSS: usize = (COLUMNS - NAME) / CELL;
/// What is said once, below, of late work that did not come late.
const LATE: &str = "*";

/// The mark of a state in a table.
fn mark(state: State) -> &'static str {
    match state {
        State::Silent => ".",
        State::NotApplicable => "n/a",
        State::DidNotHappen => "lack",
        State::Inconclusive => "?",
        State::Dead | State::Abi | State::Live => state.name(),
    }
}

/// The whole matrix.
pub fn text(matrix: &Matrix) -> String {
    let mut lines = Lines::default();
    let (scenarios, columns) = (matrix.scenarios.len(), matrix.kernels.len());
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    lines.add(&format!(
        "{scenarios} scenario{} on {columns} kernel{}, each byte order by itself\n",
        plural(scenarios),
        plural(columns)
    ));
    for (number, column) in matrix.kernels.iter().enumerate() {
        lines.wrapped("  ", &format!("{} {column}", number + 1));
    }
    let silent = |row: &&Row| row.cells.iter().all(is_silent);
    let (silent, told): (Vec<&Row>, Vec<&Row>) = matrix.scenarios.iter().partition(silent);
    let numbers: Vec<usize> = (0..columns).collect();
    for part in numbers.chunks(ACROSS).filter(|_| !told.is_empty()) {
        table(&told, part, &mut lines);
    }
    legend(matrix, &mut lines);
    if !silent.is_empty() {
        let names: Vec<String> = silent.iter().map(|row| shown(&row.scenario)).collect();
        let (count, names) = (silent.len(), names.join(", "));
        lines.add("");
        lines.wrapped("", &format!("{count} silent on every kernel: {names}"));
    }
    totals(matrix, &mut lines);
    reasons(matrix, &mut lines);
    lines.text
}

fn line(name: &str, cells: impl Iterator<Item = String>) -> String {
    let mut line = format!("{name:<NAME$}");
    for cell in cells {
        line.push_str(&format!(" {cell:<width$}", width = CELL - 1));
    }
    line
}

/// Whether a cell has nothing to say.
fn is_silent(cell: &Cell) -> bool {
    cell.state == State::Silent && cell.not_reached.is_empty()
}

fn table(rows: &[&Row], columns: &[usize], lines: &mut Lines) {
    lines.add("");
    let numbers = columns.iter().map(|column| (column + 1).to_string());
    lines.add(&line("scenario", numbers));
    for row in rows {
        let mut name = shown(&row.scenario);
        if name.chars().count() > NAME {
            lines.add(&name);
            name.clear();
        }
        let cells = columns.iter().map(|&column| {
            let cell = &row.cells[column];
            let late = if cell.not_reached.is_empty() {
                ""
            } else {
                LATE
            };
            format!("{}{late}", mark(cell.state))
        });
        lines.add(&line(&name, cells));
    }
}

/// What the marks mean that are no words, as far as they are there.
fn legend(matrix: &Matrix, lines: &mut Lines) {
    let cells = || matrix.scenarios.iter().flat_map(|row| &row.cells);
    let there = |state: &State| cells().any(|cell| cell.state == *state);
    let marks = State::ALL.into_iter().filter(there);
    let marks = marks.filter(|state| mark(*state) != state.name());
    let mut marks: Vec<String> = marks.map(|s| format!("{} {s}", mark(s))).collect();
    if cells().any(|cell| !cell.not_reached.is_empty()) {
        marks.push(format!("{LATE} the place of late work was not reached"));
    }
    if !marks.is_empty() {
        lines.add("");
        lines.wrapped("", &marks.join(", "));
    }
}

fn totals(matrix: &Matrix, lines: &mut Lines) {
    lines.add("");
    let states = || State::ALL.into_iter();
    lines.add(&line(
        "cells, by kernel",
        states().map(|s| mark(s).to_owned()),
    ));
    for (number, _) in matrix.kernels.iter().enumerate() {
        let counts = states().map(|state| matrix.count(number, state).to_string());
        lines.add(&line(&(number + 1).to_string(), counts));
    }
}

/// Why runs say nothing: each reason once for a scenario, with the columns.
fn reasons(matrix: &Matrix, lines: &mut Lines) {
    let told = |row: &Row| {
        let mut reasons: BTreeMap<(State, String), Vec<String>> = BTreeMap::new();
        for (number, cell) in row.cells.iter().enumerate() {
            if let Some(reason) = untold(cell) {
                let columns = reasons.entry((cell.state, reason.to_owned())).or_default();
                columns.push((number + 1).to_string());
            }
        }
        reasons
    };
    let mut first = true;
    for row in &matrix.scenarios {
        for ((state, reason), columns) in told(row) {
            if std::mem::take(&mut first) {
                lines.add("");
            }
            let (name, columns) = (shown(&row.scenario), columns.join(" "));
            let reason = shown(&reason);
            lines.wrapped("", &format!("{name}, {columns}: {state}: {reason}"));
        }
    }
}

/// The reason of a cell that the table does not give.
pub fn untold(cell: &Cell) -> Option<&str> {
    let reason = cell.reason.as_deref()?;
    (cell.state != State::NotApplicable).then_some(reason)
}

/// What has changed.
pub fn since(since: &Since) -> String {
    let mut lines = Lines::default();
    lines.add("");
    lines.add(&format!("since the baseline: {}", since.counts()));
    for (how, changes) in [("worse", &since.worse), ("better", &since.better)] {
        for change in changes {
            let Change { before, now, .. } = change;
            let (scenario, kernel) = (shown(&change.scenario), shown(&change.kernel));
            let endian = shown(&change.endian);
            lines.wrapped(
                "  ",
                &format!("{how}: {scenario}, {kernel} ({endian}): {before}, now {now}"),
            );
        }
    }
    for (what, names) in [("new or changed", &since.new), ("gone", &since.gone)] {
        if !names.is_empty() {
            let names: Vec<String> = names.iter().map(|name| shown(name)).collect();
            lines.wrapped("  ", &format!("{what}: {}", names.join(", ")));
        }
    }
    lines.text
}
