//! `ctxfuzz selftest`: this build finds what it must find, and is silent where it must be.
//!
//! Questions in the order in which a doubtful report raises them: does the emulated machine behave
//! as the Power ISA says, is every known defect seen, and is nothing reported where nothing is
//! wrong? The last two are asked of both oracles.

mod checks;
mod one_kernel;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::Status;
use crate::shipped;

/// Arguments of `ctxfuzz selftest`.
#[derive(Debug, Args)]
pub struct SelftestArgs {
    /// One object in JSON.
    #[arg(long)]
    json: bool,
}

/// What a check is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Part {
    Machine,
    Detection,
    Silence,
    Transparency,
}

impl Part {
    const ALL: [Part; 4] = [
        Part::Machine,
        Part::Detection,
        Part::Silence,
        Part::Transparency,
    ];

    fn name(self) -> &'static str {
        match self {
            Part::Machine => "machine",
            Part::Detection => "detection",
            Part::Silence => "silence",
            Part::Transparency => "transparency",
        }
    }
}

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Result {
    Ok,
    Failed,
}

/// One line of the table.
#[derive(Debug, Serialize)]
struct Line {
    part: Part,
    name: String,
    result: Result,
    detail: String,
}

/// Runs all checks. Exit status 0, or 2 if one failed: a build that fails its self-test cannot do
/// what it is asked.
pub fn selftest(args: &SelftestArgs) -> anyhow::Result<ExitCode> {
    let mut lines = checks::machine()?;
    let scenarios = shipped::scenarios()?;
    lines.extend(checks::detection(&scenarios)?);
    lines.extend(checks::silence(&scenarios)?);
    lines.extend(one_kernel::transparency(&scenarios)?);
    let passed = lines.iter().all(|line| line.result != Result::Failed);
    let mut out = io::stdout().lock();
    if args.json {
        let report = serde_json::json!({"passed": passed, "checks": lines});
        writeln!(out, "{report}")?;
    } else {
        table(&mut out, &lines)?;
        verdict(&mut out, &lines, passed)?;
    }
    out.flush()?;
    Ok(match passed {
        true => Status::Nothing,
        false => Status::Trouble,
    }
    .into())
}

fn table(out: &mut impl Write, lines: &[Line]) -> io::Result<()> {
    for line in lines {
        let word = match line.result {
            Result::Ok => "ok",
            Result::Failed => "FAILED",
        };
        let (part, name) = (line.part.name(), &line.name);
        writeln!(out, "{part:<12}  {name:<39}  {word:<6}  {}", line.detail)?;
    }
    writeln!(out)
}

/// Two lines: what was counted, and what follows.
fn verdict(out: &mut impl Write, lines: &[Line], passed: bool) -> io::Result<()> {
    let counts: Vec<String> = Part::ALL
        .iter()
        .map(|&part| {
            let of_part = || lines.iter().filter(move |line| line.part == part);
            let ok = of_part().filter(|line| line.result == Result::Ok).count();
            format!("{} {ok} of {}", part.name(), of_part().count())
        })
        .collect();
    writeln!(out, "{}", counts.join(", "))?;
    writeln!(
        out,
        "{}",
        match passed {
            true =>
                "passed: this build finds the known defects and is silent where nothing is wrong",
            false => "FAILED: do not trust what this build reports, nor its silence",
        }
    )
}
