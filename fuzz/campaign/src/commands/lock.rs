//! One process at a time writes a file. Not responsible for how it is written (`input`).
//!
//! The lock is the kernel's, on a file beside the one that is meant: that of a process that was killed is gone with it.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::input::folder_of;

/// Held as long as it lives.
pub struct Lock {
    path: PathBuf,
    /// Closed, and with that unlocked, after the file's name is gone.
    _file: File,
}

impl Lock {
    /// Takes the lock of a file that is going to be written; an error if another process has it.
    pub fn of(output: &Path) -> anyhow::Result<Lock> {
        // By whatever link it is named, it is the same file.
        let target = fs::canonicalize(output).unwrap_or_else(|_| output.to_owned());
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let path = folder_of(&target).join(format!(".{name}.lock"));
        let cannot = || format!("{}: cannot lock it", output.display());
        loop {
            let mut options = File::options();
            let file = options.create(true).append(true).open(&path);
            let file = file.with_context(cannot)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    bail!("{}: another ctxfuzz is writing it", output.display())
                }
                Err(TryLockError::Error(error)) => return Err(error).with_context(cannot),
            }
            // Whoever had it may have removed the name after this process opened it: then the lock is of nothing.
            if is_named(&file, &path).with_context(cannot)? {
                return Ok(Lock { path, _file: file });
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // One that stays is taken by the next.
        let _ = fs::remove_file(&self.path);
    }
}

fn is_named(file: &File, path: &Path) -> io::Result<bool> {
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    match fs::metadata(path) {
        Ok(there) => Ok(identity(there) == identity(file.metadata()?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_has_it_whatever_the_file_is_called() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let (output, link) = (folder.path().join("out"), folder.path().join("link"));
        fs::write(&output, "")?;
        std::os::unix::fs::symlink(&output, &link)?;
        let first = Lock::of(&output)?;
        let refused = Lock::of(&link).err().map(|error| error.to_string());
        assert!(refused.is_some_and(|error| error.ends_with("another ctxfuzz is writing it")));
        drop(first);
        assert_eq!(
            fs::read_dir(folder.path())?.count(),
            2,
            "nothing is left of it"
        );
        Lock::of(&link)?;
        Ok(())
    }
}
