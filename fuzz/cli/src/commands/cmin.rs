//! `ctxfuzz cmin`: the smallest corpus with the same coverage and signatures; and what foreign
//! corpora add to one.
//!
//! Each scenario runs once on all kernels. Only when all is decided and written are files removed.

mod features;

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use ctxfuzz_scenario::Scenario;
use ctxfuzz_scenario::load::files_in;
use ctxfuzz_triage::cmin::{Candidate, Decision, cmin as decide};
use ctxfuzz_triage::untrusted;
use serde_json::json;

use self::features::{Features, processors};
use super::arguments::{EndianArgument, PairOrOneArguments};
use super::input::{not_a_file, write_whole};
use super::{Status, complain, proof, warn_of_silence};
use ctxfuzz_campaign::corpus;

/// Arguments of `ctxfuzz cmin`.
#[derive(Debug, Args)]
#[command(after_help = "\
Scenarios with `expect` rows are pinned: they stay. Files that are no scenarios are named and left alone.
Exit status 0: done; 2: done, but some files could not be read.")]
pub struct CminArgs {
    /// Corpus directories, with what campaigns have put into their folder `found`. Of two files
    /// that reach the same the smaller one stays.
    #[arg(required = true, value_name = "DIR")]
    directories: Vec<PathBuf>,
    /// Where the files that stay go. One of DIR: the others are removed from it.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    kernels: PairOrOneArguments,
    /// Byte order: le or be [default: le, or the one a vmlinux has].
    #[arg(long, value_enum)]
    endian: Option<EndianArgument>,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// One object a file, then one for the whole.
    #[arg(long)]
    json: bool,
}

/// A file that was read.
struct File {
    path: PathBuf,
    text: String,
    scenario: Scenario,
    /// Whether it lies where the result goes.
    at_home: bool,
}

/// Minimizes; see the help for exit statuses.
pub fn cmin(args: &CminArgs) -> anyhow::Result<ExitCode> {
    let endians = args.kernels.endians(args.endian, EndianArgument::Le)?;
    let &[endian] = endians.as_slice() else {
        bail!("coverage is that of one byte order: expected --endian le or be");
    };
    let kernels = args.kernels.kernels();
    proof::tell(&kernels.names().iter().collect::<Vec<_>>())?;
    let (files, unread) = read(args)?;
    let scenarios: Vec<&Scenario> = files.iter().map(|file| &file.scenario).collect();
    let mut features = Features::find(&kernels, endian, &scenarios, processors(scenarios.len()))?;
    let candidates: Vec<Candidate> = files
        .iter()
        .zip(std::mem::take(&mut features.of))
        .map(|(file, features)| Candidate {
            features,
            pinned: !file.scenario.expect.is_empty(),
            size: file.text.len(),
        })
        .collect();
    let decisions = decide(&candidates);
    if !args.dry_run {
        put(args, &files, &decisions)?;
    }
    tell(args, &files, &decisions, &features, unread)?;
    let status = match unread {
        0 => Status::Nothing,
        _ => Status::Trouble,
    };
    Ok(status.into())
}

/// All files of all directories, each once and those at home first, and how many could not be read;
/// those are named.
fn read(args: &CminArgs) -> anyhow::Result<(Vec<File>, usize)> {
    let home = fs::canonicalize(&args.output).ok();
    let homes = [home.clone(), home.map(|home| corpus::found(&home))];
    let (mut files, mut unread) = (Vec::new(), 0);
    let mut seen = BTreeSet::new();
    for dir in &args.directories {
        if !dir.is_dir() {
            bail!("{}: no such directory", dir.display());
        }
        let found = corpus::found(dir);
        for folder in [dir, &found].into_iter().filter(|folder| folder.is_dir()) {
            let at_home = homes.contains(&fs::canonicalize(folder).ok());
            let listed = files_in(folder).with_context(|| format!("{}", folder.display()))?;
            for other in &listed.others {
                unread += 1;
                complain(&not_a_file(other));
            }
            for path in listed.files {
                // Directories can be given twice, or one in the other.
                if fs::canonicalize(&path).is_ok_and(|path| !seen.insert(path)) {
                    continue;
                }
                match load(&path) {
                    Ok((text, scenario)) => files.push(File {
                        path,
                        text,
                        scenario,
                        at_home,
                    }),
                    Err(error) => {
                        unread += 1;
                        complain(&untrusted::shown(&error.to_string()));
                    }
                }
            }
        }
    }
    files.sort_by_key(|file| !file.at_home);
    Ok((files, unread))
}

