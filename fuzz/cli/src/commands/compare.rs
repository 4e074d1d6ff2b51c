//! `ctxfuzz compare`: does a change to a kernel change any outcome that somebody can see? For
//! whoever writes or reviews a patch.
//!
//! A campaign that starts from a corpus and leaves it alone; what may change is listed in a file.
//! Which of the two kernels is right is not asked.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, bail};
use clap::Args;
use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_triage::identity::Identity;
use ctxfuzz_triage::kernels::Kernels;
use ctxfuzz_triage::untrusted;
use serde::Serialize;

use super::arguments::{AbiArgument, EndianArgument, KernelArguments, parse_kernel};
use super::{Status, fuzz, proof, triage, warn_of_silence};
use ctxfuzz_campaign::exchange::Alone;
use ctxfuzz_campaign::progress::on_stderr;
use ctxfuzz_campaign::summary::Summary;
use ctxfuzz_campaign::{self as campaign, Config, corpus};

/// Arguments of `ctxfuzz compare`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit status 0: nothing changed but what is expected; 1: something did, see the findings; 2: trouble, nothing can be said.
Ctrl-C ends it early: what was found so far is said.")]
pub struct CompareArgs {
    /// The kernel before, as for `--a`.
    #[arg(value_name = "A", value_parser = parse_kernel)]
    a: KernelName,
    /// The kernel after.
    #[arg(value_name = "B", value_parser = parse_kernel)]
    b: KernelName,
    /// Scenarios to begin with; nothing is written there.
    #[arg(long, value_name = "DIR", default_value = "corpus")]
    corpus: PathBuf,
    /// Executions in each byte order, the corpus included; each runs a scenario on both kernels.
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..))]
    runs: u64,
    /// Decides every choice.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Signatures of changes that are meant, each with a reason: a file as for `fuzz --known`.
    #[arg(long, value_name = "FILE")]
    expected: Option<PathBuf>,
    /// Where unexpected changes go, a directory each, with a scenario that shows it and its cause.
    #[arg(long, value_name = "DIR", default_value = "findings")]
    findings: PathBuf,
    /// Whose promises count.
    #[arg(long, value_enum, default_value = "linux")]
    abi: AbiArgument,
    /// Byte orders to run [default: both, or the one a vmlinux has].
    #[arg(long, value_enum)]
    endian: Option<EndianArgument>,
    /// One object a byte order.
    #[arg(long)]
    json: bool,
}

/// What came of one byte order. Its JSON is a line of `compare --json`.
#[derive(Debug, Serialize)]
struct Compared<'s> {
    a: String,
    b: String,
    /// Real ones, as they are told apart.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    kernels: Vec<Identity>,
    endian: &'static str,
    /// Whether something that is not expected changed.
    changed: bool,
    /// Executions whose two runs could be held against each other; without one there is no answer.
    compared: u64,
    /// What was expected to change and did not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_seen: Vec<&'s str>,
    #[serde(flatten)]
    summary: &'s Summary,
}

/// Compares; see the help for exit statuses.
pub fn compare(args: &CompareArgs) -> anyhow::Result<ExitCode> {
    let kernels = KernelArguments {
        a: args.a.clone(),
        b: args.b.clone(),
    };
    let endians = kernels.endians(args.endian, EndianArgument::Both)?;
    if !args.corpus.is_dir() {
        bail!("{}: no such directory", args.corpus.display());
    }
    proof::tell(&[&args.a, &args.b])?;
    let initial = corpus::initial(Some(&args.corpus), args.seed)?;
    let scenarios = initial.scenarios.len() as u64;
    if args.runs < scenarios {
        let (runs, dir) = (args.runs, args.corpus.display());
        bail!(
            "--runs {runs}: the corpus has {scenarios} scenarios ({dir}): expected at least as many"
        );
    }
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        if asked.swap(true, Ordering::Relaxed) {
            process::exit(fuzz::INTERRUPTED);
        }
    })
    .context("cannot listen for Ctrl-C")?;
    let mut status = Status::Nothing;
    let mut out = io::stdout().lock();
    for endian in endians {
        let config = config(args, endian)?;
        fuzz::warn_of_equal_kernels(&config)?;
        let summary = campaign::run(&config, &mut *on_stderr(), &mut Alone, &stop)?;
        status.add(say(args, &config, &summary, &mut out)?);
    }
    out.flush()?;
    Ok(status.into())
}

fn config(args: &CompareArgs, endian: Endian) -> anyhow::Result<Config> {
    Ok(Config {
        kernels: Kernels::pair(&args.a, &args.b),
        endian,
        corpus: Some(args.corpus.clone()),
        grows: false,
        findings: args.findings.clone(),
        trouble: fuzz::beside(&args.findings),
        seed: args.seed,
        runs: Some(args.runs),
        stop_after: None,
        seconds: None,
        abi: args.abi.into(),
        known: triage::known(args.expected.as_deref())?,
        feedback: true,
        dirty: false,
        shares: false,
        command: triage::this_command(),
    })
}

