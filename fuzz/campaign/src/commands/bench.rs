//! `ctxfuzz bench`: what ctxfuzz itself is worth, measured.

mod detection;
mod page;
mod silence;

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
    /// How many scenarios pass without a false alarm where there is nothing to see.
    Silence(silence::SilenceArgs),
}

/// Does it.
pub fn bench(args: &BenchArgs) -> anyhow::Result<ExitCode> {
    match &args.what {
        What::Detection(args) => detection::detection(args),
        What::Silence(args) => silence::silence(args),
    }
}
