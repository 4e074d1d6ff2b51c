//! Scenario files named on a command line, and files that are written for the user.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use ctxfuzz_scenario::load::files_in;
use ctxfuzz_scenario::scenario::Scenario;
use ctxfuzz_triage::{atomic, findings, untrusted};

use super::complain;

/// A scenario and where it came from.
pub struct Input {
    /// As on the command line.
    pub path: PathBuf,
    /// What the file holds.
    pub scenario: Scenario,
}

impl Input {
    /// Reads one file.
    pub fn load(path: &Path) -> anyhow::Result<Input> {
        Ok(Input {
            path: path.to_owned(),
            scenario: Scenario::load(path)?,
        })
    }

    /// Reads all files before anything is run. Every bad one gets its line, then `None`.
    pub fn load_all(paths: &[PathBuf]) -> Option<Vec<Input>> {
        let mut inputs = Vec::new();
        for path in paths {
            match Input::load(path) {
                Ok(input) => inputs.push(input),
                Err(error) => complain(&super::one_line(&error)),
            }
        }
        (inputs.len() == paths.len()).then_some(inputs)
    }

    /// What reports call it: its name, or its file.
    pub fn name(&self) -> String {
        let name = self.scenario.name.clone();
        name.unwrap_or_else(|| self.path.display().to_string())
    }
}

/// Puts its scenario files (every `*.json`, in order of their names, then a scenario of each
/// finding in it) in the place of each directory. One without any is an error: an empty check must
/// not pass.
pub fn expand(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let inside =
                files_in(path).with_context(|| format!("{}: cannot list it", path.display()))?;
            for other in &inside.others {
                complain(&not_a_file(other));
            }
            let found = findings::scenarios_in(path);
            if inside.files.is_empty() && found.is_empty() {
                bail!(
                    "{}: no scenario in it: expected *.json, or findings",
                    path.display()
                );
            }
            files.extend(inside.files);
            files.extend(found.into_iter().map(|(_, file)| file));
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

/// What is said of something in a directory that is called like a scenario file. (One that is named
/// by itself is read: `<(...)` is a pipe.)
pub fn not_a_file(path: &Path) -> String {
    let path = untrusted::path(path);
    format!("{path}: skipped: is not a regular file")
}

/// Makes sure that a file can be put there, before a long job whose result would be lost.
pub fn check_output(path: &Path) -> anyhow::Result<()> {
    if path.is_dir() {
        bail!(
            "{}: is a directory: expected a file to write",
            path.display()
        );
    }
    if path == Path::new("-") {
        bail!("-: expected a file to write (./- is a file of that name)");
    }
    // Renaming over a device or a pipe would destroy it.
    if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        bail!("{}: is not a regular file", path.display());
    }
    let folder = folder_of(path);
    if !folder.is_dir() {
        bail!(
            "{}: cannot write it: there is no directory {}",
            path.display(),
            folder.display()
        );
    }
    Ok(())
}

/// Writes a file whole or not at all.
pub fn write_whole(path: &Path, text: &str) -> anyhow::Result<()> {
    // A symbolic link stays one: what it points at is written.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    atomic::write(&target, text).with_context(|| format!("{}: cannot write it", target.display()))
}

/// Writes a text to a file, whole or not at all, or to stdout if none is named.
pub fn write_or_print(file: Option<&Path>, text: &str) -> anyhow::Result<()> {
    match file {
        Some(file) => write_whole(file, text)?,
        None => {
            let mut out = io::stdout().lock();
            out.write_all(text.as_bytes())?;
            out.flush()?;
        }
    }
    Ok(())
}

/// The folder that a file is in.
pub fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}
