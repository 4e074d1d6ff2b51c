//! The register file of both kernels over time: where the two differ, 64 VSRs by looks at the task
//! that runs.

use std::collections::BTreeMap;

use ctxfuzz_scenario::register::Register;
use maud::{Markup, html};

use super::looks::{Look, Looks};
use super::{hex, marked};
use crate::cause::Explanation;
use crate::compare::What;

/// Pixels of the picture.
const LABELS: usize = 46;
const HEAD: usize = 34;
const ROW: usize = 11;
const MARGIN: usize = 4;
/// Rows: VSR 0-63, then FPSCR, VSCR and VRSAVE.
const ROWS: usize = 67;
/// Cells that say their values when pointed at: each takes much room in the file.
const MOST_TITLES: usize = 1500;
/// What the picture is, for those who do not see it.
const LABEL: &str = "Heat map of the register file; the list below says the same in words";
/// Registers that are listed in words.
const MOST_LISTED: usize = 150;

/// A run of cells with the same values, in half a row.
struct Cell {
    row: usize,
    half: usize,
    column: usize,
    columns: usize,
    a: u64,
    b: u64,
}

/// The section.
pub fn section(e: &Explanation, looks: &Looks<'_>) -> Markup {
    let columns = looks.looks.len();
    html! {
        section id="registers" {
            h2 { "The register file over time" }
            p {
                @match e.kernels.only() {
                    Some(_) => "Where a task finds other registers than it has to. A row",
                    None => { "Where " code { (e.headings()[0]) } " and " code { (e.headings()[1]) } " give a task different registers. A row" }
                }
                " is a VSR: its upper half doubleword 0, its lower half doubleword 1. "
                "A column is a look at the task whose number is above it, after the event whose number is above it (S: at its start, H: in a signal handler, E: at its end). "
                "Differences that nobody may rely on are shown too."
            }
            @if columns == 0 { p { "Neither run came to a place where it was looked at." } }
            @else if looks.looks.iter().all(|look| look.differing.is_empty()) {
                p { "No register of any task ever differs where user code could see it" @if looks.part { ", as long as the two runs do the same" } "." }
            }
            @else {
                p.legend {
                    span.key.heat-1 {} " up to 8 bits differ "
                    span.key.heat-2 {} " up to 24 "
                    span.key.heat-3 {} " more"
                }
                div.scroll tabindex="0" role="region" aria-label=(LABEL) { (picture(looks, lanes(e))) }
                @if columns > 12 { p.muted { "A wide picture can be scrolled sideways, also with the arrow keys." } }
                @if looks.part { p { "From there on the two runs do not do the same, and cannot be compared register by register." } }
                (in_words(looks, lanes(e)))
            }
        }
    }
}

/// What the values of the two sides are called.
fn lanes(e: &Explanation) -> [&'static str; 2] {
    match e.kernels.only() {
        Some(_) => ["found", "expected"],
        None => ["A", "B"],
    }
}

fn picture(looks: &Looks<'_>, [a, b]: [&str; 2]) -> Markup {
    let columns = looks.looks.len();
    let column = (860 / columns).clamp(9, 34);
    let (width, height) = (
        LABELS + columns * column + MARGIN,
        HEAD + ROWS * ROW + MARGIN,
    );
    let every = 20_usize.div_ceil(column);
    let cells = cells(looks);
    let differs = |row: usize| cells.iter().any(|cell| cell.row == row);
    html! {
        svg.heat width=(width) height=(height) viewBox={ "0 0 " (width) " " (height) } aria-hidden="true" {
            text.axis x=(LABELS - 5) y="12" text-anchor="end" { "task" }
            text.axis x=(LABELS - 5) y="27" text-anchor="end" { "event" }
            @for (index, look) in looks.looks.iter().enumerate() {
                @let x = LABELS + index * column;
                @if index % 2 == 0 { rect.stripe x=(x) y=(HEAD) width=(column) height=(ROWS * ROW) {} }
                @if index % every == 0 {
                    text.axis x=(x + column / 2) y="12" text-anchor="middle" { (look.task) }
                    text.axis x=(x + column / 2) y="27" text-anchor="middle" { (look.label()) }
                }
            }
            @for row in 0..ROWS {
                @let y = HEAD + row * ROW;
                text.row.hot[differs(row)] x=(LABELS - 5) y=(y + ROW - 2) text-anchor="end" { (row_name(row)) }
                @if row % 8 == 0 && row <= 64 { path.rule d={ "M" (LABELS) " " (y) "H" (width - MARGIN) } {} }
            }
            @for cell in cells.iter().take(MOST_TITLES) {
                @let (y, tall) = half(cell);
                rect.{ "heat-" (heat(cell)) } x=(LABELS + cell.column * column) y=(y) width=(cell.columns * column) height=(tall) {
                    @let look = &looks.looks[cell.column];
                    title {
                        (cell_name(cell)) " of task " (look.task) " " (look.when()) ": "
                        (a) " " (format!("{:#018x}", cell.a)) ", " (b) " " (format!("{:#018x}", cell.b))
                    }
                }
            }
            @for level in 1..=3 {
                @let rest = cells.iter().skip(MOST_TITLES).filter(|cell| heat(cell) == level);
                @let drawn: String = rest.map(|cell| outline(cell, column)).collect();
                @if !drawn.is_empty() { path.{ "heat-" (level) } d=(drawn) {} }
            }
        }
    }
}

