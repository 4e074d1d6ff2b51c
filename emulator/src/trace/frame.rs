//! Where a signal frame has each register: what `ucontext` says, in addresses.
//!
//! Not responsible for reading frames (the emulator's `run::images`).

use ctxfuzz_scenario::register::Register;

use super::Cell;
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
}

impl FrameAt {
    pub(super) fn new(view: &View<'_>, layout: &FrameLayout, context: u64) -> Self {
        let v_regs = view.follow(context.wrapping_add(layout.v_regs_pointer));
        FrameAt {
            context,
            msr: context.wrapping_add(layout.gp_regs + 8 * PT_MSR),
            fp_regs: context.wrapping_add(layout.fp_regs),
            v_regs: v_regs & !15,
        }
    }

    /// The doubleword that has the MSR.
    pub fn msr(&self) -> Cell {
        Cell::UserStack(self.msr)
    }

    /// The doublewords that have a register, in the order of addresses; none if there is no room
    /// for it.
    pub fn cells(&self, register: Register) -> Vec<Cell> {
        let vmx = |quadword: u64| self.v_regs.wrapping_add(16 * quadword);
        let quadword = |at: u64| vec![at, at.wrapping_add(8)];
        let addresses = match register {
            Register::F(n) => vec![self.fp_regs.wrapping_add(8 * u64::from(n))],
            Register::Fpscr => vec![self.fp_regs.wrapping_add(8 * 32)],
            _ if self.v_regs == 0 => Vec::new(),
            Register::V(n) => quadword(vmx(n.into())),
            Register::Vscr => quadword(vmx(FRAME_VSCR)),
            Register::Vrsave => vec![vmx(FRAME_VRSAVE)],
            Register::Vs(n) => vec![vmx(FRAME_VSX).wrapping_add(8 * u64::from(n))],
        };
        let cells = addresses.into_iter();
        cells.map(|at| Cell::UserStack(at & !7)).collect()
    }
}
