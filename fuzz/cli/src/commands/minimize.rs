//! `ctxfuzz minimize`: the smallest scenario that shows the same, on two kernels or on one: the
//! same causes (`causes`), or where one kernel's are not known the same kinds of violations
//! (`kinds`).

mod causes;
mod kinds;

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_scenario::scenario::Scenario;
use ctxfuzz_triage::kernels::Kernels;
use ctxfuzz_triage::lock::Lock;
use ctxfuzz_triage::minimize::{self, Minimized, Reproduces};
use serde_json::json;

use super::arguments::{EndianArgument, PairOrOneArguments};
use super::input::{Input, check_output, folder_of, write_whole};
use super::{Status, functions};
use causes::Causes;
use kinds::Kinds;

/// Arguments of `ctxfuzz minimize`.
#[derive(Debug, Args)]
pub struct MinimizeArgs {
    /// Scenario file.
    #[arg(value_name = "SCENARIO")]
    scenario: PathBuf,
    /// Where to write the smaller scenario. It is written each time a smaller one is found, whole.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    kernels: PairOrOneArguments,
    /// Byte orders that must show the same [default: le, or the one a vmlinux has].
    #[arg(long, value_enum)]
    endian: Option<EndianArgument>,
    /// Most scenarios to try.
    #[arg(long, value_name = "N", default_value_t = 2000)]
    budget: usize,
    /// Go on from what is in FILE, if it is there: a minimizer that was stopped has left its best
    /// scenario in it.
    #[arg(long)]
    resume: bool,
    /// Say what was done in JSON.
    #[arg(long)]
    json: bool,
}

/// What may not get lost in one byte order.
trait Kept {
    /// Whether a candidate shows the same.
    fn still_there(&mut self, candidate: &Scenario) -> anyhow::Result<bool>;

    /// The names of what is kept.
    fn signatures(&self) -> &[String];
}

/// What a scenario shows, in each byte order. It is an error if that is nothing.
fn all_kept(
    args: &MinimizeArgs,
    kernels: &Kernels,
    input: &Input,
) -> anyhow::Result<Vec<Box<dyn Kept>>> {
    let endians = args.kernels.endians(args.endian, EndianArgument::Le)?;
    let kept = endians
        .into_iter()
        .map(|endian| kept(kernels, endian, input));
    kept.collect()
}

fn kept(kernels: &Kernels, endian: Endian, input: &Input) -> anyhow::Result<Box<dyn Kept>> {
    let kinds = match kernels.only() {
        Some(kernel) => Some(Kinds::of(kernel, endian, input)?),
        None => None,
    };
    let causes = Causes::of(kernels, endian, input)?;
    Ok(match kinds {
        // It says more than what differs.
        Some(kinds) if causes.signatures().is_empty() => Box::new(kinds),
        _ => Box::new(causes),
    })
}

/// Minimizes and writes the result; exit status 0 when it is written.
pub fn minimize(args: &MinimizeArgs) -> anyhow::Result<ExitCode> {
    let inputs = [Input::load(&args.scenario)?];
    let kernels = args.kernels.kernels();
    let names: Vec<_> = kernels.names().iter().collect();
    if !functions::are_known(&inputs, &names)? {
        return Ok(Status::Trouble.into());
    }
    let [input] = inputs;
    check_output(&args.output)?;
    let _lock = lock(&args.output)?;
    let kept = all_kept(args, &kernels, &input)?;
    let mut oracle = Saving {
        kept,
        output: &args.output,
        trouble: None,
    };
    let start = match args.resume && args.output.exists() {
        true => resumed(args, &mut oracle)?,
        false => input.scenario.clone(),
    };
    let minimized = minimize::minimize(&start, &mut oracle, args.budget);
    if let Some(trouble) = oracle.trouble {
        return Err(trouble);
    }
    let minimized = match minimized {
        Ok(minimized) => minimized,
        Err(error) => bail!("{}: {error}", args.scenario.display()),
    };
    write_whole(&args.output, &minimized.scenario.to_json())?;
    tell(args, &input.scenario, &minimized, &oracle.kept)?;
    Ok(ExitCode::SUCCESS)
}

