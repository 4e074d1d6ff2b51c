//! The page over scenarios and kernels: what came of each on each, and what is behind the cells
//! that are not silent.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::document;
use crate::matrix::{Cell, Change, Column, Matrix, Row, Since, State};

/// What the page says of each state.
fn meaning(state: State) -> &'static str {
    match state {
        State::Silent => "the scenario ran, and every register survived",
        State::Dead => "a register did not survive, and nobody can notice",
        State::NotApplicable => "the kernel cannot do what the scenario is about",
        State::DidNotHappen => "the kernel can do it, was asked to, and was not seen to",
        State::Inconclusive => "the run says nothing, for the reason below",
        State::Abi => {
            "a register did not survive: only a program that relies on the documented Linux system call ABI can notice"
        }
        State::Live => "a register did not survive: any program can notice",
    }
}

fn class(state: State) -> String {
    format!("state-{}", state.name().replace(' ', "-"))
}

/// The whole page.
pub fn page(matrix: &Matrix, since: Option<&Since>, command: &str) -> String {
    let (rows, columns) = (matrix.scenarios.len(), matrix.kernels.len());
    let title = format!("{rows} scenarios on {columns} kernels");
    let loud = matrix.scenarios.iter().any(is_loud);
    document(
        &title,
        html! {
            header {
                p.kicker { "ctxfuzz: matrix" }
                h1 { (title) }
                p { "A kernel is judged by itself: it may change the registers of a task only in declared ways. Each byte order is a column." }
                dl.facts {
                    dt { "ctxfuzz" } dd { (matrix.version) }
                    dt { "made by" } dd { code { (command) } }
                }
            }
            nav aria-label="Parts of this page" {
                @if since.is_some() { a href="#since" { "Since the baseline" } }
                a href="#kernels" { "Kernels" }
                a href="#cells" { "Cells" }
                @if loud { a href="#behind" { "What is behind them" } }
            }
            main {
                @if let Some(since) = since { (changed(since)) }
                (kernels(matrix))
                (cells(matrix, since))
                @if loud { (behind(matrix)) }
            }
        },
    )
}

fn changed(since: &Since) -> Markup {
    let list = |title: &str, changes: &[Change]| {
        html! {
            @if !changes.is_empty() {
                h3 { (title) }
                ul.plain {
                    @for change in changes {
                        li { (change.scenario) ", " code { (change.kernel) } " (" (change.endian) "): " (change.before) ", now " (state(change.now)) }
                    }
                }
            }
        }
    };
    html! {
        section id="since" {
            h2 { "Since the baseline" }
            p { (since.counts()) "." }
            (list("Worse", &since.worse))
            (list("Better", &since.better))
            @if !since.new.is_empty() { p { "New or changed: " (since.new.join(", ")) } }
            @if !since.gone.is_empty() { p { "Gone: " (since.gone.join(", ")) } }
        }
    }
}

fn state(state: State) -> Markup {
    html! { span.(class(state)) { (state) } }
}

fn kernels(matrix: &Matrix) -> Markup {
    let states = || State::ALL.into_iter();
    html! {
        section id="kernels" {
            h2 { "Kernels" }
            div.scroll tabindex="0" role="region" aria-label="Kernels, and how many cells each has of a kind" {
                table.numbers.matrix {
                    thead { tr { th scope="col" { "kernel" } @for state in states() { th scope="col" { (state) } } } }
                    tbody {
                        @for (number, column) in matrix.kernels.iter().enumerate() {
                            tr {
                                th scope="row" { (number + 1) " " (named(column)) }
                                @for state in states() {
                                    @let count = matrix.count(number, state);
                                    td.(if count > 0 { class(state) } else { "muted".to_owned() }) { (count) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn named(column: &Column) -> Markup {
    let kernel = &column.kernel;
    html! {
        code { (kernel.kernel) } " (" (column.endian) ")"
        @if let (Some(release), Some(image)) = (&kernel.release, &kernel.image) {
            br; span.muted { "Linux " (release) ", image " code { (image) } }
        }
    }
}

fn cells(matrix: &Matrix, since: Option<&Since>) -> Markup {
    let used = |state: &State| (0..matrix.kernels.len()).any(|c| matrix.count(c, *state) > 0);
    let rows = matrix.scenarios.iter();
    let mut all = rows.flat_map(|row| &row.cells);
    let late = all.any(|cell| !cell.not_reached.is_empty());
    let worse = since
        .map(|since| since.worse.as_slice())
        .unwrap_or_default();
    html! {
        section id="cells" {
            h2 { "Cells" }
            dl.facts {
                @for one in State::ALL.into_iter().filter(used) { dt { (state(one)) } dd { (meaning(one)) } }
                @if late { dt { "*" } dd { "work that was to come late came at the end of the call: its place was not reached" } }
            }
            div.scroll tabindex="0" role="region" aria-label="Scenarios by kernels" {
                table.matrix {
                    thead {
                        tr {
                            th scope="col" { "scenario" }
                            @for (number, column) in matrix.kernels.iter().enumerate() {
                                th scope="col" { (number + 1) " " (column.kernel.kernel) " (" (column.endian) ")" }
                            }
                        }
                    }
                    tbody { @for row in &matrix.scenarios { (line(matrix, row, worse)) } }
                }
            }
        }
    }
}

fn line(matrix: &Matrix, row: &Row, worse: &[Change]) -> Markup {
    let got_worse = |column: &Column| {
        worse.iter().any(|change| {
            change.scenario == row.scenario
                && change.kernel == column.kernel.kernel
                && change.endian == column.endian
        })
    };
    html! {
        tr {
            th scope="row" { (row.scenario) }
            @for (column, cell) in matrix.kernels.iter().zip(&row.cells) {
                @let class = class(cell.state) + if got_worse(column) { " worse" } else { "" };
                td.(class) { (cell.state) @if !cell.not_reached.is_empty() { "*" } }
            }
        }
    }
}

/// Whether there is more to say of a row than its cells do.
fn is_loud(row: &Row) -> bool {
    row.cells.iter().any(says_more)
}

fn says_more(cell: &Cell) -> bool {
    !cell.registers.is_empty() || cell.reason.is_some()
}

fn behind(matrix: &Matrix) -> Markup {
    html! {
        section id="behind" {
            h2 { "What is behind them" }
            @for row in matrix.scenarios.iter().filter(|row| is_loud(row)) {
                article.finding {
                    h3 { (row.scenario) }
                    ul.plain { @for (what, columns) in alike(matrix, row) { li { (what) ": " (columns.join(", ")) } } }
                    p.muted { code { (row.file) } }
                }
            }
        }
    }
}

/// What is said of a row: each thing once, with the kernels that it is said of. The worst first.
fn alike(matrix: &Matrix, row: &Row) -> Vec<(String, Vec<String>)> {
    let mut all: BTreeMap<(State, String), Vec<String>> = BTreeMap::new();
    let cells = matrix.kernels.iter().zip(&row.cells);
    for (column, cell) in cells.filter(|(_, cell)| says_more(cell)) {
        let mut what = cell.state.to_string();
        for part in [
            &cell.registers.join(" "),
            cell.reason.as_deref().unwrap_or(""),
        ] {
            if !part.is_empty() {
                what.push_str(", ");
                what.push_str(part);
            }
        }
        let columns = all.entry((cell.state, what)).or_default();
        columns.push(format!("{} ({})", column.kernel.kernel, column.endian));
    }
    let all = all.into_iter().rev();
    all.map(|((_, what), columns)| (what, columns)).collect()
}
