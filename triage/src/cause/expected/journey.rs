//! How a value was lost: the last copy of the right one, and whoever wrote what user code got
//! instead.

use ctxfuzz_emulator::trace::{Cell, Recording, Slot, Step, Write};
use ctxfuzz_scenario::register::Register;

use super::case::Case;
use crate::cause::state::Walk;

/// Steps of a recording. Their writes are in the run, not in what was expected of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Journey {
    /// The register.
    pub register: Register,
    /// What it had to be.
    pub right: u128,
    /// The last write of the right value into a register of the processor, an image, or a frame.
    pub held: Option<usize>,
    /// The write that left what the copy has that counts in the end.
    pub got: Option<usize>,
}

impl Journey {
    /// Of what a violation is about.
    pub fn of(case: &Case<'_>) -> Journey {
        let holds = |cell: Cell| {
            cell == case.hardware() || cell == case.image() || matches!(cell, Cell::UserStack(_))
        };
        let is_right = |w: &Write| holds(w.cell) && case.is_right_value(w);
        // What another task has there is its own.
        let own = |at: usize| {
            let write = case.write(at);
            write.is_none_or(|w| !matches!(w.cell, Cell::Hardware(_)))
                || case.after(at).current() == case.window.slot
        };
        let end = case.after(case.window.to.saturating_sub(1));
        let counts = match end.is_live(case.window.slot, case.register) {
            true => case.hardware(),
            false => case.image(),
        };
        let last = |is_it: &dyn Fn(&Write) -> bool| {
            (0..case.window.to)
                .rev()
                .find(|at| case.write(*at).is_some_and(is_it))
        };
        Journey {
            register: case.register,
            right: case.right,
            held: (0..case.window.to)
                .rev()
                .find(|at| case.write(*at).is_some_and(is_right) && own(*at)),
            got: last(&|w: &Write| w.cell == counts),
        }
    }

    /// A write of a run, the event that was being done then, and the task that ran.
    pub fn write(run: &Recording, at: usize) -> Option<(Option<u16>, Slot, &Write)> {
        let Step::Write(write) = run.steps.get(at)? else {
            return None;
        };
        let mut walk = Walk::new(run);
        walk.advance(at);
        Some((walk.event, walk.current(), write))
    }
}
