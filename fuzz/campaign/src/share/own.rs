//! The folder that a campaign shares in: which one is its own.
//!
//! It stays the same when a campaign is started again, and no two campaigns have the same one: its
//! file `.owner` is locked while a campaign runs, and is there only where it was made, as dot files
//! are not copied to other machines.

use std::fs::{self, File, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_triage::atomic;

use super::{FOLDERS, hash};
use crate::CampaignError;
use crate::corpus::refused;

/// Whoever has this file has made the folder.
const OWNER: &str = ".owner";
/// New folders that others may take first. Where locks never work there must be an end.
const ATTEMPTS: u32 = 64;

/// A campaign's own folder, as long as this lives.
#[derive(Debug)]
pub struct Own {
    /// Where it is.
    pub path: PathBuf,
    _owner: File,
}

impl Own {
    /// The folder of a campaign that fuzzes these images of kernels in this byte order. What an
    /// earlier campaign has begun to write there and not finished is cleared away. One image is
    /// that of a kernel which is judged by itself: it shares with no pair.
    pub fn open(share: &Path, images: &[u64], endian: Endian) -> Result<Own, CampaignError> {
        let images: Vec<String> = images.iter().map(|image| format!("{image:016x}")).collect();
        let kernels = format!("ctxfuzz share 1: {} {}", images.join(" "), endian.name());
        let all = share.join(format!("{:016x}", hash(kernels.as_bytes())));
        find(&all).map_err(refused("share in the directory", &all))
    }
}

/// A folder of this host that no campaign has, or a new one.
fn find(all: &Path) -> io::Result<Own> {
    fs::create_dir_all(all)?;
    let mut last = Err(io::ErrorKind::WouldBlock.into());
    for _ in 0..ATTEMPTS {
        let entries = fs::read_dir(all)?.flatten();
        let ours = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&host()));
        let mut folders: Vec<PathBuf> = ours.map(|entry| entry.path()).collect();
        folders.sort();
        if let Some(own) = folders.into_iter().find_map(|path| take(path).ok()) {
            return Ok(own);
        }
        last = make(all);
        // A campaign that was started at the same moment may have found the new folder, and have
        // it.
        let taken = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
        if !last.as_ref().is_err_and(taken) {
            break;
        }
    }
    last
}

fn make(all: &Path) -> io::Result<Own> {
    let random = RandomState::new().hash_one(0) as u32;
    let path = all.join(format!("{}{random:08x}", host()));
    fs::create_dir(&path)?;
    File::create(path.join(OWNER))?;
    take(path)
}

fn take(path: PathBuf) -> io::Result<Own> {
    let owner = File::open(path.join(OWNER))?;
    // Where there are no locks the name of the host must do.
    if let Err(TryLockError::WouldBlock) = owner.try_lock() {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    for folder in FOLDERS.map(|folder| path.join(folder)) {
        fs::create_dir_all(&folder)?;
        atomic::clear(&folder);
    }
    Ok(Own {
        path,
        _owner: owner,
    })
}

/// The beginning of the names of this host's folders.
pub fn host() -> String {
    let uname = rustix::system::uname();
    let name = uname.nodename().to_string_lossy();
    let plain = name
        .chars()
        .filter(|&c| c.is_ascii_alphanumeric() || c == '-');
    plain.take(32).chain(['.']).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    /// Campaigns that start at once take each other's new folders, and make others.
    #[test]
    fn campaigns_that_start_at_once_have_a_folder_each() {
        const CAMPAIGNS: usize = 16;
        for round in 0..20 {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let start = Barrier::new(CAMPAIGNS);
            let find = || {
                start.wait();
                find(folder.path())
            };
            let found: Vec<Own> = thread::scope(|scope| {
                let campaigns: Vec<_> = (0..CAMPAIGNS).map(|_| scope.spawn(find)).collect();
                let ended = campaigns.into_iter().map(|campaign| campaign.join());
                let found = ended.map(|own| own.expect("it ends").expect("it has a folder"));
                found.collect()
            });
            let paths: BTreeSet<&Path> = found.iter().map(|own| own.path.as_path()).collect();
            assert_eq!(paths.len(), CAMPAIGNS, "round {round}");
        }
    }
}
