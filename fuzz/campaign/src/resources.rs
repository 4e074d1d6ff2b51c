//! What a process uses, where the system says so.

use std::fs;
use std::ops::Add;

use serde::{Deserialize, Serialize};

/// What a process uses, or several together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// Resident memory.
    pub bytes: Option<u64>,
    /// Open files.
    pub descriptors: Option<u64>,
}

impl Resources {
    /// This process's.
    pub fn now() -> Resources {
        Resources {
            bytes: resident(),
            descriptors: open_descriptors(),
        }
    }
}

impl Add for Resources {
    type Output = Resources;

    fn add(self, other: Resources) -> Resources {
        let both = |one: Option<u64>, two: Option<u64>| Some(one? + two?);
        Resources {
            bytes: both(self.bytes, other.bytes),
            descriptors: both(self.descriptors, other.descriptors),
        }
    }
}

fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

fn open_descriptors() -> Option<u64> {
    let listed = fs::read_dir("/proc/self/fd").ok()?.count();
    // One of them is this directory.
    Some(listed.saturating_sub(1) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_uses_something_and_two_use_more() {
        let one = Resources::now();
        assert!(one.bytes > Some(1 << 20) && one.descriptors >= Some(3));
        let two = one + one;
        assert_eq!(two.bytes, one.bytes.map(|bytes| 2 * bytes));
        assert_eq!((one + Resources { bytes: None, ..one }).bytes, None);
    }
}
