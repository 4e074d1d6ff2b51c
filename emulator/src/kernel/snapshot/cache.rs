//! Snapshots that have been made before, so that a kernel boots once.

use std::fs;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

use super::error::SnapshotError;
use super::vmlinux::Mapped;
use super::{BootOptions, Snapshot, file, qemu};
use crate::kernel::agent;
use crate::run::outcome::Endian;

impl Snapshot {
    /// The snapshot of a kernel, booted if it has not been before.
    pub fn cached(vmlinux: &Path) -> Result<Snapshot, SnapshotError> {
        let path = folder()?.join(name(Mapped::open(vmlinux)?.hash()));
        // One that cannot be read is as good as none: it is made again.
        if let Ok(snapshot) = Snapshot::read(&path) {
            return Ok(snapshot);
        }
        let snapshot = Snapshot::boot(vmlinux, &BootOptions::default())?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|error| SnapshotError::Write {
                path: folder.to_owned(),
                error,
            })?;
        }
        snapshot.write(&path)?;
        Ok(snapshot)
    }
}

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
    format!("{kernel:016x}-{:016x}.snapshot", recipe.digest())
}

fn folder() -> Result<PathBuf, SnapshotError> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let own = || variable("CTXFUZZ_CACHE").map(PathBuf::from);
    let standard = || Some(PathBuf::from(variable("XDG_CACHE_HOME")?).join("ctxfuzz"));
    let home = || Some(PathBuf::from(variable("HOME")?).join(".cache/ctxfuzz"));
    own()
        .or_else(standard)
        .or_else(home)
        .ok_or(SnapshotError::NoCache)
}
