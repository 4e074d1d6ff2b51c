//! Makes the expected run of a recorded one: the same steps, with the right values from where they
//! were lost on.
//!
//! A wrong value travels: it is saved, loaded, copied into frames. In the expected run the right
//! one travels the same ways. Not responsible for where a value was lost (`loss`).

use ctxfuzz_emulator::kernel::defects::Class;
use ctxfuzz_emulator::machine::address::KERNEL;
use ctxfuzz_emulator::trace::{Cell, Recording, Step, Write};
use ctxfuzz_scenario::register::Register;
use rustc_hash::FxHashMap as HashMap;

use super::journey::Journey;
use crate::cause::dispute::travelling;

/// A write that the expected run has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// The step of the recorded run that it takes the place of, if that writes the same cell, or
    /// that it comes after.
    pub at: usize,
    /// What is written, and by which instruction.
    pub write: Write,
    /// What kind of fault it is that it was not, where the rule says so that found it.
    pub class: Option<Class>,
    /// The rule that found it.
    pub rule: &'static str,
    /// How the value was lost that it would have kept, where it is a register's.
    pub journey: Option<Journey>,
}

impl Fix {
    /// A fault of this kind.
    pub fn of(self, class: Class) -> Fix {
        Fix {
            class: Some(class),
            ..self
        }
    }
}

/// Cells that differ: what the recorded run and the expected one have.
type Differing = HashMap<Cell, (u128, u128)>;

/// See the module.
pub fn expected(run: Recording, fixes: &[Fix]) -> Recording {
    let mut fixes = fixes.iter().cloned().peekable();
    let mut differing = Differing::default();
    let mut recorded: HashMap<Cell, u128> = run.initial.iter().copied().collect();
    let mut steps = Vec::with_capacity(run.steps.len());
    let mut kept = run.kept.into_iter().peekable();
    let mut all_kept = Vec::new();
    for (at, step) in run.steps.into_iter().enumerate() {
        while let Some((_, write)) = kept.next_if(|(before, _)| *before <= at) {
            all_kept.push((steps.len(), write));
        }
        let cell = match step {
            Step::Write(write) => {
                recorded.insert(write.cell, write.value);
                let cell = write.cell;
                let fixed = fixes
                    .peek()
                    .is_some_and(|fix| fix.at == at && fix.write.cell == cell);
                if !fixed {
                    let write = translated(write, &mut differing);
                    steps.push(Step::Write(write));
                }
                Some(cell)
            }
            other => {
                steps.push(other);
                None
            }
        };
        // What takes the place of the step itself comes first.
        let mut here: Vec<Fix> = Vec::new();
        while let Some(fix) = fixes.next_if(|fix| fix.at == at) {
            here.push(fix);
        }
        here.sort_by_key(|fix| Some(fix.write.cell) != cell);
        for Fix { write, .. } in here {
            let has = recorded.get(&write.cell).copied().unwrap_or(0);
            note(&mut differing, write.cell, (has, write.value));
            steps.push(Step::Write(write));
        }
    }
    all_kept.extend(kept.map(|(_, write)| (steps.len(), write)));
    Recording {
        steps,
        kept: all_kept,
        ..run
    }
}

fn note(differing: &mut Differing, cell: Cell, (a, b): (u128, u128)) {
    match a == b {
        true => differing.remove(&cell),
        false => differing.insert(cell, (a, b)),
    };
}

/// The write as the expected run has it: a copy of a wrong value is a copy of the right one.
fn translated(write: Write, differing: &mut Differing) -> Write {
    // User code computes with what it has; what it writes is what the recorded run says.
    let right = match write.pc >= KERNEL {
        true => original(write.cell, write.value, differing),
        false => None,
    };
    let value = right.unwrap_or(write.value);
    note(differing, write.cell, (write.value, value));
    Write { value, ..write }
}

/// What should have been copied, if a value is the copy of a wrong one.
fn original(to: Cell, value: u128, differing: &Differing) -> Option<u128> {
    let mut sources: Vec<(Cell, (u128, u128))> = differing
        .iter()
        .filter(|(from, _)| can_come_from(to, **from))
        .map(|(from, pair)| (*from, *pair))
        .collect();
    sources.sort_by_key(|(cell, _)| *cell);
    let values = sources
        .iter()
        .flat_map(|(cell, pair)| travelling(cell, *pair).collect::<Vec<_>>());
    let values = values.filter(|(a, b)| a != b);
    if let Some((_, b)) = values.clone().find(|(a, _)| *a == value) {
        return Some(b);
    }
    // A VR comes from memory of user code in two halves; the other one may be right.
    if !matches!(
        to,
        Cell::Hardware(Register::V(_)) | Cell::Image(_, Register::V(_))
    ) {
        return None;
    }
    let half = |half: u128| values.clone().find(|(a, _)| *a == half).map(|(_, b)| b);
    let (high, low) = (value >> 64, value & u128::from(u64::MAX));
    let (new_high, new_low) = (half(high), half(low));
    (new_high.is_some() || new_low.is_some())
        .then(|| new_high.unwrap_or(high) << 64 | new_low.unwrap_or(low))
}

/// Whether what is in one cell may be copied to another one.
fn can_come_from(to: Cell, from: Cell) -> bool {
    let register = |cell| match cell {
        Cell::Hardware(register) | Cell::Image(_, register) => Some(register),
        _ => None,
    };
    match (register(to), register(from)) {
        (Some(to), Some(from)) => to == from,
        (Some(_), None) => from.is_user_memory(),
        (None, Some(_)) => to.is_user_memory(),
        (None, None) => match to {
            Cell::Facilities(_) | Cell::UserMsr => {
                matches!(from, Cell::Facilities(_) | Cell::UserMsr)
            }
            _ => to.is_user_memory() && from.is_user_memory(),
        },
    }
}