/// Nobody else writes the file meanwhile.
fn lock(output: &Path) -> anyhow::Result<Lock> {
    // By whatever link it is named, it is the same file.
    let target = fs::canonicalize(output).unwrap_or_else(|_| output.to_owned());
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let path = folder_of(&target).join(format!(".{name}.lock"));
    let lock = Lock::attempt(path);
    match lock.with_context(|| format!("{}: cannot lock it", output.display()))? {
        Some(lock) => Ok(lock),
        None => bail!("{}: another ctxfuzz is writing it", output.display()),
    }
}

/// What an earlier call has reached, if it is of this scenario.
fn resumed(args: &MinimizeArgs, oracle: &mut Saving<'_>) -> anyhow::Result<Scenario> {
    let reached = Input::load(&args.output)?.scenario;
    if !oracle.signature_holds(&reached) {
        let (file, scenario) = (args.output.display(), args.scenario.display());
        bail!(
            "{file}: does not show what {scenario} shows, so it cannot be gone on from: leave out --resume to write it anew"
        );
    }
    Ok(reached)
}

/// Writes down each success, so that a minimizer that is stopped has not run in vain.
struct Saving<'a> {
    kept: Vec<Box<dyn Kept>>,
    output: &'a Path,
    /// Nothing is tried any more after this.
    trouble: Option<anyhow::Error>,
}

impl Reproduces for Saving<'_> {
    fn signature_holds(&mut self, candidate: &Scenario) -> bool {
        for kept in &mut self.kept {
            match kept.still_there(candidate) {
                Ok(true) if self.trouble.is_none() => {}
                Ok(_) => return false,
                Err(error) => {
                    self.trouble = Some(error);
                    return false;
                }
            }
        }
        self.trouble.is_none()
    }

    fn simpler(&mut self, found: &Scenario) {
        self.trouble = write_whole(self.output, &found.to_json()).err();
    }
}

fn tell(
    args: &MinimizeArgs,
    before: &Scenario,
    minimized: &Minimized,
    kept: &[Box<dyn Kept>],
) -> anyhow::Result<()> {
    let signatures: BTreeSet<&str> = kept
        .iter()
        .flat_map(|kept| kept.signatures().iter().map(String::as_str))
        .collect();
    let (from, to) = (before.events.len(), minimized.scenario.events.len());
    let file = args.output.display();
    let mut out = io::stdout().lock();
    if args.json {
        let report = json!({
            "file": file.to_string(),
            "events_before": from,
            "events_after": to,
            "executions": minimized.executions,
            "rounds": minimized.rounds,
            "fixed_point": minimized.fixed_point,
            "signatures": signatures,
        });
        writeln!(out, "{report}")?;
    } else {
        let (executions, rounds) = (minimized.executions, minimized.rounds);
        writeln!(
            out,
            "{file}: {from} -> {to} events, {executions} executions, {rounds} rounds"
        )?;
        let signatures: Vec<&str> = signatures.into_iter().collect();
        if !signatures.is_empty() {
            writeln!(out, "  keeps: {}", signatures.join(", "))?;
        }
        if !minimized.fixed_point {
            writeln!(
                out,
                "  the budget ended first: a larger --budget may give a smaller scenario"
            )?;
        }
    }
    out.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_locked_whatever_it_is_called() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let (output, link) = (folder.path().join("out"), folder.path().join("link"));
        fs::write(&output, "")?;
        std::os::unix::fs::symlink(&output, &link)?;
        let first = lock(&output)?;
        let refused = lock(&link).err().map(|error| error.to_string());
        assert!(refused.is_some_and(|error| error.ends_with("another ctxfuzz is writing it")));
        drop(first);
        lock(&link)?;
        Ok(())
    }

    #[test]
    fn each_success_is_written_and_what_cannot_be_written_ends_it() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let output = folder.path().join("small.json");
        let mut saving = Saving {
            kept: Vec::new(),
            output: &output,
            trouble: None,
        };
        let found = Scenario {
            name: Some("found".to_owned()),
            ..Scenario::default()
        };
        saving.simpler(&found);
        assert_eq!(fs::read_to_string(&output)?, found.to_json());
        assert!(saving.signature_holds(&found));
        let nowhere = folder.path().join("none/small.json");
        saving.output = &nowhere;
        saving.simpler(&found);
        assert!(saving.trouble.is_some() && !saving.signature_holds(&found));
        Ok(())
    }
}
