//! The stable name of a cause: the function at fault, and what became of which register.
//!
//! It must not depend on values, nor on how many registers showed it: the same bug with FPSCR = 0,
//! or with one register that user code had loaded, has the same name. So it names the class that is
//! hit (`vsrs`, `vrs`, `gprs`), and of values only what an instruction or all of a class prove.
//! What names were called before is in `renamed`.

use ctxfuzz_emulator::arch::msr;
use ctxfuzz_emulator::machine::instruction::{loaded_vsr, stores_vsr};
use ctxfuzz_emulator::trace::Cell;
use ctxfuzz_scenario::register::Register;

use super::code::{Code, without_suffix};
use super::raw::{Change, RawCause};
use crate::pattern::{Context, Pattern, Source, recognise};

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
pub fn moved_control(word: u32, register: Register) -> Option<Source> {
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

/// The name of a cause.
pub fn signature(raw: &RawCause, codes: &[Code; 2]) -> String {
    format!("{}.{}", function(raw, codes), what(raw, codes))
}

/// Functions that do what their callers say (arch/powerpc/lib).
const LIBRARY: [&str; 6] = [
    "copy_mem",
    "copy_mem_in",
    "copy_mem_out",
    "memcpy",
    "memmove",
    "memset",
];

/// The function at fault: the innermost one on the way to the telling write that both sides were
/// in. A function that only one side entered is where something was done, not where it was decided,
/// and a function of the library does what it is told. Of a frame at another place, one that was at
/// work at every write.
fn function(raw: &RawCause, codes: &[Code; 2]) -> String {
    // There are several of some: memcpy_power7.
    let is_library = |n: &str| LIBRARY.iter().any(|l| n.split("_power").next() == Some(l));
    let at_fault = |n: &str| !is_library(n) && !raw.is_detour(n);
    if let Some(common) = raw.displaced.iter().flatten().find(|n| at_fault(n)) {
        return without_suffix(common).to_owned();
    }
    let telling = raw.changes.iter().find_map(Change::telling);
    let found = telling.and_then(|(side, w)| {
        let code = &codes[side];
        let is_at_fault = |pc: &&u64| code.function(**pc).is_some_and(|n| at_fault(&n));
        let pc = w.trace.iter().find(is_at_fault);
        let pc = pc.or_else(|| w.trace.iter().find(|pc| code.function(**pc).is_some()))?;
        let at = if *pc == w.pc { *pc } else { code.caller(*pc) };
        code.source_functions(at).into_iter().find(|n| at_fault(n))
    });
    found.unwrap_or_else(|| "unknown".into())
}

/// What changed, as the second half of a signature.
fn what(cause: &RawCause, codes: &[Code; 2]) -> String {
    let facilities = cause
        .changes
        .iter()
        .find(|c| matches!(c.cell, Cell::Facilities(_)));
    if let Some(change) = facilities {
        return match owners_after(cause, codes) {
            0 => facility_slug((change.a ^ change.b) as u64),
            owners => facility_slug(owners),
        }
        .into();
    }
    if cause.changes.iter().any(|c| c.cell == Cell::UserMsr) {
        return "msr-not-taken".into();
    }
    let used = cause
        .changes
        .iter()
        .find(|c| matches!(c.cell, Cell::Used(_)));
    if let Some(change) = used {
        let owners = owners_after(cause, codes);
        if owners != 0 {
            return facility_slug(owners).into();
        }
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
    register(change.cell).map_or_else(String::new, |first| of_registers(cause, change, first))
}

/// What a function did to FE0 and FE1, or to the account of what a task has used, may be the lesser
/// part: the owners' bits that come to differ later, before the task goes on, because the same
/// function wrote both. Zero if they are part of the cause itself.
pub fn owners_after(cause: &RawCause, codes: &[Code; 2]) -> u64 {
    let owners = |change: &Change| (change.a ^ change.b) as u64 & (msr::FP | msr::VEC | msr::VSX);
    let by = |change: &Change| {
        let (side, writer) = change.telling()?;
        codes[side].function(writer.pc)
    };
    let first = cause.changes.iter().find_map(|change| match change.cell {
        Cell::Facilities(slot) | Cell::Used(slot) => Some((slot, change)),
        _ => None,
    });
    let Some((slot, first)) = first else {
        return 0;
    };
    let bits = Cell::Facilities(slot);
    if cause
        .changes
        .iter()
        .any(|c| c.cell == bits && owners(c) != 0)
    {
        return 0;
    }
    let later = cause.copies.iter().filter(|copied| copied.same_stay);
    let later = later.map(|copied| &copied.change);
    let same = later.filter(|c| c.cell == bits && by(c) == by(first));
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

/// What became of the registers of a class.
fn of_registers(cause: &RawCause, change: &Change, first: Register) -> String {
    let class = match first {
        Register::F(_) | Register::Vs(_) => "vsrs",
        Register::V(n) if written_as_vsr(change, n) => "vsrs",
        Register::V(_) => "vrs",
        _ => {
            return match pattern(cause, change).map(|p| p.source) {
                Some(Source::HighHalfLost) => format!("{first}-lost-high-half"),
                _ => format!("{first}-changed"),
            };
        }
    };
    if let Some(control) = control_image(change, first) {
        return control;
    }
    match pattern(cause, change).map(|p| p.source) {
        // A path that swaps one register swaps all; how many show it depends on their values.
        Some(Source::Swapped) => format!("{class}-swapped"),
        _ => format!("{class}-changed"),
    }
}

/// A register that an instruction filled with FPSCR or VSCR. Doubleword 1 of a VSR shows `mffs`
/// too, as a write of the FPR zeroes it: then the FPR names the bug even when its value happens to
/// be right. If the FPR was put right afterwards, that half is what is left of the bug.
fn control_image(change: &Change, first: Register) -> Option<String> {
    if let Register::Vs(n) = first {
        moved_control(change.writer()?.word, Register::F(n))?;
        return Some(match change.rewritten {
            true => "vsrs-lost-low-half".into(),
            false => format!("f{n}-is-fpscr"),
        });
    }
    let writers = [&change.writer_a, &change.writer_b].into_iter().flatten();
    let moved = writers
        .filter_map(|w| moved_control(w.word, first))
        .next()?;
    Some(match moved {
        Source::Vscr => format!("{first}-is-vscr"),
        _ => format!("{first}-is-fpscr"),
    })
}

/// Whether a VR was written by an instruction that takes any VSR: emulated ones name 64.
fn written_as_vsr(change: &Change, n: u8) -> bool {
    const LVX: [u32; 2] = [103, 359];
    let of_vsx = |word: u32| {
        let is_lvx = word >> 26 == 31 && LVX.contains(&(word >> 1 & 0x3ff));
        !is_lvx && !stores_vsr(word) && loaded_vsr(word) == Some(n + 32)
    };
    change.writer().is_some_and(|w| of_vsx(w.word))
}

/// The facility whose ownership is in dispute. Which of FP and VEC depends on what the task had in
/// use, so both have one name. VSX follows them, and FE0 and FE1 follow FP: they are named only
/// when alone.
fn facility_slug(bits: u64) -> &'static str {
    match bits {
        _ if bits & (msr::FP | msr::VEC) != 0 => "msr-facility",
        _ if bits & msr::VSX != 0 => "msr-vsx",
        _ => "msr-fe",
    }
}
