//! The registers that scenarios, differences and reports speak of, and one table of facts of them.
//!
//! Not responsible for values, nor for where in memory a kernel keeps a register.

use std::fmt;
use std::str::FromStr;

use crate::facility::Facility;
use crate::json::names::listed;

/// One architected register (or half of one) of the FP, VMX and VSX facilities.
///
/// `F(n)` is doubleword 0 of VSR n, which is FPR n; `Vs(n)` is doubleword 1 of the same VSR (n in
/// 0..=31); `V(n)` is VR n, that is VSR 32+n, all 128 bits (Power ISA 3.1, Book I, 7.2.1).
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
    /// One register of each class: the first of those that have numbers, and those that are alone.
    /// In the order in which bytes are decoded and reports list them.
    pub const CLASSES: [Register; 6] = [
        Register::F(0),
        Register::Vs(0),
        Register::V(0),
        Register::Fpscr,
        Register::Vscr,
        Register::Vrsave,
    ];

    /// Every register, in the order reports list them.
    pub fn all() -> impl Iterator<Item = Register> {
        Register::CLASSES.into_iter().flat_map(|class| {
            let numbers = if class.is_control() { 0..1 } else { 0..32 };
            numbers.map(move |n| class.numbered(n))
        })
    }

    /// The registers that are the only ones of their class.
    pub fn control() -> impl Iterator<Item = Register> {
        let classes = Register::CLASSES.into_iter();
        classes.filter(|class| class.is_control())
    }

    /// Which of those that are the only ones of their class it is, from 0 to
    /// [`Register::CONTROLS`].
    pub fn control_index(self) -> Option<usize> {
        Register::control().position(|control| control == self)
    }

    /// How many registers are the only ones of their class.
    pub const CONTROLS: usize = {
        let (mut class, mut count) = (0, 0);
        while class < Register::CLASSES.len() {
            count += Register::CLASSES[class].is_control() as usize;
            class += 1;
        }
        count
    };

    /// The register of the same class with this number, or the same one if it is the only one.
    pub const fn numbered(self, n: u8) -> Register {
        match self {
            Register::F(_) => Register::F(n),
            Register::Vs(_) => Register::Vs(n),
            Register::V(_) => Register::V(n),
            alone => alone,
        }
    }

    /// Width in bits.
    pub const fn bits(self) -> u32 {
        self.facts().bits
    }

    /// All bits a value of this register can have.
    pub const fn mask(self) -> u128 {
        u128::MAX >> (128 - self.bits())
    }

    /// The facilities any one of which lets a task keep this register before its first event.
    pub const fn facilities(self) -> &'static [Facility] {
        self.facts().facilities
    }

    /// The facility whose bit in `regs->msr` says whether the processor, not the image in
    /// `thread_struct`, has this register (Linux `giveup_fpu`, `giveup_altivec`). VRSAVE has none:
    /// the running task has it in the processor at all times.
    pub const fn owner(self) -> Option<Facility> {
        self.facts().owner
    }

    /// The facility whose bit in the MSR of a signal frame says whether the frame stores this
    /// register; `None` if every frame does (Linux `__unsafe_setup_sigcontext`).
    pub const fn frame_area(self) -> Option<Facility> {
        self.facts().frame_area
    }

    /// The register set of `ptrace` that has this register, and which of its elements it is (Linux
    /// `fpr_get`, `vr_get`, `vsr_get`).
    pub const fn regset(self) -> (Facility, u8) {
        let (regset, first) = self.facts().regset;
        match self.number() {
            Some(number) => (regset, first + number),
            None => (regset, first),
        }
    }

    /// The number of the special purpose register that it is, if it is one (`mfspr`).
    pub const fn spr(self) -> Option<u16> {
        self.facts().spr
    }

    /// Whether it controls or tells of the others, and holds no data.
    pub const fn is_control(self) -> bool {
        self.number().is_none()
    }

    /// The numbers of its class whose data a C function may change, as bits (both ELF ABIs: f0-f13,
    /// v0-v19, and doubleword 1 of each VSR).
    pub const fn volatile(self) -> u32 {
        ((1u64 << self.facts().volatile) - 1) as u32
    }

    /// Which of its class it is; `None` for a register that is the only one.
    pub const fn number(self) -> Option<u8> {
        match self {
            Register::F(n) | Register::Vs(n) | Register::V(n) => Some(n),
            _ => None,
        }
    }

    /// Whether there is such a register.
    pub const fn exists(self) -> bool {
        match self.number() {
            Some(number) => number < 32,
            None => true,
        }
    }

    /// What is the same for all registers of a class. One row a class: whoever wants to know
    /// something of a register looks here, and a new class of registers is a new row.
    const fn facts(self) -> Facts {
        use Facility::{Fp, Vmx, Vsx};
        match self {
            Register::F(_) => Facts {
                name: "f",
                bits: 64,
                facilities: &[Fp, Vsx],
                owner: Some(Fp),
                frame_area: None,
                regset: (Fp, 0),
                spr: None,
                volatile: 14,
            },
            Register::Vs(_) => Facts {
                name: "vs",
                bits: 64,
                facilities: &[Vsx],
                owner: Some(Fp),
                frame_area: Some(Vsx),
                regset: (Vsx, 0),
                spr: None,
                volatile: 32,
            },
            Register::V(_) => Facts {
                name: "v",
                bits: 128,
                facilities: &[Vmx, Vsx],
                owner: Some(Vmx),
                frame_area: Some(Vmx),
                regset: (Vmx, 0),
                spr: None,
                volatile: 20,
            },
            Register::Fpscr => Facts {
                name: "fpscr",
                bits: 64,
                facilities: &[Fp, Vsx],
                owner: Some(Fp),
                frame_area: None,
                regset: (Fp, 32),
                spr: None,
                volatile: 0,
            },
            Register::Vscr => Facts {
                name: "vscr",
                bits: 32,
                facilities: &[Vmx],
                owner: Some(Vmx),
                frame_area: Some(Vmx),
                regset: (Vmx, 32),
                spr: None,
                volatile: 0,
            },
            Register::Vrsave => Facts {
                name: "vrsave",
                bits: 32,
                facilities: &[Vmx, Vsx],
                owner: None,
                frame_area: None,
                regset: (Vmx, 33),
                spr: Some(256),
                volatile: 0,
            },
        }
    }
}

