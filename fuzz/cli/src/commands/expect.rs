//! Holds scenarios to what they say about kernels themselves: `run --expect`, and `check` without a
//! kernel.
//!
//! Only two kernels side by side can be expected something of; what one kernel does wrong by itself
//! is `check`'s.

use std::io::{self, Write};

use anyhow::Context;
use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_scenario::scenario::{Endians, Expect};
use ctxfuzz_triage::expect::check_row;
use serde::Serialize;

use super::arguments::parse_kernel;
use super::input::Input;
use super::pairs::Pairs;
use super::{Status, complain};

/// Why a scenario cannot be held to anything.
pub const NO_ROWS: &str = "has no `expect` rows to hold it to";

/// One row of one file in one byte order. Its JSON is a line of `run --expect --json`.
#[derive(Debug, Serialize)]
pub struct RowReport<'a> {
    scenario: &'a str,
    file: &'a str,
    row: usize,
    /// Kernel A, as the row has it.
    pub a: &'a str,
    /// Kernel B.
    pub b: &'a str,
    endian: &'static str,
    holds: bool,
    /// Every way in which it does not hold.
    pub violations: &'a [String],
}

impl RowReport<'_> {
    /// What reports call it.
    pub fn name(&self) -> String {
        format!("{} expect[{}] ({})", self.scenario, self.row, self.endian)
    }

    /// The row for people, if it does not hold.
    pub fn text(&self) -> String {
        format!(
            "{}: expect[{}] ({} against {}, {}): {}",
            self.file,
            self.row,
            self.a,
            self.b,
            self.endian,
            self.violations.join("; ")
        )
    }
}

/// How a command wants rows held.
pub struct Rows<'a> {
    /// Byte orders to run; rows that are only about another one are left out.
    pub endians: &'a [Endian],
    /// Whether each row and byte order gets a line of JSON.
    pub json: bool,
}

/// A row, with the kernels that it names.
struct Row<'a> {
    input: &'a Input,
    index: usize,
    row: &'a Expect,
    a: KernelName,
    b: KernelName,
}

impl Rows<'_> {
    /// Runs every row of every file. Nothing: all rows hold; found: one does not; trouble: a file
    /// has no row. An error if a row names no kernel, before anything is run. `each` is told of
    /// every row.
    pub fn hold(
        &self,
        inputs: &[Input],
        out: &mut impl Write,
        each: &mut impl FnMut(&Input, &RowReport<'_>),
    ) -> anyhow::Result<Status> {
        let rows = rows(inputs)?;
        let mut pairs = Pairs::default();
        let (mut held, mut broken) = (0usize, 0usize);
        for row in &rows {
            match self.one(row, &mut pairs, out, each)? {
                Some(true) => held += 1,
                Some(false) => broken += 1,
                None => {}
            }
        }
        if !self.json {
            let files = inputs.len();
            writeln!(
                out,
                "{files} {}, {held} {}, {broken} {}",
                if files == 1 { "file" } else { "files" },
                if held == 1 { "row holds" } else { "rows hold" },
                if broken == 1 { "does not" } else { "do not" },
            )?;
        }
        Ok(match broken {
            0 => Status::Nothing,
            _ => Status::Found,
        })
    }

    /// Whether a row holds in all its byte orders; `None` if it is about none of those that are
    /// run.
    fn one(
        &self,
        row: &Row<'_>,
        pairs: &mut Pairs,
        out: &mut impl Write,
        each: &mut impl FnMut(&Input, &RowReport<'_>),
    ) -> anyhow::Result<Option<bool>> {
        let Row { input, a, b, .. } = row;
        let mut holds = None;
        for &endian in endians(row.row) {
            if !self.endians.contains(&endian) {
                continue;
            }
            let comparison = pairs.get(a, b, endian)?.run(&input.scenario).comparison;
            let violations = check_row(row.row, &comparison);
            let report = RowReport {
                scenario: &input.name(),
                file: &input.path.display().to_string(),
                row: row.index,
                a: &row.row.a,
                b: &row.row.b,
                endian: endian.name(),
                holds: violations.is_empty(),
                violations: &violations,
            };
            if self.json {
                writeln!(out, "{}", serde_json::to_string(&report)?)?;
            } else if !violations.is_empty() {
                writeln!(out, "{}", report.text())?;
            }
            each(input, &report);
            holds = Some(holds.unwrap_or(true) && violations.is_empty());
        }
        Ok(holds)
    }
}

/// `run --expect`.
pub fn run(inputs: &[Input], json: bool) -> anyhow::Result<Status> {
    if without_rows(inputs) {
        return Ok(Status::Trouble);
    }
    let mut out = io::stdout().lock();
    let endians = &Endian::BOTH;
    let status = Rows { endians, json }.hold(inputs, &mut out, &mut |_, _| {})?;
    out.flush()?;
    Ok(status)
}

/// Names the files that say nothing about any kernel, and whether there are some: a check of
/// nothing must not pass.
pub fn without_rows(inputs: &[Input]) -> bool {
    let mut some = false;
    for input in inputs.iter().filter(|i| i.scenario.expect.is_empty()) {
        complain(&format!("{}: {NO_ROWS}", input.path.display()));
        some = true;
    }
    some
}

fn rows(inputs: &[Input]) -> anyhow::Result<Vec<Row<'_>>> {
    let mut rows = Vec::new();
    for input in inputs {
        for (index, row) in input.scenario.expect.iter().enumerate() {
            let kernel = |name: &str, side: &str| {
                let file = input.path.display();
                parse_kernel(name).with_context(|| format!("{file}: expect[{index}].{side}"))
            };
            let (a, b) = (kernel(&row.a, "a")?, kernel(&row.b, "b")?);
            rows.push(Row {
                input,
                index,
                row,
                a,
                b,
            });
        }
    }
    Ok(rows)
}

fn endians(row: &Expect) -> &'static [Endian] {
    match row.endian {
        Endians::Le => &[Endian::Little],
        Endians::Be => &[Endian::Big],
        Endians::Both => &Endian::BOTH,
    }
}
