//! Guest edge coverage: which pairs of basic blocks the kernel went through.

/// Bytes of one machine's map. Two of them make 8 KiB, which keeps a fuzzing engine's own cost low.
pub const MAP_SIZE: usize = 4096;

/// A map of edge hit counts (saturating), indexed by a hash of the two block addresses.
#[derive(Clone)]
pub struct EdgeMap {
    hits: Box<[u8; MAP_SIZE]>,
    previous: u64,
}

impl Default for EdgeMap {
    fn default() -> Self {
        EdgeMap {
            hits: Box::new([0; MAP_SIZE]),
            previous: 0,
        }
    }
}

impl EdgeMap {
    /// Forgets everything.
    pub fn clear(&mut self) {
        self.hits.fill(0);
        self.previous = 0;
    }

    /// Counts the edge from the block entered last to this one.
    #[inline]
    pub fn enter(&mut self, block: u64) {
        let here = (block >> 2).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        let index = (here ^ self.previous) as usize & (MAP_SIZE - 1);
        self.hits[index] = self.hits[index].saturating_add(1);
        self.previous = here >> 1;
    }

    /// The counts.
    pub fn hits(&self) -> &[u8; MAP_SIZE] {
        &self.hits
    }
}
