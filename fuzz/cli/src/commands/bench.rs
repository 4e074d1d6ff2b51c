//! `ctxfuzz bench`: what ctxfuzz itself is worth, measured.

mod detection;
mod page;
mod silence;
mod triage;

use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Subcommand};
use ctxfuzz_emulator::kernel::defects::{self, Defect};

/// Arguments of `ctxfuzz bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// How many executions it takes to meet each known defect.
    Detection(detection::DetectionArgs),
    /// How many scenarios pass without a false alarm where there is nothing to see.
    Silence(silence::SilenceArgs),
    /// Whether explanations of campaign findings name the function at fault and the kind of fault;
    /// what the minimizer makes of them.
    Triage(triage::TriageArgs),
}

/// Does it.
pub fn bench(args: &BenchArgs) -> anyhow::Result<ExitCode> {
    match &args.what {
        What::Detection(args) => detection::detection(args),
        What::Silence(args) => silence::silence(args),
        What::Triage(args) => triage::triage(args),
    }
}

/// Defects that somebody can see.
fn chosen(names: &[String]) -> anyhow::Result<Vec<&'static Defect>> {
    let seen = || defects::all().filter(|defect| defect.witness.is_some());
    if names.is_empty() {
        return Ok(seen().collect());
    }
    let one = |name: &String| match seen().find(|defect| defect.id == name) {
        Some(defect) => Ok(defect),
        None => bail!("`{name}` is no defect that a task can notice: `ctxfuzz defects` lists them"),
    };
    names.iter().map(one).collect()
}
