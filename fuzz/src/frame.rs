//! A stack frame for each signature: systems that group crashes by their stack then keep different bugs apart.

use std::hint::black_box;

use xxhash_rust::xxh3::xxh3_64;

/// So many frames there are; two signatures share one with a chance of 1 in 256.
const FRAMES: usize = 256;

/// Which frame a signature ends in.
pub fn number(signature: &str) -> usize {
    (xxh3_64(signature.as_bytes()) % FRAMES as u64) as usize
}

/// Says what was found and ends the process in the frame of the signature.
pub fn abort(signature: &str) -> ! {
    eprintln!(
        "ctxfuzz: divergence {signature}, frame {}",
        number(signature)
    );
    FRAME[number(signature)]()
}

/// The number keeps the linker from folding all of these into one.
#[inline(never)]
fn divergence<const NUMBER: usize>() -> ! {
    black_box(NUMBER);
    std::process::abort()
}

macro_rules! row {
    ($($high:literal)*) => { [$(
        divergence::<{ $high * 8 }>, divergence::<{ $high * 8 + 1 }>, divergence::<{ $high * 8 + 2 }>, divergence::<{ $high * 8 + 3 }>,
        divergence::<{ $high * 8 + 4 }>, divergence::<{ $high * 8 + 5 }>, divergence::<{ $high * 8 + 6 }>, divergence::<{ $high * 8 + 7 }>,
    )*] };
}

static FRAME: [fn() -> !; FRAMES] =
    row!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_is_a_function_of_its_own() {
        let mut addresses: Vec<usize> = FRAME.iter().map(|&f| f as usize).collect();
        addresses.sort_unstable();
        addresses.dedup();
        assert_eq!(addresses.len(), FRAMES);
    }
}