/// See [`Register::facts`] and the methods that give each of them out.
struct Facts {
    name: &'static str,
    bits: u32,
    facilities: &'static [Facility],
    owner: Option<Facility>,
    frame_area: Option<Facility>,
    regset: (Facility, u8),
    spr: Option<u16>,
    /// Numbers below this are volatile.
    volatile: u8,
}

impl fmt::Display for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.facts().name)?;
        match self.number() {
            Some(number) => write!(f, "{number}"),
            None => Ok(()),
        }
    }
}

/// How messages list the registers: `f0..f31` for a class that has numbers, else the name.
pub(crate) fn names() -> Vec<String> {
    let classes = Register::CLASSES.into_iter();
    let names = classes.map(|class| match class.is_control() {
        true => class.to_string(),
        false => format!("{class}..{}", class.numbered(31)),
    });
    names.collect()
}

/// A regular expression (of JSON Schema) for the names of these registers: those with numbers
/// first, in the order of the classes.
pub(crate) fn pattern(classes: &[Register]) -> String {
    let (alone, many): (Vec<_>, Vec<_>) = classes.iter().partition(|class| class.is_control());
    let names = |classes: Vec<&Register>| -> Vec<&str> {
        classes.iter().map(|class| class.facts().name).collect()
    };
    let many = match names(many).as_slice() {
        [] => None,
        [one] => Some((*one).to_owned()),
        several => Some(format!("({})", several.join("|"))),
    };
    let many = many.map(|many| format!("{many}([0-9]|[12][0-9]|3[01])"));
    let alone = names(alone).into_iter().map(str::to_owned);
    let choices: Vec<String> = many.into_iter().chain(alone).collect();
    match choices.as_slice() {
        [one] => format!("^{one}$"),
        several => format!("^({})$", several.join("|")),
    }
}

/// A string that names no register.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown register `{0}`: expected {expected}", expected = listed(&names(), "or"))]
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
        let named = |class: &Register| class.facts().name == name;
        if let Some(register) = Register::control().find(named) {
            return Ok(register);
        }
        // Of classes whose names begin alike the longest is meant.
        let classes = Register::CLASSES.into_iter();
        let classes = classes.filter(|class| !class.is_control());
        let class = classes.filter(|class| name.starts_with(class.facts().name));
        let class = class.max_by_key(|class| class.facts().name.len());
        let class = class.ok_or_else(unknown)?;
        number(&name[class.facts().name.len()..]).map(|n| class.numbered(n))
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
    fn a_register_set_has_each_of_its_elements_once() {
        for (regset, elements) in [(Facility::Fp, 33), (Facility::Vmx, 34), (Facility::Vsx, 32)] {
            let mut found: Vec<u8> = Register::all()
                .map(Register::regset)
                .filter(|(set, _)| *set == regset)
                .map(|(_, element)| element)
                .collect();
            found.sort_unstable();
            assert_eq!(found, (0..elements).collect::<Vec<u8>>(), "{regset:?}");
        }
    }

    /// Power Architecture 64-bit ELF V2 ABI, 2.2.2: f0-f13 and v0-v19 are volatile.
    #[test]
    fn functions_keep_what_the_abi_says() {
        assert_eq!(Register::F(20).volatile(), 0x3fff);
        assert_eq!(Register::V(0).volatile(), 0xf_ffff);
        assert_eq!(Register::Vs(31).volatile(), u32::MAX);
        assert_eq!(Register::Fpscr.volatile(), 0);
    }

    #[test]
    fn masks_follow_widths() {
        assert_eq!(Register::Vscr.mask(), 0xffff_ffff);
        assert_eq!(Register::F(0).mask(), u128::from(u64::MAX));
        assert_eq!(Register::V(31).mask(), u128::MAX);
    }
}
