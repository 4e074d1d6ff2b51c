//! `ctxfuzz explain`: where two kernels part on a scenario, or one from what was expected of it,
//! and how the wrong value travelled.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use ctxfuzz_campaign::observed::observed;
use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_triage::cause::{self, Explanation};
use ctxfuzz_triage::command;
use ctxfuzz_triage::identity::release;
use ctxfuzz_triage::kernels::Kernels;
use ctxfuzz_triage::machines::Machines;
use ctxfuzz_triage::report::html::{self, Page};
use ctxfuzz_triage::untrusted;
use serde_json::{Value, json};

use super::arguments::{AbiArgument, EndianArgument, PairOrOneArguments};
use super::input::{Input, check_output, write_whole};
use super::{Status, functions, run};

/// Arguments of `ctxfuzz explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Scenario file.
    #[arg(value_name = "SCENARIO")]
    scenario: PathBuf,
    #[command(flatten)]
    kernels: PairOrOneArguments,
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
    let kernels = args.kernels.kernels();
    let names: Vec<_> = kernels.names().iter().collect();
    if !functions::are_known(&inputs, &names)? {
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
        let explanation = cause::explain(&kernels, endian, &input.scenario)?;
        let origin = Origin::of(&kernels, endian, &args.scenario)?;
        if let Some(file) = &args.html {
            write_whole(file, &page(&origin, &explanation)?)?;
        }
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
    /// Hashes, A's first.
    images: Vec<u64>,
    /// Of real kernels.
    releases: Vec<Option<String>>,
    command: String,
}

impl Origin {
    fn of(kernels: &Kernels, endian: Endian, scenario: &Path) -> anyhow::Result<Origin> {
        let names = kernels.names();
        Ok(Origin {
            images: kernels.images(endian)?,
            releases: names.iter().map(release).collect(),
            command: command::explain(names, endian.name(), scenario),
        })
    }

    fn json(&self, explanation: &Explanation) -> Value {
        let mut keys = explanation.json();
        let images = self.images.iter().map(|image| format!("{image:016x}"));
        keys["version"] = json!(env!("CARGO_PKG_VERSION"));
        keys["images"] = images.collect();
        if self.releases.iter().any(Option::is_some) {
            keys["releases"] = json!(self.releases);
        }
        keys["command"] = json!(self.command);
        keys
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let image = |(image, release): (&u64, &Option<String>)| match release {
            Some(release) => format!("{image:016x} (Linux {})", untrusted::shown(release)),
            None => format!("{image:016x}"),
        };
        let images: Vec<String> = self.images.iter().zip(&self.releases).map(image).collect();
        let s = if images.len() == 1 { "" } else { "s" };
        let version = env!("CARGO_PKG_VERSION");
        let images = images.join(" and ");
        writeln!(f, "\nctxfuzz {version}, kernel image{s} {images}")?;
        writeln!(f, "{}", self.command)
    }
}

/// The page needs what each task has at each look, so the scenario is run once more.
fn page(origin: &Origin, explanation: &Explanation) -> anyhow::Result<String> {
    let mut machines = Machines::new(&explanation.kernels, explanation.endian)?;
    Ok(html::page(&Page {
        signature: None,
        explanation,
        runs: &observed(&mut machines, &explanation.scenario),
        hashes: &origin.images,
        facts: &[],
        command: &origin.command,
    }))
}
