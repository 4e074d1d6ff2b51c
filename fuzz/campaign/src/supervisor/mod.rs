//! A campaign on several cores: a supervisor that starts a worker for each core, starts one again
//! that dies, and makes one summary of all.
//!
//! A worker is a process with an ordinary campaign. All write to the same corpus and findings
//! directories, which is safe because names are made from content and everything appears whole, and
//! read there what the others have found ([`crate::share`]). The supervisor passes nothing on.

mod merged;
mod process;
pub mod worker;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use ctxfuzz_triage::findings::FindingStore;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use self::merged::Merged;
use self::process::{Process, WorkerId};
use self::worker::{FromWorker, Orders};
use crate::progress::Progress;
use crate::summary::{Summary, Workers};
use crate::{Config, corpus, trouble};

/// How long a supervisor waits for something to happen before it looks around.
const TICK: Duration = Duration::from_millis(100);
/// A worker that dies before it has run so many scenarios did not get anywhere.
const SOON: u64 = 1000;
/// So many times in a row, and it is not started again.
const MOST_DEATHS: u64 = 3;

/// A worker has said something, or will say nothing more: because it has ended, or because of what
/// it said.
type Event = (WorkerId, Result<FromWorker, Option<String>>);

/// A place for a worker.
struct Slot {
    /// What its worker is told; the executions are what is left of its share.
    orders: Orders,
    starts: u64,
    /// Deaths in a row that came soon.
    deaths: u64,
    /// It, if it runs.
    worker: Option<Process>,
}

struct Supervisor<'c> {
    config: &'c Config,
    progress: &'c mut dyn Progress,
    started: Instant,
    slots: Vec<Slot>,
    merged: Merged,
    /// What several workers say is told once.
    noted: HashSet<String>,
    restarts: u64,
    ending: bool,
    error: Option<anyhow::Error>,
    events: Sender<Event>,
}

/// Runs a campaign on these cores until its executions or seconds are over, or `stop` is set, and
/// shares in a folder if there is one. What was found is on disk when it returns, also with an
/// error.
pub fn run(
    config: &Config,
    cores: &[usize],
    share: Option<PathBuf>,
    progress: &mut dyn Progress,
    stop: &AtomicBool,
) -> anyhow::Result<Summary> {
    // What is passed over the workers say.
    let mut initial = corpus::initial(config.corpus.as_deref(), config.seed)?.scenarios;
    let delays = config.same_places()?;
    let earlier = FindingStore::open(&config.findings)?;
    crate::prepare_corpus(config, delays, &mut initial)?;
    let kernel = config.kernels.only().map(ToString::to_string);
    let (events, inbox) = mpsc::channel();
    let mut supervisor = Supervisor {
        config,
        progress,
        started: Instant::now(),
        slots: slots(config, cores, share.as_deref()),
        merged: Merged::new(cores.len(), kernel, earlier),
        noted: HashSet::new(),
        restarts: 0,
        ending: false,
        error: None,
        events,
    };
    (0..cores.len()).for_each(|index| supervisor.start(index));
    supervisor.supervise(&inbox, stop);
    supervisor.finish()
}

