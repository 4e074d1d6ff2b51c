//! `ctxfuzz bench detection`: the answer to "nothing found: what does that mean?"
//!
//! One search a defect and seed. What is done is kept in a state file after each, so a table can be
//! made in several sittings, and a larger budget later goes on only with what has not been found.

mod named;
mod one_kernel;
mod page;
mod state;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use clap::Args;
use ctxfuzz_campaign::detection::{Search, Target, search};
use ctxfuzz_emulator::kernel::name::KernelName;

use self::state::{Record, State};
use super::{UNSEEN, chosen};
use crate::commands::arguments::{AbiArgument, parse_kernel};
use crate::commands::input::{check_output, write_whole};
use crate::commands::{Status, complain};

/// Arguments of `ctxfuzz bench detection`.
#[derive(Debug, Args)]
#[command(after_help = "\
Ctrl-C ends it after the running search is broken off; what is done stays in the state file, and the same command goes on from there.
Exit status 0: every search is done; 2: some are not.")]
pub struct DetectionArgs {
    /// File that keeps what is done; made if it does not exist.
    #[arg(long, value_name = "FILE")]
    state: PathBuf,
    /// State files of other sittings, such as one on another core: what they have done is taken
    /// over.
    #[arg(long, value_name = "FILE")]
    also: Vec<PathBuf>,
    /// Where the table goes, as Markdown. Without it, to stdout.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Only make the table of what is done.
    #[arg(long)]
    page: bool,
    /// Do all that the page has: from nothing, from --corpus, with one kernel, and that without
    /// feedback.
    #[arg(long, requires = "corpus", conflicts_with_all = ["single", "page"])]
    all: bool,
    /// Scenarios to start from. Without it: none.
    #[arg(long, value_name = "DIR")]
    corpus: Option<PathBuf>,
    /// Seeds of each defect: 1 to N.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// Most executions of one search.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    runs: u64,
    /// Only these defects.
    #[arg(long = "defect", value_name = "DEFECT")]
    defects: Vec<String>,
    /// Search with one kernel, judged by itself, in place of two. What the kernel without the
    /// defect does too does not count. Defects that one kernel cannot show are left out, unless
    /// --defect names them.
    #[arg(long, group = "single")]
    one_kernel: bool,
    /// Search this kernel, judged by itself, and say what is found first: `fixed+DEFECT`,
    /// `vmlinux:FILE`, a short name.
    #[arg(long, value_name = "KERNEL", group = "single", conflicts_with = "defects", value_parser = parse_kernel)]
    kernel: Option<KernelName>,
    /// The same kernel without its bug: what it does too does not count.
    #[arg(long, value_name = "KERNEL", requires = "kernel", value_parser = parse_kernel)]
    without: Option<KernelName>,
    /// Whose promises count [default: elf].
    #[arg(long, value_enum, requires = "kernel")]
    abi: Option<AbiArgument>,
    /// Run random scenarios, as `check --runs` does, in place of a campaign with coverage. For
    /// comparison.
    #[arg(long, requires = "single", conflicts_with = "corpus")]
    no_feedback: bool,
}

/// Does what is not done yet, and writes the table.
pub fn detection(args: &DetectionArgs) -> anyhow::Result<ExitCode> {
    check_output(&args.state)?;
    if let Some(output) = &args.output {
        check_output(output)?;
    }
    let mut sitting = Sitting::begin(args)?;
    let table = match &args.kernel {
        Some(kernel) => named::search(&mut sitting, kernel)?,
        None => {
            catalogued(&mut sitting)?;
            page::page(&sitting.state)
        }
    };
    match &args.output {
        Some(output) => write_whole(output, &table)?,
        None => print!("{table}"),
    }
    let left = sitting.left;
    if left > 0 {
        complain(&format!(
            "{left} searches are left: the same command goes on with them"
        ));
        return Ok(Status::Trouble.into());
    }
    Ok(ExitCode::SUCCESS)
}

/// Searches for defects of the catalogue.
fn catalogued(sitting: &mut Sitting<'_>) -> anyhow::Result<()> {
    let args = sitting.args;
    let chosen = chosen(&args.defects)?;
    let left_out = |id: &str| {
        let unseen = UNSEEN.iter().any(|(unseen, _)| *unseen == id);
        unseen && args.defects.is_empty()
    };
    for way in args.ways() {
        for defect in &chosen {
            if way.one_kernel && left_out(defect.id) {
                continue;
            }
            let wanted = Record {
                defect: defect.id.to_owned(),
                ..way.clone()
            };
            let target = Target::of(defect, way.one_kernel)?;
            sitting.search(&target, &wanted, |_| Ok(Vec::new()))?;
        }
    }
    Ok(())
}

impl DetectionArgs {
    /// How to search: records in which nothing else is said.
    fn ways(&self) -> Vec<Record> {
        let way = |one_kernel, no_feedback, corpus| Record {
            one_kernel,
            no_feedback,
            corpus,
            ..Record::default()
        };
        if self.all {
            let pair = [way(false, false, false), way(false, false, true)];
            let one = [way(true, false, false), way(true, true, false)];
            return [pair, one].concat();
        }
        let one_kernel = self.one_kernel || self.kernel.is_some();
        vec![way(one_kernel, self.no_feedback, self.corpus.is_some())]
    }
}

/// What is done, and what is to be done in this sitting.
struct Sitting<'a> {
    args: &'a DetectionArgs,
    state: State,
    stop: Arc<AtomicBool>,
    /// Searches that were broken off or not begun.
    left: u64,
}

impl<'a> Sitting<'a> {
    fn begin(args: &'a DetectionArgs) -> anyhow::Result<Self> {
        let mut state = State::load(&args.state)?;
        for other in &args.also {
            state.merge(State::read(other)?);
        }
        if !args.also.is_empty() {
            state.save(&args.state)?;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        ctrlc::set_handler(move || asked.store(true, Ordering::Relaxed))
            .context("cannot listen for Ctrl-C")?;
        Ok(Sitting {
            args,
            state,
            stop,
            left: 0,
        })
    }

    /// Searches with every seed with which it is not done, and keeps what comes of it; `names` says
    /// what that is called.
    fn search(
        &mut self,
        target: &Target<'_>,
        wanted: &Record,
        mut names: impl FnMut(&Search) -> anyhow::Result<Vec<String>>,
    ) -> anyhow::Result<()> {
        let args = self.args;
        for seed in 1..=args.seeds {
            let wanted = Record {
                seed,
                ..wanted.clone()
            };
            if args.page || self.state.has(&wanted, args.runs) {
                continue;
            }
            if self.stop.load(Ordering::Relaxed) {
                self.left += 1;
                continue;
            }
            let target = Target {
                corpus: args.corpus.as_deref().filter(|_| wanted.corpus),
                feedback: !wanted.no_feedback,
                seed,
                runs: args.runs,
                ..target.clone()
            };
            let search = search(&target, &self.stop)?;
            let record = Record {
                found: search.found,
                signatures: names(&search)?,
                executions: search.executions,
                seconds: search.seconds,
                ..wanted
            };
            if !record.is_done(args.runs) {
                self.left += 1;
                continue;
            }
            self.state.put(record);
            self.state.save(&args.state)?;
        }
        Ok(())
    }
}
