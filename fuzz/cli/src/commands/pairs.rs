//! Pairs of kernels that are kept running from file to file.

use std::collections::HashMap;

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_emulator::run::RunnerError;
use ctxfuzz_triage::pair::Pair;

/// Pairs by kernels and byte order. A run finds its machine as a fresh one would be, so who is
/// reused cannot be seen in a result.
#[derive(Default)]
pub struct Pairs {
    pairs: HashMap<(KernelName, KernelName, Endian), Pair>,
}

impl Pairs {
    /// The pair, started if this is the first time.
    pub fn get(
        &mut self,
        a: &KernelName,
        b: &KernelName,
        endian: Endian,
    ) -> Result<&mut Pair, RunnerError> {
        use std::collections::hash_map::Entry;
        match self.pairs.entry((a.clone(), b.clone(), endian)) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => Ok(entry.insert(Pair::new(a, b, endian)?)),
        }
    }
}
