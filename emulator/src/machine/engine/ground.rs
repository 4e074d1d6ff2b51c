//! What an engine stands on: the memory that is mapped into it, and who it is.

use std::sync::Arc;

use super::super::memory::Memory;

/// The memory of an engine and the engine's identity. It is part of the engine's data, which
/// Unicorn drops after it has closed the engine: so the memory outlives it.
pub(in super::super) struct Ground {
    memory: Memory,
    identity: Identity,
}

/// Tells an engine from all others that there are and were: it has an address of its own, which
/// stays taken as long as somebody remembers it.
#[derive(Clone, Debug)]
pub(in super::super) struct Identity(Arc<u8>);

impl PartialEq for Identity {
    fn eq(&self, other: &Identity) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Ground {
    /// That of an engine which has not been made yet.
    pub(in super::super) fn new(memory: Memory) -> Self {
        let identity = Identity(Arc::new(0));
        Ground { memory, identity }
    }

    /// The memory that is mapped.
    pub(in super::super) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Who it is.
    pub(in super::super) fn identity(&self) -> &Identity {
        &self.identity
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
