//! What an engine stands on: the memory that is mapped into it, and who it is.

use std::sync::atomic::{AtomicU64, Ordering};

use super::super::memory::Memory;

/// The memory of an engine and the engine's identity. It is part of the engine's data, which Unicorn
/// drops after it has closed the engine: so the memory outlives it.
pub(in super::super) struct Ground {
    memory: Memory,
    identity: Identity,
}

/// Tells an engine from all others that there are and were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Identity(u64);

impl Ground {
    /// That of an engine which has not been made yet.
    pub(in super::super) fn new(memory: Memory) -> Self {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let identity = Identity(MADE.fetch_add(1, Ordering::Relaxed));
        Ground { memory, identity }
    }

    /// The memory that is mapped.
    pub(in super::super) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Who it is.
    pub(in super::super) fn identity(&self) -> Identity {
        self.identity
    }
}

/// Data of an engine.
pub(in super::super) trait Grounded {
    /// What the engine stands on: the same as long as there is the engine.
    fn ground(&self) -> &Ground;
}

impl Grounded for Ground {
    fn ground(&self) -> &Ground {
        self
    }
}
