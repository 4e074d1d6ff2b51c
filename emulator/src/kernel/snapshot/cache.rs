//! Snapshots that have been made before, so that a kernel boots once.

use std::fs;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

use super::error::SnapshotError;
use super::mapped::Mapped;
use super::{BootOptions, Snapshot, file, package, qemu};
use crate::arch::Endian;
use crate::kernel::agent;

/// How many snapshots are kept: those used last.
const KEPT: usize = 16;

/// A snapshot, and where it is kept.
#[derive(Debug)]
pub struct Cached {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// Its file.
    pub path: PathBuf,
    /// Whether the kernel had to be booted for it.
    pub booted: bool,
}

impl Snapshot {
    /// The snapshot of a kernel, booted if it has not been before.
    pub fn cached(vmlinux: &Path) -> Result<Snapshot, SnapshotError> {
        Ok(Cached::get(vmlinux)?.snapshot)
    }

    /// The snapshot of a kernel that was put into a folder under the name it has in the cache.
    /// Nothing is booted, and nothing is written.
    pub fn packed(vmlinux: &Path, folder: &Path) -> Result<Snapshot, SnapshotError> {
        let kernel = Mapped::open(vmlinux)?;
        let path = folder.join(name(kernel.hash()));
        if !path.exists() {
            return Err(SnapshotError::NotPacked {
                path: vmlinux.to_owned(),
                wanted: path,
            });
        }
        let mut snapshot = Snapshot::read(&path)?;
        if snapshot.kernel_hash != kernel.hash() {
            return Err(SnapshotError::Kernel {
                path: vmlinux.to_owned(),
                problem: format!("is not the kernel that {} is of", path.display()),
            });
        }
        snapshot.vmlinux = kernel.path;
        Ok(snapshot)
    }
}

impl Cached {
    /// Extension of the file beside a snapshot in which others keep what they have found out about
    /// it. It goes with the snapshot.
    pub const PROOF: &str = "proof";

    /// The snapshot of a kernel, booted if it has not been before.
    pub fn get(vmlinux: &Path) -> Result<Cached, SnapshotError> {
        Cached::get_in(&folder()?, vmlinux, None)
    }

    /// The same, with so many bytes of memory: one that has another size is made anew, and used
    /// from then on.
    pub fn with_memory(vmlinux: &Path, size: u64) -> Result<Cached, SnapshotError> {
        Cached::get_in(&folder()?, vmlinux, Some(size))
    }

    /// Where a snapshot is kept.
    pub fn path_of(snapshot: &Snapshot) -> Result<PathBuf, SnapshotError> {
        Ok(folder()?.join(name(snapshot.kernel_hash)))
    }

    fn get_in(folder: &Path, vmlinux: &Path, memory: Option<u64>) -> Result<Cached, SnapshotError> {
        let file = package::kernel(vmlinux, || Ok(folder.to_owned()))?;
        let kernel = Mapped::open(&file)?;
        let path = folder.join(name(kernel.hash()));
        // One that cannot be read is as good as none: it is made again.
        if let Ok(mut snapshot) = Snapshot::read(&path)
            && memory.is_none_or(|size| size == snapshot.memory_size)
        {
            touch(&path);
            snapshot.vmlinux = kernel.path;
            return Ok(Cached {
                snapshot,
                path,
                booted: false,
            });
        }
        // Before the boot, whose result would be lost.
        fs::create_dir_all(folder).map_err(|error| SnapshotError::Write {
            path: folder.to_owned(),
            error,
        })?;
        let usual = BootOptions::default();
        let options = BootOptions {
            memory_size: memory.unwrap_or(usual.memory_size),
            ..usual
        };
        let snapshot = Snapshot::boot(&file, &options);
        let snapshot = snapshot.map_err(|error| error.of(vmlinux))?;
        snapshot.write(&path)?;
        prune(folder, EXTENSION, KEPT);
        Ok(Cached {
            snapshot,
            path,
            booted: true,
        })
    }
}

/// Says that a file is in use. Where that cannot be done, files go by the order in which they were
/// made.
pub(super) fn touch(path: &Path) {
    let now = std::time::SystemTime::now();
    let _ = fs::File::options()
        .append(true)
        .open(path)
        .and_then(|file| file.set_modified(now));
}

