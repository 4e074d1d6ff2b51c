//! `ctxfuzz snapshot`: boots a real kernel and keeps it at the point where scenarios start.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use ctxfuzz_emulator::kernel::snapshot::{BootOptions, Cached, Snapshot};
use serde::Serialize;

use super::arguments::{parse_kernel, parse_memory};
use super::input::check_output;
use super::proof;

/// Arguments of `ctxfuzz snapshot`.
#[derive(Debug, Args)]
pub struct SnapshotArgs {
    /// The kernel: an uncompressed ppc64 vmlinux with its symbols, or a Debian package that has
    /// one.
    #[arg(long, value_name = "FILE")]
    vmlinux: PathBuf,
    /// Boot the kernel whatever the cache has, and write the snapshot to this file.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Memory of the machine in MiB [default: 256, or what a snapshot in the cache has]. A kernel
    /// with lockdep needs more. What is used from then on has as much.
    #[arg(long, value_name = "MIB", value_parser = parse_memory)]
    memory: Option<u64>,
    /// One object in JSON.
    #[arg(long)]
    json: bool,
}

/// What is told of a snapshot.
#[derive(Debug, Serialize)]
struct Told {
    version: String,
    endian: &'static str,
    vmlinux: String,
    kernel_hash: String,
    /// Of memory and registers.
    hash: String,
    memory_size: u64,
    pages: usize,
    symbols: usize,
    file: String,
    file_size: u64,
    /// Whether the kernel was booted now.
    booted: bool,
    seconds: f64,
}

/// Makes a snapshot, and says what it is of.
pub fn snapshot(args: &SnapshotArgs) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let cached = match &args.output {
        Some(output) => boot(args, output)?,
        None => match args.memory {
            Some(size) => Cached::with_memory(&args.vmlinux, size << 20)?,
            None => Cached::get(&args.vmlinux)?,
        },
    };
    let seconds = started.elapsed().as_secs_f64();
    let told = Told::new(&cached, seconds)?;
    let mut out = io::stdout().lock();
    match args.json {
        true => writeln!(out, "{}", serde_json::to_string(&told)?)?,
        false => told.print(&mut out)?,
    }
    out.flush()?;
    // What a new kernel does not do is said when it is made. A file of one's own choice is no
    // kernel's that has a name.
    if args.output.is_none() {
        let written = format!("vmlinux:{}", args.vmlinux.display());
        proof::tell(&[&parse_kernel(&written)?])?;
    }
    Ok(ExitCode::SUCCESS)
}

fn boot(args: &SnapshotArgs, output: &PathBuf) -> anyhow::Result<Cached> {
    check_output(output)?;
    let usual = BootOptions::default();
    let options = BootOptions {
        memory_size: args.memory.map_or(usual.memory_size, |size| size << 20),
        ..usual
    };
    let snapshot = Snapshot::boot(&args.vmlinux, &options)?;
    // A symbolic link stays one: what it points at is written.
    let path = fs::canonicalize(output).unwrap_or_else(|_| output.clone());
    snapshot.write(&path)?;
    Ok(Cached {
        snapshot,
        path,
        booted: true,
    })
}

impl Told {
    fn new(cached: &Cached, seconds: f64) -> io::Result<Self> {
        let snapshot = &cached.snapshot;
        Ok(Told {
            version: snapshot.version.clone(),
            endian: snapshot.endian.name(),
            vmlinux: snapshot.vmlinux.display().to_string(),
            kernel_hash: format!("{:016x}", snapshot.kernel_hash),
            hash: format!("{:016x}", snapshot.hash()),
            memory_size: snapshot.memory_size,
            pages: snapshot.pages.len(),
            symbols: snapshot.symbols.len(),
            file: cached.path.display().to_string(),
            file_size: fs::metadata(&cached.path)?.len(),
            booted: cached.booted,
            seconds,
        })
    }

    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        const MIB: f64 = (1 << 20) as f64;
        let how = match self.booted {
            true => "booted",
            false => "from the cache",
        };
        writeln!(out, "{}", self.version)?;
        writeln!(
            out,
            "  vmlinux   {} ({}, hash {})",
            self.vmlinux, self.endian, self.kernel_hash
        )?;
        writeln!(
            out,
            "  state     {:.1} of {:.0} MiB memory in use, {} symbols, hash {}",
            self.pages as f64 * 4096.0 / MIB,
            self.memory_size as f64 / MIB,
            self.symbols,
            self.hash
        )?;
        writeln!(
            out,
            "  snapshot  {} ({:.1} MiB, {how} in {:.1} s)",
            self.file,
            self.file_size as f64 / MIB,
            self.seconds
        )
    }
}
