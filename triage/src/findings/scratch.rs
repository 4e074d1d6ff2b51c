//! Names of what is being written to a findings directory or a corpus, and what becomes of it if nobody is there any more to finish it.
//!
//! A campaign that is killed leaves it behind. Nobody can ask whether its writer still lives, who may be in another container or on another machine, but
//! nothing takes long to write.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::is_finding;

/// No finding takes that long to write.
const STALE: Duration = Duration::from_secs(3600);

/// What something is called while it is written.
pub fn name(name: &str, process: u32, number: u64) -> String {
    format!(".{name}.{process}.{number}")
}

/// What it is to become; `None` if this is no such name.
pub fn target(name: &str) -> Option<&str> {
    let numbers = |name: &'_ str| -> Option<usize> {
        let (rest, number) = name.rsplit_once('.')?;
        let all_digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        all_digits.then_some(rest.len())
    };
    let name = name.strip_prefix('.')?;
    let rest = &name[..numbers(name)?];
    let rest = &rest[..numbers(rest)?];
    (!rest.is_empty()).then_some(rest)
}

/// Clears away all that was begun and not finished in a directory that nobody else writes to.
pub fn clear(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_name().to_str().and_then(target).is_some() {
            // What cannot be removed stays: it is in nobody's way.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Clears away what an earlier campaign has begun and not finished. What cannot be removed stays: it is in nobody's way.
pub fn sweep(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let Some(target) = name.to_str().and_then(target) else {
            continue;
        };
        let Ok(about) = fs::symlink_metadata(&path) else {
            continue;
        };
        let age = about.modified().ok().and_then(|time| time.elapsed().ok());
        if age.is_none_or(|age| age < STALE) {
            continue;
        }
        let target = dir.join(target);
        let _ = match about.is_dir() {
            // It was put aside, and nothing came in its place.
            true if is_finding(&path) && !target.exists() => fs::rename(&path, &target),
            true => fs::remove_dir_all(&path),
            false => fs::remove_file(&path),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{File, FileTimes};
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        assert_eq!(
            target(&name("save_fpu.f0-is-fpscr", 7, 12)),
            Some("save_fpu.f0-is-fpscr")
        );
        for other in [
            ".x", ".x.7", ".x.7.", ".7.12", "x.7.12", ".x.y.7", ".git", "",
        ] {
            assert_eq!(target(other), None, "{other}");
        }
    }

    fn make(dir: &Path, name: &str, report: bool, age: Duration) {
        let path = dir.join(name);
        fs::create_dir(&path).unwrap();
        if report {
            fs::write(path.join("report.json"), "{}").unwrap();
        }
        let time = FileTimes::new().set_modified(SystemTime::now() - age);
        File::open(&path).unwrap().set_times(time).unwrap();
    }

    #[test]
    fn only_what_is_old_goes_and_a_whole_finding_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let old = STALE * 2;
        make(dir, ".cut.7.1", false, old);
        make(dir, ".aside.7.2", true, old);
        make(dir, ".replaced.7.3", true, old);
        make(dir, "replaced", true, old);
        make(dir, ".now.7.4", false, Duration::ZERO);
        make(dir, ".mine", false, old);
        sweep(dir);
        let mut names: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, [".mine", ".now.7.4", "aside", "replaced"]);
    }
}
