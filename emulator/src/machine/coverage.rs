//! Guest edge coverage: which pairs of basic blocks the kernel went through.

/// Bytes of a map for the model. Two of them make 8 KiB, which keeps a fuzzing engine's own cost
/// low.
pub const MODEL_MAP: usize = 4096;
/// Bytes of a map for a real kernel, where a campaign sees some ten thousand edges.
pub const REAL_MAP: usize = 1 << 16;

/// A map of edge hit counts (saturating), indexed by a hash of the two block addresses.
#[derive(Clone)]
pub struct EdgeMap {
    /// A power of two of them.
    hits: Box<[u8]>,
    previous: u64,
}

impl EdgeMap {
    /// An empty map of this size, which is a power of two.
    pub fn new(size: usize) -> Self {
        EdgeMap {
            hits: vec![0; size.next_power_of_two()].into(),
            previous: 0,
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.hits.fill(0);
        self.previous = 0;
    }

    /// Counts the edge from the block entered last to this one.
    #[inline]
    pub fn enter(&mut self, block: u64) {
        let here = (block >> 2).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        let index = (here ^ self.previous) as usize & (self.hits.len() - 1);
        self.hits[index] = self.hits[index].saturating_add(1);
        self.previous = here >> 1;
    }

    /// The counts.
    pub fn hits(&self) -> &[u8] {
        &self.hits
    }
}
