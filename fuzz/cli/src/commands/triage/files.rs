//! Which files of a folder are artifacts, as libFuzzer, ClusterFuzz and ClusterFuzzLite name and
//! place them.
//!
//! The folder is somebody else's: links are not followed, and nothing is opened that is not a file.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use ctxfuzz_scenario::scenario::Scenario;
use ctxfuzz_triage::json_file;

/// No service puts artifacts deeper: FOLDER/TARGET/SANITIZER/FILE.
const DEEPEST: usize = 8;

/// What a file is by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The target ended on it. It is the only kind with something to find; what has a name of its
    /// own is taken for one too.
    Crash,
    /// The target was stopped on it, for this reason. That is nothing that a kernel has done.
    Stopped(&'static str),
    /// A text that lies beside an artifact.
    Beside,
}

/// A file that was looked at, or the reason why it was not.
pub type Listed = (PathBuf, Result<Kind, String>);

/// What libFuzzer calls files that did not crash a target.
const STOPPED: [(&str, &str); 4] = [
    ("timeout-", "timeout"),
    ("slow-unit-", "slow unit"),
    ("oom-", "out of memory"),
    ("leak-", "leak"),
];

/// The names that services give to crashes.
const CRASHES: [&str; 4] = [
    "crash-",
    "crashes-",
    "clusterfuzz-testcase-",
    "minimized-from-",
];

/// What ClusterFuzzLite (`.summary`) and people put beside them.
const BESIDE: [&str; 5] = ["summary", "stacktrace", "txt", "log", "md"];

impl Kind {
    fn of(name: &str) -> Kind {
        let begins = |start: &str| name.starts_with(start);
        let extension = Path::new(name).extension();
        if extension.is_some_and(|own| BESIDE.iter().any(|known| own == *known)) {
            return Kind::Beside;
        }
        if CRASHES.into_iter().any(begins) {
            return Kind::Crash;
        }
        let stopped = STOPPED.into_iter().find(|(start, _)| begins(start));
        stopped.map_or(Kind::Crash, |(_, what)| Kind::Stopped(what))
    }
}

/// The files that were named, and those in the folders that were, in order of their names. Hidden
/// ones are left out.
pub fn list(paths: &[PathBuf]) -> anyhow::Result<Vec<Listed>> {
    let mut listed = Vec::new();
    for path in paths {
        let about =
            fs::metadata(path).with_context(|| format!("{}: cannot look at it", path.display()))?;
        match about.is_dir() {
            true => {
                let inside = fs::read_dir(path);
                inside.with_context(|| format!("{}: cannot list it", path.display()))?;
                folder(path, 0, &mut listed);
            }
            false => listed.push((path.clone(), plain(path))),
        }
    }
    Ok(listed)
}

fn folder(path: &Path, depth: usize, listed: &mut Vec<Listed>) {
    if depth > DEEPEST {
        listed.push((path.to_owned(), Err("is too deep a folder".to_owned())));
        return;
    }
    let names = fs::read_dir(path).and_then(|entries| {
        let names = entries.map(|entry| entry.map(|entry| entry.file_name()));
        names.collect::<Result<Vec<_>, _>>()
    });
    let mut names = match names {
        Ok(names) => names,
        Err(error) => {
            listed.push((path.to_owned(), Err(format!("cannot be listed: {error}"))));
            return;
        }
    };
    names.sort();
    for name in names {
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = path.join(name);
        let about = fs::symlink_metadata(&path);
        match about.is_ok_and(|about| about.is_dir()) {
            true => folder(&path, depth + 1, listed),
            false => listed.push((path.clone(), plain(&path))),
        }
    }
}

fn plain(path: &Path) -> Result<Kind, String> {
    json_file::plain(path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(Kind::of(&name))
}

/// The scenario in an artifact. It gets the file's name, if it has none, so that a report says
/// where it came from.
pub fn scenario(path: &Path) -> Result<Scenario, String> {
    let mut scenario = Scenario::load(path).map_err(|error| {
        let error = error.to_string();
        let rest = error.strip_prefix(&*path.to_string_lossy());
        format!(
            "is no scenario: {}",
            rest.unwrap_or(&error).trim_start_matches(": ")
        )
    })?;
    if scenario.name.is_none() {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let named = Scenario {
            name: Some(name.into_owned()),
            ..scenario.clone()
        };
        if named.validate().is_ok() {
            scenario = named;
        }
    }
    Ok(scenario)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn files_are_what_services_call_them() {
        for (name, kind) in [
            ("crash-0123456789abcdef", Kind::Crash),
            ("crashes-1", Kind::Crash),
            (
                "clusterfuzz-testcase-minimized-differential-5255984894509056",
                Kind::Crash,
            ),
            ("clusterfuzz-testcase-transparency-1", Kind::Crash),
            ("minimized-from-0123", Kind::Crash),
            ("found.json", Kind::Crash),
            ("timeout-0123", Kind::Stopped("timeout")),
            ("slow-unit-0123", Kind::Stopped("slow unit")),
            ("oom-0123", Kind::Stopped("out of memory")),
            ("leak-0123", Kind::Stopped("leak")),
            ("crash-0123.summary", Kind::Beside),
            ("timeout-0123.summary", Kind::Beside),
            ("README.md", Kind::Beside),
        ] {
            assert_eq!(Kind::of(name), kind, "{name}");
        }
    }

    #[test]
    fn a_foreign_folder_is_listed_with_care() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let dir = folder.path();
        let deep = dir.join("differential/address");
        fs::create_dir_all(&deep)?;
        fs::write(deep.join("crash-1"), "x")?;
        fs::write(dir.join(".hidden"), "x")?;
        symlink("/etc/passwd", dir.join("crash-link"))?;
        symlink("/", dir.join("crashes-link"))?;
        let deeper = ["d"; DEEPEST + 2].join("/");
        fs::create_dir_all(dir.join(&deeper))?;
        let listed = list(&[dir.to_owned()])?;
        let said: Vec<(String, bool)> = listed
            .iter()
            .map(|(path, kind)| {
                let path = path.strip_prefix(dir).unwrap_or(path);
                (path.display().to_string(), kind.is_ok())
            })
            .collect();
        let expected = [
            ("crash-link".to_owned(), false),
            ("crashes-link".to_owned(), false),
            (["d"; DEEPEST + 1].join("/"), false),
            ("differential/address/crash-1".to_owned(), true),
        ];
        assert_eq!(said, expected);
        // What the user names may be a link.
        symlink(deep.join("crash-1"), dir.join("named"))?;
        assert!(list(&[dir.join("nowhere")]).is_err());
        Ok(())
    }

    #[test]
    fn a_scenario_is_called_by_its_file() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let text = r#"{"ctxfuzz": 1, "stage": {"tasks": [{}]}, "events": [{"touch": "fp"}]}"#;
        let path = folder.path().join("crash-1");
        fs::write(&path, text)?;
        let named = scenario(&path).map_err(anyhow::Error::msg)?;
        assert_eq!(named.name.as_deref(), Some("crash-1"));
        // Not by one that a scenario cannot have.
        let path = folder.path().join("cr\u{e4}sh 1");
        fs::write(&path, text)?;
        assert_eq!(scenario(&path).map(|scenario| scenario.name), Ok(None));
        fs::write(&path, b"{\n\xff")?;
        let error = scenario(&path).err().unwrap_or_default();
        assert!(error.starts_with("is no scenario: "), "{error}");
        Ok(())
    }
}
