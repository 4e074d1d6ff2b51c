//! What programs show on which kernel, as docs/findings has it: `confirmed.json`, of the scenarios
//! in `findings.json`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::project;

/// A row of findings.json.
#[derive(Debug, Deserialize)]
pub struct Page {
    /// The file.
    pub page: String,
    /// What the program is made of, from the project's folder.
    pub scenario: String,
    /// Options of `confirm`.
    pub options: Vec<String>,
}

/// What the program of a page came to on a kernel.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// The file.
    pub page: String,
    /// The kernel's name in `target/kernels`.
    pub kernel: String,
    /// As `uname -r` says it.
    pub release: String,
    /// `reproduced`, `not_reproduced` or `inconclusive`.
    pub answer: String,
    /// Attempts that differed.
    pub differ: u64,
    /// Attempts that say something.
    pub of: u64,
    /// Whether a page had to come late.
    pub late_page: bool,
}

impl Shown {
    /// `10 of 26`.
    pub fn text(&self) -> String {
        let late = if self.late_page { ", late page" } else { "" };
        match self.answer.as_str() {
            "inconclusive" => "?".to_owned(),
            _ => format!("{} of {}{late}", self.differ, self.of),
        }
    }
}

/// The pages that have a program.
pub fn pages() -> Vec<Page> {
    read("docs/findings/findings.json")
}

/// What is known.
pub fn all() -> Vec<Shown> {
    read("docs/findings/confirmed.json")
}

/// Puts it there.
pub fn write(all: &[Shown]) {
    let rows = all
        .iter()
        .map(|row| serde_json::to_string(row).expect("it is written"));
    let rows: Vec<String> = rows.map(|row| format!("  {row}")).collect();
    let text = format!("[\n{}\n]\n", rows.join(",\n"));
    std::fs::write(path("docs/findings/confirmed.json"), text).expect("it is written");
}

fn read<T: for<'de> Deserialize<'de>>(file: &str) -> Vec<T> {
    let text = std::fs::read_to_string(path(file)).expect("it is there");
    serde_json::from_str(&text).expect("it has these rows")
}

fn path(file: &str) -> PathBuf {
    project().join(file)
}
