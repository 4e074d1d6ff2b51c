//! Access to processor state that Unicorn's register API does not have: VSRs, VSCR, the whole
//! FPSCR, SPRs.
//!
//! A saved Unicorn context is a copy of the emulator's `CPUPPCState`. Where the fields lie in it is
//! measured when a machine is made ([`StateLayout::measure`]): known values are put into registers
//! by guest instructions and looked for. Nothing is assumed about the structure, and a layout that
//! cannot be measured is an error.

use std::ffi::c_void;
use std::ptr::NonNull;

use ctxfuzz_scenario::Register;
use unicorn_engine::{
    Unicorn, uc_context_alloc, uc_context_free, uc_context_restore, uc_context_save,
    uc_context_size, uc_error,
};

use super::engine::{Grounded, Identity};
use crate::arch::RegisterFile;

/// A saved processor state of one engine. It has pointers of that engine in it, so no other takes
/// it.
pub(super) struct SavedState {
    context: NonNull<c_void>,
    size: usize,
    engine: Identity,
}

impl Drop for SavedState {
    fn drop(&mut self) {
        // SAFETY: allocated by `uc_context_alloc`, freed once.
        unsafe { uc_context_free(self.context.as_ptr().cast()) };
    }
}

impl SavedState {
    /// Room for the state of this engine.
    pub fn new<D: Grounded>(uc: &Unicorn<'_, D>) -> Result<Self, uc_error> {
        let mut context = std::ptr::null_mut();
        // SAFETY: the handle is that of a live engine, and `context` receives the pointer.
        unsafe { uc_context_alloc(uc.get_handle(), &raw mut context) }.and(Ok(()))?;
        let context = NonNull::new(context.cast::<c_void>()).ok_or(uc_error::NOMEM)?;
        // SAFETY: live engine.
        let size = unsafe { uc_context_size(uc.get_handle()) };
        let engine = uc.get_data().ground().identity().clone();
        let mut state = SavedState {
            context,
            size,
            engine,
        };
        state.clear();
        Ok(state)
    }

    /// Unicorn leaves parts of a new context uninitialised. Its size, mode and architecture (16
    /// bytes) are set and stay; all else is zero in a context that holds nothing yet.
    fn clear(&mut self) {
        const SET: usize = 16;
        if self.size > SET {
            // SAFETY: inside the allocation, which nobody else uses; raw, because the bytes may be
            // uninitialised.
            unsafe {
                self.context
                    .as_ptr()
                    .cast::<u8>()
                    .add(SET)
                    .write_bytes(0, self.size - SET)
            }
        }
    }

    /// An error if this is the state of another engine.
    fn belongs_to<D: Grounded>(&self, uc: &Unicorn<'_, D>) -> Result<(), uc_error> {
        let same = self.engine == *uc.get_data().ground().identity();
        same.then_some(()).ok_or(uc_error::ARG)
    }

    /// Copies the engine's state here. Refuses that of another engine than it was made for.
    pub fn save<D: Grounded>(&mut self, uc: &Unicorn<'_, D>) -> Result<(), uc_error> {
        self.belongs_to(uc)?;
        // SAFETY: a live engine, and a context that it has allocated.
        unsafe { uc_context_save(uc.get_handle(), self.context.as_ptr().cast()) }.and(Ok(()))
    }

    /// Copies this state to the engine. Refuses another engine than it was made for.
    pub fn restore<D: Grounded>(&self, uc: &Unicorn<'_, D>) -> Result<(), uc_error> {
        self.belongs_to(uc)?;
        // SAFETY: a live engine, and a context that it has allocated.
        unsafe { uc_context_restore(uc.get_handle(), self.context.as_ptr().cast()) }.and(Ok(()))
    }

    /// The bytes of the state.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `uc_context_size` is the size of the allocation, header included; nobody else
        // writes it while it is borrowed.
        unsafe { std::slice::from_raw_parts(self.context.as_ptr().cast(), self.size) }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as `bytes`, and `self` is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.context.as_ptr().cast(), self.size) }
    }

    fn u64_at(&self, offset: usize) -> u64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.bytes()[offset..offset + 8]);
        u64::from_ne_bytes(bytes)
    }

    fn u32_at(&self, offset: usize) -> u32 {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&self.bytes()[offset..offset + 4]);
        u32::from_ne_bytes(bytes)
    }

    fn set_u64(&mut self, offset: usize, value: u64) {
        self.bytes_mut()[offset..offset + 8].copy_from_slice(&value.to_ne_bytes());
    }
}

