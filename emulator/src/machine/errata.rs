//! Repairs of what Unicorn does differently from the Power ISA, all in one place.
//!
//! **Erratum 1**: writing an FPR leaves doubleword 1 of its VSR alone, where ISA 3.1 makes it zero. Each FPR-writing instruction in loaded text is replaced by a branch to a
//! trampoline that runs it and then zeroes the half. Zeroing needs MSR\[VSX\], which the code under test may not have: the host turns it on around the zeroing, so that no facility
//! check of the guest changes. **Erratum 2**: the register API truncates FPSCR to 32 bits. The machine never uses it for FPSCR (see `state`).
//!
//! A trampoline is invisible: an exception inside it is reported at the replaced instruction ([`Trampolines::site_of`]).

use super::instruction::{
    self, HOST_CALL, branch, ld_absolute, mfvsrd, mtvsrdd_low, std_absolute, xxswapd,
};
use super::memory::Memory;

/// Offset in the machine page where a trampoline keeps r3.
const SCRATCH: u16 = 0x70f0;
/// Words of a trampoline: the instruction, a host call, the zeroing, the way back; and the same again for a guest without MSR\[VSX\].
const WORDS: u64 = 16;
const STRIDE: u64 = WORDS * 4;
/// Offset of the host call that asks whether VSX is on.
const ASK: u64 = 4;
/// Offset of the variant that runs with VSX lent by the host.
const LENT: u64 = 0x20;
/// Offset of the host call that ends the loan.
const RETURN_LOAN: u64 = LENT + 0x14;

/// A pool of trampolines within branch reach of the text it serves.
#[derive(Clone, Debug)]
pub struct Trampolines {
    /// Effective address of the pool.
    base: u64,
    /// The replaced instructions: address and word, in pool order.
    sites: Vec<(u64, u32)>,
}

/// What a host call inside a trampoline asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Go on if MSR\[VSX\] is on, else lend it and go to the given address.
    LendVsx {
        /// Where the variant for a lent VSX starts.
        variant: u64,
    },
    /// Take VSX back.
    ReturnVsx,
}

impl Trampolines {
    /// An empty pool at an effective address.
    pub fn new(base: u64) -> Self {
        Trampolines {
            base,
            sites: Vec::new(),
        }
    }

    /// Replaces every FPR-writing instruction in `words` words of text at `text` (effective; `to_physical` gives the physical address).
    pub fn repair(
        &mut self,
        memory: &Memory,
        text: u64,
        words: u64,
        to_physical: impl Fn(u64) -> u64,
    ) {
        for site in (0..words).map(|i| text + 4 * i) {
            let word = memory.read_u32(to_physical(site));
            let Some(fpr) = instruction::written_fpr(word) else {
                continue;
            };
            let at = self.base + STRIDE * self.sites.len() as u64;
            let Some(there) = branch(site, at) else {
                continue;
            };
            let Some(code) = trampoline(at, site, word, fpr) else {
                continue;
            };
            for (i, word) in code.iter().enumerate() {
                memory.write_u32(to_physical(at) + 4 * i as u64, *word);
            }
            memory.write_u32(to_physical(site), there);
            self.sites.push((site, word));
        }
    }

    /// The replaced instruction (address and word) whose trampoline holds this address, and the offset in the trampoline.
    fn entry(&self, pc: u64) -> Option<((u64, u32), u64)> {
        let offset = pc.checked_sub(self.base)?;
        let site = *self.sites.get(usize::try_from(offset / STRIDE).ok()?)?;
        Some((site, offset % STRIDE))
    }

    /// The replaced instruction, address and word, that the trampoline at `pc` stands for.
    pub fn site_of(&self, pc: u64) -> Option<(u64, u32)> {
        self.entry(pc).map(|(site, _)| site)
    }

    /// Whether `pc` is where a trampoline runs the replaced instruction itself.
    pub fn runs_original(&self, pc: u64) -> bool {
        matches!(self.entry(pc), Some((_, 0)))
    }

    /// What the host call at `pc` asks for, if `pc` is one of this pool's.
    pub fn request(&self, pc: u64) -> Option<Request> {
        match self.entry(pc)?.1 {
            ASK => Some(Request::LendVsx {
                variant: pc - ASK + LENT,
            }),
            RETURN_LOAN => Some(Request::ReturnVsx),
            _ => None,
        }
    }

    /// The word that stood at a replaced site before, for disassembly.
    pub fn original_word(&self, site: u64) -> Option<u32> {
        self.sites
            .iter()
            .find(|(address, _)| *address == site)
            .map(|(_, word)| *word)
    }
}

fn trampoline(at: u64, site: u64, word: u32, fpr: u32) -> Option<Vec<u32>> {
    let zero = [
        std_absolute(3, SCRATCH),
        mfvsrd(3, fpr),
        mtvsrdd_low(fpr, 3),
        xxswapd(fpr),
        ld_absolute(3, SCRATCH),
    ];
    let mut code = vec![word, HOST_CALL];
    code.extend(zero);
    code.push(branch(at + 4 * code.len() as u64, site + 4)?);
    debug_assert_eq!(4 * code.len() as u64, LENT);
    code.extend(zero);
    code.push(HOST_CALL);
    code.push(branch(at + 4 * code.len() as u64, site + 4)?);
    Some(code)
}
