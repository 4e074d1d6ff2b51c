//! Repairs of what Unicorn does differently from the Power ISA, all in one place.
//!
//! **Erratum 1**: writing an FPR leaves doubleword 1 of its VSR alone, where ISA 3.1 makes it zero.
//! Zeroing needs MSR\[VSX\], which the code under test may not have: the host turns it on around
//! the zeroing, so that no facility check of the guest changes. **Erratum 2**: the register API
//! truncates FPSCR to 32 bits. The machine never uses it for FPSCR (see `state`). **Erratum 3**:
//! `mtfsf`, `mtfsfi` and `mtfsb0/1` always clear FPSCR\[FI\], and `xvadddp` writes it, where the
//! ISA writes it like any other bit, or leaves it alone if it is not selected. A kernel that
//! reloads FPSCR would seem to lose the bit. The host notes what FI has to become before the
//! instruction and mends it afterwards.
//!
//! **Not repaired**: an enabled invalid-operation or zero-divide exception ought to keep the result
//! out of its register even with FE0 = FE1 = 0; Unicorn writes it. The oracles take results as
//! undefined where exceptions are enabled. An enabled exception that was set before FE0 or FE1 was
//! turned on ought to be delivered then; Unicorn delivers only what an instruction causes.
//! FPSCR\[FEX\] may stay set when the enables are cleared; no oracle looks at it.
//!
//! In a real kernel three more kinds of instruction are replaced. The **time base** (and what
//! counts it: PURR, SPURR, VTB) is read from the machine's page, where the machine keeps a time of
//! its own: Unicorn's comes from the host's clock. Writes of the decrementer do nothing, as the
//! machine decides when it expires. **Priority hints**, which end an emulation, are nops. **PIDR**
//! writes are noted, because translation depends on them.
//!
//! For 1 and 3, each such instruction in loaded text is replaced by a branch to a trampoline that
//! runs it between host calls. A trampoline is invisible: an exception inside it is reported at the
//! replaced instruction ([`Trampolines::site_of`]).

#[cfg(test)]
mod tests;

use rustc_hash::FxHashMap;

use super::address::Area;
use super::instruction::{
    self, HOST_CALL, branch, ld_absolute, mfvsrd, mtvsrdd_low, std_absolute, xxswapd,
};
use super::memory::Memory;

/// Offset in the machine page where a trampoline keeps r3.
const SCRATCH: u16 = 0x70f0;
/// FPSCR\[FI\], fraction inexact.
pub const FI: u64 = 0x2_0000;
/// Words of a trampoline for erratum 1: the instruction, a host call, the zeroing, the way back;
/// and the same again for a guest without MSR\[VSX\].
const WORDS: u64 = 16;
const STRIDE: u64 = WORDS * 4;
/// Offset of the host call that asks whether VSX is on.
const ASK: u64 = 4;
/// Offset of the variant that runs with VSX lent by the host.
const LENT: u64 = 0x20;
/// Offset of the host call that ends the loan.
const RETURN_LOAN: u64 = LENT + 0x14;

/// Offset of the host call before the instruction in a trampoline for erratum 3, whose instruction
/// follows, and a second host call after that.
const NOTE_INEXACT: u64 = 0;
const MEND_INEXACT: u64 = 8;

/// What a trampoline repairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Erratum {
    /// Doubleword 1 of this VSR after an FPR write.
    OtherHalf(u32),
    /// FPSCR[FI] after a write of FPSCR.
    Inexact,
    /// PIDR becomes the value of this GPR.
    ProcessId(u8),
}

impl Erratum {
    fn of(word: u32, guest: Guest) -> Option<Erratum> {
        if guest == Guest::RealKernel
            && let Some(rs) = instruction::written_process_id(word)
        {
            return Some(Erratum::ProcessId(rs));
        }
        if instruction::keeps_or_moves_inexact(word) {
            return Some(Erratum::Inexact);
        }
        instruction::written_fpr(word).map(Erratum::OtherHalf)
    }

