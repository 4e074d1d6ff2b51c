//! A client: a process with a campaign of its own that shares what it keeps, through its broker, and says where it is.
//!
//! It speaks on stdout and listens on stdin. When stdin ends, the broker is gone or wants it to end, which is the same.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, TrySendError};
use std::thread;
use std::time::Duration;

use ctxfuzz_scenario::Scenario;
use rustix::thread::{CpuSet, sched_setaffinity};
use serde::{Deserialize, Serialize};

use super::message::{self, ClientStatus, FromClient, ToClient};
use crate::campaign::exchange::{Exchange, Shared};
use crate::campaign::progress::{Progress, Status, Timer};
use crate::campaign::summary::FindingSummary;
use crate::campaign::{self, Config};

/// Between two times that a client says where it is.
const EVERY: Duration = Duration::from_millis(500);

/// Messages that wait until a client has time for them: as many as a broker keeps for it.
const MOST_WAITING: usize = 100_000;
/// Messages that a client looks at before it goes on with its own work.
const MOST_AT_ONCE: usize = 64;

/// What a broker tells a client that it starts, in one hidden argument; all else is the broker's own command line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orders {
    /// The core it keeps to, if to one.
    pub core: Option<usize>,
    /// Decides its choices.
    pub seed: u64,
    /// Its share of the executions.
    pub runs: Option<u64>,
    /// What is left of the seconds.
    pub seconds: Option<u64>,
    /// Where it says what it runs.
    pub running: PathBuf,
    /// The broker's command line, for reports.
    pub command: String,
}

impl std::str::FromStr for Orders {
    type Err = serde_json::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        serde_json::from_str(text)
    }
}

/// Runs a client's campaign. What there is to say of it is said to the broker, so the exit status says nothing.
pub fn run(config: &Config, orders: &Orders, stop: &Arc<AtomicBool>) -> ExitCode {
    let end = match fuzz(config, orders, stop) {
        Ok(done) => done,
        Err(error) => FromClient::Failed(crate::commands::one_line(&error)),
    };
    say(&end);
    ExitCode::SUCCESS
}

fn fuzz(
    config: &Config,
    orders: &Orders,
    stop: &Arc<AtomicBool>,
) -> Result<FromClient, anyhow::Error> {
    if let Some(core) = orders.core {
        keep_to(core)?;
    }
    let config = Config {
        seed: orders.seed,
        runs: orders.runs,
        seconds: orders.seconds,
        command: orders.command.clone(),
        ..config.clone()
    };
    let mut exchange = WithBroker {
        inbox: listen(Arc::clone(stop)),
        running: Running::open(&orders.running),
    };
    let mut told = ToBroker {
        timer: Timer::new(EVERY),
        covered: Vec::new(),
    };
    let summary = campaign::run(&config, &mut told, &mut exchange, stop)?;
    Ok(FromClient::Done(summary))
}

/// Stays on one core, as the broker has promised.
fn keep_to(core: usize) -> io::Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    Ok(sched_setaffinity(None, &cores)?)
}

/// A broker that is gone hears nothing; that it is gone is known from its end of stdin.
fn say(message: &FromClient) {
    let _ = message::write(io::stdout().lock(), message);
}

/// Collects what the broker says, so that its pipe is never full for long, and stops the campaign when there is nobody any more.
fn listen(stop: Arc<AtomicBool>) -> Receiver<ToClient> {
    let (sender, inbox) = mpsc::sync_channel::<ToClient>(MOST_WAITING);
    thread::spawn(move || {
        let _ = message::read(io::stdin().lock(), |message| {
            // One more than there is time for is lost; that the broker is gone must be heard even then.
            !matches!(sender.try_send(message), Err(TrySendError::Disconnected(_)))
        });
        stop.store(true, Ordering::Relaxed);
    });
    inbox
}

struct WithBroker {
    inbox: Receiver<ToClient>,
    running: Running,
}

