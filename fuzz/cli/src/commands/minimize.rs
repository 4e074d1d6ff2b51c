//! `ctxfuzz minimize`: the smallest scenario with the same root causes.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_scenario::scenario::{Place, Scenario, Verdict};
use ctxfuzz_triage::cause::Explainer;
use ctxfuzz_triage::compare::{Comparison, What};
use ctxfuzz_triage::lock::Lock;
use ctxfuzz_triage::minimize::{self, Minimized, Reproduces};
use ctxfuzz_triage::pair::Pair;
use serde_json::json;

use super::arguments::{EndianArgument, KernelArguments};
use super::input::{Input, check_output, folder_of, write_whole};
use super::{Status, functions};

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
    kernels: KernelArguments,
    /// Byte orders that must show the same root causes [default: le, or the one a vmlinux has].
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

/// Minimizes and writes the result; exit status 0 when it is written.
pub fn minimize(args: &MinimizeArgs) -> anyhow::Result<ExitCode> {
    let inputs = [Input::load(&args.scenario)?];
    if !functions::are_known(&inputs, &[&args.kernels.a, &args.kernels.b])? {
        return Ok(Status::Trouble.into());
    }
    let [input] = inputs;
    check_output(&args.output)?;
    let _lock = lock(&args.output)?;
    let mut kept = Vec::new();
    for endian in args.kernels.endians(args.endian, EndianArgument::Le)? {
        kept.push(Kept::new(args, endian, &input)?);
    }
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
    kept: Vec<Kept>,
    output: &'a Path,
    /// Nothing is tried any more after this.
    trouble: Option<anyhow::Error>,
}

impl Reproduces for Saving<'_> {
    fn signature_holds(&mut self, candidate: &Scenario) -> bool {
        self.trouble.is_none() && self.kept.iter_mut().all(|kept| kept.still_there(candidate))
    }

    fn simpler(&mut self, found: &Scenario) {
        self.trouble = write_whole(self.output, &found.to_json()).err();
    }
}

fn tell(
    args: &MinimizeArgs,
    before: &Scenario,
    minimized: &Minimized,
    kept: &[Kept],
) -> anyhow::Result<()> {
    let signatures: BTreeSet<&str> = kept
        .iter()
        .flat_map(|kept| kept.signatures.iter().map(String::as_str))
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

/// What may not get lost in one byte order.
struct Kept {
    pair: Pair,
    explainer: Explainer,
    signatures: Vec<String>,
    verdict: Verdict,
    /// Where what differs; takes the place of signatures where a root cause is not known.
    visible: BTreeSet<(Place, What, Verdict)>,
}

impl Kept {
    fn new(args: &MinimizeArgs, endian: Endian, input: &Input) -> anyhow::Result<Kept> {
        let (a, b) = (args.kernels.a.clone(), args.kernels.b.clone());
        let mut pair = Pair::new(&a, &b, endian)?;
        let comparison = pair.run(&input.scenario).comparison;
        let file = args.scenario.display();
        if let Some(reason) = comparison.reason() {
            bail!("{file}: nothing to minimize: the runs cannot be compared: {reason}");
        }
        if comparison.verdict <= Verdict::Dead {
            bail!(
                "{file}: nothing to minimize: {a} and {b} ({}) do not differ in anything that somebody can see",
                endian.name()
            );
        }
        let mut explainer = Explainer::new(&a, &b, endian)?;
        let signatures = explainer.explain(&input.scenario).signatures();
        Ok(Kept {
            pair,
            explainer,
            signatures,
            verdict: comparison.verdict,
            visible: visible(&comparison),
        })
    }

    /// Whether a candidate shows the same root causes to the same people: one cause can be `live`
    /// on one path and `abi` on another.
    fn still_there(&mut self, candidate: &Scenario) -> bool {
        // Most candidates fail here, for a fraction of what a recorded run costs.
        let comparison = self.pair.run(candidate).comparison;
        if !comparison.comparable() || comparison.verdict != self.verdict {
            return false;
        }
        if self.signatures.is_empty() {
            return visible(&comparison) == self.visible;
        }
        self.explainer.explain(candidate).signatures() == self.signatures
    }
}

fn visible(comparison: &Comparison) -> BTreeSet<(Place, What, Verdict)> {
    comparison
        .visible()
        .map(|difference| (difference.place, difference.what, difference.verdict))
        .collect()
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