/// Removes the files of a kind that have not been used for longest. Kernels get rebuilt; nobody
/// comes back to the ones before.
pub(super) fn prune(folder: &Path, extension: &str, keep: usize) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    let mut files: Vec<_> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let ours = path.extension().is_some_and(|e| e == extension);
            let used = ours.then(|| fs::metadata(&path)?.modified())?.ok()?;
            Some((used, path))
        })
        .collect();
    files.sort();
    let surplus = files.len().saturating_sub(keep);
    for (_, path) in &files[..surplus] {
        // Somebody else may have been faster.
        let _ = fs::remove_file(path);
        let _ = fs::remove_file(path.with_extension(Cached::PROOF));
    }
}

const EXTENSION: &str = "snapshot";

/// Everything that decides what a snapshot is like has a part in its file's name.
fn name(kernel: u64) -> String {
    let mut recipe = Xxh3Default::new();
    recipe.update(&file::VERSION.to_le_bytes());
    for endian in Endian::BOTH {
        recipe.update(&xxh3_64(agent::elf(endian)).to_le_bytes());
    }
    for argument in qemu::MACHINE {
        recipe.update(argument.as_bytes());
    }
    recipe.update(qemu::COMMAND_LINE.as_bytes());
    recipe.update(&qemu::NOT_THE_KERNELS.to_le_bytes());
    format!("{kernel:016x}-{:016x}.{EXTENSION}", recipe.digest())
}

/// Where snapshots, and kernels out of packages, are kept.
pub(super) fn folder() -> Result<PathBuf, SnapshotError> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let own = || variable("CTXFUZZ_CACHE").map(PathBuf::from);
    let standard = || Some(PathBuf::from(variable("XDG_CACHE_HOME")?).join("ctxfuzz"));
    let home = || Some(PathBuf::from(variable("HOME")?).join(".cache/ctxfuzz"));
    own()
        .or_else(standard)
        .or_else(home)
        .ok_or(SnapshotError::NoCache)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn what_has_not_been_used_for_longest_goes_first() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |n: usize| folder.path().join(format!("{n}.{EXTENSION}"));
        let start = SystemTime::now() - Duration::from_secs(1000);
        for n in 0..KEPT + 3 {
            let file = fs::File::create(path(n)).expect("it is made");
            let used = start + Duration::from_secs(n as u64);
            file.set_modified(used).expect("its time is set");
        }
        fs::write(folder.path().join("notes"), "mine").expect("it is written");
        touch(&path(0));
        prune(folder.path(), EXTENSION, KEPT);
        let left: Vec<usize> = (0..KEPT + 3).filter(|&n| path(n).exists()).collect();
        let expected: Vec<usize> = std::iter::once(0).chain(4..KEPT + 3).collect();
        assert_eq!(left, expected);
        assert!(folder.path().join("notes").exists());
    }

    #[test]
    fn kernels_have_names_of_their_own() {
        assert_ne!(name(1), name(2));
        assert_eq!(name(1), name(1));
    }

    #[test]
    fn what_is_packed_is_never_booted() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let vmlinux = folder.path().join("k.vmlinux");
        fs::write(&vmlinux, "a kernel").expect("it is written");
        let packed = || Snapshot::packed(&vmlinux, folder.path());
        let refused = packed().expect_err("there is none");
        assert!(matches!(refused, SnapshotError::NotPacked { .. }));
        let text = refused.to_string();
        assert!(
            text.contains("k.vmlinux: has no snapshot that this ctxfuzz can use")
                && text.contains(&name(xxh3_64(b"a kernel"))),
            "{text}"
        );

        let snapshot = file::tests::sample(xxh3_64(b"a kernel"));
        let path = folder.path().join(name(xxh3_64(b"a kernel")));
        snapshot.write(&path).expect("it is written");
        let read = packed().expect("it is there");
        assert_eq!(read.hash(), snapshot.hash());
        assert_eq!(Some(&read.vmlinux), vmlinux.canonicalize().ok().as_ref());

        // Of another kernel, under this one's name.
        file::tests::sample(7).write(&path).expect("it is written");
        assert!(matches!(packed(), Err(SnapshotError::Kernel { .. })));
        fs::write(&path, "cut").expect("it is written");
        assert!(matches!(packed(), Err(SnapshotError::Format { .. })));
    }

    #[test]
    fn nothing_is_kept_of_what_is_no_kernel() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let cache = folder.path().join("cache");
        let file = folder.path().join("vmlinux");
        fs::write(&file, "no kernel").expect("it is written");
        let refused = Cached::get_in(&cache, &file, None);
        assert!(matches!(refused, Err(SnapshotError::Kernel { .. })));
        assert_eq!(fs::read_dir(&cache).map(Iterator::count).ok(), Some(0));
    }
}
