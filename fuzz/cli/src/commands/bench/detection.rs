//! `ctxfuzz bench detection`: the answer to "nothing found: what does that mean?"
//!
//! One search a defect and seed. What is done is kept in a state file after each, so a table can be
//! made in several sittings, and a larger budget later goes on only with what has not been found.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, bail};
use clap::Args;
use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::defects::{self, Defect};
use serde::{Deserialize, Serialize};

use super::chosen;
use super::page::page;
use crate::commands::input::{check_output, write_whole};
use crate::commands::{Status, complain};
use ctxfuzz_campaign::detection::search;

/// Arguments of `ctxfuzz bench detection`.
#[derive(Debug, Args)]
#[command(after_help = "\
Ctrl-C ends it after the running search is broken off; what is done stays in the state file, and the same command goes on from there.
Exit status 0: every search is done; 2: some are not.")]
pub struct DetectionArgs {
    /// File that keeps what is done; made if it does not exist.
    #[arg(long, value_name = "FILE")]
    state: PathBuf,
    /// Where the table goes, as Markdown. Without it, to stdout.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
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
}

/// What is kept: one search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The defect.
    pub defect: String,
    /// Whether it started from a corpus.
    pub corpus: bool,
    /// The seed.
    pub seed: u64,
    /// The execution that showed it.
    pub found: Option<u64>,
    /// Executions made.
    pub executions: u64,
    /// Seconds they took.
    pub seconds: f64,
}

/// The state file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// In the order in which they were done.
    pub searches: Vec<Record>,
}

impl State {
    fn load(path: &Path) -> anyhow::Result<State> {
        if !path.exists() {
            return Ok(State::default());
        }
        let name = path.display();
        let text = fs::read_to_string(path).with_context(|| format!("{name}: cannot read it"))?;
        let state: State = serde_json::from_str(&text)
            .with_context(|| format!("{name}: expected what an earlier `bench detection` wrote"))?;
        for record in &state.searches {
            if defects::find(&record.defect).is_none() {
                bail!("{name}: unknown defect `{}`", record.defect);
            }
        }
        Ok(state)
    }

    fn save(&self, path: &Path) -> anyhow::Result<()> {
        write_whole(path, &format!("{}\n", serde_json::to_string_pretty(self)?))
    }

    /// Whether a search is done for a budget: it found something, or used the budget up.
    fn has(&self, defect: &Defect, corpus: bool, seed: u64, runs: u64) -> bool {
        self.searches.iter().any(|record| {
            record.defect == defect.id
                && record.corpus == corpus
                && record.seed == seed
                && (record.found.is_some() || record.executions >= runs)
        })
    }

    fn put(&mut self, record: Record) {
        self.searches.retain(|old| {
            (&old.defect, old.corpus, old.seed) != (&record.defect, record.corpus, record.seed)
        });
        self.searches.push(record);
    }
}

/// Does what is not done yet, and writes the table.
pub fn detection(args: &DetectionArgs) -> anyhow::Result<ExitCode> {
    check_output(&args.state)?;
    if let Some(output) = &args.output {
        check_output(output)?;
    }
    let mut state = State::load(&args.state)?;
    let chosen = chosen(&args.defects)?;
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    ctrlc::set_handler(move || asked.store(true, Ordering::Relaxed))
        .context("cannot listen for Ctrl-C")?;
    let mut left = 0;
    for defect in &chosen {
        for seed in 1..=args.seeds {
            if state.has(defect, args.corpus.is_some(), seed, args.runs) {
                continue;
            }
            if stop.load(Ordering::Relaxed) {
                left += 1;
                continue;
            }
            let corpus = args.corpus.as_deref();
            let search = search(defect, Endian::Little, corpus, seed, args.runs, &stop)?;
            if search.found.is_none() && search.executions < args.runs {
                left += 1;
                continue;
            }
            state.put(Record {
                defect: defect.id.to_owned(),
                corpus: corpus.is_some(),
                seed,
                found: search.found,
                executions: search.executions,
                seconds: search.seconds,
            });
            state.save(&args.state)?;
        }
    }
    let table = page(&state);
    match &args.output {
        Some(output) => write_whole(output, &table)?,
        None => print!("{table}"),
    }
    if left > 0 {
        complain(&format!(
            "{left} searches are left: the same command goes on with them"
        ));
        return Ok(Status::Trouble.into());
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(seed: u64, found: Option<u64>, executions: u64) -> Record {
        Record {
            defect: "vscr-not-restored".to_owned(),
            corpus: false,
            seed,
            found,
            executions,
            seconds: 0.5,
        }
    }

    #[test]
    fn a_search_is_done_when_it_found_something_or_has_used_up_its_budget() {
        let defect = defects::find("vscr-not-restored").unwrap();
        let mut state = State::default();
        state.put(record(1, Some(7), 7));
        state.put(record(2, None, 100));
        assert!(state.has(defect, false, 1, 1_000));
        assert!(state.has(defect, false, 2, 100));
        assert!(!state.has(defect, false, 2, 101), "a larger budget goes on");
        assert!(!state.has(defect, true, 1, 1) && !state.has(defect, false, 3, 1));
        state.put(record(2, Some(150), 150));
        assert!(state.has(defect, false, 2, 101) && state.searches.len() == 2);
    }

    #[test]
    fn a_state_comes_back_as_it_was() -> anyhow::Result<()> {
        let folder = std::env::temp_dir().join(format!("ctxfuzz-bench-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let path = folder.join("state.json");
        assert_eq!(State::load(&path)?, State::default());
        let mut state = State::default();
        state.put(record(1, None, 9));
        state.save(&path)?;
        assert_eq!(State::load(&path)?, state);
        fs::write(&path, r#"{"searches": 3}"#)?;
        assert!(State::load(&path).is_err());
        fs::remove_dir_all(&folder)?;
        Ok(())
    }
}
