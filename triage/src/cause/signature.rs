//! The stable name of a cause: the function at fault, and what became of which register.
//!
//! It must not depend on values: the same bug with FPSCR = 0 has the same name. So the instruction
//! that left a value says more than the value.

use ctxfuzz_emulator::arch::msr;
use ctxfuzz_emulator::trace::Cell;
use ctxfuzz_scenario::register::Register;

use super::code::Code;
use super::raw::{Change, RawCause};
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
        Cell::Facilities(_)
        | Cell::Used(_)
        | Cell::UserMsr
        | Cell::Current
        | Cell::UserStack(_)
        | Cell::RegisterSet(_) => None,
    }
}

/// What changed, as the second half of a signature.
pub fn what(cause: &RawCause, codes: &[Code; 2]) -> String {
    let facilities = cause
        .changes
        .iter()
        .find(|c| matches!(c.cell, Cell::Facilities(_)));
    if let Some(change) = facilities {
        return match owners_after(cause, codes) {
            0 => facility_slug((change.a ^ change.b) as u64),
            owners => facility_slug(owners),
        };
    }
    if cause.changes.iter().any(|c| c.cell == Cell::UserMsr) {
        return "msr-not-taken".into();
    }
    let used = cause
        .changes
        .iter()
        .find(|c| matches!(c.cell, Cell::Used(_)));
    if let Some(change) = used {
        let vector = (change.a ^ change.b) as u64 & msr::VEC != 0;
        return if vector { "used-vr" } else { "used-vsr" }.into();
    }
    let telling = cause
        .changes
        .iter()
        .filter(|c| register(c.cell).is_some())
        .min_by_key(|c| rank(register(c.cell)));
    let Some(change) = telling else {
        let any = |is: fn(&Change) -> bool| cause.changes.iter().any(is);
        return if any(|c| matches!(c.cell, Cell::UserStack(_))) {
            "user-stack-changed".into()
        } else if any(|c| matches!(c.cell, Cell::RegisterSet(_))) {
            "register-set-changed".into()
        } else {
            "schedule-changed".into()
        };
    };
    // The other half of a VSR that an FPR write zeroed: the FPR names the bug even when its value
    // happens to be right.
    let by_fpr_write = |n: u8| {
        change
            .writer()
            .is_some_and(|w| moved_control(w.word, Register::F(n)).is_some())
    };
    match register(change.cell) {
        Some(Register::Vs(n)) if by_fpr_write(n) && !change.rewritten => slug(
            Register::F(n),
            Some(&Pattern {
                register: Register::F(n),
                source: Source::Fpscr,
            }),
        ),
        Some(first) => stable(cause, first, pattern(cause, change).as_ref()),
        None => String::new(),
    }
}

/// What a function did to FE0 and FE1 may be the lesser part: the owners' bits that come to differ
/// later, before the task goes on, because the same function wrote both in one. Zero if they are
/// part of the cause itself.
pub fn owners_after(cause: &RawCause, codes: &[Code; 2]) -> u64 {
    let owners = |change: &Change| (change.a ^ change.b) as u64 & (msr::FP | msr::VEC | msr::VSX);
    let is_control = |c: &&Change| matches!(c.cell, Cell::Facilities(_));
    let by = |change: &Change| {
        let (side, writer) = change.telling()?;
        codes[side].function(writer.pc)
    };
    let Some(first) = cause.changes.iter().find(is_control) else {
        return 0;
    };
    if cause.changes.iter().any(|change| owners(change) != 0) {
        return 0;
    }
    let later = cause.copies.iter().filter(|copied| copied.same_stay);
    let later = later.map(|copied| &copied.change);
    let same = later.filter(|c| c.cell == first.cell && by(c) == by(first));
    same.fold(0, |all, change| all | owners(change))
}

/// Registers that name a bug best come first.
fn rank(register: Option<Register>) -> (u8, Option<Register>) {
    let class = match register {
        Some(Register::F(_)) => 0,
        Some(Register::V(_)) => 1,
        Some(Register::Vs(_)) => 3,
        Some(_) => 2,
        None => 4,
    };
    (class, register)
}

/// What the values are says something only where they would say the same in another scenario; and
/// where most of a class is hit, the class is named.
fn stable(cause: &RawCause, first: Register, pattern: Option<&Pattern>) -> String {
    let same = |r: Register| std::mem::discriminant(&r) == std::mem::discriminant(&first);
    let hit = cause
        .changes
        .iter()
        .filter_map(|c| register(c.cell))
        .filter(|r| same(*r))
        .count();
    let class = match first {
        Register::F(_) | Register::Vs(_) => "vsrs",
        Register::V(_) => "vrs",
        _ => {
            let lost = pattern.filter(|p| p.source == Source::HighHalfLost);
            return slug(first, lost);
        }
    };
    match pattern.map(|p| p.source) {
        // A path that swaps one register swaps all; how many show it depends on their values.
        Some(Source::Swapped) => format!("{class}-swapped"),
        _ if hit >= MANY => format!("{class}-changed"),
        _ => slug(first, pattern),
    }
}

/// The facility whose ownership is in dispute. VSX follows FP and VEC, and FE0 and FE1 follow FP,
/// so they are named only when alone.
fn facility_slug(bits: u64) -> String {
    let named = |set: &[(u64, &'static str)]| -> Vec<&'static str> {
        set.iter()
            .filter_map(|(bit, name)| (bits & bit != 0).then_some(*name))
            .collect()
    };
    let main = named(&[(msr::FP, "fp"), (msr::VEC, "vec")]);
    let names = match main.is_empty() {
        false => main,
        true => named(&[(msr::VSX, "vsx"), (msr::FE0 | msr::FE1, "fe")]),
    };
    format!("msr-{}", names.join("-"))
}
