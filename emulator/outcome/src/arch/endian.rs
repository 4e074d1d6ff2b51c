//! Byte order.

/// Byte order of the emulated machine and its kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Endian {
    /// ppc64le.
    Little,
    /// ppc64.
    Big,
}

impl Endian {
    /// Both byte orders.
    pub const BOTH: [Endian; 2] = [Endian::Little, Endian::Big];

    /// `le` or `be`, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Endian::Little => "le",
            Endian::Big => "be",
        }
    }

    /// A 32-bit value in this byte order.
    pub fn bytes_u32(self, value: u32) -> [u8; 4] {
        match self {
            Endian::Little => value.to_le_bytes(),
            Endian::Big => value.to_be_bytes(),
        }
    }

    /// A 64-bit value in this byte order.
    pub fn bytes_u64(self, value: u64) -> [u8; 8] {
        match self {
            Endian::Little => value.to_le_bytes(),
            Endian::Big => value.to_be_bytes(),
        }
    }
}
