//! `ctxfuzz run --expect`: holds scenarios to what they say about kernels themselves.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use ctxfuzz_emulator::run::outcome::Endian;
use ctxfuzz_scenario::scenario::{Endians, Expect};
use ctxfuzz_triage::expect::check_row;
use serde::Serialize;

use crate::commands::arguments::parse_kernel;
use crate::commands::input::Input;
use crate::commands::pairs::Pairs;
use crate::commands::{Status, complain};

/// One line of `run --expect --json`.
#[derive(Debug, Serialize)]
struct RowReport<'a> {
    scenario: &'a str,
    file: &'a str,
    row: usize,
    a: &'a str,
    b: &'a str,
    endian: &'static str,
    holds: bool,
    violations: &'a [String],
}

/// Runs every row of every file. Status 0: all rows hold; 1: one does not; 2: a file has no row, or a row names no kernel.
pub fn hold(inputs: &[Input], json: bool) -> anyhow::Result<ExitCode> {
    let without: Vec<&Input> = inputs
        .iter()
        .filter(|input| input.scenario.expect.is_empty())
        .collect();
    if !without.is_empty() {
        for input in without {
            complain(&format!(
                "{}: has no `expect` rows to hold it to",
                input.path.display()
            ));
        }
        return Ok(Status::Trouble.into());
    }
    let mut out = io::stdout().lock();
    let mut pairs = Pairs::default();
    let (mut held, mut broken) = (0usize, 0usize);
    for input in inputs {
        for index in 0..input.scenario.expect.len() {
            match check(input, index, json, &mut pairs, &mut out)? {
                true => held += 1,
                false => broken += 1,
            }
        }
    }
    if !json {
        let files = inputs.len();
        writeln!(
            out,
            "{files} {}, {held} {}, {broken} {}",
            if files == 1 { "file" } else { "files" },
            if held == 1 { "row holds" } else { "rows hold" },
            if broken == 1 { "does not" } else { "do not" },
        )?;
    }
    out.flush()?;
    Ok(match broken {
        0 => Status::Nothing,
        _ => Status::Found,
    }
    .into())
}

/// Whether a row holds in all its byte orders.
fn check(
    input: &Input,
    index: usize,
    json: bool,
    pairs: &mut Pairs,
    out: &mut impl Write,
) -> anyhow::Result<bool> {
    let file = input.path.display().to_string();
    let row = &input.scenario.expect[index];
    let kernel = |name: &str, side: &str| {
        parse_kernel(name).with_context(|| format!("{file}: expect[{index}].{side}"))
    };
    let (a, b) = (kernel(&row.a, "a")?, kernel(&row.b, "b")?);
    let mut holds = true;
    for &endian in endians(row) {
        let comparison = pairs.get(&a, &b, endian)?.run(&input.scenario).comparison;
        let violations = check_row(row, &comparison);
        holds &= violations.is_empty();
        if json {
            let report = RowReport {
                scenario: &input.name(),
                file: &file,
                row: index,
                a: &row.a,
                b: &row.b,
                endian: endian.name(),
                holds: violations.is_empty(),
                violations: &violations,
            };
            writeln!(out, "{}", serde_json::to_string(&report)?)?;
        } else if !violations.is_empty() {
            writeln!(
                out,
                "{file}: expect[{index}] ({} against {}, {}): {}",
                row.a,
                row.b,
                endian.name(),
                violations.join("; ")
            )?;
        }
    }
    Ok(holds)
}

fn endians(row: &Expect) -> &'static [Endian] {
    match row.endian {
        Endians::Le => &[Endian::Little],
        Endians::Be => &[Endian::Big],
        Endians::Both => &Endian::BOTH,
    }
}