impl Exchange for WithBroker {
    fn receive(&mut self) -> Vec<Shared> {
        // The broker has read every scenario before it passes it on.
        let read = |text: String| Scenario::from_json(&text, "broker").ok();
        self.inbox
            .try_iter()
            .take(MOST_AT_ONCE)
            .filter_map(|message| match message {
                ToClient::Scenario(text) => read(text).map(Shared::Scenario),
                ToClient::Claimed(text) => read(text).map(Shared::Claimed),
                ToClient::Kept(finding) => Some(Shared::Kept(finding)),
            })
            .collect()
    }

    fn begin(&mut self, scenario: &Scenario) {
        self.running.write(&scenario.to_json());
    }

    fn kept(&mut self, scenario: &Scenario) {
        say(&FromClient::Kept(scenario.to_json()));
    }
}

struct ToBroker {
    timer: Timer,
    /// What the broker knows of the coverage map.
    covered: Vec<bool>,
}

impl ToBroker {
    fn newly_covered(&mut self, covered: &[u8]) -> Vec<u32> {
        self.covered.resize(covered.len(), false);
        let mut new = Vec::new();
        for (index, (known, &hits)) in self.covered.iter_mut().zip(covered).enumerate() {
            if hits != 0 && !*known {
                *known = true;
                new.push(index as u32);
            }
        }
        new
    }
}

impl Progress for ToBroker {
    fn due(&mut self) -> bool {
        self.timer.due()
    }

    fn show(&mut self, status: &Status<'_>) {
        say(&FromClient::Status(ClientStatus {
            executions: status.executions,
            counts: status.counts,
            inconclusive: status.inconclusive.clone(),
            covered: self.newly_covered(status.covered),
            resources: status.resources,
        }));
    }

    fn found(&mut self, finding: &FindingSummary) {
        say(&FromClient::Found(finding.clone()));
    }

    /// The broker has read the same corpus and said the same.
    fn note(&mut self, _: &str) {}

    fn finish(&mut self, status: &Status<'_>) {
        self.show(status);
    }
}

/// The scenario that a client runs, where its broker can read it when the client is dead.
///
/// A file in memory that the broker holds: nothing is left behind, however either of them ends.
pub struct Running(Option<File>);

/// Digits of the length in front of the text.
const LENGTH: usize = 10;

impl Running {
    /// A client's end. Without it the broker has less to say of a death, and that is all.
    pub fn open(path: &PathBuf) -> Running {
        Running(OpenOptions::new().write(true).open(path).ok())
    }

    /// Says what is run now. One write, so that there is no half of one.
    pub fn write(&self, text: &str) {
        if let Some(file) = &self.0 {
            let record = format!("{:0LENGTH$}{text}", text.len());
            let _ = file.write_all_at(record.as_bytes(), 0);
        }
    }

    /// What was written last, if anything was.
    pub fn read(file: &File) -> Option<String> {
        let mut length = [0; LENGTH];
        file.read_exact_at(&mut length, 0).ok()?;
        let length = std::str::from_utf8(&length).ok()?.parse().ok()?;
        let size: usize = file.metadata().ok()?.len().try_into().ok()?;
        let mut text = vec![0; Some(length).filter(|length| length + LENGTH <= size)?];
        file.read_exact_at(&mut text, LENGTH as u64).ok()?;
        String::from_utf8(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_scenario_is_what_is_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(Running::read(file.as_file()), None);
        let running = Running::open(&file.path().to_owned());
        for text in ["a long one\n{}", "short"] {
            running.write(text);
            assert_eq!(Running::read(file.as_file()).as_deref(), Some(text));
        }
        file.as_file().set_len(12).unwrap();
        assert_eq!(Running::read(file.as_file()), None);
    }

    #[test]
    fn coverage_is_said_once() {
        let mut told = ToBroker {
            timer: Timer::new(EVERY),
            covered: Vec::new(),
        };
        assert_eq!(told.newly_covered(&[0, 2, 0, 1]), [1, 3]);
        assert_eq!(told.newly_covered(&[1, 2, 0, 1]), [0]);
        assert!(told.newly_covered(&[1, 2, 0, 1]).is_empty());
    }
}
