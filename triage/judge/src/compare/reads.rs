//! How what a `read` delivered differs.

use ctxfuzz_outcome::capture::Data;

/// The first quadwords that differ; `None` if none does, or if these are reads of different events.
pub fn delivered(a: &Data, b: &Data) -> Option<(u128, u128)> {
    let at = a.bytes.iter().zip(&b.bytes).position(|(a, b)| a != b)?;
    (a.event == b.event).then(|| (quadword(&a.bytes, at), quadword(&b.bytes, at)))
}

/// The quadword that a byte of some data is in, zeros where they end.
pub fn quadword(data: &[u8], at: usize) -> u128 {
    let mut bytes = [0; 16];
    let here = data.get(at & !15..).unwrap_or_default();
    for (byte, here) in bytes.iter_mut().zip(here) {
        *byte = *here;
    }
    u128::from_be_bytes(bytes)
}
