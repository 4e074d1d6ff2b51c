//! Reads the files of a shared folder, each once, whatever times they have.
//!
//! A file is called by the hash of what is in it. Whoever wrote it is not trusted: anything but a
//! regular file with a scenario of that hash is refused.

use std::collections::{HashSet, VecDeque};
use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ctxfuzz_scenario::Scenario;
use ctxfuzz_triage::untrusted;

use crate::exchange::Shared;

/// Bytes of the largest file; the largest scenario has a tenth of that.
const MOST_BYTES: u64 = 1 << 20;

/// The hash that a file is called by.
pub use xxhash_rust::xxh3::xxh3_64 as hash;

/// What waits for the campaign.
pub type Waiting = Mutex<VecDeque<Shared>>;

/// What waits, for as long as it takes to look at it.
pub fn lock(waiting: &Waiting) -> MutexGuard<'_, VecDeque<Shared>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was read so far.
pub struct Reader {
    part: (u64, u64),
    most: usize,
    /// Hashes of the scenarios that were read.
    known: HashSet<u64>,
    /// Files that were there, since somebody has set this back.
    pub listed: u32,
    /// Hashes of the paths of files that are not what they are called.
    refused: HashSet<u64>,
}

impl Reader {
    /// Reads the files of a part, as long as fewer than `most` wait.
    pub fn new(part: (u64, u64), most: usize) -> Reader {
        Reader {
            part,
            most,
            known: HashSet::new(),
            refused: HashSet::new(),
            listed: 0,
        }
    }

    /// Whether a scenario is of this part and was not read.
    pub fn lacks(&self, hash: u64) -> bool {
        hash % self.part.1 == self.part.0 && !self.known.contains(&hash)
    }

    /// Reads the new files of a folder; whether there was room for all.
    pub fn read(&mut self, folder: &Path, to: &Waiting, shared: fn(Scenario) -> Shared) -> bool {
        // A link could lead anywhere.
        if !fs::symlink_metadata(folder).is_ok_and(|about| about.is_dir()) {
            return true;
        }
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            self.listed = self.listed.saturating_add(1);
            let (name, path) = (entry.file_name(), entry.path());
            let place = hash(path.as_os_str().as_encoded_bytes());
            let Some(named) = name
                .to_str()
                .and_then(named)
                .filter(|&named| self.lacks(named))
            else {
                continue;
            };
            if self.refused.contains(&place) {
                continue;
            }
            // Nobody waits for this thread while it waits for a file.
            if lock(to).len() >= self.most {
                return false;
            }
            let read = match scenario(&path, named) {
                Ok(scenario) => {
                    self.known.insert(named);
                    shared(scenario)
                }
                Err(why) => {
                    self.refused.insert(place);
                    let (path, why) = (untrusted::path(&path), untrusted::shown(&why));
                    Shared::Refused(format!("{path}: skipped: {why}"))
                }
            };
            lock(to).push_back(read);
        }
        true
    }
}

/// The hash that a file is called by; `None` for any other name.
fn named(name: &str) -> Option<u64> {
    let number = u64::from_str_radix(name.strip_suffix(".json")?, 16).ok()?;
    (name == format!("{number:016x}.json")).then_some(number)
}

fn scenario(path: &Path, named: u64) -> Result<Scenario, String> {
    let bytes =
        untrusted::read(path, MOST_BYTES).map_err(|error| format!("cannot read it: {error}"))?;
    if hash(&bytes) != named {
        return Err("it is not what its name says: cut off, or changed".to_owned());
    }
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())?;
    Scenario::from_json(&text, "it").map_err(|error| error.to_string())
}
