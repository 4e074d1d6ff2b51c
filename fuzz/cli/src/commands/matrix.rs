//! `ctxfuzz matrix`: what comes of the corpus and of kept findings on each of several kernels.
//!
//! Each kernel is judged by itself, as `check --kernel` judges it. Not responsible for what a
//! matrix is, nor for how it is shown (the triage crate's `matrix`).

mod rows;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_triage::definedness::Abi;
use ctxfuzz_triage::identity::Identity;
use ctxfuzz_triage::matrix::{Cell, Column, Matrix, Row, SCHEMA, Since};
use ctxfuzz_triage::report::html::matrix_page;
use ctxfuzz_triage::untrusted;
use serde::Serialize;

use self::rows::Case;
use super::arguments::{AbiArgument, EndianArgument, endians_of, parse_kernel};
use super::check::{Checker, meaning};
use super::input::{check_output, write_or_print, write_whole};
use super::{Status, proof, triage};

/// Arguments of `ctxfuzz matrix`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit status: 0 nothing to report, 1 something to report, 2 trouble (bad input or arguments, a run that says nothing). \
With --baseline: 0 no cell got worse, 1 one did, 2 bad input or arguments.")]
pub struct MatrixArgs {
    /// The kernels, as for `check --kernel`: models in both byte orders, a real kernel in its own.
    #[arg(value_name = "KERNEL", required = true, value_parser = parse_kernel)]
    kernels: Vec<KernelName>,
    /// Scenarios: every *.json in it.
    #[arg(long, value_name = "DIR", default_value = "corpus")]
    corpus: PathBuf,
    /// Findings that `fuzz` or `check --findings` has kept, beside the corpus.
    #[arg(long, value_name = "DIR")]
    findings: Vec<PathBuf>,
    /// An earlier matrix of the same kernels, as --json printed it: exit status 1 if a cell got
    /// worse since, else 0.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Whose promises count for the exit status; the cells have both.
    #[arg(long, value_enum, default_value = "elf")]
    abi: AbiArgument,
    /// Write a page for a browser too.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the matrix to this file instead of stdout.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// One object in JSON.
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    matrix: &'a Matrix,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<&'a Since>,
}

/// Runs everything, and says by its exit status whether there is something to report.
pub fn matrix(args: &MatrixArgs) -> anyhow::Result<ExitCode> {
    for file in [&args.html, &args.output].into_iter().flatten() {
        check_output(file)?;
    }
    let Some(cases) = rows::load(&args.corpus, &args.findings)? else {
        return Ok(Status::Trouble.into());
    };
    let columns = columns(&args.kernels)?;
    let baseline = args.baseline.as_ref().map(|path| {
        let named = || untrusted::path(path);
        let baseline = Matrix::read(path).with_context(named)?;
        baseline.places(&columns).with_context(named)?;
        anyhow::Ok(baseline)
    });
    let baseline = baseline.transpose()?;
    let (matrix, mut status) = fill(args, &cases, columns)?;
    let since = baseline
        .map(|baseline| matrix.since(&baseline))
        .transpose()?;
    if let Some(since) = &since {
        status = match since.worse.is_empty() {
            true => Status::Nothing,
            false => Status::Found,
        };
    }
    write(args, &matrix, since.as_ref())?;
    Ok(status.into())
}

fn write(args: &MatrixArgs, matrix: &Matrix, since: Option<&Since>) -> anyhow::Result<()> {
    if let Some(file) = &args.html {
        write_whole(file, &matrix_page(matrix, since, &triage::this_command()))?;
    }
    let text = match args.json {
        true => serde_json::to_string(&Told { matrix, since })? + "\n",
        false => matrix.text() + &since.map(Since::text).unwrap_or_default(),
    };
    write_or_print(args.output.as_deref(), &text)
}

/// A kernel with nothing of it in memory: those of a matrix need not fit there at once.
fn unloaded(kernel: &KernelName) -> anyhow::Result<KernelName> {
    Ok(parse_kernel(&kernel.to_string())?)
}

/// The columns. Every kernel has been booted then, and nothing has been run.
fn columns(kernels: &[KernelName]) -> anyhow::Result<Vec<Column>> {
    let mut columns = Vec::new();
    for (index, kernel) in kernels.iter().enumerate() {
        if kernels[..index].contains(kernel) {
            bail!("{kernel}: is named twice");
        }
        let kernel = unloaded(kernel)?;
        let own = endians_of(&kernel, None)?;
        let endians = own.map_or(EndianArgument::Both.endians().to_vec(), |own| vec![own]);
        proof::tell(&[&kernel])?;
        for endian in endians {
            columns.push(Column {
                kernel: Identity::of(&kernel)?,
                endian: endian.name().to_owned(),
            });
        }
    }
    Ok(columns)
}

/// Runs the scenarios, one kernel after the other.
fn fill(
    args: &MatrixArgs,
    cases: &[Case],
    columns: Vec<Column>,
) -> anyhow::Result<(Matrix, Status)> {
    let mut rows: Vec<Row> = cases.iter().map(Case::row).collect();
    let mut status = Status::Nothing;
    for column in &columns {
        let both = Endian::BOTH.into_iter();
        let endian = both.filter(|endian| endian.name() == column.endian);
        let mut checker = Checker::new(&parse_kernel(&column.kernel.kernel)?);
        for endian in endian {
            for (case, row) in cases.iter().zip(&mut rows) {
                // Whatever somebody may want to hear of is seen on a fresh machine too.
                let judgement = checker.check(&case.scenario, endian, Abi::Linux)?;
                status.add(meaning(&judgement, args.abi.into()));
                row.cells.push(Cell::of(&judgement));
            }
        }
    }
    let matrix = Matrix {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        kernels: columns,
        scenarios: rows,
    };
    Ok((matrix, status))
}
