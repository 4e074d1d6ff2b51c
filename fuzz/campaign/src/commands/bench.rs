//! `ctxfuzz bench`: what ctxfuzz itself is worth, measured.

mod detection;
mod page;

use std::process::ExitCode;

use clap::{Args, Subcommand};

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
}

/// Does it.
pub fn bench(args: &BenchArgs) -> anyhow::Result<ExitCode> {
    match &args.what {
        What::Detection(args) => detection::detection(args),
    }
}
