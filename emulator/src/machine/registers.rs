//! The processor as data: what a snapshot keeps and a machine starts from.
//!
//! Not responsible for where the emulator keeps them (see `state`).

use serde::{Deserialize, Serialize};
use serde_big_array::BigArray;
use xxhash_rust::xxh3::Xxh3Default;

/// A processor's registers, to start from.
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
    /// FPSCR. A snapshot has its low half only; the other, with the decimal rounding mode, is 0.
    pub fpscr: u64,
    /// VSCR.
    pub vscr: u32,
    /// VSR 0-63, doubleword 0 first. VSR 32+n is VR n.
    #[serde(with = "BigArray")]
    pub vsr: [[u64; 2]; 64],
    /// Special-purpose registers that are known, by number, ascending.
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
    /// A special-purpose register, if it is known.
    pub fn spr(&self, number: u16) -> Option<u64> {
        let index = self.sprs.binary_search_by_key(&number, |&(n, _)| n).ok()?;
        Some(self.sprs[index].1)
    }

    pub(crate) fn hash(&self, hash: &mut Xxh3Default) {
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

#[cfg(test)]
mod tests {
    use super::*;

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
