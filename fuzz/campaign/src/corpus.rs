//! The corpus directory: what a campaign starts from, and what it leaves for the next one.
//!
//! Scenarios that people wrote lie in the directory itself; those that campaigns found lie in its
//! folder `found`, so that neither gets lost among the other.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ctxfuzz_generators::any_scenario;
use ctxfuzz_scenario::Scenario;
use ctxfuzz_scenario::load::{Listed, files_in};
use ctxfuzz_triage::atomic;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::CampaignError;

/// Random scenarios to start from where there is nothing else. Coverage makes the corpus grow from
/// a few; more of them only delay that.
const FRESH: u64 = 16;

/// Where a campaign writes, in the corpus directory.
const FOUND: &str = "found";

/// What a campaign starts from.
#[derive(Debug, PartialEq)]
pub struct Initial {
    /// The first scenarios.
    pub scenarios: Vec<Scenario>,
    /// What is called like a scenario file in the directory and is none.
    pub others: Vec<PathBuf>,
}

/// The first scenarios: the directory's, in order of their names, or random ones if it is empty or
/// there is none. Only reads.
pub fn initial(dir: Option<&Path>, seed: u64) -> Result<Initial, CampaignError> {
    let (mut scenarios, mut others) = (Vec::new(), Vec::new());
    for dir in dir
        .iter()
        .flat_map(|dir| [dir.to_path_buf(), dir.join(FOUND)])
    {
        if dir.exists() {
            let listed = list(&dir)?;
            for path in listed.files {
                scenarios.push(Scenario::load(&path)?);
            }
            others.extend(listed.others);
        }
    }
    if scenarios.is_empty() {
        scenarios = (0..FRESH)
            .map(|index| any_scenario(xxh3_64_with_seed(&index.to_le_bytes(), seed)))
            .collect();
    }
    Ok(Initial { scenarios, others })
}

/// The folder of a corpus directory that campaigns write to.
pub fn found(dir: &Path) -> PathBuf {
    dir.join(FOUND)
}

/// Makes the directory ready for what will be found. An empty one gets the first scenarios, so that
/// it has all the coverage of the campaign; all of them or none, because a campaign that finds some
/// does not make up others.
pub fn prepare(dir: &Path, initial: &[Scenario]) -> Result<(), CampaignError> {
    let found = dir.join(FOUND);
    fs::create_dir_all(dir).map_err(refused("create the corpus directory", dir))?;
    for dir in [dir, &found] {
        // No directory is put aside here.
        atomic::sweep(dir, |_| false);
    }
    let empty = |dir: &Path| Ok::<bool, CampaignError>(list(dir)?.files.is_empty());
    if !empty(dir)? || found.exists() && !empty(&found)? {
        return fs::create_dir_all(&found).map_err(refused("create the directory", &found));
    }
    let cannot_create = refused("create the directory", &found);
    let whole = atomic::directory(&found).map_err(&cannot_create)?;
    for scenario in initial {
        write_to(whole.path(), scenario)?;
    }
    sync_directory(whole.path())?;
    // In the place of an empty one too.
    atomic::put(whole, &found).map_err(&cannot_create)?;
    sync_directory(dir)
}

/// The scenarios of a corpus directory, as far as it can be read.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let dirs = [dir.to_path_buf(), found(dir)];
    let listed = dirs.map(|dir| files_in(&dir).unwrap_or_default().files);
    listed.concat()
}

/// The scenario files of a directory.
pub fn list(dir: &Path) -> Result<Listed, CampaignError> {
    files_in(dir).map_err(refused("list the corpus directory", dir))
}

/// Adds a scenario to what was found, under a name made from its content, whole or not at all. What
/// is there already stays as it is. Returns where it is: it is still there after a loss of power.
pub fn write(dir: &Path, scenario: &Scenario) -> Result<PathBuf, CampaignError> {
    let found = dir.join(FOUND);
    let path = write_to(&found, scenario)?;
    sync_directory(&found)?;
    Ok(path)
}

/// Makes sure of the names in a directory; what the files hold is made sure of when they are
/// written.
fn sync_directory(dir: &Path) -> Result<(), CampaignError> {
    atomic::sync_directory(dir).map_err(refused("sync the directory", dir))
}

/// Writes a scenario into a directory under a name made from its content, if it is not there.
pub fn write_to(dir: &Path, scenario: &Scenario) -> Result<PathBuf, CampaignError> {
    let text = scenario.to_json();
    let name = format!("{:016x}.json", xxh3_64(text.as_bytes()));
    let path = dir.join(&name);
    if path.exists() {
        return Ok(path);
    }
    write_whole(&path, &text)?;
    Ok(path)
}

/// Writes a file whole or not at all.
pub fn write_whole(path: &Path, text: &str) -> Result<(), CampaignError> {
    atomic::write(path, text).map_err(refused("write", path))
}

/// What an operation's error becomes.
pub fn refused(action: &'static str, path: &Path) -> impl Fn(io::Error) -> CampaignError + use<> {
    let path = path.to_owned();
    move |source| CampaignError::Corpus {
        action,
        path: path.clone(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_directory_and_none_start_alike() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("a/b");
        let fresh = initial(None, 7).unwrap();
        assert_eq!(initial(Some(&missing), 7).unwrap(), fresh);
        assert!(!missing.exists(), "reading makes nothing");
        prepare(&missing, &fresh.scenarios).unwrap();
        let kept = list(&missing.join(FOUND)).unwrap().files;
        assert_eq!(kept.len(), fresh.scenarios.len());
        assert_ne!(initial(None, 8).unwrap(), fresh);
    }

    #[test]
    fn what_is_written_is_read_again_and_written_once() {
        let folder = tempfile::tempdir().unwrap();
        let scenario = any_scenario(3);
        fs::create_dir(folder.path().join(FOUND)).unwrap();
        write(folder.path(), &scenario).unwrap();
        write(folder.path(), &scenario).unwrap();
        fs::write(folder.path().join("README.md"), "no scenario").unwrap();
        fs::write(folder.path().join(".half.json"), "{").unwrap();
        let read = initial(Some(folder.path()), 1).unwrap();
        assert_eq!(read.scenarios, [scenario]);
        let names = list(&folder.path().join(FOUND)).unwrap().files;
        let name = names[0].file_stem().unwrap().to_str().unwrap();
        assert!(name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }

    #[test]
    fn a_broken_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("broken.json"), "{").unwrap();
        let error = initial(Some(folder.path()), 1).unwrap_err().to_string();
        assert!(error.contains("broken.json:1:"), "{error}");
    }

    #[test]
    fn a_file_is_no_directory() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = initial(Some(&file), 1).unwrap_err().to_string();
        assert!(
            error.starts_with("cannot list the corpus directory `"),
            "{error}"
        );
    }
}
