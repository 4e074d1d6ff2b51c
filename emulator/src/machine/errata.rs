//! Repairs of what Unicorn does differently from the Power ISA, all in one place.
//!
//! **Erratum 1**: writing an FPR leaves doubleword 1 of its VSR alone, where ISA 3.1 makes it zero. Zeroing needs MSR\[VSX\], which the code under test may
//! not have: the host turns it on around the zeroing, so that no facility check of the guest changes.
//! **Erratum 2**: the register API truncates FPSCR to 32 bits. The machine never uses it for FPSCR (see `state`).
//! **Erratum 3**: `mtfsf`, `mtfsfi` and `mtfsb0/1` always clear FPSCR\[FI\], and `xvadddp` writes it, where the ISA writes it like any other bit, or leaves it alone if it is not selected.
//! A kernel that reloads FPSCR would seem to lose the bit. The host notes what FI has to become before the instruction and mends it afterwards.
//!
//! **Not repaired**: an enabled invalid-operation or zero-divide exception ought to keep the result out of its register even with FE0 = FE1 = 0; Unicorn writes it.
//! The oracles take results as undefined where exceptions are enabled.
//!
//! For 1 and 3, each such instruction in loaded text is replaced by a branch to a trampoline that runs it between host calls.
//! A trampoline is invisible: an exception inside it is reported at the replaced instruction ([`Trampolines::site_of`]).

use super::address::TRAMPOLINES_SIZE;
use super::instruction::{
    self, HOST_CALL, branch, ld_absolute, mfvsrd, mtvsrdd_low, std_absolute, xxswapd,
};
use super::memory::Memory;

/// Offset in the machine page where a trampoline keeps r3.
const SCRATCH: u16 = 0x70f0;
/// FPSCR\[FI\], fraction inexact.
pub const FI: u64 = 0x2_0000;
/// Words of a trampoline for erratum 1: the instruction, a host call, the zeroing, the way back; and the same again for a guest without MSR\[VSX\].
const WORDS: u64 = 16;
const STRIDE: u64 = WORDS * 4;
/// Offset of the host call that asks whether VSX is on.
const ASK: u64 = 4;
/// Offset of the variant that runs with VSX lent by the host.
const LENT: u64 = 0x20;
/// Offset of the host call that ends the loan.
const RETURN_LOAN: u64 = LENT + 0x14;

/// Offset of the host call before the instruction in a trampoline for erratum 3, whose instruction follows, and a second host call after that.
const NOTE_INEXACT: u64 = 0;
const MEND_INEXACT: u64 = 8;

/// What a trampoline repairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Erratum {
    /// Doubleword 1 of this VSR after an FPR write.
    OtherHalf(u32),
    /// FPSCR[FI] after a write of FPSCR.
    Inexact,
}

impl Erratum {
    fn of(word: u32) -> Option<Erratum> {
        if instruction::keeps_or_moves_inexact(word) {
            return Some(Erratum::Inexact);
        }
        instruction::written_fpr(word).map(Erratum::OtherHalf)
    }

    /// Offset of the replaced instruction in the trampoline.
    fn original_at(self) -> u64 {
        match self {
            Erratum::OtherHalf(_) => 0,
            Erratum::Inexact => 4,
        }
    }
}

/// A replaced instruction.
#[derive(Clone, Copy, Debug)]
struct Site {
    address: u64,
    word: u32,
    erratum: Erratum,
}

/// A pool of trampolines within branch reach of the text it serves.
#[derive(Clone, Debug)]
pub struct Trampolines {
    /// Effective address of the pool.
    base: u64,
    /// The replaced instructions, in pool order.
    sites: Vec<Site>,
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
    /// Note what FPSCR\[FI\] has to be after this instruction.
    NoteInexact {
        /// The instruction.
        word: u32,
    },
    /// Make FPSCR\[FI\] what was noted.
    MendInexact,
}

impl Trampolines {
    /// An empty pool at an effective address.
    pub fn new(base: u64) -> Self {
        Trampolines {
            base,
            sites: Vec::new(),
        }
    }

    /// Replaces every instruction with an erratum in `words` words of text at `text` (effective; `to_physical` gives the physical address). One that cannot be
    /// replaced, for want of room or reach, is an error: its address.
    pub fn repair(
        &mut self,
        memory: &Memory,
        text: u64,
        words: u64,
        to_physical: impl Fn(u64) -> u64,
    ) -> Result<(), u64> {
        for address in (0..words).map(|i| text + 4 * i) {
            let word = memory.read_u32(to_physical(address));
            let Some(erratum) = Erratum::of(word) else {
                continue;
            };
            let offset = STRIDE * self.sites.len() as u64;
            if offset >= TRAMPOLINES_SIZE {
                return Err(address);
            }
            let at = self.base + offset;
            let there = branch(address, at).ok_or(address)?;
            let code = match erratum {
                Erratum::OtherHalf(fpr) => zero_other_half(at, address, word, fpr),
                Erratum::Inexact => keep_inexact(at, address, word),
            };
            for (i, word) in code.ok_or(address)?.iter().enumerate() {
                memory.write_u32(to_physical(at) + 4 * i as u64, *word);
            }
            memory.write_u32(to_physical(address), there);
            self.sites.push(Site {
                address,
                word,
                erratum,
            });
        }
        Ok(())
    }

    /// The replaced instruction whose trampoline holds this address, and the offset in the trampoline.
    fn entry(&self, pc: u64) -> Option<(Site, u64)> {
        let offset = pc.checked_sub(self.base)?;
        let site = *self.sites.get(usize::try_from(offset / STRIDE).ok()?)?;
        Some((site, offset % STRIDE))
    }

    /// The replaced instruction, address and word, that the trampoline at `pc` stands for.
    pub fn site_of(&self, pc: u64) -> Option<(u64, u32)> {
        self.entry(pc).map(|(site, _)| (site.address, site.word))
    }

    /// Whether `pc` is where a trampoline runs the replaced instruction itself.
    pub fn runs_original(&self, pc: u64) -> bool {
        self.entry(pc)
            .is_some_and(|(site, offset)| offset == site.erratum.original_at())
    }

    /// What the host call at `pc` asks for, if `pc` is one of this pool's.
    pub fn request(&self, pc: u64) -> Option<Request> {
        let (site, offset) = self.entry(pc)?;
        match (site.erratum, offset) {
            (Erratum::OtherHalf(_), ASK) => Some(Request::LendVsx {
                variant: pc - ASK + LENT,
            }),
            (Erratum::OtherHalf(_), RETURN_LOAN) => Some(Request::ReturnVsx),
            (Erratum::Inexact, NOTE_INEXACT) => Some(Request::NoteInexact { word: site.word }),
            (Erratum::Inexact, MEND_INEXACT) => Some(Request::MendInexact),
            _ => None,
        }
    }

    /// The word that stood at a replaced site before, for disassembly.
    pub fn original_word(&self, address: u64) -> Option<u32> {
        self.sites
            .iter()
            .find(|site| site.address == address)
            .map(|site| site.word)
    }
}

fn keep_inexact(at: u64, site: u64, word: u32) -> Option<Vec<u32>> {
    Some(vec![HOST_CALL, word, HOST_CALL, branch(at + 12, site + 4)?])
}

fn zero_other_half(at: u64, site: u64, word: u32, fpr: u32) -> Option<Vec<u32>> {
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
