//! `ctxfuzz snapshot`: boots a real kernel and keeps it at the point where scenarios start.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use ctxfuzz_emulator::kernel::snapshot::{BootOptions, Snapshot};

use super::input::check_output;

/// Arguments of `ctxfuzz snapshot`.
#[derive(Debug, Args)]
pub struct SnapshotArgs {
    /// The kernel: an uncompressed ppc64 vmlinux with its symbols.
    #[arg(long, value_name = "FILE")]
    vmlinux: PathBuf,
    /// Where to write the snapshot; without it, the cache.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// One object in JSON.
    #[arg(long)]
    json: bool,
}

/// Makes a snapshot, and says what it is of.
pub fn snapshot(args: &SnapshotArgs) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let snapshot = match &args.output {
        Some(output) => {
            check_output(output)?;
            let snapshot = Snapshot::boot(&args.vmlinux, &BootOptions::default())?;
            snapshot.write(output)?;
            snapshot
        }
        None => Snapshot::cached(&args.vmlinux)?,
    };
    let mut out = io::stdout().lock();
    writeln!(out, "{}", snapshot.version)?;
    writeln!(
        out,
        "{} {:016x} {} pages {:?}",
        snapshot.endian.name(),
        snapshot.hash(),
        snapshot.pages.len(),
        started.elapsed()
    )?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
