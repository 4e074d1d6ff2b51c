//! Which bits of one task's registers its code may rely on.

use ctxfuzz_scenario::register::Register;

/// FPSCR\[DRN\], the exception enables, NI and RN: what the ELF ABI makes a callee preserve.
pub const FPSCR_CONTROL: u64 = 0x0000_0007_0000_00ff;
/// VSCR\[NJ\].
pub const VSCR_CONTROL: u32 = 0x0001_0000;

/// Bits that are defined. Data registers are tracked as whole lanes; FPSCR and VSCR as control bits
/// and the others (status).
///
/// Reserved bits count as status: nothing may rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mask {
    f: u32,
    vs: u32,
    v: u32,
    /// Of the registers that are the only ones of their class, in the order of their
    /// [`Register::control_index`].
    control: [u64; Register::CONTROLS],
}

impl Mask {
    /// Every bit of every register is defined.
    pub const EVERYTHING: Mask = Mask {
        f: !0,
        vs: !0,
        v: !0,
        control: [!0; Register::CONTROLS],
    };
    /// No bit of any register is defined.
    pub const NOTHING: Mask = Mask {
        f: 0,
        vs: 0,
        v: 0,
        control: [0; Register::CONTROLS],
    };

    /// The defined bits of a register, aligned as `RegisterFile::get` has its value.
    pub fn bits(&self, register: Register) -> u128 {
        let lane = |set: u32, n: u8, width: u128| if set & bit(n) != 0 { width } else { 0 };
        match register {
            Register::F(n) => lane(self.f, n, u64::MAX.into()),
            Register::Vs(n) => lane(self.vs, n, u64::MAX.into()),
            Register::V(n) => lane(self.v, n, u128::MAX),
            control => u128::from(*self.control(control)) & control.mask(),
        }
    }

    fn control(&self, register: Register) -> &u64 {
        &self.control[place(register)]
    }

    fn control_mut(&mut self, register: Register) -> &mut u64 {
        &mut self.control[place(register)]
    }

    /// Whether any bit of the register is undefined.
    pub fn lacks(&self, register: Register) -> bool {
        self.bits(register) != Mask::EVERYTHING.bits(register)
    }

    /// Whether FP arithmetic knows its rounding mode and which exceptions suppress a result.
    pub fn has_fp_control(&self) -> bool {
        self.control(Register::Fpscr) & FPSCR_CONTROL == FPSCR_CONTROL
    }

    /// Makes a whole register defined or undefined.
    pub fn put(&mut self, register: Register, defined: bool) {
        let lane = |set: &mut u32, n: u8| {
            if defined {
                *set |= bit(n);
            } else {
                *set &= !bit(n);
            }
        };
        match register {
            Register::F(n) => lane(&mut self.f, n),
            Register::Vs(n) => lane(&mut self.vs, n),
            Register::V(n) => lane(&mut self.v, n),
            control => *self.control_mut(control) = if defined { !0 } else { 0 },
        }
    }

    /// Makes FPSCR's status bits undefined; its control bits stay as they are.
    pub fn lose_fp_status(&mut self) {
        *self.control_mut(Register::Fpscr) &= FPSCR_CONTROL;
    }

    /// Makes VSCR\[SAT\] undefined; NJ stays as it is.
    pub fn lose_saturation(&mut self) {
        *self.control_mut(Register::Vscr) &= u64::from(VSCR_CONTROL);
    }

    /// Makes everything undefined that a function call leaves undefined under the ELF ABI.
    pub fn lose_volatile(&mut self) {
        self.f &= !Register::F(0).volatile();
        self.vs &= !Register::Vs(0).volatile();
        self.v &= !Register::V(0).volatile();
        self.lose_fp_status();
        self.lose_saturation();
    }

    /// What a signal handler may rely on when the interrupted code's mask is `self`.
    pub fn in_handler(&self) -> Mask {
        let mut mask = Mask {
            f: 0,
            vs: 0,
            v: 0,
            ..*self
        };
        mask.put(Register::Fpscr, true);
        mask
    }

    /// Bits that are defined in both.
    pub fn and(&self, other: &Mask) -> Mask {
        Mask {
            f: self.f & other.f,
            vs: self.vs & other.vs,
            v: self.v & other.v,
            control: std::array::from_fn(|index| self.control[index] & other.control[index]),
        }
    }
}

/// Where a [`Mask`] has a register that is the only one of its class.
fn place(register: Register) -> usize {
    register.control_index().unwrap_or(0)
}

/// Bit `n`, or none for an index no register has.
fn bit(n: u8) -> u32 {
    1u32.checked_shl(n.into()).unwrap_or(0)
}
