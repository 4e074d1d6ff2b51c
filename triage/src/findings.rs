//! The findings directory: what a campaign leaves behind for people.
//!
//! One directory a signature. It appears whole or not at all (see [`atomic`]). The first occurrence
//! is kept; later ones are counted, and leave a scenario only if they show the signature in a place
//! where it was not seen before.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ctxfuzz_scenario::scenario::{Scenario, Verdict};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::atomic;
use crate::compare::Difference;
use crate::json_file;
use crate::lock::Lock;

/// Longest directory name made from a signature.
const NAME_CHARS: usize = 100;

/// A divergence with its cause, as it is to be kept.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Stable name of the cause, as `save_fpu.f0-is-fpscr`.
    pub signature: String,
    /// Who can notice.
    pub verdict: Verdict,
    /// Names of the registers that are wrong.
    pub registers: Vec<String>,
    /// The differences that come from this cause.
    pub sightings: Vec<Difference>,
    /// The scenario as it was found.
    pub scenario: Scenario,
    /// The smallest scenario with the same signature, if it was looked for.
    pub minimized: Option<Scenario>,
    /// The command that found it.
    pub command: String,
    /// The command that shows it again.
    pub reproduce: String,
    /// The report for people.
    pub report_txt: String,
    /// The report for a browser; none is written if it is empty.
    pub report_html: String,
    /// The report for programs. If it is an object, its keys follow those of the finding in
    /// `report.json`.
    pub report_json: Value,
}

/// What became of a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Added {
    /// The first of its signature; here it is.
    New(PathBuf),
    /// Known; this is where the first one is, and how many there were in all since the store was
    /// opened.
    Again {
        /// The signature's directory.
        path: PathBuf,
        /// Occurrences, this one included.
        count: u64,
    },
}

/// Why a finding could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum FindingsError {
    /// The path is something else than a directory.
    #[error("cannot keep findings in `{}`: not a directory", .0.display())]
    NotADirectory(PathBuf),
    /// The operating system refused.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// Its answer.
        source: io::Error,
    },
}

/// What a finding on disk says of itself, as far as a campaign needs it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Kept {
    /// Who can notice.
    pub verdict: Verdict,
    /// Names of the registers that are wrong.
    pub registers: BTreeSet<String>,
}

/// The directories of findings in a findings directory, as far as it can be read. What is being
/// written begins with a dot.
pub fn in_dir(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let whole = entries.filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."));
    whole.map(|entry| entry.path()).collect()
}

/// Files of a finding that may show it, the better one first.
const SHOWS: [&str; 2] = ["minimized.json", "scenario.json"];

/// The scenario that shows a finding, in its directory.
pub fn shows(finding: &Path) -> Option<PathBuf> {
    let files = SHOWS.into_iter().map(|file| finding.join(file));
    let mut there = files.filter(|file| fs::metadata(file).is_ok_and(|a| a.is_file()));
    there.next()
}

/// The scenarios of the findings in a findings directory, each with the directory of its finding,
/// in order.
pub fn scenarios_in(dir: &Path) -> Vec<(PathBuf, PathBuf)> {
    let mut found: Vec<(PathBuf, PathBuf)> = in_dir(dir)
        .into_iter()
        .filter_map(|inside| {
            let file = shows(&inside)?;
            Some((inside, file))
        })
        .collect();
    found.sort();
    found
}

/// Held while a finding is made, which takes time that others need not spend as well.
#[derive(Debug)]
pub struct Claim {
    /// None where there are no locks: then two make the same, and one is kept.
    _lock: Option<Lock>,
}

/// An open findings directory.
#[derive(Debug)]
pub struct FindingStore {
    dir: PathBuf,
    known: BTreeMap<String, Known>,
}

#[derive(Debug, Default)]
struct Known {
    count: u64,
    places: BTreeSet<String>,
}

impl FindingStore {
    /// Opens a directory, making it if need be, and learns which signatures it has. Fails now and
    /// not after an hour if nothing can be written there.
    pub fn open(dir: impl Into<PathBuf>) -> Result<FindingStore, FindingsError> {
        let dir = dir.into();
        if dir.exists() && !dir.is_dir() {
            return Err(FindingsError::NotADirectory(dir));
        }
        fs::create_dir_all(&dir).map_err(io_error("create the findings directory", &dir))?;
        let mut store = FindingStore {
            dir,
            known: BTreeMap::new(),
        };
        atomic::sweep(&store.dir, is_finding);
        store.learn()?;
        atomic::probe(&store.dir)
            .map_err(io_error("write to the findings directory", &store.dir))?;
        Ok(store)
    }