    /// Offset of the replaced instruction in the trampoline.
    fn original_at(self) -> u64 {
        match self {
            Erratum::OtherHalf(_) => 0,
            Erratum::Inexact | Erratum::ProcessId(_) => 4,
        }
    }
}

/// Whose text is repaired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guest {
    /// The model's, or user code.
    Plain,
    /// A real kernel's.
    RealKernel,
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
    pool: Area,
    guest: Guest,
    /// The instructions replaced by a branch, in pool order.
    sites: Vec<Site>,
    /// All replaced instructions by address, those replaced by another instruction included.
    originals: FxHashMap<u64, Original>,
}

#[derive(Clone, Copy, Debug)]
struct Original {
    word: u32,
    in_place: bool,
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
    /// PIDR is about to become the value of a GPR.
    ProcessId {
        /// Which.
        rs: u8,
    },
}

impl Trampolines {
    /// An empty pool.
    pub fn new(pool: Area, guest: Guest) -> Self {
        Trampolines {
            pool,
            guest,
            sites: Vec::new(),
            originals: FxHashMap::default(),
        }
    }

    /// Replaces every instruction with an erratum in `words` words of text at `text` (effective;
    /// `to_physical` gives the physical address). One that cannot be replaced, for want of room or
    /// reach, is an error: its address.
    pub fn repair(
        &mut self,
        memory: &Memory,
        text: u64,
        words: u64,
        to_physical: impl Fn(u64) -> u64,
    ) -> Result<(), u64> {
        for address in (0..words).map(|i| text + 4 * i) {
            let word = memory.read_u32(to_physical(address));
            if self.guest == Guest::RealKernel && instruction::is_data_in_text(word) {
                continue;
            }
            if self.guest == Guest::RealKernel
                && let Some(instead) = instruction::replaced_in_place(word)
            {
                memory.write_u32(to_physical(address), instead);
                self.note(address, word, true);
                continue;
            }
            let Some(erratum) = Erratum::of(word, self.guest) else {
                continue;
            };
            let offset = STRIDE * self.sites.len() as u64;
            if offset >= self.pool.size {
                return Err(address);
            }
            let at = self.pool.ea + offset;
            let there = branch(address, at).ok_or(address)?;
            let code = match erratum {
                Erratum::OtherHalf(fpr) => zero_other_half(at, address, word, fpr),
                Erratum::Inexact => keep_inexact(at, address, word),
                Erratum::ProcessId(_) => note_process_id(at, address, word),
            };
            for (i, word) in code.ok_or(address)?.iter().enumerate() {
                memory.write_u32(self.pool.pa + offset + 4 * i as u64, *word);
            }
            memory.write_u32(to_physical(address), there);
            self.note(address, word, false);
            self.sites.push(Site {
                address,
                word,
                erratum,
            });
        }
        Ok(())
    }

    fn note(&mut self, address: u64, word: u32, in_place: bool) {
        self.originals.insert(address, Original { word, in_place });
    }

    /// The replaced instruction whose trampoline holds this address, and the offset in the
    /// trampoline.
    fn entry(&self, pc: u64) -> Option<(Site, u64)> {
        let offset = pc.checked_sub(self.pool.ea)?;
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
            (Erratum::ProcessId(rs), 0) => Some(Request::ProcessId { rs }),
            _ => None,
        }
    }

    /// The word that stood at a replaced site before.
    pub fn original_word(&self, address: u64) -> Option<u32> {
        self.originals.get(&address).map(|original| original.word)
    }

    /// Whether the instruction at this address has become a branch to a trampoline.
    pub fn branches_away(&self, address: u64) -> bool {
        self.originals
            .get(&address)
            .is_some_and(|original| !original.in_place)
    }
}

fn note_process_id(at: u64, site: u64, word: u32) -> Option<Vec<u32>> {
    Some(vec![HOST_CALL, word, branch(at + 8, site + 4)?])
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
