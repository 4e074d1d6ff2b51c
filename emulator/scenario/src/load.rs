//! Scenarios from files.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::error::LoadError;
use crate::scenario::Scenario;

/// Bytes of the largest scenario file; a real one has a few thousand.
const MAX_BYTES: u64 = 16 << 20;

/// Reads a file, but not without end.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)?;
    match bytes.len() as u64 > MAX_BYTES {
        true => Err(io::Error::other("it is larger than 16 MiB")),
        false => Ok(bytes),
    }
}

/// What a directory holds under names of scenario files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// The scenario files, in order.
    pub files: Vec<PathBuf>,
    /// What has such a name and is no file, in order: a pipe would be waited for.
    pub others: Vec<PathBuf>,
}

/// Lists a directory's `*.json`, hidden ones left out. What cannot be looked at is a file, and
/// whoever reads it will say why not.
pub fn files_in(dir: &Path) -> io::Result<Listed> {
    let mut listed = Listed::default();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        if !name.starts_with(b".") && path.extension().is_some_and(|e| e == "json") {
            match fs::metadata(&path).is_ok_and(|about| !about.is_file()) {
                true => listed.others.push(path),
                false => listed.files.push(path),
            }
        }
    }
    listed.files.sort();
    listed.others.sort();
    Ok(listed)
}

impl Scenario {
    /// Reads and validates one scenario file.
    pub fn load(path: &Path) -> Result<Scenario, LoadError> {
        let owned = || path.to_owned();
        if path.is_dir() {
            return Err(LoadError::Directory { path: owned() });
        }
        let bytes = read(path).map_err(|source| LoadError::Unreadable {
            path: owned(),
            source,
        })?;
        let text = match std::str::from_utf8(&bytes) {
            Ok(text) => text,
            Err(error) => {
                let before = &bytes[..error.valid_up_to()];
                let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
                return Err(LoadError::NotUtf8 {
                    path: owned(),
                    line,
                });
            }
        };
        if text.trim().is_empty() {
            return Err(LoadError::Empty { path: owned() });
        }
        Ok(Scenario::from_json(text, &path.display().to_string())?)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn message(bytes: &[u8]) -> String {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("x.json");
        fs::write(&path, bytes).expect("a file is written");
        let error = Scenario::load(&path).expect_err("no scenario");
        error
            .to_string()
            .replace(&*folder.path().to_string_lossy(), "T")
    }

    #[test]
    fn what_is_no_scenario_file_is_said_clearly() {
        assert_eq!(
            message(b""),
            "T/x.json: is empty: expected a scenario in JSON"
        );
        assert_eq!(
            message(b" \n"),
            "T/x.json: is empty: expected a scenario in JSON"
        );
        assert_eq!(
            message(b"{\n\xff"),
            "T/x.json:2: is not UTF-8 text: expected a scenario in JSON"
        );
        assert!(message(b"[]").starts_with("T/x.json:1:"));

        let folder = tempfile::tempdir().expect("a temporary folder");
        let directory = Scenario::load(folder.path()).expect_err("a directory");
        assert!(
            directory
                .to_string()
                .ends_with(": is a directory: expected a scenario file")
        );
        let missing = Scenario::load(&folder.path().join("none.json")).expect_err("missing");
        assert!(
            missing
                .to_string()
                .contains("none.json: cannot read it: No such file")
        );
    }
}
