//! The processor of a snapshot.

use serde::{Deserialize, Serialize};
use serde_big_array::BigArray;
use xxhash_rust::xxh3::Xxh3Default;

/// What the processor holds at the agent's mark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registers {
    /// General-purpose registers.
    pub gpr: [u64; 32],
    /// Effective address of the next instruction.
    pub pc: u64,
    /// Machine state.
    pub msr: u64,
    /// Condition register.
    pub cr: u32,
    /// Link register.
    pub lr: u64,
    /// Count register.
    pub ctr: u64,
    /// Fixed-point exception register.
    pub xer: u64,
    /// FPSCR. QEMU's gdb stub gives its low half only; the other, with the decimal rounding mode, is 0.
    pub fpscr: u64,
    /// VSCR.
    pub vscr: u32,
    /// VSR 0-63, doubleword 0 first. VSR 32+n is VR n.
    #[serde(with = "BigArray")]
    pub vsr: [[u64; 2]; 64],
    /// Special-purpose registers that QEMU tells of, by number.
    pub sprs: Vec<(u16, u64)>,
}

impl Default for Registers {
    fn default() -> Self {
        Registers {
            gpr: [0; 32],
            pc: 0,
            msr: 0,
            cr: 0,
            lr: 0,
            ctr: 0,
            xer: 0,
            fpscr: 0,
            vscr: 0,
            vsr: [[0; 2]; 64],
            sprs: Vec::new(),
        }
    }
}

impl Registers {
    /// A special-purpose register, if QEMU told of it.
    pub fn spr(&self, number: u16) -> Option<u64> {
        let index = self.sprs.binary_search_by_key(&number, |&(n, _)| n).ok()?;
        Some(self.sprs[index].1)
    }

    pub(super) fn hash(&self, hash: &mut Xxh3Default) {
        let lone = [
            self.pc,
            self.msr,
            self.cr.into(),
            self.lr,
            self.ctr,
            self.xer,
            self.fpscr,
            self.vscr.into(),
        ];
        let sprs = self.sprs.iter().flat_map(|&(n, value)| [n.into(), value]);
        let all = self.gpr.into_iter().chain(lone);
        for value in all.chain(self.vsr.into_iter().flatten()).chain(sprs) {
            hash.update(&value.to_le_bytes());
        }
    }
}

/// Special-purpose registers by the names that QEMU gives them. LR, CTR and XER are among the others.
pub(super) const SPRS: &[(&str, u16)] = &[
    ("uamr", 13),
    ("spr_dscr", 17),
    ("dsisr", 18),
    ("dar", 19),
    ("decr", 22),
    ("srr0", 26),
    ("srr1", 27),
    ("spr_cfar", 28),
    ("amr", 29),
    ("acop", 31),
    ("pid", 48),
    ("iamr", 61),
    ("tfhar", 128),
    ("tfiar", 129),
    ("texasr", 130),
    ("spr_uctrl", 136),
    ("tidr", 144),
    ("spr_ctrl", 152),
    ("fscr", 153),
    ("uamor", 157),
    ("pspb", 159),
    ("dpdes", 176),
    ("dawr0", 180),
    ("rpr", 186),
    ("ciabr", 187),
    ("dawrx0", 188),
    ("hfscr", 190),
    ("vrsave", 256),
    ("usprg3", 259),
    ("sprg0", 272),
    ("sprg1", 273),
    ("sprg2", 274),
    ("sprg3", 275),
    ("pvr", 287),
    ("hsprg0", 304),
    ("hsprg1", 305),
    ("spurr", 308),
    ("purr", 309),
    ("hdec", 310),
    ("lpcr", 318),
    ("lpidr", 319),
    ("pcr", 338),
    ("amor", 349),
    ("ptcr", 464),
    ("mmcr2", 785),
    ("mmcra", 786),
    ("mmcr0", 795),
    ("mmcr1", 798),
    ("bescr", 806),
    ("tar", 815),
    ("asdr", 816),
    ("psscr", 855),
    ("wort", 895),
    ("ppr", 896),
    ("tscr", 921),
    ("hid0", 1008),
    ("pir", 1023),
];
/// Decrementer.
pub(super) const DEC: u16 = 22;
/// Time base, all 64 bits.
pub(super) const TB: u16 = 268;
/// Time base, upper half.
pub(super) const TBU: u16 = 269;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique() {
        assert!(SPRS.windows(2).all(|pair| pair[0].1 < pair[1].1));
    }

    #[test]
    fn every_register_counts() {
        let hash = |registers: &Registers| {
            let mut hash = Xxh3Default::new();
            registers.hash(&mut hash);
            hash.digest()
        };
        let zero = Registers::default();
        let mut vsr = zero.clone();
        vsr.vsr[63][1] = 1;
        let mut sprs = zero.clone();
        sprs.sprs.push((48, 0));
        let mut cr = zero.clone();
        cr.cr = 1;
        assert_eq!(sprs.spr(48), Some(0));
        assert_eq!(sprs.spr(49), None);
        let hashes = [&zero, &vsr, &sprs, &cr].map(hash);
        assert!((1..4).all(|i| !hashes[..i].contains(&hashes[i])));
    }
}
