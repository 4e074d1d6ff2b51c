//! What became of the causes: copies in which the seed thread's conditions hold, damaged logical
//! registers, returns to user space with them. Not responsible for finding causes.

use std::collections::HashSet;

use ctxfuzz_emulator::arch::msr;
use ctxfuzz_emulator::trace::{Cell, Slot, Step};
use ctxfuzz_scenario::register::Register;
use rustc_hash::FxHashMap as HashMap;

use super::super::align::Meeting;
use super::super::raw::{Change, Damage};
use super::Analysis;

impl Analysis<'_> {
    /// The cause behind a logical register that differs.
    fn cause_of(&self, slot: Slot, register: Register) -> Option<usize> {
        let cells = [Cell::Hardware(register), Cell::Image(slot, register)];
        let [first, second] = if self.a.is_live(slot, register) {
            cells
        } else {
            [cells[1], cells[0]]
        };
        self.differing
            .get(&first)
            .or_else(|| self.differing.get(&second))
            .map(|d| d.cause)
            .or(self.control)
    }

    pub fn thread_conditions(&self, change: &Change, images: &HashMap<Cell, u128>) -> bool {
        let Cell::Image(slot, Register::F(_)) = change.cell else {
            return false;
        };
        let fpscr = self.a.value(Cell::Hardware(Register::Fpscr));
        let before = images.get(&change.cell).copied().unwrap_or(change.a);
        let on_in_processor = change
            .writer_a
            .as_ref()
            .is_some_and(|w| w.msr & msr::FP != 0);
        // The bit in regs->msr is cleared right after; it was set when the image was written if the
        // task's registers were live.
        let on_in_regs = self.a.current() == slot;
        fpscr != 0 && before != fpscr && change.a == fpscr && on_in_processor && on_in_regs
    }

    /// Notes the first logical register that differs, for each cause that has none yet.
    pub fn look_for_damage(&mut self, fresh: &[Cell], caused: &HashSet<usize>, switched: bool) {
        if self.causes.iter().all(|c| c.damage.is_some()) {
            return;
        }
        let current = self.a.current();
        let mut candidates: Vec<(Slot, Register)> = Vec::new();
        for cell in fresh {
            match cell {
                Cell::Hardware(register) => candidates.push((current, *register)),
                Cell::Image(slot, register) => candidates.push((*slot, *register)),
                Cell::Facilities(slot) => candidates.extend(Register::all().map(|r| (*slot, r))),
                _ => {}
            }
        }
        if self.control.is_some() || switched {
            candidates.extend(Register::all().map(|r| (current, r)));
        }
        for (slot, register) in candidates {
            let (a, b) = (
                self.a.logical(slot, register),
                self.b.logical(slot, register),
            );
            if a == b {
                continue;
            }
            let Some(cause) = self.cause_of(slot, register) else {
                continue;
            };
            let event = self.a.event;
            let at_cause = caused.contains(&cause);
            self.causes[cause].damage.get_or_insert(Damage {
                event,
                slot,
                register,
                at_cause,
            });
        }
    }

    /// Whether user code goes on there.
    pub fn goes_on(&self, meeting: Meeting) -> bool {
        matches!(self.runs[0].steps.get(meeting.a), Some(Step::UserReturn))
    }

    pub fn look_for_user_return(&mut self, meeting: Meeting) {
        if !self.goes_on(meeting) {
            return;
        }
        let slot = self.a.current();
        let event = self.a.event;
        for register in Register::all() {
            let (a, b) = (
                self.a.logical(slot, register),
                self.b.logical(slot, register),
            );
            // Registers whose facility is off on both sides cannot be seen before they are loaded,
            // which is a later step.
            let bit = msr::owner(register);
            let seen = bit == 0
                || [&self.a, &self.b]
                    .iter()
                    .any(|w| w.value(Cell::Facilities(slot)) as u64 & bit != 0);
            if a == b || !seen {
                continue;
            }
            if let Some(cause) = self.cause_of(slot, register) {
                self.causes[cause].user_return.get_or_insert((event, slot));
            }
        }
    }
}
