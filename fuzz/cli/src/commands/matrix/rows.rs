//! The rows of a matrix: scenarios of the corpus, and findings that were kept.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use ctxfuzz_scenario::load::files_in;
use ctxfuzz_scenario::scenario::Scenario;
use ctxfuzz_triage::findings;
use ctxfuzz_triage::matrix::Row;
use ctxfuzz_triage::untrusted;
use xxhash_rust::xxh3::xxh3_64;

use crate::commands::input::{self, Input};

/// A scenario to run.
pub struct Case {
    name: String,
    file: PathBuf,
    hash: u64,
    /// What is run.
    pub scenario: Scenario,
}

impl Case {
    fn new(name: String, input: Input) -> Case {
        Case {
            name,
            file: input.path,
            hash: hash(&input.scenario),
            scenario: input.scenario,
        }
    }

    /// The row, without cells.
    pub fn row(&self) -> Row {
        Row {
            scenario: self.name.clone(),
            file: self.file.to_string_lossy().into_owned(),
            hash: format!("{:016x}", self.hash),
            cells: Vec::new(),
        }
    }
}

/// Names what a scenario does; what it says of itself is left out.
fn hash(scenario: &Scenario) -> u64 {
    let bare = Scenario {
        name: None,
        about: None,
        expect: Vec::new(),
        ..scenario.clone()
    };
    xxh3_64(bare.to_json().as_bytes())
}

/// Everything to run, in order; each scenario once, under its first name. Every file that cannot be
/// read gets its line, then `None`.
pub fn load(corpus: &Path, kept: &[PathBuf]) -> anyhow::Result<Option<Vec<Case>>> {
    if !corpus.is_dir() {
        bail!("{}: no such directory", untrusted::path(corpus));
    }
    let files = input::expand(&[corpus.to_owned()])?;
    let mut names: Vec<(Option<String>, PathBuf)> = files.into_iter().map(|f| (None, f)).collect();
    for dir in kept {
        names.extend(findings_in(dir)?);
    }
    let paths: Vec<PathBuf> = names.iter().map(|(_, path)| path.clone()).collect();
    let Some(inputs) = Input::load_all(&paths) else {
        return Ok(None);
    };
    let mut cases: Vec<Case> = Vec::new();
    for ((name, _), input) in names.into_iter().zip(inputs) {
        let case = Case::new(name.unwrap_or_else(|| input.name()), input);
        if !cases.iter().any(|before| before.hash == case.hash) {
            cases.push(case);
        }
    }
    Ok(Some(cases))
}

/// The findings in a directory, by what they are called: a directory each, or a file each, as an
/// earlier `check --findings` kept them.
fn findings_in(dir: &Path) -> anyhow::Result<Vec<(Option<String>, PathBuf)>> {
    let shown = || format!("{}: cannot list it", untrusted::path(dir));
    let name = |path: &Path, whole: bool| {
        let name = if whole {
            path.file_name()
        } else {
            path.file_stem()
        };
        Some(name.unwrap_or_default().to_string_lossy().into_owned())
    };
    let files = files_in(dir).with_context(shown)?.files.into_iter();
    let mut found: Vec<_> = files.map(|file| (name(&file, false), file)).collect();
    let inside = findings::scenarios_in(dir).into_iter();
    found.extend(inside.map(|(finding, file)| (name(&finding, true), file)));
    if found.is_empty() {
        bail!("{}: no finding in it", untrusted::path(dir));
    }
    found.sort();
    Ok(found)
}
