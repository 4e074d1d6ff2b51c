//! The values of all registers of the FP, VMX and VSX facilities.

use ctxfuzz_scenario::Register;

/// The FP, VMX and VSX registers of one task, or an image of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RegisterFile {
    /// VSR 0-63, doubleword 0 first. VSR 32+n is VR n.
    pub vsr: [[u64; 2]; 64],
    /// All 64 bits.
    pub fpscr: u64,
    /// VSCR.
    pub vscr: u32,
    /// VRSAVE (SPR 256).
    pub vrsave: u32,
}

impl Default for RegisterFile {
    fn default() -> Self {
        RegisterFile {
            vsr: [[0; 2]; 64],
            fpscr: 0,
            vscr: 0,
            vrsave: 0,
        }
    }
}

impl RegisterFile {
    /// The value of one register, right-aligned.
    pub fn get(&self, register: Register) -> u128 {
        match register {
            Register::F(n) => self.vsr[usize::from(n)][0].into(),
            Register::Vs(n) => self.vsr[usize::from(n)][1].into(),
            Register::V(n) => {
                let [high, low] = self.vsr[32 + usize::from(n)];
                u128::from(high) << 64 | u128::from(low)
            }
            Register::Fpscr => self.fpscr.into(),
            Register::Vscr => self.vscr.into(),
            Register::Vrsave => self.vrsave.into(),
        }
    }

    /// Gives one register a value (right-aligned; excess bits are dropped).
    pub fn set(&mut self, register: Register, value: u128) {
        match register {
            Register::F(n) => self.vsr[usize::from(n)][0] = value as u64,
            Register::Vs(n) => self.vsr[usize::from(n)][1] = value as u64,
            Register::V(n) => self.vsr[32 + usize::from(n)] = [(value >> 64) as u64, value as u64],
            Register::Fpscr => self.fpscr = value as u64,
            Register::Vscr => self.vscr = value as u32,
            Register::Vrsave => self.vrsave = value as u32,
        }
    }
}