/// Where registers lie in a [`SavedState`], as byte offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateLayout {
    /// VSR 0, doubleword 0.
    dw0: usize,
    /// VSR 0, doubleword 1.
    dw1: usize,
    fpscr: usize,
    /// VSCR without SAT (32 bits).
    vscr: usize,
    /// 16 bytes that are non-zero if VSCR\[SAT\] is set.
    vscr_sat: usize,
    /// SPR 0.
    spr: usize,
}

const VSR_STRIDE: usize = 16;
const VSCR_SAT: u32 = 1;
const SPR_VRSAVE: usize = 256;

/// Values that [`StateLayout::measure`] looks for: what the measuring program put into the
/// registers.
#[derive(Clone, Copy, Debug)]
pub struct Marks {
    /// Value of doubleword `half` of VSR `n` is `vsr + 2 * n + half`.
    pub vsr: u64,
    /// FPSCR as `mffs` reads it back.
    pub fpscr: u64,
    /// VRSAVE.
    pub vrsave: u32,
    /// SPRG3 (SPR 275), to make sure that SPRs are an array.
    pub sprg3: u64,
}

impl StateLayout {
    /// Finds the registers in a state whose registers hold `marks`, and VSCR by its change between
    /// `quiet` (VSCR 0) and `state` (VSCR NJ and SAT set).
    pub fn measure(state: &SavedState, quiet: &SavedState, marks: Marks) -> Option<StateLayout> {
        let places = |value: u64| -> Vec<usize> {
            (0..state.size.saturating_sub(7))
                .step_by(8)
                .filter(|&o| state.u64_at(o) == value)
                .collect()
        };
        let whole_file = |start: usize, half: u64| {
            (0..64).all(|n| {
                let at = start + VSR_STRIDE * n;
                at + 8 <= state.size && state.u64_at(at) == marks.vsr + 2 * n as u64 + half
            })
        };
        let dw0 = places(marks.vsr).into_iter().find(|&o| whole_file(o, 0))?;
        let dw1 = places(marks.vsr + 1)
            .into_iter()
            .find(|&o| whole_file(o, 1))?;
        let fpscr = places(marks.fpscr)
            .into_iter()
            .find(|&o| quiet.u64_at(o) == 0)?;
        let spr = places(marks.sprg3)
            .into_iter()
            .filter_map(|o| o.checked_sub(8 * 275))
            .find(|&o| state.u64_at(o + 8 * SPR_VRSAVE) == u64::from(marks.vrsave))?;
        let changed: Vec<usize> = (0..state.size.saturating_sub(3))
            .step_by(4)
            .filter(|&o| state.bytes()[o..o + 4] != quiet.bytes()[o..o + 4])
            .collect();
        let vscr = *changed
            .iter()
            .find(|&&o| state.u32_at(o) == 0x1_0000 && quiet.u32_at(o) == 0)?;
        // The sticky saturation bit is kept as a vector of its own, right behind the VSRs;
        // alignment is that of the emulator's structure, not of the saved bytes.
        let vscr_sat = dw0.min(dw1) + 64 * VSR_STRIDE;
        let saturated =
            |s: &SavedState| s.bytes().get(vscr_sat..vscr_sat + 16).map(|v| v != [0; 16]);
        if (saturated(quiet), saturated(state)) != (Some(false), Some(true)) {
            return None;
        }
        Some(StateLayout {
            dw0,
            dw1,
            fpscr,
            vscr,
            vscr_sat,
            spr,
        })
    }

    /// Reads the FP, VMX and VSX registers.
    pub fn registers(&self, state: &SavedState) -> RegisterFile {
        let mut file = RegisterFile::default();
        for (n, vsr) in file.vsr.iter_mut().enumerate() {
            *vsr = [
                state.u64_at(self.dw0 + VSR_STRIDE * n),
                state.u64_at(self.dw1 + VSR_STRIDE * n),
            ];
        }
        file.fpscr = state.u64_at(self.fpscr);
        file.vscr = state.u32_at(self.vscr) & !VSCR_SAT;
        if state.bytes()[self.vscr_sat..self.vscr_sat + 16] != [0; 16] {
            file.vscr |= VSCR_SAT;
        }
        for (register, spr) in special_purpose() {
            file.set(register, self.spr(state, spr).into());
        }
        file
    }

