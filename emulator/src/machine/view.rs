//! What a [`super::Host`] sees of the processor.

use super::address::AddressMap;
use super::memory::Memory;
use crate::arch::RegisterFile;
use crate::arch::msr;

/// The processor at a host call or before an instruction.
pub struct View<'a> {
    /// Address of the instruction (for a replaced one, of its site).
    pub pc: u64,
    /// The instruction word (as it was before any repair).
    pub word: u32,
    /// MSR.
    pub msr: u64,
    /// Guest memory.
    pub memory: &'a Memory,
    /// Translation.
    pub map: &'a AddressMap,
    pub(super) processor: &'a dyn Processor,
}

impl View<'_> {
    /// Whether it happens in user mode.
    pub fn user(&self) -> bool {
        self.msr & msr::PR != 0
    }

    /// A general purpose register.
    pub fn gpr(&self, n: u8) -> u64 {
        self.processor.gpr(n)
    }

    /// The link register.
    pub fn lr(&self) -> u64 {
        self.processor.lr()
    }

    /// The FP, VMX and VSX registers. Slow: copies the whole processor state.
    pub fn registers(&self) -> RegisterFile {
        self.processor.registers()
    }

    /// A 64-bit value at an effective address at which there is memory whatever the guest does. If
    /// there is none, the run ends as an emulator fault.
    pub fn load(&self, ea: u64) -> u64 {
        self.memory.read_u64(self.physical(ea))
    }

    /// The physical address behind an effective one, as [`View::load`] finds it.
    pub fn physical(&self, ea: u64) -> u64 {
        match self.map.physical(ea) {
            Some(pa) => pa,
            None => self.no_memory(ea),
        }
    }

    /// A 64-bit value at an effective address that the guest has made; 0 where there is no memory,
    /// which is the guest's doing.
    pub fn follow(&self, ea: u64) -> u64 {
        self.map
            .physical(ea)
            .map_or(0, |pa| self.memory.read_u64(pa))
    }

    #[cold]
    fn no_memory(&self, ea: u64) -> u64 {
        self.processor.refused(format!("memory at {ea:#x}"));
        0
    }
}

/// What a [`View`] needs of the engine.
pub(super) trait Processor {
    fn gpr(&self, n: u8) -> u64;
    fn lr(&self) -> u64;
    fn registers(&self) -> RegisterFile;
    /// Something could not be read: the run ends as an emulator fault.
    fn refused(&self, what: String);
}

/// A processor that tests make up.
#[cfg(test)]
#[derive(Default)]
pub(crate) struct MadeUp {
    /// General purpose registers.
    pub(crate) gprs: [u64; 32],
    /// What could not be read.
    pub(crate) refused: std::cell::OnceCell<String>,
}

#[cfg(test)]
impl MadeUp {
    /// A view of it at this address.
    pub(crate) fn view<'a>(
        &'a self,
        pc: u64,
        msr: u64,
        memory: &'a Memory,
        map: &'a AddressMap,
    ) -> View<'a> {
        View {
            pc,
            word: super::instruction::HOST_CALL,
            msr,
            memory,
            map,
            processor: self,
        }
    }
}

#[cfg(test)]
impl Processor for MadeUp {
    fn gpr(&self, n: u8) -> u64 {
        self.gprs[usize::from(n & 31)]
    }

    fn lr(&self) -> u64 {
        0
    }

    fn registers(&self) -> RegisterFile {
        RegisterFile::default()
    }

    fn refused(&self, what: String) {
        let _ = self.refused.set(what);
    }
}
