//! Recognises what a wrong value is: the FPSCR image, another register's value, an old value.
//!
//! A recognised value names the bug better than its digits do. Zero explains little, so a value
//! that is zero is called zero and never "the FPSCR image" of an FPSCR that happens to be zero.

use std::fmt;

use ctxfuzz_outcome::arch::RegisterFile;
use ctxfuzz_scenario::register::Register;

/// Values a wrong one may have come from.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// All registers of the side that has the wrong value.
    pub live: &'a RegisterFile,
    /// Registers of other tasks, by their index.
    pub others: &'a [(u8, &'a RegisterFile)],
    /// Values the register had before.
    pub earlier: &'a [u128],
}

impl<'a> Context<'a> {
    /// Knows nothing but the registers beside the wrong one.
    pub fn new(live: &'a RegisterFile) -> Self {
        Context {
            live,
            others: &[],
            earlier: &[],
        }
    }
}

/// Where a wrong value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// FPSCR as `mffs` leaves it in an FPR.
    Fpscr,
    /// VSCR as `mfvscr` leaves it in a VR.
    Vscr,
    /// Zero.
    Zero,
    /// The two doublewords have changed places.
    Swapped,
    /// The more significant word (of FPSCR) or doubleword (of a VR) is lost, the other is right.
    HighHalfLost,
    /// A value it had before.
    Earlier,
    /// The same register of another task.
    Task(u8),
    /// Another register of the same task.
    Register(Register),
}

/// A recognised wrong value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    /// The register that holds it.
    pub register: Register,
    /// What it is.
    pub source: Source,
}

/// Says what the wrong value of a register is, most telling first; `None` if it is no value that is
/// known, or not wrong.
pub fn recognise(
    register: Register,
    wrong: u128,
    right: u128,
    context: &Context<'_>,
) -> Option<Pattern> {
    if wrong == right {
        return None;
    }
    let source = special(register, wrong, right, context.live)
        .or_else(|| context.earlier.contains(&wrong).then_some(Source::Earlier))
        .or_else(|| elsewhere(register, wrong, context))?;
    Some(Pattern { register, source })
}

/// Values that say something by themselves.
fn special(register: Register, wrong: u128, right: u128, live: &RegisterFile) -> Option<Source> {
    // Of FPSCR a lost half is told from a lost whole even when nothing is left.
    if register == Register::Fpscr && high_half_lost(register, wrong, right) {
        return Some(Source::HighHalfLost);
    }
    if wrong == 0 {
        return Some(match swapped(register, wrong, right, live) {
            true => Source::Swapped,
            false => Source::Zero,
        });
    }
    let data = matches!(register, Register::F(_) | Register::Vs(_));
    let vector = matches!(register, Register::V(_));
    if data && wrong == live.get(Register::Fpscr) {
        Some(Source::Fpscr)
    } else if vector && wrong == live.get(Register::Vscr) {
        Some(Source::Vscr)
    } else if swapped(register, wrong, right, live) {
        Some(Source::Swapped)
    } else if high_half_lost(register, wrong, right) {
        Some(Source::HighHalfLost)
    } else {
        None
    }
}

/// A VR shows it alone. Of a VSR each half is a register of its own, so the other half must hold
/// what is missing here.
fn swapped(register: Register, wrong: u128, right: u128, live: &RegisterFile) -> bool {
    match register {
        Register::V(_) => wrong == right.rotate_left(64),
        Register::F(n) if n < 32 => right != 0 && live.get(Register::Vs(n)) == right,
        Register::Vs(n) if n < 32 => right != 0 && live.get(Register::F(n)) == right,
        _ => false,
    }
}

fn high_half_lost(register: Register, wrong: u128, right: u128) -> bool {
    match register {
        Register::Fpscr => wrong == right & u128::from(u32::MAX),
        Register::V(_) => wrong == right & u128::from(u64::MAX),
        _ => false,
    }
}

