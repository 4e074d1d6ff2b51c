//! Files and directories that appear under their names whole or not at all.
//!
//! They are written under a scratch name in the same directory, made safe, and renamed. A scratch
//! name begins with a dot, so neither listings nor rsync (`--exclude='.*'`) take what has one for
//! finished. A writer that fails removes what it has begun; one that is killed leaves it, and
//! [`sweep`] clears it away later. Nobody can ask whether its writer still lives, who may be in
//! another container or on another machine, but nothing takes long to write.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use tempfile::{Builder, NamedTempFile, TempDir};

/// Nothing takes that long to write.
const STALE: Duration = Duration::from_secs(3600);

/// How many letters and digits tempfile draws for the end of a scratch name. Hardly a file of the
/// user's has as many there.
const DRAWN: usize = 12;

/// Writes a text to a file, which keeps what it had if that fails. The text survives a loss of
/// power; the name does after [`sync_directory`].
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    write_with(path, |file| file.write_all(text.as_bytes()))
}

/// As [`write()`], with what `fill` writes.
pub fn write_with(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    write_from(folder(path), path, fill)
}

/// As [`write()`], with the scratch file in another directory of the same file system: one that is
/// swept.
pub fn write_by_way_of(swept: &Path, path: &Path, text: &str) -> io::Result<()> {
    write_from(swept, path, |file| file.write_all(text.as_bytes()))
}

fn write_from(
    scratch: &Path,
    path: &Path,
    fill: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let mut file = file(scratch, path)?;
    fill(file.as_file_mut())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Fails if nothing can be written to a directory.
pub fn probe(dir: &Path) -> io::Result<()> {
    file(dir, Path::new("probe"))?.close()
}

fn file(dir: &Path, path: &Path) -> io::Result<NamedTempFile> {
    // `tempfile_in` would add the scratch name to errors, and make files that only the user reads.
    Builder::new()
        .prefix(&prefix(path))
        .rand_bytes(DRAWN)
        .make_in(dir, |path| File::create_new(path))
}

/// Makes a directory beside `path` for what [`put`] or [`exchange`] then move there. It is removed
/// when it is dropped.
pub fn directory(path: &Path) -> io::Result<TempDir> {
    Builder::new()
        .prefix(&prefix(path))
        .rand_bytes(DRAWN)
        .tempdir_in(folder(path))
}

/// Moves a finished directory to its place, where there is nothing or an empty directory.
pub fn put(directory: TempDir, path: &Path) -> io::Result<()> {
    fs::rename(directory.path(), path)?;
    // The scratch name is free: whoever takes it must not lose what is there.
    let _ = directory.keep();
    Ok(())
}

/// Puts two directories in each other's place, at once where the file system can. Elsewhere there
/// is none at `old` for a moment: if the process ends there, [`sweep`] puts the old one back.
pub fn exchange(new: &Path, old: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        if renameat_with(CWD, new, CWD, old, RenameFlags::EXCHANGE).is_ok() {
            return Ok(());
        }
    }
    exchange_in_steps(new, old)
}

fn exchange_in_steps(new: &Path, old: &Path) -> io::Result<()> {
    let aside = directory(old)?;
    fs::rename(old, aside.path())?;
    // From here on it is the old one, which must not be removed.
    let aside = aside.keep();
    match fs::rename(new, old) {
        Ok(()) => fs::rename(aside, new),
        Err(error) => fs::rename(aside, old).and(Err(error)),
    }
}

/// Makes the names in a directory survive a loss of power. What the files hold is made safe when
/// they are written.
pub fn sync_directory(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// The folder that a path is in, for tempfile, which takes the empty one for the current one.
fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// The beginning of a scratch name: `.NAME.PROCESS.`, and then comes what tempfile draws.
fn prefix(path: &Path) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(path.file_name().unwrap_or_default());
    prefix.push(format!(".{}.", std::process::id()));
    prefix
}

