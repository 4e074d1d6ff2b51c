//! Where a signal frame has each register: what `ucontext` says, in addresses.
//!
//! Not responsible for reading frames (the emulator's `run::images`).

use ctxfuzz_scenario::register::Register;

use super::Cell;
use crate::arch::Endian;
use crate::kernel::image::FrameLayout;
use crate::machine::View;
use crate::run::images::{FRAME_VRSAVE, FRAME_VSCR, FRAME_VSX, PT_MSR};

/// A signal frame that a handler was entered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameAt {
    /// Address of its `ucontext`.
    pub context: u64,
    /// Of `gp_regs[PT_MSR]`.
    msr: u64,
    /// Of `fp_regs`.
    fp_regs: u64,
    /// What `v_regs` points to; 0 if there is nothing.
    v_regs: u64,
    endian: Endian,
}

impl FrameAt {
    pub(super) fn new(view: &View<'_>, layout: &FrameLayout, context: u64) -> Self {
        let v_regs = view.follow(context.wrapping_add(layout.v_regs_pointer));
        FrameAt {
            context,
            msr: context.wrapping_add(layout.gp_regs + 8 * PT_MSR),
            fp_regs: context.wrapping_add(layout.fp_regs),
            v_regs: v_regs & !15,
            endian: view.memory.endian(),
        }
    }

    /// The doubleword that has the MSR.
    pub fn msr(&self) -> Cell {
        Cell::UserStack(self.msr)
    }

    /// What the doublewords that have a register have to hold for it to have this value, in the
    /// order of addresses; none if there is no room for it.
    pub fn parts(&self, register: Register, value: u128) -> Vec<Part> {
        let low = u128::from(u64::MAX);
        let word = u128::from(u32::MAX);
        let vmx = |quadword: u64| self.v_regs.wrapping_add(16 * quadword);
        let whole = |at: u64, bits: u128| (at, low, bits);
        let little = self.endian == Endian::Little;
        let parts = match register {
            Register::F(n) => vec![whole(self.fp_regs.wrapping_add(8 * u64::from(n)), value)],
            Register::Fpscr => vec![whole(self.fp_regs.wrapping_add(8 * 32), value)],
            _ if self.v_regs == 0 => Vec::new(),
            Register::V(n) => {
                let at = vmx(n.into());
                let halves = [value >> 64, value & low];
                let [first, second] = match self.endian {
                    Endian::Little => [halves[1], halves[0]],
                    Endian::Big => halves,
                };
                vec![whole(at, first), whole(at.wrapping_add(8), second)]
            }
            Register::Vscr => {
                let at = vmx(FRAME_VSCR).wrapping_add(if little { 0 } else { 8 });
                vec![(at, word, value)]
            }
            Register::Vrsave => {
                let shift = if little { 0 } else { 32 };
                vec![(vmx(FRAME_VRSAVE), word << shift, value << shift)]
            }
            Register::Vs(n) => {
                let at = vmx(FRAME_VSX).wrapping_add(8 * u64::from(n));
                vec![whole(at, value)]
            }
        };
        let part = |(at, mask, bits): (u64, u128, u128)| Part {
            cell: Cell::UserStack(at & !7),
            mask,
            bits,
        };
        parts.into_iter().map(part).collect()
    }
}

/// What a doubleword of a frame has of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The doubleword.
    pub cell: Cell,
    /// The bits of it that are the register's.
    pub mask: u128,
    /// What they have to be.
    pub bits: u128,
}

#[cfg(test)]
mod tests {
    use super::*;

    const VR: u128 = 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff;

    fn parts(endian: Endian, register: Register, value: u128) -> Vec<(u64, u128, u128)> {
        let frame = FrameAt {
            context: 0x1000,
            msr: 0x1100,
            fp_regs: 0x1200,
            v_regs: 0x2000,
            endian,
        };
        let parts = frame.parts(register, value).into_iter();
        let part = |part: Part| match part.cell {
            Cell::UserStack(at) => (at, part.mask, part.bits),
            other => panic!("{other:?}"),
        };
        parts.map(part).collect()
    }

    #[test]
    fn a_vr_lies_in_two_doublewords_in_the_order_of_bytes() {
        let low = u128::from(u64::MAX);
        let [high, rest] = [VR >> 64, VR & low];
        let of = |endian| parts(endian, Register::V(1), VR);
        assert_eq!(of(Endian::Big), [(0x2010, low, high), (0x2018, low, rest)]);
        assert_eq!(
            of(Endian::Little),
            [(0x2010, low, rest), (0x2018, low, high)]
        );
    }

    #[test]
    fn words_are_a_part_of_their_doubleword() {
        let word = u128::from(u32::MAX);
        let of = |endian, register| parts(endian, register, 7);
        assert_eq!(of(Endian::Little, Register::Vscr), [(0x2200, word, 7)]);
        assert_eq!(of(Endian::Big, Register::Vscr), [(0x2208, word, 7)]);
        assert_eq!(of(Endian::Little, Register::Vrsave), [(0x2210, word, 7)]);
        let upper = (0x2210, word << 32, 7 << 32);
        assert_eq!(of(Endian::Big, Register::Vrsave), [upper]);
        assert_eq!(of(Endian::Big, Register::F(2))[0].0, 0x1210);
        assert_eq!(of(Endian::Big, Register::Vs(2))[0].0, 0x2230);
    }

    #[test]
    fn there_may_be_no_room() {
        let frame = FrameAt {
            context: 0,
            msr: 0,
            fp_regs: 0,
            v_regs: 0,
            endian: Endian::Big,
        };
        assert_eq!(frame.parts(Register::V(1), VR), []);
        assert_eq!(frame.parts(Register::F(1), 1).len(), 1);
    }
}
