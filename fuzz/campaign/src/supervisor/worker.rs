//! A worker: a process with a campaign of its own, which tells its supervisor where it is.
//!
//! It speaks on stdout. When its stdin ends, the supervisor is gone or wants it to end, which is
//! the same.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use ctxfuzz_scenario::Scenario;
use rustix::thread::{CpuSet, sched_setaffinity};
use serde::{Deserialize, Serialize};

use crate::Config;
use crate::exchange::{Exchange, Shared};
use crate::progress::{Progress, Status, Timer};
use crate::resources::Resources;
use crate::share::Sharing;
use crate::summary::{FindingSummary, Summary};

/// Between two reports.
const EVERY: Duration = Duration::from_millis(500);

/// What a supervisor tells a worker that it starts, in one hidden argument; all else is the
/// supervisor's own command line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orders {
    /// The core it keeps to.
    pub core: usize,
    /// Which worker it is, and how many there are.
    pub part: (u64, u64),
    /// Decides its choices.
    pub seed: u64,
    /// Its share of the executions.
    pub runs: Option<u64>,
    /// What is left of the seconds.
    pub seconds: Option<u64>,
    /// The folder that its campaign shares in.
    pub share: Option<PathBuf>,
    /// Where it says what it runs.
    pub running: PathBuf,
    /// The supervisor's command line, for reports.
    pub command: String,
}

/// What a worker says: a line of JSON each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FromWorker {
    /// Where it is.
    Report(Box<Report>),
    /// It has done what it was to do.
    Done,
    /// It could not go on, and none could: a directory cannot be written, say.
    Failed(String),
}

/// Where a worker is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// All that it has done so far.
    pub summary: Summary,
    /// Its coverage map: not zero where it was ever hit.
    pub covered: Vec<u8>,
    /// What its process uses.
    pub resources: Resources,
    /// What people should know, since the last report.
    pub notes: Vec<String>,
}

/// Runs a worker's campaign. What there is to say of it is said to the supervisor, so the exit
/// status says nothing.
pub fn run(config: &Config, orders: &Orders, stop: &Arc<AtomicBool>) -> ExitCode {
    say(&match fuzz(config, orders, stop) {
        Ok(()) => FromWorker::Done,
        Err(error) => FromWorker::Failed(crate::error::one_line(&error)),
    });
    ExitCode::SUCCESS
}

fn fuzz(config: &Config, orders: &Orders, stop: &Arc<AtomicBool>) -> anyhow::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(orders.core);
    sched_setaffinity(None, &cores)?;
    let until = Arc::clone(stop);
    thread::spawn(move || {
        let _ = io::stdin().lock().read_to_end(&mut Vec::new());
        until.store(true, Ordering::Relaxed);
    });
    let config = Config {
        seed: orders.seed,
        runs: orders.runs,
        seconds: orders.seconds,
        command: orders.command.clone(),
        shares: true,
        ..config.clone()
    };
    let mut exchange = Supervised {
        sharing: Sharing::start(&config, orders.share.clone(), orders.part),
        running: Running::open(&orders.running),
    };
    let mut reports = Reports {
        timer: Timer::new(EVERY),
        notes: Vec::new(),
        found: false,
    };
    crate::run(&config, &mut reports, &mut exchange, stop)?;
    Ok(())
}

/// A supervisor that is gone hears nothing; that it is gone is known from the end of stdin.
fn say(said: &FromWorker) {
    if let Ok(mut line) = serde_json::to_string(said) {
        line.push('\n');
        let mut out = io::stdout().lock();
        let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
    }
}

struct Supervised {
    sharing: Sharing,
    running: Running,
}

impl Exchange for Supervised {
    fn receive(&mut self, finding: bool) -> Vec<Shared> {
        self.sharing.receive(finding)
    }

    fn begin(&mut self, scenario: &Scenario) {
        self.running.write(&scenario.to_json());
    }
}

/// Tells the supervisor.
struct Reports {
    timer: Timer,
    notes: Vec<String>,
    /// Whether there is a finding that it does not know of.
    found: bool,
}

impl Progress for Reports {
    fn due(&mut self) -> bool {
        self.timer.due() | std::mem::take(&mut self.found)
    }

    fn show(&mut self, status: &Status<'_>) {
        say(&FromWorker::Report(Box::new(Report {
            summary: status.summary(),
            covered: status.covered.to_vec(),
            resources: status.resources,
            notes: std::mem::take(&mut self.notes),
        })));
    }

    fn found(&mut self, _: &FindingSummary) {
        self.found = true;
    }

    fn note(&mut self, line: &str) {
        self.notes.push(line.to_owned());
    }

    fn finish(&mut self, status: &Status<'_>) {
        self.show(status);
    }
}

/// The scenario that a worker runs, where its supervisor can read it when the worker is dead.
///
/// A file in memory that the supervisor holds: nothing is left behind, however either ends.
pub struct Running(Option<File>);

impl Running {
    /// A worker's end. Without it the supervisor has less to say of a death, and that is all.
    pub fn open(path: &Path) -> Running {
        Running(OpenOptions::new().write(true).open(path).ok())
    }

    /// Says what is run now. A longer text that was there before goes on behind the end.
    pub fn write(&self, text: &str) {
        if let Some(file) = &self.0 {
            let _ = file.write_all_at(format!("{text}\0").as_bytes(), 0);
        }
    }

    /// What was written last, if anything was.
    pub fn read(mut file: &File) -> Option<String> {
        let mut text = String::new();
        file.rewind()
            .and_then(|()| file.read_to_string(&mut text))
            .ok()?;
        text.split_once('\0').map(|(text, _)| text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_scenario_is_what_is_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(Running::read(file.as_file()), None);
        let running = Running::open(file.path());
        for text in ["a long one\n{}", "short"] {
            running.write(text);
            assert_eq!(Running::read(file.as_file()).as_deref(), Some(text));
        }
        file.as_file().set_len(3).unwrap();
        assert_eq!(Running::read(file.as_file()), None);
    }
}