fn load(path: &Path) -> anyhow::Result<(String, Scenario)> {
    let scenario = Scenario::load(path)?;
    let text = fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
    Ok((text, scenario))
}

/// Writes what stays and is elsewhere, makes sure that all of it is there, and then removes what
/// goes.
fn put(args: &CminArgs, files: &[File], decisions: &[Decision]) -> anyhow::Result<()> {
    fs::create_dir_all(&args.output).with_context(|| format!("{}", args.output.display()))?;
    corpus::prepare(&args.output, &[])?;
    let mut there = BTreeSet::new();
    for (file, decision) in files.iter().zip(decisions) {
        if decision.stays() {
            let path = place(args, file, *decision)?;
            // What stays may be what a file that goes was called.
            let known = fs::canonicalize(&path);
            there.insert(known.with_context(|| format!("{}: it is gone", path.display()))?);
        }
    }
    for (file, decision) in files.iter().zip(decisions) {
        let holds = fs::canonicalize(&file.path).is_ok_and(|path| there.contains(&path));
        if file.at_home && !decision.stays() && !holds {
            let path = file.path.display();
            fs::remove_file(&file.path).with_context(|| format!("{path}: cannot remove it"))?;
        }
    }
    Ok(())
}

/// Where a file that stays is, after it was written if it was elsewhere.
fn place(args: &CminArgs, file: &File, decision: Decision) -> anyhow::Result<PathBuf> {
    if file.at_home {
        return Ok(file.path.clone());
    }
    let named = args.output.join(file.path.file_name().unwrap_or_default());
    if fs::read_to_string(&named).ok().as_ref() == Some(&file.text) {
        return Ok(named);
    }
    // What people wrote keeps its name, unless something else has it.
    if decision == Decision::Pinned && !named.exists() {
        write_whole(&named, &file.text)?;
        return Ok(named);
    }
    Ok(corpus::write(&args.output, &file.scenario)?)
}

fn tell(
    args: &CminArgs,
    files: &[File],
    decisions: &[Decision],
    features: &Features,
    unread: usize,
) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    for (file, decision) in files.iter().zip(decisions) {
        let path = untrusted::path(&file.path);
        let by = |index: usize| untrusted::path(&files[index].path);
        if args.json {
            let row = match *decision {
                Decision::Pinned => json!({"file": path, "stays": true, "why": "pinned"}),
                Decision::Needed(alone) => {
                    json!({"file": path, "stays": true, "why": "needed", "features": alone})
                }
                Decision::Covered(most) => {
                    json!({"file": path, "stays": false, "why": "covered", "by": most.map(|(index, _)| by(index))})
                }
            };
            writeln!(out, "{row}")?;
        } else if let Decision::Covered(most) = *decision {
            match most {
                Some((index, shared)) => writeln!(
                    out,
                    "gone  {path}: nothing of its own; {} reaches {shared} of what it does",
                    by(index)
                )?,
                None => writeln!(out, "gone  {path}: it reaches nothing")?,
            }
        }
    }
    let stay = decisions.iter().filter(|decision| decision.stays()).count();
    let pinned = decisions
        .iter()
        .filter(|decision| **decision == Decision::Pinned)
        .count();
    let gone = files.len() - stay;
    let Features {
        edges,
        signatures,
        inconclusive,
        ..
    } = features;
    if args.json {
        let reasons = &inconclusive.inconclusive_by_reason;
        let whole = json!({"inconclusive_by_reason": reasons, "files": files.len(), "stay": stay, "pinned": pinned, "gone": gone, "unread": unread, "edges": edges, "signatures": signatures, "dry_run": args.dry_run});
        writeln!(out, "{whole}")?;
    } else {
        writeln!(
            out,
            "{} files, {edges} features of coverage, {} signatures: {stay} files stay ({pinned} pinned), {gone} go{}",
            files.len(),
            signatures.len(),
            if args.dry_run {
                " (nothing was done)"
            } else {
                ""
            }
        )?;
        if let Some(line) = inconclusive.line(files.len() as u64) {
            writeln!(out, "{line}")?;
        }
    }
    out.flush()?;
    warn_of_silence(inconclusive, files.len() as u64);
    Ok(())
}
