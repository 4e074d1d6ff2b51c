//! The stable name of a cause: the function at fault, and what became of which register.
//!
//! It must not depend on values: the same bug with FPSCR = 0 has the same name. So the instruction that left a value says more than the value.

use ctxfuzz_emulator::machine::msr;
use ctxfuzz_emulator::trace::Cell;
use ctxfuzz_scenario::register::Register;

use super::analyse::{Change, RawCause};
use crate::pattern::{Context, Pattern, Source, recognise, slug};

/// From this many registers of a class on, a signature names the class.
const MANY: usize = 4;

/// What the wrong value of a change is.
pub fn pattern(cause: &RawCause, change: &Change) -> Option<Pattern> {
    let register = register(change.cell)?;
    let by_instruction = [&change.writer_a, &change.writer_b]
        .into_iter()
        .flatten()
        .find_map(|w| moved_control(w.word, register));
    if let Some(source) = by_instruction {
        return Some(Pattern { register, source });
    }
    let [a, b] = &cause.hardware;
    let on_a = recognise(register, change.a, change.b, &Context::new(a));
    let on_b = recognise(register, change.b, change.a, &Context::new(b));
    match (on_a, on_b) {
        (Some(pattern), _) if pattern.source != Source::Zero || change.b != 0 => Some(pattern),
        (_, other) => other,
    }
}

/// `mffs` leaves FPSCR, `mfvscr` VSCR in the register (and nothing in the other half of a VSR).
fn moved_control(word: u32, register: Register) -> Option<Source> {
    let target = (word >> 21) & 31;
    match register {
        Register::F(n) if word & 0xfc1f_fffe == 0xfc00_048e && target == u32::from(n) => {
            Some(Source::Fpscr)
        }
        Register::V(n) if word & 0xfc1f_ffff == 0x1000_0604 && target == u32::from(n) => {
            Some(Source::Vscr)
        }
        _ => None,
    }
}

/// The register that a cell holds.
pub fn register(cell: Cell) -> Option<Register> {
    match cell {
        Cell::Hardware(register) | Cell::Image(_, register) => Some(register),
        Cell::Facilities(_) | Cell::Current | Cell::UserStack(_) => None,
    }
}

/// What changed, as the second half of a signature.
pub fn what(cause: &RawCause) -> String {
    let facilities = cause
        .changes
        .iter()
        .find(|c| matches!(c.cell, Cell::Facilities(_)));
    if let Some(change) = facilities {
        return facility_slug((change.a ^ change.b) as u64);
    }
    let telling = cause
        .changes
        .iter()
        .filter(|c| register(c.cell).is_some())
        .min_by_key(|c| rank(register(c.cell)));
    let Some(change) = telling else {
        let stack = cause
            .changes
            .iter()
            .any(|c| matches!(c.cell, Cell::UserStack(_)));
        return if stack {
            "user-stack-changed".into()
        } else {
            "schedule-changed".into()
        };
    };
    // The other half of a VSR that an FPR write zeroed: the FPR names the bug even when its value happens to be right.
    let by_fpr_write = |n: u8| {
        change
            .writer()
            .is_some_and(|w| moved_control(w.word, Register::F(n)).is_some())
    };
    match register(change.cell) {
        Some(Register::Vs(n)) if by_fpr_write(n) => slug(
            Register::F(n),
            Some(&Pattern {
                register: Register::F(n),
                source: Source::Fpscr,
            }),
        ),
        Some(first) => many(cause, first, &slug(first, pattern(cause, change).as_ref())),
        None => String::new(),
    }
}

/// Registers that name a bug best come first.
fn rank(register: Option<Register>) -> (u8, Option<Register>) {
    let class = match register {
        Some(Register::F(_)) => 0,
        Some(Register::V(_)) => 1,
        Some(Register::Fpscr) => 2,
        Some(Register::Vscr) => 3,
        Some(Register::Vrsave) => 4,
        Some(Register::Vs(_)) => 5,
        None => 6,
    };
    (class, register)
}

/// Names the class instead of the first register if most of the class is hit.
fn many(cause: &RawCause, first: Register, slug: &str) -> String {
    let (class, same): (&str, fn(Register) -> bool) = match first {
        Register::F(_) => ("fprs", |r| matches!(r, Register::F(_))),
        Register::Vs(_) => ("vsrs", |r| matches!(r, Register::Vs(_))),
        Register::V(_) => ("vrs", |r| matches!(r, Register::V(_))),
        _ => return slug.to_owned(),
    };
    let hit = cause
        .changes
        .iter()
        .filter_map(|c| register(c.cell))
        .filter(|r| same(*r))
        .count();
    match slug.strip_prefix(&first.to_string()) {
        // What the values are may differ from register to register then.
        Some(_) if hit >= MANY => format!("{class}-changed"),
        _ => slug.to_owned(),
    }
}

fn facility_slug(bits: u64) -> String {
    let names: Vec<&str> = [
        (msr::FP, "fp"),
        (msr::VEC, "vec"),
        (msr::VSX, "vsx"),
        (msr::FE0, "fe0"),
        (msr::FE1, "fe1"),
    ]
    .into_iter()
    .filter_map(|(bit, name)| (bits & bit != 0).then_some(name))
    .collect();
    format!("msr-{}", names.join("-"))
}
