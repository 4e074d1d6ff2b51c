//! Names of the registers that scenarios, differences and reports speak of.
//!
//! Not responsible for values or for where a register is stored.

use std::fmt;
use std::str::FromStr;

use crate::event::Facility;

/// One architected register (or half of one) of the FP, VMX and VSX facilities.
///
/// `F(n)` is doubleword 0 of VSR n, which is FPR n; `Vs(n)` is doubleword 1 of the same VSR (n in 0..=31);
/// `V(n)` is VR n, that is VSR 32+n, all 128 bits (Power ISA 3.1, Book I, 7.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Register {
    /// Doubleword 0 of VSR n, 64 bits.
    F(u8),
    /// Doubleword 1 of VSR n, 64 bits.
    Vs(u8),
    /// VR n, 128 bits.
    V(u8),
    /// FPSCR, 64 bits.
    Fpscr,
    /// VSCR, 32 bits.
    Vscr,
    /// VRSAVE (SPR 256), 32 bits.
    Vrsave,
}

impl Register {
    /// Every register, in the order reports list them.
    pub fn all() -> impl Iterator<Item = Register> {
        (0..32)
            .map(Register::F)
            .chain((0..32).map(Register::Vs))
            .chain((0..32).map(Register::V))
            .chain([Register::Fpscr, Register::Vscr, Register::Vrsave])
    }

    /// Width in bits.
    pub const fn bits(self) -> u32 {
        match self {
            Register::F(_) | Register::Vs(_) | Register::Fpscr => 64,
            Register::V(_) => 128,
            Register::Vscr | Register::Vrsave => 32,
        }
    }

    /// All bits a value of this register can have.
    pub const fn mask(self) -> u128 {
        u128::MAX >> (128 - self.bits())
    }

    /// The facilities any one of which lets a task keep this register before its first event.
    pub const fn facilities(self) -> &'static [Facility] {
        match self {
            Register::F(_) | Register::Fpscr => &[Facility::Fp, Facility::Vsx],
            Register::Vs(_) => &[Facility::Vsx],
            Register::V(_) => &[Facility::Vmx, Facility::Vsx],
            Register::Vscr => &[Facility::Vmx],
            Register::Vrsave => &[Facility::Vmx, Facility::Vsx],
        }
    }
}

impl fmt::Display for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Register::F(n) => write!(f, "f{n}"),
            Register::Vs(n) => write!(f, "vs{n}"),
            Register::V(n) => write!(f, "v{n}"),
            Register::Fpscr => f.write_str("fpscr"),
            Register::Vscr => f.write_str("vscr"),
            Register::Vrsave => f.write_str("vrsave"),
        }
    }
}

/// A string that names no register.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown register `{0}`: expected f0..f31, vs0..vs31, v0..v31, fpscr, vscr or vrsave")]
pub struct UnknownRegister(pub String);

impl FromStr for Register {
    type Err = UnknownRegister;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownRegister(name.to_owned());
        let number = |digits: &str| -> Result<u8, UnknownRegister> {
            let canonical = digits == "0" || !digits.starts_with('0');
            match digits.parse::<u8>() {
                Ok(n) if n < 32 && canonical && !digits.starts_with('+') => Ok(n),
                _ => Err(unknown()),
            }
        };
        match name {
            "fpscr" => Ok(Register::Fpscr),
            "vscr" => Ok(Register::Vscr),
            "vrsave" => Ok(Register::Vrsave),
            _ => {
                if let Some(digits) = name.strip_prefix("vs") {
                    number(digits).map(Register::Vs)
                } else if let Some(digits) = name.strip_prefix('v') {
                    number(digits).map(Register::V)
                } else if let Some(digits) = name.strip_prefix('f') {
                    number(digits).map(Register::F)
                } else {
                    Err(unknown())
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for register in Register::all() {
            assert_eq!(register.to_string().parse(), Ok(register));
        }
        assert_eq!(Register::all().count(), 99);
    }

    #[test]
    fn near_misses_are_no_names() {
        for name in [
            "f32", "f-1", "f+1", "f00", "vs", "v", "F0", "r3", "", "vs32", "fpscr ",
        ] {
            assert_eq!(
                name.parse::<Register>(),
                Err(UnknownRegister(name.to_owned()))
            );
        }
    }

    #[test]
    fn masks_follow_widths() {
        assert_eq!(Register::Vscr.mask(), 0xffff_ffff);
        assert_eq!(Register::F(0).mask(), u128::from(u64::MAX));
        assert_eq!(Register::V(31).mask(), u128::MAX);
    }
}
