//! How what a `read` delivered differs.

use ctxfuzz_emulator::run::outcome::Read;
use ctxfuzz_scenario::scenario::{Place, Verdict};

use super::{Difference, What};

/// Whoever reads can rely on what was written.
pub fn delivered(index: u16, a: &Read, b: &Read) -> Option<Difference> {
    let at = a.data.iter().zip(&b.data).position(|(a, b)| a != b)?;
    ((a.task, a.event) == (b.task, b.event)).then(|| Difference {
        task: Some(a.task),
        place: Place::Memory,
        what: What::Data,
        verdict: Verdict::Live,
        a: quadword(&a.data, at),
        b: quadword(&b.data, at),
        frame: Some(index),
    })
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