    /// Keeps a finding if its signature is new, counts it if not.
    pub fn add(&mut self, finding: &Finding) -> Result<Added, FindingsError> {
        let name = directory_name(&finding.signature);
        let path = self.dir.join(&name);
        let places: BTreeSet<String> = finding
            .sightings
            .iter()
            .map(|d| d.place.to_string())
            .collect();
        if !self.known.contains_key(&name) {
            match self.write_new(&name, finding) {
                Ok(()) => {
                    self.known.insert(name, Known { count: 1, places });
                    return Ok(Added::New(path));
                }
                // Another process of the campaign was faster. Its finding is as good.
                Err(_) if is_finding(&path) => {
                    self.known.insert(
                        name.clone(),
                        Known {
                            count: 0,
                            places: places_on_disk(&path),
                        },
                    );
                }
                Err(error) => return Err(error),
            }
        }
        let seen = self
            .known
            .get(&name)
            .map(|known| known.places.clone())
            .unwrap_or_default();
        for place in places.difference(&seen) {
            let file = path.join(format!("seen-{place}.json"));
            // Not in the finding's directory: nobody sweeps that.
            atomic::write_by_way_of(&self.dir, &file, &finding.scenario.to_json())
                .map_err(io_error("write", &file))?;
            sync_directory(&path)?;
        }
        let known = self.known.entry(name).or_default();
        known.count += 1;
        known.places.extend(places);
        Ok(Added::Again {
            path,
            count: known.count,
        })
    }

    /// Puts a finding in the place of the one with its signature, because it says more: its verdict
    /// is stronger. Whole or not at all; what was seen before goes.
    pub fn replace(&mut self, finding: &Finding) -> Result<PathBuf, FindingsError> {
        let name = directory_name(&finding.signature);
        let path = self.dir.join(&name);
        match is_finding(&path) {
            true => self.write_over(&name, finding)?,
            false => self.write_new(&name, finding)?,
        }
        let places = finding.sightings.iter().map(|d| d.place.to_string());
        let known = self.known.entry(name).or_default();
        known.count += 1;
        known.places = places.collect();
        Ok(path)
    }

    /// Says that a finding with this signature is being made, until what is returned is dropped;
    /// `None` if another process says so already.
    pub fn claim(&self, signature: &str) -> Option<Claim> {
        let name = atomic::lock_name(&directory_name(signature));
        match Lock::attempt(self.dir.join(name)) {
            Ok(Some(lock)) => Some(Claim { _lock: Some(lock) }),
            Ok(None) => None,
            // If nothing can be written there, the finding itself says so better.
            Err(_) => Some(Claim { _lock: None }),
        }
    }

    /// The finding with this signature as it is on disk now, whoever has made it.
    pub fn kept(&self, signature: &str) -> Option<Kept> {
        let report = self.path(signature).join("report.json");
        json_file::plain(&report)
            .and_then(|()| json_file::read(&report))
            .ok()
    }

    /// How often a signature was added since the store was opened.
    pub fn count(&self, signature: &str) -> u64 {
        self.known
            .get(&directory_name(signature))
            .map_or(0, |known| known.count)
    }

    /// Whether the store has a finding with this signature, from now or from before.
    pub fn contains(&self, signature: &str) -> bool {
        self.known.contains_key(&directory_name(signature))
    }

    /// Where the finding of a signature is, or would be.
    pub fn path(&self, signature: &str) -> PathBuf {
        self.dir.join(directory_name(signature))
    }

    fn learn(&mut self) -> Result<(), FindingsError> {
        let list = io_error("list the findings directory", &self.dir);
        for entry in fs::read_dir(&self.dir).map_err(&list)? {
            let path = entry.map_err(&list)?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            // What is being written, here or elsewhere, begins with a dot.
            if let Some(name) = name.filter(|name| !name.starts_with('.'))
                && is_finding(&path)
            {
                let known = Known {
                    count: 0,
                    places: places_on_disk(&path),
                };
                self.known.insert(name.to_owned(), known);
            }
        }
        Ok(())
    }

    fn write_new(&self, name: &str, finding: &Finding) -> Result<(), FindingsError> {
        let path = self.dir.join(name);
        let new = fill_directory(&path, finding)?;
        atomic::put(new, &path).map_err(io_error("put in place", &path))?;
        sync_directory(&self.dir)
    }

