//! Where the two kernels do the same at another place: a frame that lies elsewhere on a stack, and
//! registers that are saved into something that is not followed (a vcpu), and loaded from there.
//! Not responsible for recognizing a frame by its place (see `displaced`).

use std::collections::HashSet;

use ctxfuzz_emulator::arch::msr;
use ctxfuzz_emulator::trace::{Cell, Slot, Write};
use ctxfuzz_scenario::register::Register;
use rustc_hash::FxHashMap as HashMap;

use super::super::raw::Change;
use super::{Analysis, LeftOut};

/// FPRs, or VRs.
const REGISTERS: usize = 32;

/// A save of all registers of a facility into the image of a task: whose, which, and the side that
/// made it.
pub struct Saved {
    slot: Slot,
    facility: u64,
    side: usize,
}

impl Analysis<'_> {
    /// The frame at another place that a change belongs to: the cause is where that was chosen, by
    /// a caller of everybody who writes to it.
    pub fn placed_elsewhere(&mut self, change: &Change) -> Option<usize> {
        let cause = self.frames.cause(change, [&self.a, &self.b])?;
        let callers = self.callers(change);
        if let Some(common) = &mut self.causes[cause].displaced {
            common.retain(|function| callers.contains(function));
        }
        Some(cause)
    }

    /// Functions that were at work when each of the changes was made, innermost first.
    pub fn common_callers(&self, changes: &[Change]) -> Vec<String> {
        let mut callers = changes.iter().map(|change| self.callers(change));
        let first = callers.next().unwrap_or_default();
        callers.fold(first, |mut common, callers| {
            common.retain(|function| callers.contains(function));
            common
        })
    }

    fn callers(&self, change: &Change) -> Vec<String> {
        let telling = change.telling();
        let names = telling.map(|(side, writer)| {
            let trace = writer.trace.iter();
            trace
                .filter_map(|pc| self.codes[side].function(*pc))
                .collect()
        });
        names.unwrap_or_default()
    }

    /// Saves of whole facilities that only one side made in this stretch, though both were in the
    /// same functions.
    pub fn saved(&self, written: &[Vec<Cell>; 2]) -> Vec<Saved> {
        let [a, b] = &self.detours;
        if a != b {
            return Vec::new();
        }
        let counts = [&self.a, &self.b].map(|walk| walk.kept().map(|write| write.cell));
        let mut saved: HashMap<(Slot, u64), [usize; 2]> = HashMap::default();
        for (side, (kept, written)) in counts.into_iter().zip(written).enumerate() {
            // A register that is swapped to be stored is written once.
            let cells: HashSet<Cell> = kept.chain(written.iter().copied()).collect();
            for cell in cells {
                if let Cell::Image(slot, register @ (Register::F(_) | Register::V(_))) = cell {
                    saved.entry((slot, msr::owner(register))).or_default()[side] += 1;
                }
            }
        }
        let alone = saved.into_iter().filter_map(|((slot, facility), counts)| {
            let side = match counts {
                [REGISTERS, 0] => 0,
                [0, REGISTERS] => 1,
                _ => return None,
            };
            Some(Saved {
                slot,
                facility,
                side,
            })
        });
        alone.collect()
    }

    /// Notes what the saves that one side left out come to.
    pub fn look_for_left_out(&mut self, saved: Vec<Saved>, caused: &HashSet<usize>) {
        for save in saved {
            let of_image = |cell: &Cell| match cell {
                Cell::Image(slot, register) => {
                    *slot == save.slot && msr::owner(*register) == save.facility
                }
                _ => false,
            };
            let here = self
                .differing
                .iter()
                .filter(|(cell, d)| of_image(cell) && caused.contains(&d.cause));
            let left_out = match here.map(|(_, d)| d.cause).min() {
                Some(cause) => LeftOut::Cause(cause),
                None => LeftOut::Unseen(Box::new(self.raw_cause(self.kept_alone(&save, of_image)))),
            };
            self.left_out.insert(save.facility, left_out);
        }
    }

    /// What only one side wrote, with what both had there, as changes.
    fn kept_alone(&self, save: &Saved, of_image: impl Fn(&Cell) -> bool) -> Vec<Change> {
        let kept = [&self.a, &self.b][save.side].kept();
        let mut kept: Vec<&Write> = kept.filter(|write| of_image(&write.cell)).collect();
        kept.sort_by_key(|write| write.cell);
        kept.dedup_by_key(|write| write.cell);
        let change = |write: &Write| {
            let change = self.change(write.cell);
            let by = |side: usize, other| match side == save.side {
                true => Some(write.clone()),
                false => other,
            };
            Change {
                writer_a: by(0, change.writer_a),
                writer_b: by(1, change.writer_b),
                recent: [save.side == 0, save.side == 1],
                ..change
            }
        };
        // What differs already has a cause.
        let changes = kept.into_iter().map(change);
        changes.filter(|change| change.a == change.b).collect()
    }

    /// A register was loaded from something that is no image of the running task: what is there
    /// depends on what was saved there instead of into an image, or was not.
    pub fn read_elsewhere(&mut self, change: &Change) -> Option<usize> {
        let Cell::Hardware(register) = change.cell else {
            return None;
        };
        let facility = msr::owner(register) & (msr::FP | msr::VEC);
        let walks = [&self.a, &self.b];
        let sides = [(change.a, &change.writer_a), (change.b, &change.writer_b)];
        let from_elsewhere = (0..2).any(|side| {
            let (value, writer) = &sides[side];
            let function = writer
                .as_ref()
                .and_then(|w| self.codes[side].function(w.pc));
            let image = Cell::Image(walks[side].current(), register);
            change.recent[side]
                && walks[side].value(image) != *value
                && function.is_some_and(|f| self.codes[side].loads_a_facility(&f))
        });
        if !from_elsewhere {
            return None;
        }
        let left_out = self.left_out.remove(&facility)?;
        let cause = match left_out {
            LeftOut::Cause(cause) => cause,
            LeftOut::Unseen(raw) => {
                self.causes.push(*raw);
                self.causes.len() - 1
            }
        };
        self.left_out.insert(facility, LeftOut::Cause(cause));
        Some(cause)
    }
}
