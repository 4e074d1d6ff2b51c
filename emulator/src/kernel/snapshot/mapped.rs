//! Files too large to read when a part of them is all that is wanted.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use memmap2::Mmap;
use xxhash_rust::xxh3::xxh3_64;

use super::error::SnapshotError;

/// A mapped file.
pub struct Mapped {
    /// Absolute.
    pub path: PathBuf,
    bytes: Mmap,
}

impl Mapped {
    /// Maps a file.
    pub fn open(path: &Path) -> Result<Self, SnapshotError> {
        let unreadable = |error| SnapshotError::Read {
            path: path.to_owned(),
            error,
        };
        let absolute = std::fs::canonicalize(path).map_err(unreadable)?;
        // A pipe would be waited for when it is opened.
        let metadata = std::fs::metadata(&absolute).map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(SnapshotError::Kernel {
                path: path.to_owned(),
                problem: "is not a regular file: expected a vmlinux".to_owned(),
            });
        }
        let file = File::open(&absolute).map_err(unreadable)?;
        // SAFETY: the mapping is private and only read. Whoever changes the file meanwhile may make
        // us read nonsense or end with SIGBUS; builds replace a vmlinux rather than change it, and
        // reading hundreds of megabytes of debug information instead would cost every user seconds.
        let bytes = unsafe { Mmap::map(&file) }.map_err(unreadable)?;
        Ok(Mapped {
            path: absolute,
            bytes,
        })
    }

    /// xxh3 of the file.
    pub fn hash(&self) -> u64 {
        xxh3_64(&self.bytes)
    }

    /// What is in it.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A file that stays mapped until the process ends, mapped once however often it is asked for.
    /// `None` if it is not the one with that hash any more.
    pub fn for_good(path: &Path, hash: u64) -> Option<&'static [u8]> {
        static KEPT: Mutex<BTreeMap<u64, &'static Mapped>> = Mutex::new(BTreeMap::new());
        let mut kept = KEPT.lock().ok()?;
        if let Some(file) = kept.get(&hash) {
            return Some(file.bytes());
        }
        let file = Mapped::open(path).ok().filter(|file| file.hash() == hash)?;
        // What looks up source lines borrows from it for as long as the process lives; that is a
        // handful of kernels.
        let file: &'static Mapped = Box::leak(Box::new(file));
        kept.insert(hash, file);
        Some(file.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_kept_while_it_is_the_same() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("file");
        std::fs::write(&path, "content").expect("it is written");
        let hash = Mapped::open(&path).expect("it opens").hash();
        assert_eq!(Mapped::for_good(&path, hash ^ 1), None);
        assert_eq!(Mapped::for_good(&path, hash), Some(&b"content"[..]));
        let gone = folder.path().join("gone");
        assert_eq!(Mapped::for_good(&gone, hash), Some(&b"content"[..]));
        assert_eq!(Mapped::for_good(&gone, hash ^ 1), None);
    }

    #[test]
    fn only_regular_files_are_mapped() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let directory = Mapped::open(folder.path());
        assert!(matches!(directory, Err(SnapshotError::Kernel { .. })));
        let none = Mapped::open(&folder.path().join("none"));
        assert!(matches!(none, Err(SnapshotError::Read { .. })));
        let empty = folder.path().join("empty");
        std::fs::write(&empty, "").expect("it is written");
        assert_eq!(
            Mapped::open(&empty).map(|file| file.bytes().len()).ok(),
            Some(0)
        );
    }

    #[test]
    fn what_is_no_file_is_refused_without_waiting_for_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.expect("coreutils has it").success());
        for path in [pipe.as_path(), folder.path()] {
            let error = Mapped::open(path)
                .map(|_| ())
                .map_err(|error| error.to_string());
            let error = error.expect_err("it is no file");
            assert!(error.contains("is not a regular file"), "{error}");
        }
    }
}
