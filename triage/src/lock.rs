//! Locks between processes: one at a time does what two must not, or need not.
//!
//! A lock is the operating system's, on a file of its own that is there only while somebody has it;
//! that of a process that was killed is gone with it. What it is for, and where the file is, is up
//! to the caller.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// Held as long as it lives.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    /// Closed, and with that unlocked, after the file's name is gone.
    _file: File,
}

impl Lock {
    /// Takes a lock, if no other process has it. Fails where there can be no such file, or no
    /// locks.
    pub fn attempt(path: PathBuf) -> io::Result<Option<Lock>> {
        loop {
            let file = File::options().create(true).append(true).open(&path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            // Whoever had it may have removed the name after this process opened it: then the lock
            // is of nothing.
            if is_named(&file, &path)? {
                return Ok(Some(Lock { path, _file: file }));
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

fn is_named(file: &File, path: &PathBuf) -> io::Result<bool> {
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
    fn one_at_a_time_has_it_and_nothing_is_left_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let attempt = |name: &str| Lock::attempt(folder.path().join(name));
        let first = attempt("a").unwrap();
        assert!(first.is_some() && attempt("a").unwrap().is_none());
        assert!(attempt("b").unwrap().is_some());
        drop(first);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(attempt("a").unwrap().is_some());
        assert!(attempt("nowhere/a").is_err());
    }

    #[test]
    fn a_file_whose_name_is_gone_or_another_ones_locks_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let file = File::create(&path).unwrap();
        assert!(is_named(&file, &path).unwrap());
        fs::remove_file(&path).unwrap();
        assert!(!is_named(&file, &path).unwrap());
        let _other = File::create(&path).unwrap();
        assert!(!is_named(&file, &path).unwrap());
    }
}
