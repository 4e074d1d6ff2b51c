//! `ctxfuzz triage`: an index over findings directories, and findings made of what fuzzing services
//! leave behind.

mod artifacts;
mod files;
mod outcome;

use std::env;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use ctxfuzz_triage::command;
use ctxfuzz_triage::index::Index;
use ctxfuzz_triage::known::Known;
use ctxfuzz_triage::report::{html, junit, sarif};
use ctxfuzz_triage::untrusted;

use self::artifacts::ArtifactArgs;
use self::outcome::Artifacts;
use super::arguments::AbiArgument;
use super::input::{check_output, folder_of, write_whole};
use super::{Status, complain};

/// Arguments of `ctxfuzz triage`.
#[derive(Debug, Args)]
#[command(after_help = "\
What is no finding, and no artifact, is named on stderr and skipped; the exit status is 2 then, and also if an artifact's run says nothing. Otherwise it
is 1 if there are findings, 0 if not.")]
pub struct TriageArgs {
    /// Findings directories, as `ctxfuzz fuzz` writes them: a signature is listed once.
    #[arg(value_name = "DIR", required_unless_present = "artifacts")]
    dirs: Vec<PathBuf>,
    #[command(flatten)]
    artifacts: ArtifactArgs,
    /// Whose promises count: decides what is reported.
    #[arg(long, value_enum, default_value = "elf")]
    abi: AbiArgument,
    /// Reviewed signatures, each with a reason; they are listed apart and do not count for the exit
    /// status.
    #[arg(long, value_name = "FILE")]
    known: Option<PathBuf>,
    /// Write the index as a page for a browser, with links to the pages of the findings.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the index as SARIF 2.1.0, for code scanning.
    #[arg(long, value_name = "FILE")]
    sarif: Option<PathBuf>,
    /// Write the index as JUnit XML, a test case a signature, for continuous integration.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Reads, reports, and says by its exit status whether there was anything to report.
pub fn triage(args: &TriageArgs) -> anyhow::Result<ExitCode> {
    let known = known(args.known.as_deref())?;
    let outputs: Vec<PathBuf> = [&args.html, &args.sarif, &args.junit]
        .into_iter()
        .flatten()
        .cloned()
        .collect();
    for output in &outputs {
        check_output(output)?;
    }
    // Before an hour of work is lost.
    let read = |dirs: &[PathBuf]| Index::read_all(dirs, args.abi.into(), &known, &outputs);
    let listed = read(&args.dirs)?;
    let looked_into = args.artifacts.look_into(args.abi, &known)?;
    let mut index = match looked_into.as_ref().and_then(|made| made.findings.as_ref()) {
        Some(made) => read(&[std::slice::from_ref(made), &args.dirs[..]].concat())?,
        None => listed,
    };
    if let Some(artifacts) = &looked_into {
        index.skipped.extend(artifacts.skipped.iter().cloned());
    }
    for skipped in &index.skipped {
        let path = untrusted::path(&skipped.full());
        complain(&format!("{path}: skipped: {}", skipped.reason));
    }
    if let Some(file) = &args.html {
        write_whole(file, &html::index_page(&index, &folder_of(file)))?;
    }
    write(&index, args.sarif.as_deref(), args.junit.as_deref())?;
    print(args.json, &index, looked_into.as_ref())?;
    let mut status = status(&index);
    if let Some(artifacts) = &looked_into {
        status.add(artifacts.status());
    }
    Ok(status.into())
}

fn print(as_json: bool, index: &Index, artifacts: Option<&Artifacts>) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    if as_json {
        let mut whole = index.json();
        if let Some(artifacts) = artifacts {
            whole["artifacts"] = artifacts.json();
        }
        writeln!(out, "{whole}")?;
    } else {
        let parts = [
            artifacts.map(Artifacts::text),
            (!index.dirs.is_empty()).then(|| index.text()),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        write!(out, "{}", parts.join("\n"))?;
    }
    out.flush()?;
    Ok(())
}

/// Writes an index for other programs.
pub fn write(
    index: &Index,
    sarif_file: Option<&Path>,
    junit_file: Option<&Path>,
) -> anyhow::Result<()> {
    if let Some(file) = sarif_file {
        write_whole(file, &format!("{:#}\n", sarif::sarif(index)))?;
    }
    if let Some(file) = junit_file {
        write_whole(file, &junit::junit(index)?)?;
    }
    Ok(())
}

/// The command line of this program, as a report shows it.
pub fn this_command() -> String {
    let arguments = env::args_os().skip(1);
    command::line(arguments.map(|argument| argument.to_string_lossy().into_owned()))
}

/// The known signatures of a file; none without one.
pub fn known(file: Option<&Path>) -> anyhow::Result<Known> {
    Ok(file.map(Known::load).transpose()?.unwrap_or_default())
}

fn status(index: &Index) -> Status {
    match (index.skipped.is_empty(), index.reported().next()) {
        (false, _) => Status::Trouble,
        (true, Some(_)) => Status::Found,
        (true, None) => Status::Nothing,
    }
}