    /// Writes SPRs that are nothing but storage in the emulator.
    pub fn set_sprs(&self, state: &mut SavedState, sprs: &[(u16, u64)]) {
        const SPRS: u16 = 1024;
        for (number, value) in sprs.iter().filter(|(number, _)| *number < SPRS) {
            state.set_u64(self.spr + 8 * usize::from(*number), *value);
        }
    }

    /// Reads an SPR.
    pub fn spr(&self, state: &SavedState, number: u16) -> u64 {
        state.u64_at(self.spr + 8 * usize::from(number & 1023))
    }

    /// Inverts bits of FPSCR that the emulator derives nothing from (status bits).
    pub fn flip_fpscr(&self, state: &mut SavedState, bits: u64) {
        let fpscr = state.u64_at(self.fpscr);
        state.set_u64(self.fpscr, fpscr ^ bits);
    }

    /// Writes VSRs, VSCR and VRSAVE. FPSCR stays: the emulator derives its rounding mode from it,
    /// so it is set by `mtfsf` only.
    pub fn set_registers(&self, state: &mut SavedState, file: &RegisterFile) {
        for (n, vsr) in file.vsr.iter().enumerate() {
            state.set_u64(self.dw0 + VSR_STRIDE * n, vsr[0]);
            state.set_u64(self.dw1 + VSR_STRIDE * n, vsr[1]);
        }
        let vscr = self.vscr;
        state.bytes_mut()[vscr..vscr + 4].copy_from_slice(&(file.vscr & !VSCR_SAT).to_ne_bytes());
        state.set_u64(self.vscr_sat, u64::from(file.vscr & VSCR_SAT));
        state.set_u64(self.vscr_sat + 8, 0);
        for (register, spr) in special_purpose() {
            let value = file.get(register) as u64;
            state.set_u64(self.spr + 8 * usize::from(spr), value);
        }
    }
}

/// The registers that are special purpose registers, and their numbers.
fn special_purpose() -> impl Iterator<Item = (Register, u16)> {
    Register::control().filter_map(|register| Some((register, register.spr()?)))
}

#[cfg(test)]
mod tests {
    use super::super::engine::{Ground, bare};
    use super::super::memory::Memory;
    use super::*;
    use crate::arch::Endian;
    use unicorn_engine::RegisterPPC;

    fn engine() -> Unicorn<'static, Ground> {
        // Nobody here keeps the memory: the engine does.
        let memory = Memory::new(Endian::Big, 1 << 16);
        bare(Ground::new(memory)).expect("it starts")
    }

    #[test]
    fn an_engine_keeps_its_memory() {
        let uc = engine();
        uc.get_data().memory().write_u64(0x100, 0x1234_5678);
        let read = uc.mem_read_as_vec(0x100, 8).expect("it is mapped");
        assert_eq!(read, 0x1234_5678u64.to_be_bytes());
    }

    #[test]
    fn a_state_goes_back_to_its_own_engine_and_to_no_other() {
        let (mut one, mut other) = (engine(), engine());
        let mut state = SavedState::new(&one).expect("there is room");
        one.reg_write(RegisterPPC::R5, 7).expect("it writes");
        state.save(&one).expect("it is its own");
        one.reg_write(RegisterPPC::R5, 8).expect("it writes");
        state.restore(&one).expect("it is its own");
        assert_eq!(one.reg_read(RegisterPPC::R5), Ok(7));

        other.reg_write(RegisterPPC::R5, 9).expect("it writes");
        assert_eq!(state.restore(&other), Err(uc_error::ARG));
        assert_eq!(other.reg_read(RegisterPPC::R5), Ok(9));
        assert_eq!(state.save(&other), Err(uc_error::ARG));
        // An engine at the place of one that is gone is another one.
        drop(one);
        let third = engine();
        assert_eq!(state.restore(&third), Err(uc_error::ARG));
    }
}
