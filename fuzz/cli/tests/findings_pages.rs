//! The pages of docs/findings: all have the same sections and a state that the index has too, and
//! their tables of versions are what docs/kernels.md says. `CTXFUZZ_BLESS=1` writes the tables.

mod common;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use common::{pages, shown};
use ctxfuzz_emulator::kernel::defects::{self, Origin};

const INDEX: &str = "docs/findings/README.md";
const KERNELS: &str = "docs/kernels.md";
const SECTIONS: [&str; 7] = [
    "What a program sees",
    "Versions",
    "Cause",
    "Seeing it",
    "Program",
    "Repair tried",
    "State of the claim",
];
const STATES: [&str; 4] = [
    "confirmed under QEMU",
    "seen in ctxfuzz",
    "refuted",
    "out of reach",
];

fn findings() -> Vec<String> {
    let pages = pages::findings().into_iter();
    pages.filter(|page| page != INDEX).collect()
}

/// The section of a page, without its title.
fn section<'p>(page: &'p str, title: &str) -> &'p str {
    let start = format!("\n## {title}\n");
    let (_, rest) = page.split_once(&start).expect("it has the section");
    rest.split("\n## ").next().unwrap_or(rest)
}

/// The state that a page ends with.
fn state(page: &str) -> &'static str {
    let said = section(page, "State of the claim").trim().to_lowercase();
    let mut states = STATES.into_iter();
    let found = states.find(|state| said.starts_with(&state.to_lowercase()));
    found.unwrap_or_else(|| panic!("no state: {said}"))
}

/// The rows of the tables of the index: its cells.
fn index() -> Vec<Vec<String>> {
    let page = pages::read(INDEX);
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let cells = |row: &str| {
        let inner = row.trim_matches('|').split(" | ");
        inner.map(|cell| cell.trim().to_owned()).collect()
    };
    rows.map(cells).collect()
}

#[test]
fn findings_have_the_same_sections_in_the_same_order() {
    let pages = findings();
    assert!(pages.len() > 5, "{pages:?}");
    for page in pages {
        let text = pages::read(&page);
        let sections = text.lines().filter_map(|line| line.strip_prefix("## "));
        assert_eq!(sections.collect::<Vec<_>>(), SECTIONS, "{page}");
        let told = section(&text, "Versions").trim();
        assert!(!told.is_empty(), "{page}: which versions?");
    }
}

/// What no program of ours shows is not called confirmed.
#[test]
fn a_finding_is_confirmed_only_by_a_program_that_is_there() {
    for page in findings() {
        let text = pages::read(&page);
        let program = section(&text, "Program");
        let confirm = program.contains("ctxfuzz confirm");
        let is_there = program.contains("](programs/") || confirm;
        let confirmed = state(&text) == "confirmed under QEMU";
        assert_eq!(confirmed, is_there, "{page}");
    }
}

/// A program that shows it was run, and shows nothing where it is repaired.
#[test]
fn what_is_confirmed_was_reproduced_and_not_where_it_is_repaired() {
    let programs = shown::all();
    for page in findings() {
        let name = page.rsplit('/').next().unwrap_or(&page);
        let rows = programs.iter().filter(|row| row.page == name);
        let (repaired, released): (Vec<_>, Vec<_>) = rows.partition(|r| r.kernel == "repaired-le");
        let confirmed = state(&pages::read(&page)) == "confirmed under QEMU";
        let is_shown = released.iter().any(|row| row.answer == "reproduced");
        assert_eq!(confirmed, is_shown, "{page}");
        let repaired = repaired.iter().filter(|row| row.answer == "not_reproduced");
        assert_eq!(confirmed, repaired.count() == 1, "{page}");
    }
}

#[test]
fn the_index_has_every_finding_with_its_state() {
    let rows = index();
    for page in findings() {
        let name = page.rsplit('/').next().unwrap_or(&page);
        let mut listed = rows.iter();
        let row = listed.find(|row| row[0].contains(&format!("]({name})")));
        let row = row.unwrap_or_else(|| panic!("the index has no {name}"));
        assert_eq!(
            row.last().map(String::as_str),
            Some(state(&pages::read(&page))),
            "{name}"
        );
    }
}

/// What the catalogue suspects of Linux has a page, or a row that says why it has none.
#[test]
fn every_claim_of_the_catalogue_has_a_state() {
    let rows = index();
    let told: BTreeSet<String> = rows.iter().flatten().cloned().collect();
    for defect in defects::all() {
        if !matches!(defect.origin, Origin::Suspected { .. }) {
            continue;
        }
        let name = format!("`{}`", defect.id);
        assert!(told.contains(&name), "{name} has no row");
        let row = rows.iter().find(|row| row.contains(&name));
        let has_state = row.is_some_and(|row| STATES.iter().any(|s| row.iter().any(|c| c == s)));
        assert!(has_state, "{name} has no state");
    }
}

/// What a row of docs/kernels.md says of each kernel as it was released, and what the program of a
/// page came to there.
fn versions(kernels: &str, defect: &str, page: &str) -> String {
    let row = format!("\n{defect} ");
    let (_, rest) = kernels.split_once(&row).expect("the page has the claim");
    let cells = rest.lines().next().unwrap_or_default().split_whitespace();
    let real = kernels
        .split_once("<!-- made: real -->")
        .expect("it is there");
    let legend = real.1.lines().filter_map(|line| {
        let (_, kernel) = line.strip_prefix("  ")?.split_once(' ')?;
        let (name, rest) = kernel.split_once(" (")?;
        let release = rest.split(',').next()?;
        Some((name, release))
    });
    let programs = shown::all();
    let program = |page: &str, kernel: &str| {
        let row = programs
            .iter()
            .find(|row| row.page == page && row.kernel == kernel);
        row.map_or_else(|| "-".to_owned(), shown::Shown::text)
    };
    let mut table = format!(
        "{:<16} {:<31} {:<8} {}\n",
        "kernel", "release", "ctxfuzz", "program"
    );
    for ((name, release), cell) in legend.zip(cells) {
        let cell = match cell {
            "." => "silent",
            ".*" => "silent*",
            cell => cell,
        };
        let shown = program(page, name);
        let _ = writeln!(table, "{name:<16} {release:<31} {cell:<8} {shown}");
    }
    let repaired = programs
        .iter()
        .find(|row| row.page == page && row.kernel == "repaired-le");
    if let Some(row) = repaired {
        let (release, shown) = (&row.release, row.text());
        let _ = writeln!(
            table,
            "{:<16} {release:<31} {:<8} {shown}",
            "repaired-le", ""
        );
    }
    table
}

#[test]
fn versions_are_those_of_the_kernels_page() {
    let kernels = pages::read(KERNELS);
    let mut tables = 0;
    for page in findings() {
        let text = pages::read(&page);
        let Some((before, rest)) = text.split_once("<!-- made: versions of ") else {
            continue;
        };
        let (defect, rest) = rest.split_once(" -->\n```text\n").expect("a table follows");
        let (table, after) = rest.split_once("```\n").expect("it ends");
        let name = page.rsplit('/').next().unwrap_or(&page);
        let made = versions(&kernels, defect, name);
        assert!(made.lines().count() >= 11, "{made}");
        tables += 1;
        if std::env::var_os("CTXFUZZ_BLESS").is_some() {
            let whole =
                format!("{before}<!-- made: versions of {defect} -->\n```text\n{made}```\n{after}");
            fs::write(pages::path(&page), whole).expect("it is written");
        } else {
            assert_eq!(table, made, "{page}");
        }
    }
    assert!(tables > 4, "{tables}");
}
