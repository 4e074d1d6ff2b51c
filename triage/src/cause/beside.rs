//! The cause of a wrong general purpose register. They are not tracked write by write, as the kernel uses them all the time: what counts is what they are when user code
//! goes on.

use ctxfuzz_emulator::kernel::defects::Class;
use ctxfuzz_emulator::run::outcome::FIRST_GPR;
use ctxfuzz_emulator::trace::{Cell, Recording, Slot, Step};
use ctxfuzz_scenario::scenario::Verdict;

use super::{Cause, stay};
use crate::compare::{Difference, What};

/// The cause of a difference in r14 to r25; `None` if it is no such difference, or no return to user space shows it.
pub fn cause(runs: &[Recording; 2], difference: &Difference) -> Option<Cause> {
    let What::Gpr(register) = difference.what else {
        return None;
    };
    // What the user program has put there and never changes.
    let right = 0x100 * u128::from(register) + u128::from(difference.task?);
    let run = &runs[usize::from(difference.a == right)];
    let at = first_wrong(
        run,
        difference.task,
        usize::from(register - FIRST_GPR),
        right,
    )?;
    let steps = run.steps.get(..at)?;
    let event = steps.iter().rev().find_map(|step| match step {
        Step::Event { index, .. } => Some(*index),
        _ => None,
    });
    let function = stay::last_returned(run, at).unwrap_or("unknown");
    Some(Cause {
        signature: format!("{function}.r{register}-changed"),
        class: Class::ClobberedRegister,
        verdict: Verdict::Live,
        event: event.flatten(),
        occurrences: 1,
        ended: None,
        changes: Vec::new(),
        writer_a: None,
        writer_b: None,
        damage: None,
        user_return: Some((event.flatten(), difference.task)),
        copies: Vec::new(),
        differences: vec![difference.clone()],
    })
}

/// The first return to user space at which a task no longer finds a register as it was: what it finds later may have been changed once more.
fn first_wrong(run: &Recording, task: Option<u8>, register: usize, right: u128) -> Option<usize> {
    let mut gprs = run.gprs.iter();
    let first = run.initial.iter().find(|(cell, _)| *cell == Cell::Current);
    let mut running = Slot(first.map_or(0, |(_, slot)| *slot as u8));
    let mut was_right = false;
    for (at, step) in run.steps.iter().enumerate() {
        match step {
            Step::Write(write) if write.cell == Cell::Current => running = Slot(write.value as u8),
            Step::UserReturn => {
                let value = u128::from(gprs.next()?[register]);
                let its_own = run.tasks.get(usize::from(running.0)) == Some(&task);
                if its_own && was_right && value != right {
                    return Some(at);
                }
                was_right |= its_own && value == right;
            }
            _ => {}
        }
    }
    None
}
