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
    let index = usize::from(register - FIRST_GPR);
    let side = usize::from(difference.a == right);
    let looks = |side: usize| looks(&runs[side], difference.task, index);
    // What it finds later may have been changed once more.
    let (wrong, right) = (looks(side), looks(1 - side));
    let first = wrong
        .iter()
        .zip(&right)
        .find(|((_, wrong), (_, right))| wrong != right);
    let at = first.map(|((at, _), _)| *at)?;
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

/// What a task finds in a register at each of its returns to user space: the step, and the value.
fn looks(run: &Recording, task: Option<u8>, register: usize) -> Vec<(usize, u64)> {
    let first = run.initial.iter().find(|(cell, _)| *cell == Cell::Current);
    let mut running = Slot(first.map_or(0, |(_, slot)| *slot as u8));
    let mut gprs = run.gprs.iter();
    let mut looks = Vec::new();
    for (at, step) in run.steps.iter().enumerate() {
        match step {
            Step::Write(write) if write.cell == Cell::Current => running = Slot(write.value as u8),
            Step::UserReturn => {
                let value = gprs.next().map(|gprs| gprs[register]);
                let its_own = run.tasks.get(usize::from(running.0)) == Some(&task);
                looks.extend(value.filter(|_| its_own).map(|value| (at, value)));
            }
            _ => {}
        }
    }
    looks
}