/// Values that another register or task has. Zero is everywhere and says nothing.
fn elsewhere(register: Register, wrong: u128, context: &Context<'_>) -> Option<Source> {
    let holds = |file: &RegisterFile, r: Register| r.exists() && file.get(r) == wrong;
    let task = context
        .others
        .iter()
        .find(|(_, file)| holds(file, register));
    if let Some((task, _)) = task {
        return Some(Source::Task(*task));
    }
    Register::all()
        .filter(|&other| other != register && other.bits() == register.bits())
        .find(|&other| holds(context.live, other))
        .map(Source::Register)
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let register = self.register;
        match self.source {
            Source::Fpscr => write!(f, "{register} holds the FPSCR image"),
            Source::Vscr => write!(f, "{register} holds the VSCR image"),
            Source::Zero => write!(f, "{register} is zero"),
            Source::Swapped => write!(f, "the doublewords of {register} are swapped"),
            Source::HighHalfLost => write!(f, "{register} has lost its more significant half"),
            Source::Earlier => write!(f, "{register} holds a value it had before"),
            Source::Task(task) => write!(f, "{register} holds the value task {task} has in it"),
            Source::Register(other) => write!(f, "{register} holds the value of {other}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: u128 = 0x1111_2222_3333_4444;
    const FPSCR: u64 = 0x8200_4000;

    fn file() -> RegisterFile {
        RegisterFile {
            fpscr: FPSCR,
            vscr: 0x0001_0001,
            vrsave: 7,
            ..RegisterFile::default()
        }
    }

    fn source_of(
        register: Register,
        wrong: u128,
        right: u128,
        live: &RegisterFile,
    ) -> Option<Source> {
        recognise(register, wrong, right, &Context::new(live)).map(|p| p.source)
    }

    #[test]
    fn the_seed_bug() {
        let live = file();
        let (f0, v0) = (Register::F(0), Register::V(0));
        let vscr = source_of(v0, 0x0001_0001, GOOD, &live);
        assert_eq!(vscr, Some(Source::Vscr));
        assert_eq!(
            source_of(Register::Vs(0), 0, GOOD, &live),
            Some(Source::Zero)
        );
        let pattern = recognise(f0, FPSCR.into(), GOOD, &Context::new(&live)).unwrap();
        assert_eq!(pattern.to_string(), "f0 holds the FPSCR image");
    }

    #[test]
    fn right_or_strange_values_are_not_recognised() {
        let live = file();
        let f0 = Register::F(0);
        assert_eq!(recognise(f0, GOOD, GOOD, &Context::new(&live)), None);
        assert_eq!(source_of(f0, 0x8200_4001, GOOD, &live), None);
        // VSCR's image is not what an FPR gets, FPSCR's not what a VR gets.
        assert_eq!(source_of(f0, 0x0001_0001, GOOD, &live), None);
        assert_eq!(source_of(Register::V(0), FPSCR.into(), GOOD, &live), None);
    }

    #[test]
    fn zero_is_zero_even_when_fpscr_is() {
        let live = RegisterFile::default();
        for register in [Register::F(0), Register::V(0)] {
            assert_eq!(source_of(register, 0, GOOD, &live), Some(Source::Zero));
        }
    }

    #[test]
    fn swaps() {
        let mut live = file();
        live.set(Register::F(5), 77);
        live.set(Register::Vs(5), GOOD);
        let swapped = Some(Source::Swapped);
        assert_eq!(source_of(Register::F(5), 77, GOOD, &live), swapped);
        assert_eq!(source_of(Register::F(5), 77, GOOD + 1, &live), None);
        let v3 = Register::V(3);
        let right = 5 << 64 | GOOD;
        assert_eq!(source_of(v3, GOOD << 64 | 5, right, &live), swapped);
        assert_eq!(source_of(v3, GOOD << 64 | 6, right, &live), None);
    }

    #[test]
    fn values_from_elsewhere() {
        let mut live = file();
        live.set(Register::F(9), 99);
        let mut other = file();
        other.set(Register::F(1), 55);
        let others = [(2, &other)];
        let context = Context {
            live: &live,
            others: &others,
            earlier: &[33],
        };
        let source = |wrong| recognise(Register::F(1), wrong, GOOD, &context).map(|p| p.source);
        assert_eq!(source(99), Some(Source::Register(Register::F(9))));
        assert_eq!(source(55), Some(Source::Task(2)));
        assert_eq!(source(33), Some(Source::Earlier));
        assert_eq!(source(44), None);
    }

    #[test]
    fn lost_high_word() {
        let live = file();
        let lost = Some(Source::HighHalfLost);
        let right = 0x4_0000_0003;
        assert_eq!(source_of(Register::Fpscr, 3, right, &live), lost);
        assert_eq!(source_of(Register::Fpscr, 2, right, &live), None);
    }
}