/// The name of a lock on what is to be called `name`, the same in all processes. It is a scratch
/// name, so that [`sweep`] removes one that nobody is there to remove.
pub fn lock_name(name: &str) -> String {
    format!(".{name}.0.0")
}

/// What something with this scratch name is to be called; `None` if it is no scratch name. The
/// last part may be a number: in names of locks, and in those of versions before tempfile.
pub fn target(name: &str) -> Option<&str> {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let drawn =
        |part: &str| part.len() == DRAWN && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let (rest, last) = name.strip_prefix('.')?.rsplit_once('.')?;
    let (target, process) = rest.rsplit_once('.')?;
    let scratch = (digits(last) || drawn(last)) && digits(process) && !target.is_empty();
    scratch.then_some(target)
}

/// Clears away all files with scratch names in a directory that nobody else writes to.
pub fn clear(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_name().to_str().and_then(target).is_some() {
            // What cannot be removed stays: it is in nobody's way.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Clears away what has a scratch name and is old. A directory that `is_finished` was put aside by
/// [`exchange`]: it goes back to its place, if nothing came there. What cannot be removed stays: it
/// is in nobody's way.
pub fn sweep(dir: &Path, is_finished: impl Fn(&Path) -> bool) {
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
            true if is_finished(&path) && !target.exists() => fs::rename(&path, &target),
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
        let dir = tempfile::tempdir().unwrap();
        for name in ["save_fpu.f0-is-fpscr", "x.json"] {
            let scratch = directory(&dir.path().join(name)).unwrap();
            let named = scratch.path().file_name().unwrap().to_str().unwrap();
            assert_eq!(target(named), Some(name), "{named}");
            assert_eq!(target(&lock_name(name)), Some(name));
        }
        for other in [
            ".x",
            ".x.7",
            ".x.7.",
            ".7.12",
            "x.7.12",
            ".x.y.7",
            ".git",
            "",
            ".x.7.backup",
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
        sweep(dir, |dir| dir.join("report.json").is_file());
        let mut names = names(dir);
        names.sort();
        assert_eq!(names, [".mine", ".now.7.4", "aside", "replaced"]);
    }

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    }

    #[test]
    fn a_file_is_written_whole_or_stays_what_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.json");
        write(&path, "old").unwrap();
        let failed = write_with(&path, |file| {
            file.write_all(b"ne")?;
            assert_eq!(fs::read_to_string(&path)?, "old");
            assert!(
                names(dir.path())
                    .iter()
                    .any(|name| target(name) == Some("x.json"))
            );
            Err(io::Error::other("full"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "full");
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        write(&path, "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(names(dir.path()), ["x.json"]);
    }

    #[test]
    fn others_may_read_what_is_written_and_errors_name_no_scratch_file() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let (plain, ours) = (dir.path().join("plain"), dir.path().join("ours"));
        fs::write(&plain, "").unwrap();
        write(&ours, "").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&plain));
        let nowhere = dir.path().join("no/where");
        let plain = fs::write(&nowhere, "").unwrap_err();
        assert_eq!(
            write(&nowhere, "").unwrap_err().to_string(),
            plain.to_string()
        );
    }

    #[test]
    fn directories_are_exchanged_in_steps_as_they_are_at_once() {
        for exchange in [exchange, exchange_in_steps] {
            let dir = tempfile::tempdir().unwrap();
            let [new, old] = ["new", "old"].map(|name| dir.path().join(name));
            for path in [&new, &old] {
                fs::create_dir(path).unwrap();
                fs::write(path.join(path.file_name().unwrap()), "").unwrap();
            }
            exchange(&new, &old).unwrap();
            assert_eq!(
                (names(&new), names(&old)),
                (vec!["old".into()], vec!["new".into()])
            );
            assert_eq!(names(dir.path()).len(), 2);
            // Without a new one the old one stays.
            assert!(exchange(&dir.path().join("none"), &old).is_err());
            assert_eq!(names(&old), ["new"]);
            assert_eq!(names(dir.path()).len(), 2);
        }
    }
}