fn say(
    args: &CompareArgs,
    config: &Config,
    summary: &Summary,
    out: &mut impl Write,
) -> anyhow::Result<Status> {
    let changed = !summary.findings.is_empty();
    let counts = &summary.counts;
    // Runs that say nothing about a kernel leave a hole in the answer.
    let holes = counts.budget + counts.emulator_fault + counts.not_reproduced;
    let short = args.runs.saturating_sub(summary.executions);
    let compared = summary.executions.saturating_sub(counts.not_comparable);
    warn_of_silence(&summary.inconclusive, summary.executions);
    let said = Compared {
        a: args.a.to_string(),
        b: args.b.to_string(),
        kernels: real(config)?,
        endian: config.endian.name(),
        changed,
        compared,
        not_seen: not_seen(config, summary),
        summary,
    };
    match args.json {
        true => writeln!(out, "{}", serde_json::to_string(&said)?)?,
        false => said.print(holes, short, out)?,
    }
    Ok(match (changed, holes + short, compared) {
        (true, ..) => Status::Found,
        (false, 0, 1..) => Status::Nothing,
        (false, ..) => Status::Trouble,
    })
}

fn real(config: &Config) -> anyhow::Result<Vec<Identity>> {
    let kernels = config.kernels.names().iter();
    let real = kernels.filter(|kernel| kernel.vmlinux().is_some());
    real.map(|kernel| Ok(Identity::of(kernel)?)).collect()
}

/// Signatures that the user expects and that did not occur: the patch does less than was thought,
/// or the search was too short.
fn not_seen<'s>(config: &'s Config, summary: &Summary) -> Vec<&'s str> {
    let met = |signature: &&str| summary.known.iter().any(|k| k.signature == *signature);
    let expected = config.known.signatures();
    expected.filter(|signature| !met(signature)).collect()
}

impl Compared<'_> {
    fn print(&self, holes: u64, short: u64, out: &mut impl Write) -> io::Result<()> {
        let answer = match (self.changed, self.compared, holes, short) {
            (true, ..) => "yes, outcomes change",
            (false, 0, ..) => "nothing was compared: no two runs had the same schedule and an end",
            (false, _, 0, 0) => "no outcome changes that anybody can see",
            (false, _, _, 0) => "nothing was seen to change, but some runs say nothing",
            (false, ..) => "nothing was seen to change, but it was ended early",
        };
        let Compared { a, b, endian, .. } = self;
        writeln!(out, "{a} -> {b} ({endian}): {answer}")?;
        for finding in &self.summary.findings {
            let (verdict, path) = (finding.verdict, &finding.path);
            writeln!(out, "  {} ({verdict}): {path}", finding.signature)?;
        }
        for known in &self.summary.known {
            let reason = untrusted::shown(&known.reason);
            writeln!(out, "  expected: {}: {reason}", known.signature)?;
        }
        for signature in &self.not_seen {
            let signature = untrusted::shown(signature);
            writeln!(out, "  expected and not seen: {signature}")?;
        }
        let executions = self.summary.executions;
        let counts = &self.summary.counts;
        // Those that were cut off are among the ones that say nothing.
        let cut_off = counts.budget + counts.emulator_fault;
        let other = counts.not_comparable.saturating_sub(cut_off);
        writeln!(
            out,
            "  {executions} executions, {other} with other schedules, {holes} that say nothing"
        )?;
        match self.summary.inconclusive.line(executions) {
            Some(line) => writeln!(out, "  {line}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use ctxfuzz_campaign::summary::Counts;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        compare: CompareArgs,
    }

    fn said(counts: Counts) -> anyhow::Result<(Status, String)> {
        let line = "compare fixed clobbering --runs 7";
        let args = Line::try_parse_from(line.split_whitespace())?.compare;
        let summary = Summary {
            executions: 7,
            seconds: 1.0,
            scenarios_per_second: 7.0,
            corpus: 1,
            counts,
            ..Summary::default()
        };
        let mut out = Vec::new();
        let config = config(&args, Endian::Big)?;
        let status = say(&args, &config, &summary, &mut out)?;
        Ok((status, String::from_utf8(out)?))
    }

    #[test]
    fn where_nothing_was_compared_there_is_no_answer() -> anyhow::Result<()> {
        let not_comparable = |count| Counts {
            not_comparable: count,
            ..Counts::default()
        };
        let (status, text) = said(not_comparable(7))?;
        assert_eq!(status, Status::Trouble);
        assert!(text.contains("(be): nothing was compared"), "{text}");
        let (status, text) = said(not_comparable(6))?;
        assert_eq!(status, Status::Nothing);
        assert!(text.contains("no outcome changes"), "{text}");
        let (status, text) = said(Counts {
            budget: 1,
            ..not_comparable(3)
        })?;
        assert_eq!(status, Status::Trouble);
        let told = "7 executions, 2 with other schedules, 1 that say nothing";
        assert!(text.contains(told), "{text}");
        Ok(())
    }
}
