//! Campaigns on the same kernels share by directories: `DIR/KERNELS/CAMPAIGN/corpus` and
//! `DIR/KERNELS/CAMPAIGN/findings` hold scenarios, each called by the hash of its text.
//!
//! A campaign writes to its own folder only, and reads the others'. A thread does both, so that a
//! slow file system holds up no execution. How folders get to other machines (NFS, rsync) is not
//! known here, and what a scenario is worth is found out by whoever runs it.

mod own;
mod reader;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ctxfuzz_scenario::Scenario;
use ctxfuzz_triage::findings;

pub use self::own::Own;
use self::reader::{Reader, Waiting, hash, lock};
use crate::Config;
use crate::corpus::{self, found, write_to};
use crate::exchange::{Exchange, Shared};

/// Between two looks at the folders.
const EVERY: Duration = Duration::from_secs(1);
/// For each file in them the next look is so much later, as it takes a twentieth of that.
const A_FILE: Duration = Duration::from_micros(20);
/// Between two looks if there was more.
const SOON: Duration = Duration::from_millis(20);
/// Scenarios that wait until the campaign has time, and findings that do.
const MOST_WAITING: [usize; 2] = [1024, 16];
/// Scenarios that are shared before the others' folders are looked at again: each is written
/// through to the disk, which may take long.
const MOST_SHARED: usize = 8;
/// Scenarios that a campaign takes at once before it goes on with its own.
const MOST_AT_ONCE: usize = 64;
/// A campaign's folders: for its corpus and its findings.
const FOLDERS: [&str; 2] = ["corpus", "findings"];

/// The campaign's end.
pub struct Sharing {
    waiting: Arc<[Waiting; 2]>,
    /// The thread ends when the other end of its channel does.
    thread: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Sharing {
    /// Starts to share what a campaign has. `own` is its folder, with the others beside it; without
    /// one its own processes share alone. `part` is which of them this is, and how many there are:
    /// each reads and writes its part of what others have and get.
    pub fn start(config: &Config, own: Option<PathBuf>, part: (u64, u64)) -> Sharing {
        let corpus = config.corpus.clone().unwrap_or_default();
        let mut sharer = Sharer::new(own, corpus, config.findings.clone(), part);
        let waiting = Arc::clone(&sharer.waiting);
        let (campaign, over) = channel::<()>();
        let thread = thread::spawn(move || {
            while over.recv_timeout(sharer.look()) == Err(RecvTimeoutError::Timeout) {}
            // What was kept last is shared too.
            sharer.share(usize::MAX);
        });
        Sharing {
            waiting,
            thread: Some((campaign, thread)),
        }
    }
}

impl Exchange for Sharing {
    fn receive(&mut self, finding: bool) -> Vec<Shared> {
        let mut all = Vec::new();
        let most = [MOST_AT_ONCE, usize::from(finding)];
        for (waiting, most) in self.waiting.iter().zip(most) {
            let mut waiting = lock(waiting);
            let most = most.min(waiting.len());
            all.extend(waiting.drain(..most));
        }
        all
    }
}

impl Drop for Sharing {
    fn drop(&mut self) {
        if let Some((campaign, thread)) = self.thread.take() {
            drop(campaign);
            let _ = thread.join();
        }
    }
}

struct Sharer {
    own: Option<PathBuf>,
    corpus: PathBuf,
    findings: PathBuf,
    waiting: Arc<[Waiting; 2]>,
    /// Of the others' folders.
    theirs: [Reader; 2],
    /// Of what the campaign's own processes have found, if there are several.
    ours: Option<Reader>,
    /// Files of the campaign that are shared.
    shared: HashSet<PathBuf>,
    /// Whether all that others have was read once: until then it might be shared again.
    complete: bool,
}

impl Sharer {
    fn new(own: Option<PathBuf>, corpus: PathBuf, findings: PathBuf, part: (u64, u64)) -> Sharer {
        let reader = |part, kind: usize| Reader::new(part, MOST_WAITING[kind]);
        Sharer {
            own,
            corpus,
            findings,
            waiting: Arc::default(),
            theirs: [0, 1].map(|kind| reader(part, kind)),
            ours: (part.1 > 1).then(|| reader((0, 1), 0)),
            shared: HashSet::new(),
            complete: false,
        }
    }

    /// Reads what is new and shares what is new. How long to wait until the next time.
    fn look(&mut self) -> Duration {
        let all = self.read();
        self.complete |= all;
        let all = self.share(MOST_SHARED) && all;
        let readers = self.theirs.iter_mut();
        let listed = readers.map(|reader| std::mem::take(&mut reader.listed));
        match all {
            true => EVERY.max(A_FILE * listed.sum()),
            false => SOON,
        }
    }

    /// Passes on what is new; whether there was room for all.
    fn read(&mut self) -> bool {
        let [scenarios, findings] = &*self.waiting;
        let mut all = true;
        if let Some(ours) = &mut self.ours {
            all &= ours.read(&found(&self.corpus), scenarios, Shared::Scenario);
        }
        let [theirs, claims] = &mut self.theirs;
        for folder in self.own.iter().flat_map(|own| others(own)) {
            let [corpus, found] = FOLDERS.map(|name| folder.join(name));
            all &= claims.read(&found, findings, Shared::Claimed);
            all &= theirs.read(&corpus, scenarios, Shared::Scenario);
        }
        all
    }

    /// Shares what the campaign has and nobody else; whether that is no more than so much.
    fn share(&mut self, mut most: usize) -> bool {
        let Some(own) = self.own.clone().filter(|_| self.complete) else {
            return true;
        };
        for (kind, path) in self.files() {
            if self.shared.contains(&path) {
                continue;
            }
            // What cannot be read now may be whole the next time.
            let Ok(scenario) = Scenario::load(&path) else {
                continue;
            };
            if self.theirs[kind].lacks(hash(scenario.to_json().as_bytes()))
                && let Err(error) = write_to(&own.join(FOLDERS[kind]), &scenario)
            {
                let note = format!("{error}; the campaign goes on, and tries again");
                let mut waiting = lock(&self.waiting[0]);
                if waiting.is_empty() {
                    waiting.push_back(Shared::Note(note));
                }
                return true;
            }
            self.shared.insert(path);
            most -= 1;
            if most == 0 {
                return false;
            }
        }
        true
    }

    /// Whatever there is to share: scenarios, and those that findings were found with, as what they
    /// are minimized to is another one on each host.
    fn files(&self) -> impl Iterator<Item = (usize, PathBuf)> + use<> {
        let scenarios = corpus::files(&self.corpus).into_iter();
        let findings = findings::in_dir(&self.findings).into_iter();
        let found = findings.map(|path| (1, path.join("scenario.json")));
        scenarios.map(|path| (0, path)).chain(found)
    }
}

/// The folders of other campaigns. What is no folder, and a link, is none of theirs.
fn others(own: &Path) -> Vec<PathBuf> {
    let all = own.parent().and_then(|all| fs::read_dir(all).ok());
    let entries = all.into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let paths = folders.map(|entry| entry.path());
    paths.filter(|path| path != own).collect()
}
