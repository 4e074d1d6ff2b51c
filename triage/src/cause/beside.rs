//! The cause of a wrong general purpose register. They are not tracked write by write, as the
//! kernel uses them all the time: what counts is what they are when user code goes on.

use ctxfuzz_emulator::kernel::defects::Class;
use ctxfuzz_emulator::run::capture::FIRST_GPR;
use ctxfuzz_emulator::trace::{Recording, Step};
use ctxfuzz_scenario::scenario::Verdict;

use super::code::Code;
use super::{Cause, stay};
use crate::compare::{Difference, What};

/// The cause of a difference in r14 to r25; `None` if it is no such difference, or no return to
/// user space shows it.
pub fn cause(runs: &[Recording; 2], codes: &[Code; 2], difference: &Difference) -> Option<Cause> {
    let What::Gpr(register) = difference.what else {
        return None;
    };
    // What the user program has put there and never changes.
    let right = 0x100 * u128::from(register) + u128::from(difference.task?);
    let side = usize::from(difference.a == right);
    let run = &runs[side];
    // Not the first that has the value of the end: it may have been changed once more, and children
    // start with what their parents have.
    let index = usize::from(register - FIRST_GPR);
    let looks = |run: &Recording| run.gprs.iter().map(|gprs| gprs[index]).collect::<Vec<_>>();
    let (wrong, right) = (looks(run), looks(&runs[1 - side]));
    let nth = wrong
        .iter()
        .zip(&right)
        .position(|(wrong, right)| wrong != right)?;
    let mut returns = run.steps.iter().enumerate();
    let (at, _) = returns
        .by_ref()
        .filter(|(_, step)| **step == Step::UserReturn)
        .nth(nth)?;
    let steps = run.steps.get(..at)?;
    let event = steps.iter().rev().find_map(|step| match step {
        Step::Event { index, .. } => Some(*index),
        _ => None,
    });
    // Callees have to keep these registers: one that writes one and does not save it is at fault.
    let at_fault = stay::returned(run, at).find(|name| codes[side].loses(name, register));
    let function = at_fault
        .or_else(|| stay::last_returned(run, at))
        .unwrap_or("unknown");
    let event = event.flatten();
    let signature = format!("{function}.gprs-changed");
    Some(untraced(signature, (event, event), difference))
}

/// A cause that shows in something whose writes are not traced. It comes with the first event, and
/// user code goes on with it in the second one.
pub fn untraced(
    signature: String,
    (event, seen): (Option<u16>, Option<u16>),
    difference: &Difference,
) -> Cause {
    Cause {
        signature,
        class: Class::ClobberedRegister,
        verdict: Verdict::Live,
        event,
        occurrences: 1,
        ended: None,
        changes: Vec::new(),
        writer_a: None,
        writer_b: None,
        damage: None,
        user_return: Some((seen, difference.task)),
        copies: Vec::new(),
        differences: vec![difference.clone()],
        rule: None,
        loss: None,
    }
}
