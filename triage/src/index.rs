//! An index over findings directories: what is in them, for people and for programs. A signature is
//! there once.
//!
//! A directory may come from anywhere: what is truncated, foreign or hostile in it is named and
//! skipped, and the rest is reported. How the index is shown
//! is below (`text`) and in `report` (HTML, SARIF, JUnit); what a campaign writes is `findings`.

mod entry;
mod replayed;
#[cfg(test)]
mod tests;
mod text;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use self::entry::{Entry, Kernel};
pub use self::replayed::Run;
use crate::atomic;
use crate::definedness::Abi;
use crate::known::Known;
use crate::untrusted;

/// Something in the directory that is not reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The findings directory it is in.
    pub dir: PathBuf,
    /// What it is called, from there on.
    pub path: PathBuf,
    /// Why it is not reported.
    pub reason: String,
}

impl Skipped {
    /// Where it is.
    pub fn full(&self) -> PathBuf {
        self.dir.join(&self.path)
    }
}

/// A findings directory that cannot be read at all.
#[derive(Debug, thiserror::Error)]
#[error("{}: cannot list it: {source}", dir.display())]
pub struct IndexError {
    /// The directory.
    pub dir: PathBuf,
    /// The operating system's answer.
    pub source: io::Error,
}

/// What findings directories hold.
#[derive(Clone, Debug)]
pub struct Index {
    /// The directories, as they were named.
    pub dirs: Vec<PathBuf>,
    /// Whose promises count.
    pub abi: Abi,
    /// The findings: strongest verdict first, then by signature.
    pub entries: Vec<Entry>,
    /// What was skipped, by directory and in order of names.
    pub skipped: Vec<Skipped>,
}

/// What a finding in the index comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing<'a> {
    /// It is to be reported.
    Reported,
    /// The policy does not want it.
    Below,
    /// It was reviewed, and this is the reason.
    Known(&'a str),
}

impl Index {
    /// Reads a directory. `own` are files that the caller is going to write, which are nothing
    /// foreign if they are there from an earlier time.
    pub fn read(dir: &Path, abi: Abi, known: &Known, own: &[PathBuf]) -> Result<Index, IndexError> {
        Self::read_all(&[dir.to_owned()], abi, known, own)
    }

    /// Reads several. A signature that is in more than one has the strongest verdict, and of those
    /// the first, and keeps the others beside it.
    pub fn read_all(
        dirs: &[PathBuf],
        abi: Abi,
        known: &Known,
        own: &[PathBuf],
    ) -> Result<Index, IndexError> {
        let mut index = Index {
            dirs: Vec::new(),
            abi,
            entries: Vec::new(),
            skipped: Vec::new(),
        };
        let own: Vec<PathBuf> = own
            .iter()
            .filter_map(|path| path.canonicalize().ok())
            .collect();
        let mut seen = Vec::new();
        for dir in dirs {
            // One that is named twice is one directory.
            let place = dir.canonicalize().unwrap_or_else(|_| dir.clone());
            if !seen.contains(&place) {
                index.add_directory(dir, known, &own)?;
                index.dirs.push(dir.clone());
                seen.push(place);
            }
        }
        index.sort();
        Ok(index)
    }

    fn add_directory(
        &mut self,
        dir: &Path,
        known: &Known,
        own: &[PathBuf],
    ) -> Result<(), IndexError> {
        let wrong = |source| IndexError {
            dir: dir.to_owned(),
            source,
        };
        let mut names = Vec::new();
        for entry in fs::read_dir(dir).map_err(wrong)? {
            names.push(entry.map_err(wrong)?.file_name());
        }
        names.sort();
        for name in names {
            let path = dir.join(&name);
            let is_own = || path.canonicalize().is_ok_and(|path| own.contains(&path));
            if is_hidden(&name) && !is_scratch(&path) || is_own() {
                continue;
            }
            let mut skipped = Vec::new();
            let mut skip = |path: PathBuf, reason| {
                let dir = dir.to_owned();
                skipped.push(Skipped { dir, path, reason });
            };
            match entry::read(&path, Path::new(&name), &mut skip) {
                Ok(mut entry) => {
                    entry.known = known.reason(&entry.signature).map(str::to_owned);
                    self.merge(entry);
                }
                Err(reason) => skip(name.into(), reason),
            }
            self.skipped.append(&mut skipped);
        }
        Ok(())
    }

    fn merge(&mut self, entry: Entry) {
        let mut entries = self.entries.iter_mut();
        match entries.find(|known| known.signature == entry.signature) {
            Some(known) => known.merge(entry),
            None => self.entries.push(entry),
        }
    }

    /// The directories, for a headline.
    pub fn name(&self) -> String {
        let names: Vec<String> = self.dirs.iter().map(|dir| untrusted::path(dir)).collect();
        names.join(", ")
    }

    /// What something that was skipped is called where it must be told from others: with its
    /// directory, if there are several.
    pub fn name_of(&self, skipped: &Skipped) -> PathBuf {
        match self.dirs.as_slice() {
            [_] if skipped.dir == self.dirs[0] => skipped.path.clone(),
            _ => skipped.full(),
        }
    }

    fn sort(&mut self) {
        self.entries
            .sort_by(|a, b| (b.verdict, &a.signature).cmp(&(a.verdict, &b.signature)));
    }

    /// What a finding comes to.
    pub fn standing<'e>(&self, entry: &'e Entry) -> Standing<'e> {
        match &entry.known {
            Some(reason) => Standing::Known(reason),
            None if !self.abi.reports(entry.verdict) => Standing::Below,
            None => Standing::Reported,
        }
    }

    /// The findings that are to be reported.
    pub fn reported(&self) -> impl Iterator<Item = &Entry> {
        self.entries
            .iter()
            .filter(|entry| self.standing(entry) == Standing::Reported)
    }

    /// The index for people.
    pub fn text(&self) -> String {
        text::text(self)
    }

    /// The index for programs.
    pub fn json(&self) -> serde_json::Value {
        text::json(self)
    }
}

fn is_hidden(name: &std::ffi::OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// Whether this is what a campaign that was cut off leaves behind: it has a scratch name.
fn is_scratch(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    atomic::target(&name).is_some()
}
