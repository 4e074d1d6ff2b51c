//! `ctxfuzz kernels`: what can be named with `--a` and `--b`, and short names for it.

mod names;
mod prove;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::defects::{self, Severity};
use ctxfuzz_emulator::kernel::image::KernelImage;
use ctxfuzz_emulator::kernel::name::KernelName;
use serde::Serialize;

use super::arguments::{EndianArgument, parse_kernel};
use super::text::wrap;

/// Arguments of `ctxfuzz kernels`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "\
Exit status: 0 done, 2 trouble; with --prove also if an event that this kernel can do did not happen.")]
pub struct KernelsArgs {
    #[command(subcommand)]
    action: Option<Action>,
    /// Try every event and effect of the scenario language on this kernel, and say of each whether
    /// it happens.
    #[arg(long, value_name = "KERNEL", value_parser = parse_kernel)]
    prove: Option<KernelName>,
    /// Byte order of a model that is tried; a vmlinux has its own.
    #[arg(long, value_enum, requires = "prove", default_value = "le")]
    endian: EndianArgument,
    /// One object in JSON.
    #[arg(long)]
    json: bool,
}

/// What can be done with short names.
#[derive(Debug, Subcommand)]
enum Action {
    /// Give a real kernel a short name.
    Add(names::AddArgs),
    /// Take a short name away; the kernel's file stays.
    Remove(names::RemoveArgs),
}

#[derive(Debug, Serialize)]
struct Listed {
    name: String,
    title: &'static str,
    origin: String,
    severity: Option<&'static str>,
    hash: Hashes,
}

/// Hashes of the patched images.
#[derive(Debug, Serialize)]
struct Hashes {
    le: String,
    be: String,
}

/// Lists the models and short names, and in JSON every defect that can be put into a model; or
/// tries what happens on a kernel; or changes short names.
pub fn kernels(args: &KernelsArgs) -> anyhow::Result<ExitCode> {
    match &args.action {
        Some(Action::Add(args)) => return names::add(args),
        Some(Action::Remove(args)) => return names::remove(args),
        None => {}
    }
    if let Some(kernel) = &args.prove {
        return prove::prove(kernel, args.endian, args.json);
    }
    let models = [
        listed(
            "fixed",
            "every save path puts back what it borrowed",
            "Linux 6.1 with 5e1d824f9a28",
            None,
        )?,
        listed(
            "clobbering",
            "fixed with the four save-... and store-... defects: the bug that started it",
            "Linux 6.1 before 5e1d824f9a28",
            Some(Severity::Live),
        )?,
        listed(
            "repaired",
            "fixed with all repair-... entries: without what 6.1 itself is suspected of",
            "Linux 6.1, improved",
            None,
        )?,
    ];
    let named = names::listed()?;
    let mut out = io::stdout().lock();
    if args.json {
        let mut all = Vec::from(models);
        for defect in defects::all() {
            let name = format!("fixed+{}", defect.id);
            let origin = defect.origin.to_string();
            all.push(listed(&name, defect.title, &origin, Some(defect.severity))?);
        }
        writeln!(
            out,
            "{}",
            serde_json::json!({ "kernels": all, "named": named })
        )?;
    } else {
        table(&mut out, &models)?;
        write!(out, "{}", names::table(&named))?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn listed(
    name: &str,
    title: &'static str,
    origin: &str,
    severity: Option<Severity>,
) -> anyhow::Result<Listed> {
    let kernel: KernelName = name.parse()?;
    let hash = |endian| -> anyhow::Result<String> {
        Ok(format!("{:016x}", KernelImage::load(&kernel, endian)?.hash))
    };
    Ok(Listed {
        name: name.to_owned(),
        title,
        origin: origin.to_owned(),
        severity: severity.map(Severity::name),
        hash: Hashes {
            le: hash(Endian::Little)?,
            be: hash(Endian::Big)?,
        },
    })
}

fn table(out: &mut impl Write, listed: &[Listed]) -> io::Result<()> {
    for kernel in listed {
        let Hashes { le, be } = &kernel.hash;
        writeln!(out, "{:<16} le {le}  be {be}", kernel.name)?;
        let mut title = String::new();
        let words = format!("{} [{}]", kernel.title, kernel.origin);
        wrap(&mut title, "    ", 0, &words);
        write!(out, "{title}")?;
    }
    let defects = defects::all().count();
    writeln!(out, "NAME+DEFECT[+DEFECT...]")?;
    writeln!(
        out,
        "    a model with some of {defects} known defects: `ctxfuzz defects` lists them"
    )?;
    writeln!(out, "shuffled:MODEL")?;
    writeln!(
        out,
        "    a model in another build: for size, functions in another order"
    )?;
    writeln!(out, "vmlinux:FILE")?;
    writeln!(
        out,
        "    a real kernel, or a Debian package that has one: docs/real-kernels.md"
    )
}
