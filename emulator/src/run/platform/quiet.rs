//! Whether a real kernel had anything left to do of its boot when its snapshot was taken: what the
//! agent found out (`emulator/agent/quiet.c`), in words of the host.

use serde::{Deserialize, Serialize};

use super::agent::PAGE;
use crate::machine::address::AddressMap;
use crate::machine::memory::Memory;
use crate::run::abi::numbers;

numbers! {
    /// Offsets in the agent's page.
    pub(in crate::run) mod at: u64 {
        QUIET = 104,
        WAITED = 112,
        BUSY = 744,
    }
}

/// Threads that the agent has room for.
pub(in crate::run) const BUSY_THREADS: u64 = 8;
/// Bytes of a thread's name, and of its name and samples.
const COMM: usize = 16;
pub(in crate::run) const BUSY_SIZE: u64 = 24;

/// What the agent waited for before it set the stage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quiet {
    /// Whether the kernel became quiet.
    pub quiet: bool,
    /// Virtual time until then, or until the agent gave up, in milliseconds.
    pub waited_ms: u64,
    /// Threads that could run meanwhile, the one met most often first: name (`comm`) and at how
    /// many samples.
    pub busy: Vec<(String, u64)>,
}

impl Quiet {
    /// The names of the threads, for people.
    pub fn threads(&self) -> String {
        let names: Vec<&str> = self.busy.iter().map(|(name, _)| name.as_str()).collect();
        names.join(", ")
    }
}

/// Reads what the agent has left in its page.
pub fn read(memory: &Memory, map: &AddressMap) -> Option<Quiet> {
    let page = map.physical(PAGE)?;
    let mut busy: Vec<(String, u64)> = (0..BUSY_THREADS)
        .map(|n| page + at::BUSY + n * BUSY_SIZE)
        .map(|pa| {
            let name = memory.to_vec(pa, COMM);
            let length = name.iter().position(|byte| *byte == 0).unwrap_or(COMM);
            let name = String::from_utf8_lossy(&name[..length]).into_owned();
            (name, memory.read_u64(pa + COMM as u64))
        })
        .filter(|(name, _)| !name.is_empty())
        .collect();
    busy.sort_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
    Some(Quiet {
        quiet: memory.read_u64(page + at::QUIET) != 0,
        waited_ms: memory.read_u64(page + at::WAITED) / 1_000_000,
        busy,
    })
}
