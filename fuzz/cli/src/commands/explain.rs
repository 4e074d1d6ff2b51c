//! `ctxfuzz explain`: where two kernels part on a scenario, and how the wrong value travelled.

use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::run::kernel_hash;
use ctxfuzz_triage::cause::{self, Explanation};
use ctxfuzz_triage::command;
use ctxfuzz_triage::identity::release;
use ctxfuzz_triage::kernels::Kernels;
use ctxfuzz_triage::pair::Pair;
use ctxfuzz_triage::report::html::{self, Page};
use ctxfuzz_triage::untrusted;
use serde_json::{Value, json};

use super::arguments::{AbiArgument, EndianArgument, KernelArguments};
use super::input::{Input, check_output, write_whole};
use super::{Status, functions, run};

/// Arguments of `ctxfuzz explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Scenario file.
    #[arg(value_name = "SCENARIO")]
    scenario: PathBuf,
    #[command(flatten)]
    kernels: KernelArguments,
    /// Whose promises count, for the exit status.
    #[arg(long, value_enum, default_value = "elf")]
    abi: AbiArgument,
    /// Byte orders to explain [default: le, or the one a vmlinux has].
    #[arg(long, value_enum)]
    endian: Option<EndianArgument>,
    /// Write a page for a browser too: one file that needs no network.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// One line of JSON a byte order.
    #[arg(long)]
    json: bool,
}

/// Explains; exit status as `run`.
pub fn explain(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let inputs = [Input::load(&args.scenario)?];
    if !functions::are_known(&inputs, &[&args.kernels.a, &args.kernels.b])? {
        return Ok(Status::Trouble.into());
    }
    let [input] = inputs;
    let endians = args.kernels.endians(args.endian, EndianArgument::Le)?;
    if let Some(file) = &args.html {
        if endians.len() > 1 {
            bail!("--html writes one page, of one byte order: --endian le or --endian be");
        }
        check_output(file)?;
    }
    let mut status = Status::Nothing;
    let mut out = io::stdout().lock();
    for endian in endians {
        let explanation = cause::explain(
            &Kernels::pair(&args.kernels.a, &args.kernels.b),
            endian,
            &input.scenario,
        )?;
        if let Some(file) = &args.html {
            write_whole(file, &page(args, endian, &explanation)?)?;
        }
        let origin = Origin::of(args, endian)?;
        match args.json {
            true => writeln!(out, "{}", origin.json(&explanation))?,
            false => write!(out, "{}{origin}", explanation.text())?,
        }
        status.add(run::status(&explanation.comparison, args.abi.into()));
    }
    out.flush()?;
    Ok(status.into())
}

/// What somebody else needs to see the same.
struct Origin {
    images: [u64; 2],
    /// Of real kernels.
    releases: [Option<String>; 2],
    command: String,
}

impl Origin {
    fn of(args: &ExplainArgs, endian: Endian) -> anyhow::Result<Origin> {
        let (a, b) = (&args.kernels.a, &args.kernels.b);
        Ok(Origin {
            images: [kernel_hash(a, endian)?, kernel_hash(b, endian)?],
            releases: [release(a), release(b)],
            command: command::explain(&[a, b], endian.name(), &args.scenario),
        })
    }

    fn json(&self, explanation: &Explanation) -> Value {
        let mut keys = explanation.json();
        keys["version"] = json!(env!("CARGO_PKG_VERSION"));
        keys["images"] = json!(self.images.map(|image| format!("{image:016x}")));
        if self.releases.iter().any(Option::is_some) {
            keys["releases"] = json!(self.releases);
        }
        keys["command"] = json!(self.command);
        keys
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let image = |side: usize| {
            let image = self.images[side];
            match &self.releases[side] {
                Some(release) => format!("{image:016x} (Linux {})", untrusted::shown(release)),
                None => format!("{image:016x}"),
            }
        };
        let version = env!("CARGO_PKG_VERSION");
        let [a, b] = [image(0), image(1)];
        writeln!(f, "\nctxfuzz {version}, kernel images {a} and {b}")?;
        writeln!(f, "{}", self.command)
    }
}

/// The page needs what each task has at each look, so the scenario is run once more.
fn page(args: &ExplainArgs, endian: Endian, explanation: &Explanation) -> anyhow::Result<String> {
    let (a, b) = (&args.kernels.a, &args.kernels.b);
    let mut pair = Pair::new(a, b, endian)?;
    pair.a.observe();
    pair.b.observe();
    let hashes = [pair.a.hash(), pair.b.hash()];
    let paired = pair.run(&explanation.scenario);
    Ok(html::page(&Page {
        signature: None,
        explanation,
        runs: &[paired.a, paired.b],
        hashes: &hashes,
        facts: &[],
        command: &command::explain(&[a, b], endian.name(), &args.scenario),
    }))
}
