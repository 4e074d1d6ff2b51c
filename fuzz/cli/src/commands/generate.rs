//! `ctxfuzz generate`: random scenarios, or a fixed skeleton with random parts.

mod template;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use ctxfuzz_generators::any_scenario;
use ctxfuzz_scenario::Scenario;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use self::template::Template;
use super::Status;
use super::input::write_whole;

/// Arguments of `ctxfuzz generate`.
#[derive(Debug, Args)]
#[command(after_help = "\
In a template, `\"?\"` in place of a task or an event is a random one, and `\"*\"` in place of an event is none to eight of them.")]
pub struct GenerateArgs {
    /// How many.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
    /// Decides everything: the same seed gives the same scenarios.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// A scenario with holes.
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
    /// Where they go, a file each. Without it one scenario goes to stdout.
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// With -o: one object a file.
    #[arg(long, requires = "output")]
    json: bool,
}

/// Generates; exit status 0 when all is written.
pub fn generate(args: &GenerateArgs) -> anyhow::Result<ExitCode> {
    let template = args.template.as_deref().map(Template::load).transpose()?;
    if args.output.is_none() && args.count > 1 {
        bail!(
            "--count {}: several scenarios need a directory: expected -o DIR",
            args.count
        );
    }
    if let Some(dir) = &args.output {
        fs::create_dir_all(dir).with_context(|| format!("{}", dir.display()))?;
    }
    let mut out = io::stdout().lock();
    for index in 0..args.count {
        let seed = xxh3_64_with_seed(&index.to_le_bytes(), args.seed);
        let scenario = match &template {
            Some(template) => template.fill(seed)?,
            None => any_scenario(seed),
        };
        match &args.output {
            None => write!(out, "{}", scenario.to_json())?,
            Some(dir) => put(dir, scenario, seed, args.json, &mut out)?,
        }
    }
    out.flush()?;
    Ok(Status::Nothing.into())
}

fn put(
    dir: &Path,
    scenario: Scenario,
    seed: u64,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let name = format!("random-{seed:016x}");
    let path = dir.join(format!("{name}.json"));
    let scenario = Scenario {
        name: Some(name),
        ..scenario
    };
    write_whole(&path, &scenario.to_json())?;
    if json {
        let events = scenario.events.len();
        let row = serde_json::json!({"file": path.display().to_string(), "events": events});
        writeln!(out, "{row}")?;
    }
    Ok(())
}