/// A cell as a piece of a path, which takes the least room.
fn outline(cell: &Cell, column: usize) -> String {
    let (y, tall) = half(cell);
    let (x, wide) = (LABELS + cell.column * column, cell.columns * column);
    format!("M{x} {y}h{wide}v{tall}h-{wide}z")
}

/// Top and height of a cell.
fn half(cell: &Cell) -> (usize, usize) {
    let y = HEAD + cell.row * ROW;
    match (cell.row < 64, cell.half) {
        (false, _) => (y + 1, ROW - 1),
        (true, 0) => (y + 1, ROW / 2),
        (true, _) => (y + 1 + ROW / 2, ROW / 2),
    }
}

fn heat(cell: &Cell) -> u32 {
    match (cell.a ^ cell.b).count_ones() {
        0..=8 => 1,
        9..=24 => 2,
        _ => 3,
    }
}

fn row_name(row: usize) -> String {
    match row {
        0..=31 => format!("vs{row}"),
        32..=63 => format!("v{}", row - 32),
        64 => "fpscr".into(),
        65 => "vscr".into(),
        _ => "vrsave".into(),
    }
}

fn cell_name(cell: &Cell) -> String {
    match (cell.row, cell.half) {
        (row @ 0..=31, 0) => format!("f{row}"),
        (row @ 32..=63, half) => format!("doubleword {half} of v{}", row - 32),
        (row, _) => row_name(row),
    }
}

/// Doubleword `half` of a row.
fn value(file: &ctxfuzz_emulator::arch::RegisterFile, row: usize, half: usize) -> u64 {
    match row {
        0..=63 => file.vsr[row][half],
        64 => file.fpscr,
        65 => file.vscr.into(),
        _ => file.vrsave.into(),
    }
}

fn cells(looks: &Looks<'_>) -> Vec<Cell> {
    let mut cells: Vec<Cell> = Vec::new();
    for row in 0..ROWS {
        let halves = if row < 64 { 2 } else { 1 };
        for half in 0..halves {
            for (column, look) in looks.looks.iter().enumerate() {
                let (a, b) = (value(look.a, row, half), value(look.b, row, half));
                if a == b {
                    continue;
                }
                // Where there are no words left for the values it does not matter which they are.
                let wordless = cells.len() > MOST_TITLES;
                let goes_on = |last: &Cell| {
                    let adjacent = last.column + last.columns == column;
                    let task = looks.looks[last.column].task == look.task;
                    adjacent
                        && (last.row, last.half) == (row, half)
                        && (wordless || task && (last.a, last.b) == (a, b))
                };
                match cells.last_mut() {
                    Some(last) if goes_on(last) => last.columns += 1,
                    _ => cells.push(Cell {
                        row,
                        half,
                        column,
                        columns: 1,
                        a,
                        b,
                    }),
                }
            }
        }
    }
    cells
}

/// What each register did, for those who do not see the picture.
fn in_words(looks: &Looks<'_>, lanes: [&str; 2]) -> Markup {
    let mut spans: BTreeMap<(u8, Register), Vec<&Look<'_>>> = BTreeMap::new();
    for look in &looks.looks {
        for &register in &look.differing {
            spans.entry((look.task, register)).or_default().push(look);
        }
    }
    html! {
        @if !spans.is_empty() {
            details {
                summary { "The same in words: " (spans.len()) " register" @if spans.len() != 1 { "s" } " of a task" }
                ul.plain {
                    @for ((task, register), seen) in spans.iter().take(MOST_LISTED) {
                        @if let (Some(first), Some(last)) = (seen.first(), seen.last()) {
                            li {
                                strong { (register) } " of task " (task) ": " (first.when())
                                @if seen.len() > 1 { ", for the last time " (last.when()) }
                                ". First "
                                @let [a, b] = [first.a, first.b].map(|file| hex(What::Register(*register), file.get(*register)));
                                (lanes[0]) " " (marked(&a, &b)) ", " (lanes[1]) " " (marked(&b, &a))
                            }
                        }
                    }
                }
                @if let Some(more) = spans.len().checked_sub(MOST_LISTED).filter(|&more| more > 0) { p { "And " (more) " more." } }
            }
        }
    }
}
