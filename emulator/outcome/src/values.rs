//! Values that a scenario has put into registers and memory, each by a small number that the
//! scenario names.
//!
//! The host places them and the oracles know them again, so both take them from here. Not
//! responsible for where they lie in memory (the emulator's `run::user` and `run::ptrace`).

use ctxfuzz_scenario::ptrace::SetRegset;

use crate::arch::RegisterFile;

/// The register values of a pattern: distinct for each seed, register and half, and never zero.
pub fn pattern(seed: u64) -> RegisterFile {
    let mut state = seed;
    let mut next = || {
        // SplitMix64, so that near seeds give unrelated values.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) | 1
    };
    let mut file = RegisterFile::default();
    for vsr in &mut file.vsr {
        *vsr = [next(), next()];
    }
    file
}

/// What is in memory before an access to VSR `register`: both doublewords, in the order of their
/// addresses.
pub fn accessed(register: u8) -> [u64; 2] {
    pattern(0x6d69_7361_6c69_676e + u64::from(register)).vsr[0]
}

/// The values that a tracer writes. Exceptions stay disabled and status bits clear, as in what
/// programs start with.
pub fn traced(set: &SetRegset) -> RegisterFile {
    let mut file = pattern(set.pattern);
    file.fpscr = set.pattern & 3;
    file.vscr = ((set.pattern >> 2 & 1) << 16 | set.pattern >> 3 & 1) as u32;
    file.vrsave = pattern(!set.pattern).vsr[0][0] as u32;
    file
}
