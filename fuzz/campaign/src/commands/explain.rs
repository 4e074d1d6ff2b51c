//! `ctxfuzz explain`: where two kernels part on a scenario, and how the wrong value travelled.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use ctxfuzz_triage::cause;

use super::arguments::{AbiArgument, EndianArgument, KernelArguments};
use super::input::Input;
use super::{Status, run};

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
    /// One line of JSON a byte order.
    #[arg(long)]
    json: bool,
}

/// Explains; exit status as `run`.
pub fn explain(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let input = Input::load(&args.scenario)?;
    let mut status = Status::Nothing;
    let mut out = io::stdout().lock();
    for endian in args.kernels.endians(args.endian, EndianArgument::Le)? {
        let explanation =
            cause::explain(&args.kernels.a, &args.kernels.b, endian, &input.scenario)?;
        match args.json {
            true => writeln!(out, "{}", explanation.json())?,
            false => write!(out, "{}", explanation.text())?,
        }
        status.add(run::status(&explanation.comparison, args.abi.into()));
    }
    out.flush()?;
    Ok(status.into())
}