impl Supervisor<'_> {
    fn supervise(&mut self, inbox: &Receiver<Event>, stop: &AtomicBool) {
        while self.slots.iter().any(|slot| slot.worker.is_some()) {
            match inbox.recv_timeout(TICK) {
                Ok((id, Ok(said))) => self.hear(id, said),
                Ok((id, Err(nonsense))) => self.gone(id, nonsense),
                Err(_) => {}
            }
            if stop.load(Ordering::Relaxed) && !self.ending {
                self.end();
            }
            if self.progress.due() {
                let summary = self.summary();
                self.progress.show(&self.merged.status(&summary));
            }
        }
    }

    /// Starts the worker of a slot, unless there is nothing left for it to do.
    fn start(&mut self, index: usize) {
        let elapsed = self.started.elapsed().as_secs();
        let slot = &mut self.slots[index];
        let (orders, start) = (&mut slot.orders, slot.starts);
        let left = |limit: u64| limit.saturating_sub(elapsed);
        orders.seconds = self.config.seconds.map(left);
        orders.seed = seed(self.config.seed, index, start);
        if orders.runs == Some(0) || orders.seconds == Some(0) {
            return;
        }
        slot.starts += 1;
        match Process::start(WorkerId { index, start }, orders, &self.events) {
            Ok(worker) => slot.worker = Some(worker),
            Err(error) => self.fail(anyhow!("cannot start a worker: {error}")),
        }
    }

    fn hear(&mut self, id: WorkerId, said: FromWorker) {
        let worker = self.slots[id.index].worker.as_mut();
        let Some(worker) = worker.filter(|worker| worker.id == id) else {
            return;
        };
        worker.done |= !matches!(said, FromWorker::Report(_));
        match said {
            FromWorker::Report(report) => {
                for note in &report.notes {
                    if self.noted.insert(note.clone()) {
                        self.progress.note(note);
                    }
                }
                for finding in self.merged.report(id.index, *report) {
                    self.progress.found(&finding);
                }
                let found = self.merged.found();
                if self.config.stop_after.is_some_and(|enough| found >= enough) && !self.ending {
                    self.end();
                }
            }
            FromWorker::Done => {}
            FromWorker::Failed(error) => self.fail(anyhow!(error)),
        }
    }

    /// A worker says nothing more: if it was not done it is started again with what is left.
    fn gone(&mut self, id: WorkerId, nonsense: Option<String>) {
        let slot = &mut self.slots[id.index];
        let Some(worker) = slot.worker.take_if(|worker| worker.id == id) else {
            return;
        };
        let done = worker.done;
        let (how, scenario) = worker.bury(nonsense);
        let executions = self.merged.bury(id.index);
        if done {
            return;
        }
        let left = slot.orders.runs.map(|runs| runs.saturating_sub(executions));
        slot.orders.runs = left;
        slot.deaths = u64::from(executions < SOON) * (slot.deaths + 1);
        let (index, last) = (id.index, slot.deaths == MOST_DEATHS);
        let all = self.merged.executions();
        let (kept, trouble) = trouble::died(self.config, scenario.as_deref(), &how, all);
        self.merged.before.trouble.extend(trouble);
        self.progress.note(&format!("worker {index} {how}: {kept}"));
        if last {
            return self.fail(anyhow!(
                "worker {index} {how} {MOST_DEATHS} times before it had run {SOON} scenarios; last in {kept}"
            ));
        }
        if !self.ending {
            self.restarts += 1;
            self.start(index);
        }
    }

    /// The first error is what the campaign ends with; what runs is asked to end.
    fn fail(&mut self, error: anyhow::Error) {
        self.error.get_or_insert(error);
        self.end();
    }

    fn end(&mut self) {
        self.ending = true;
        for worker in self.slots.iter_mut().flat_map(|slot| &mut slot.worker) {
            worker.stop();
        }
    }

    fn summary(&self) -> Summary {
        let workers = Workers {
            count: self.slots.len() as u64,
            restarts: self.restarts,
        };
        let seconds = self.started.elapsed().as_secs_f64();
        let dir = self.config.corpus.as_deref();
        let corpus = dir.map_or(0, |dir| corpus::files(dir).len() as u64);
        self.merged.summary(workers, corpus, seconds)
    }

    fn finish(mut self) -> anyhow::Result<Summary> {
        let summary = self.summary();
        self.progress.finish(&self.merged.status(&summary));
        self.error.take().map_or(Ok(summary), Err)
    }
}

/// A worker each, with its share of the executions.
fn slots(config: &Config, cores: &[usize], share: Option<&Path>) -> Vec<Slot> {
    let count = cores.len() as u64;
    let part = |all: u64, index| all / count + u64::from(index < all % count);
    let slot = |(index, &core)| Slot {
        orders: Orders {
            core,
            part: (index, count),
            seed: config.seed,
            runs: config.runs.map(|all| part(all, index)),
            seconds: config.seconds,
            share: share.map(Path::to_owned),
            running: PathBuf::new(),
            command: config.command.clone(),
        },
        starts: 0,
        deaths: 0,
        worker: None,
    };
    (0..).zip(cores).map(slot).collect()
}

/// The first worker does what a campaign on its own would begin with; no other does the same, and
/// none again what it has died of.
fn seed(seed: u64, index: usize, start: u64) -> u64 {
    let place = [index as u64, start].map(u64::to_le_bytes).concat();
    match (index, start) {
        (0, 0) => seed,
        _ => xxh3_64_with_seed(&place, seed),
    }
}
