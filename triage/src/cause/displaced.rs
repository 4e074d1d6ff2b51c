//! Frames on user stacks that the two kernels have put at different places: what is written into
//! them is right, but for where it lies. Not responsible for who chose the place.

use std::collections::BTreeMap;

use ctxfuzz_emulator::trace::{Cell, Slot};

use super::raw::Change;
use super::state::Walk;

/// How far apart an address on a stack and where it is written can be.
const STACK_SIZE: u64 = 0x1_0000;

/// A frame that is being written.
#[derive(Clone, Copy)]
struct Frame {
    /// Whose.
    slot: Slot,
    /// How much higher A's lies than B's.
    by: u64,
    cause: usize,
}

/// Frames that are being written, and how far apart frames have been so far.
#[derive(Default)]
pub struct Frames {
    open: Vec<Frame>,
    known: Vec<u64>,
}

impl Frames {
    /// Whether changes that make a new cause are of a frame that lies elsewhere: most of what one
    /// side wrote the other one has written too, all as far away.
    pub fn begin(&mut self, changes: &[Change], slot: Slot, cause: usize) -> bool {
        let Some(by) = self.displacement(changes) else {
            return false;
        };
        self.open.push(Frame { slot, by, cause });
        if !self.known.contains(&by) {
            self.known.push(by);
        }
        true
    }

    /// The frame that a change belongs to, if it is of one: what one side wrote the other has at
    /// the place that corresponds to it.
    pub fn cause(&self, change: &Change, walks: [&Walk<'_>; 2]) -> Option<usize> {
        let Cell::UserStack(at) = change.cell else {
            return None;
        };
        let slot = walks[0].current();
        let [in_a, in_b] = walks.map(|walk| move |at| walk.value(Cell::UserStack(at)) as u64);
        let (a, b) = (change.a as u64, change.b as u64);
        let is_of = |frame: &&Frame| {
            let by_a = self.same((at, a), in_b(at.wrapping_sub(frame.by)), frame.by);
            let by_b = || self.same((at, in_a(at.wrapping_add(frame.by))), b, frame.by);
            frame.slot == slot && (change.recent[0] && by_a || change.recent[1] && by_b())
        };
        self.open.iter().rev().find(is_of).map(|frame| frame.cause)
    }

    /// The task goes on: its frames are complete.
    pub fn are_complete(&mut self, slot: Slot) {
        self.open.retain(|frame| frame.slot != slot);
    }

    /// Whether two values are the same, or addresses of what is the same on the stack: as far apart
    /// as the frames, or other ones before.
    fn same(&self, (at, a): (u64, u64), b: u64, by: u64) -> bool {
        let apart = a.wrapping_sub(b);
        a == b || at.abs_diff(a) < STACK_SIZE && (apart == by || self.known.contains(&apart))
    }

    /// How much higher A's writes lie than what B wrote, if most of them lie as far away.
    fn displacement(&self, changes: &[Change]) -> Option<u64> {
        let side = |side: usize| {
            let written = changes.iter().filter(move |c| c.recent[side]);
            let values = written.filter_map(move |c| match c.cell {
                Cell::UserStack(at) => Some((at, [c.a, c.b][side] as u64)),
                _ => None,
            });
            // Zero is everywhere.
            values.filter(|(_, value)| *value != 0).collect::<Vec<_>>()
        };
        let (a, b) = (side(0), side(1));
        let mut found: BTreeMap<u64, usize> = BTreeMap::new();
        for (at, value) in &a {
            for (other, there) in b.iter().filter(|(other, _)| other != at) {
                let by = at.wrapping_sub(*other);
                if self.same((*at, *value), *there, by) {
                    *found.entry(by).or_default() += 1;
                }
            }
        }
        let (by, count) = found.into_iter().max_by_key(|(_, count)| *count)?;
        (count * 2 > a.len().min(b.len())).then_some(by)
    }
}