    /// Writes a finding in the place of the one there. The old one stays where it is until the new
    /// one takes its place: a campaign that is killed must not lose both.
    fn write_over(&self, name: &str, finding: &Finding) -> Result<(), FindingsError> {
        let path = self.dir.join(name);
        let new = fill_directory(&path, finding)?;
        atomic::exchange(new.path(), &path).map_err(io_error("put in place", &path))?;
        // It has the old one now. Whoever else removes it is welcome.
        let old = new.path().to_owned();
        match new.close() {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(io_error("remove", &old)(error))
            }
            _ => sync_directory(&self.dir),
        }
    }
}

/// Writes a finding to a directory with a scratch name, beside the `path` where it is to be.
fn fill_directory(path: &Path, finding: &Finding) -> Result<TempDir, FindingsError> {
    let scratch = atomic::directory(path).map_err(io_error("create", path))?;
    let dir = scratch.path();
    write_synced(&dir.join("scenario.json"), &finding.scenario.to_json())?;
    if let Some(minimized) = &finding.minimized {
        write_synced(&dir.join("minimized.json"), &minimized.to_json())?;
    }
    write_synced(&dir.join("report.txt"), &finding.report_txt)?;
    if !finding.report_html.is_empty() {
        write_synced(&dir.join("report.html"), &finding.report_html)?;
    }
    write_synced(
        &dir.join("report.json"),
        &format!("{:#}\n", report(finding)),
    )?;
    sync_directory(dir)?;
    Ok(scratch)
}

/// The finding's own keys come first and win.
fn report(finding: &Finding) -> Value {
    let places: BTreeSet<&str> = finding.sightings.iter().map(|d| d.place.name()).collect();
    let mut keys = Map::new();
    keys.insert("signature".into(), json!(finding.signature));
    keys.insert("verdict".into(), json!(finding.verdict.name()));
    keys.insert("registers".into(), json!(finding.registers));
    keys.insert("places".into(), json!(places));
    keys.insert("command".into(), json!(finding.command));
    keys.insert("reproduce".into(), json!(finding.reproduce));
    match &finding.report_json {
        Value::Object(more) => {
            for (key, value) in more {
                keys.entry(key).or_insert_with(|| value.clone());
            }
        }
        Value::Null => {}
        other => {
            keys.insert("report".into(), other.clone());
        }
    }
    Value::Object(keys)
}

/// Directories are renamed into place when they are complete, and a complete one has a report.
fn is_finding(dir: &Path) -> bool {
    dir.join("report.json").is_file()
}

/// Where an earlier campaign saw the signature. A report that cannot be read only means that a
/// place is kept once more.
fn places_on_disk(dir: &Path) -> BTreeSet<String> {
    let report = fs::read_to_string(dir.join("report.json")).unwrap_or_default();
    let report: Value = serde_json::from_str(&report).unwrap_or_default();
    let listed = report["places"].as_array().into_iter().flatten();
    let mut places: BTreeSet<String> = listed
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let place = name
            .to_str()
            .and_then(|name| name.strip_prefix("seen-")?.strip_suffix(".json"));
        places.extend(place.map(str::to_owned));
    }
    places
}

/// A file name that is safe everywhere and different for different signatures.
pub(crate) fn directory_name(signature: &str) -> String {
    let safe = |c: char| {
        if c.is_ascii_alphanumeric() || "._-+".contains(c) {
            c
        } else {
            '-'
        }
    };
    let mut name: String = signature.chars().map(safe).take(NAME_CHARS).collect();
    // A dot or a dash in front would make it hidden, or an option.
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        name.insert(0, '_');
    }
    if name != signature {
        name.push_str(&format!("-{:016x}", fnv1a(signature.as_bytes())));
    }
    name
}

/// FNV-1a: the standard library's hasher may change from one release to the next, and names on disk
/// must not.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn write_synced(path: &Path, text: &str) -> Result<(), FindingsError> {
    let write = || -> io::Result<()> {
        let mut file = File::create_new(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(io_error("write", path))
}

fn sync_directory(dir: &Path) -> Result<(), FindingsError> {
    atomic::sync_directory(dir).map_err(io_error("sync", dir))
}

fn io_error(action: &'static str, path: &Path) -> impl Fn(io::Error) -> FindingsError + use<> {
    let path = path.to_owned();
    move |source| FindingsError::Io {
        action,
        path: path.clone(),
        source,
    }
}
