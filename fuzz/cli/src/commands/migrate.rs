//! `ctxfuzz migrate`: puts the signatures of today into files that people keep.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use ctxfuzz_triage::{atomic, json_file, renamed, untrusted};
use serde_json::Value;

/// Arguments of `ctxfuzz migrate`.
#[derive(Debug, Args)]
pub struct MigrateArgs {
    /// Files of known signatures (`--known`, `--expected`) and SARIF logs of ctxfuzz. Each is
    /// written anew, whole or not at all.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Does it, file by file.
pub fn migrate(args: &MigrateArgs) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    for path in &args.files {
        let shown = untrusted::path(path);
        let read = json_file::read(path);
        let mut file: Value = read.map_err(|message| anyhow::anyhow!("{shown}{message}"))?;
        let Some(changed) = renamed::migrate(&mut file) else {
            bail!("{shown}: expected a file of known signatures or a SARIF log");
        };
        if changed.is_empty() {
            writeln!(out, "{shown}: has the names of today")?;
            continue;
        }
        let text = format!("{}\n", serde_json::to_string_pretty(&file)?);
        atomic::write(path, &text).with_context(|| format!("{shown}: cannot write it"))?;
        for (old, new) in changed {
            let (old, new) = (untrusted::shown(&old), untrusted::shown(&new.join(", ")));
            writeln!(out, "{shown}: {old} is {new}")?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
