//! `ctxfuzz kernels`: what can be named with `--a` and `--b`.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use ctxfuzz_emulator::kernel::defects::{DEFECTS, Severity};
use ctxfuzz_emulator::kernel::image::KernelImage;
use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_emulator::run::outcome::Endian;
use serde::Serialize;

/// Arguments of `ctxfuzz kernels`.
#[derive(Debug, Args)]
pub struct KernelsArgs {
    /// One object in JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Listed {
    name: String,
    title: &'static str,
    origin: &'static str,
    severity: Option<&'static str>,
    hash: Hashes,
}

/// Hashes of the patched images.
#[derive(Debug, Serialize)]
struct Hashes {
    le: String,
    be: String,
}

/// Lists the models, and every defect that can be put into them.
pub fn kernels(args: &KernelsArgs) -> anyhow::Result<ExitCode> {
    let mut listed = vec![
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
    ];
    for defect in DEFECTS {
        let name = format!("fixed+{}", defect.id);
        listed.push(self::listed(
            &name,
            defect.title,
            defect.origin,
            Some(defect.severity),
        )?);
    }
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::json!({ "kernels": listed }))?;
    } else {
        table(&mut out, &listed)?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn listed(
    name: &str,
    title: &'static str,
    origin: &'static str,
    severity: Option<Severity>,
) -> anyhow::Result<Listed> {
    let kernel: KernelName = name.parse()?;
    let hash = |endian| -> anyhow::Result<String> {
        Ok(format!("{:016x}", KernelImage::load(&kernel, endian)?.hash))
    };
    Ok(Listed {
        name: name.to_owned(),
        title,
        origin,
        severity: severity.map(word),
        hash: Hashes {
            le: hash(Endian::Little)?,
            be: hash(Endian::Big)?,
        },
    })
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Live => "live",
        Severity::Abi => "abi",
        Severity::Harmless => "harmless",
    }
}

fn table(out: &mut impl Write, listed: &[Listed]) -> io::Result<()> {
    for kernel in listed {
        let severity = kernel.severity.unwrap_or("-");
        let Hashes { le, be } = &kernel.hash;
        writeln!(out, "{:<36} {severity:<8}  le {le}  be {be}", kernel.name)?;
        writeln!(out, "    {} [{}]", kernel.title, kernel.origin)?;
    }
    writeln!(out)?;
    writeln!(
        out,
        "Defects can be put together: fixed+vscr-not-restored+vrsave-not-saved. Where a"
    )?;
    writeln!(
        out,
        "hash is that of fixed, the defect does not exist in that byte order."
    )
}
