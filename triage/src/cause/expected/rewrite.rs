//! Makes the expected run of a recorded one: the same steps, with the right values from where they
//! were lost on.
//!
//! A wrong value travels: it is saved, loaded, copied into frames. In the expected run the right
//! one travels the same ways. Not responsible for where a value was lost (`loss`).

use ctxfuzz_emulator::kernel::defects::Class;
use ctxfuzz_emulator::machine::address::KERNEL;
use ctxfuzz_emulator::machine::instruction::swapped_vsr;
use ctxfuzz_emulator::trace::{Cell, Recording, Step, Write};
use ctxfuzz_scenario::register::Register;
use rustc_hash::FxHashMap as HashMap;

use super::journey::Journey;
use crate::cause::dispute::travelling;
use crate::compare::Difference;

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
    /// Whether it goes into registers that are made anew: those of a new program, or of a frame.
    pub made: bool,
    /// What was seen that led to it.
    pub seen: Vec<Difference>,
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
    let mut swap = Swap::default();
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
                swap.begin(&write, &differing);
                if !fixed {
                    let write = translated(write, &swap, &mut differing);
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

/// An `xxswapd` in place, as save_fpu and load_fp_state have it in little endian: each half gets
/// what the other one had before the instruction, and they are recorded one after the other.
#[derive(Default)]
struct Swap {
    pc: Option<u64>,
    /// What doublewords 0 and 1 had.
    halves: [Option<(u128, u128)>; 2],
}

impl Swap {
    fn begin(&mut self, write: &Write, differing: &Differing) {
        let vsr = swapped_vsr(write.word).filter(|_| write.pc >= KERNEL);
        let pc = vsr.map(|_| write.pc);
        if pc.is_some() && pc == self.pc {
            return;
        }
        self.pc = pc;
        self.halves = vsr.map_or([None; 2], |vsr| {
            [Register::F(vsr), Register::Vs(vsr)]
                .map(|register| differing.get(&Cell::Hardware(register)).copied())
        });
    }

    /// What had to come from the other half.
    fn original(&self, write: &Write) -> Option<u128> {
        let other = match write.cell {
            Cell::Hardware(Register::F(_)) => self.halves[1],
            Cell::Hardware(Register::Vs(_)) => self.halves[0],
            _ => None,
        };
        let (a, b) = other.filter(|_| self.pc == Some(write.pc))?;
        (a == write.value).then_some(b)
    }
}

/// The write as the expected run has it: a copy of a wrong value is a copy of the right one.
fn translated(write: Write, swap: &Swap, differing: &mut Differing) -> Write {
    // User code computes with what it has; what it writes is what the recorded run says.
    let right = match write.pc >= KERNEL {
        _ if swap.pc == Some(write.pc) => swap.original(&write),
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
        (Some(one), Some(other)) => one == other || is_moved(to, from) && halves(one, other),
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

/// Whether a register goes to memory or comes from there: in little endian the halves of a VSR are
/// swapped on the way.
fn is_moved(to: Cell, from: Cell) -> bool {
    matches!(
        (to, from),
        (Cell::Hardware(_), Cell::Image(..)) | (Cell::Image(..), Cell::Hardware(_))
    )
}

fn halves(one: Register, other: Register) -> bool {
    matches!(
        (one, other),
        (Register::F(a), Register::Vs(b)) | (Register::Vs(a), Register::F(b)) if a == b
    )
}

#[cfg(test)]
mod tests {
    use ctxfuzz_emulator::run::outcome::{End, Outcome};
    use ctxfuzz_emulator::trace::Slot;

    use super::*;

    const F1: Cell = Cell::Hardware(Register::F(1));
    const V1: Cell = Cell::Hardware(Register::V(1));
    const IMAGE: Cell = Cell::Image(Slot(0), Register::F(1));

    fn write(cell: Cell, value: u128, pc: u64) -> Write {
        Write {
            cell,
            value,
            pc,
            word: 0,
            msr: 0,
            trace: [pc].into(),
        }
    }

    fn run(steps: Vec<Write>) -> Recording {
        Recording {
            outcome: Outcome::empty(End::Completed),
            steps: steps.into_iter().map(Step::Write).collect(),
            kept: Vec::new(),
            functions: Vec::new(),
            initial: Vec::new(),
            tasks: Vec::new(),
            frames: Vec::new(),
            gprs: Vec::new(),
            knows_use: false,
            fault: None,
        }
    }

    fn fix(at: usize, cell: Cell, value: u128) -> Fix {
        Fix {
            at,
            write: write(cell, value, KERNEL),
            class: None,
            rule: "",
            journey: None,
            made: false,
            seen: Vec::new(),
        }
    }

    fn values(run: &Recording) -> Vec<u128> {
        let writes = run.steps.iter().filter_map(|step| match step {
            Step::Write(write) => Some(write.value),
            _ => None,
        });
        writes.collect()
    }

    #[test]
    fn the_right_value_travels_where_the_wrong_one_did() {
        let recorded = run(vec![
            write(F1, 7, KERNEL),
            write(IMAGE, 7, KERNEL),
            write(Cell::UserStack(8), 7, KERNEL),
            write(F1, 9, KERNEL),
            write(F1, 7, KERNEL),
        ]);
        let right = expected(recorded.clone(), &[fix(0, F1, 5)]);
        assert_eq!(values(&right), [5, 5, 5, 9, 5]);
        assert_eq!(values(&expected(recorded.clone(), &[])), values(&recorded));
    }

    #[test]
    fn another_register_and_what_user_code_computes_are_no_copies() {
        let other = Cell::Hardware(Register::F(2));
        let recorded = run(vec![
            write(F1, 7, KERNEL),
            write(other, 7, KERNEL),
            write(F1, 7, 0x1000),
            write(IMAGE, 7, KERNEL),
        ]);
        let right = expected(recorded, &[fix(0, F1, 5)]);
        assert_eq!(values(&right), [5, 7, 7, 7]);
    }

    #[test]
    fn halves_that_are_swapped_in_place_and_saved_keep_the_right_values() {
        // xxswapd vs1,vs1
        let swap = |cell, value| Write {
            word: 0xf021_0a50,
            ..write(cell, value, KERNEL + 4)
        };
        let other = Cell::Hardware(Register::Vs(1));
        let recorded = run(vec![
            write(F1, 7, KERNEL),
            write(other, 0, KERNEL),
            swap(F1, 0),
            swap(other, 7),
            write(IMAGE, 7, KERNEL + 8),
            swap(F1, 7),
            swap(other, 0),
        ]);
        let right = expected(recorded, &[fix(0, F1, 5), fix(1, other, 6)]);
        assert_eq!(values(&right), [5, 6, 6, 5, 5, 5, 6]);
    }

    #[test]
    fn what_was_left_out_comes_after_its_step_and_moves_what_follows() {
        let mut recorded = run(vec![write(F1, 7, KERNEL), write(F1, 8, KERNEL)]);
        recorded.kept = vec![(1, write(IMAGE, 0, KERNEL)), (2, write(IMAGE, 0, KERNEL))];
        let right = expected(recorded, &[fix(0, IMAGE, 5)]);
        assert_eq!(values(&right), [7, 5, 8]);
        let at: Vec<usize> = right.kept.iter().map(|(at, _)| *at).collect();
        assert_eq!(at, [2, 3]);
    }

    #[test]
    fn a_vr_comes_from_memory_in_halves() {
        let recorded = run(vec![
            write(Cell::UserStack(16), 7, KERNEL),
            write(V1, 3 << 64 | 7, KERNEL),
        ]);
        let right = expected(recorded, &[fix(0, Cell::UserStack(16), 5)]);
        assert_eq!(values(&right), [5, 3 << 64 | 5]);
    }
}
