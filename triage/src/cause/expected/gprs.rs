//! Puts right what the expected run has in general purpose registers. They are not followed write
//! by write: there is what user code goes on with, each time.

use ctxfuzz_emulator::run::capture::FIRST_GPR;
use ctxfuzz_emulator::trace::{Recording, Step};

use super::Window;
use crate::cause::state::Walk;
use crate::transparency::Seen;

/// Lets the task go on with what it had, wherever it has gone on with what was seen.
pub fn put_right(expected: &mut Recording, window: &Window, register: u8, seen: &Seen) {
    let index = usize::from(register - FIRST_GPR);
    let wrong = seen.violation.after as u64;
    let mut walk = Walk::new(expected);
    let mut at_fault = Vec::new();
    let returns = expected.steps.iter().enumerate();
    let returns = returns.filter(|(_, step)| **step == Step::UserReturn);
    for (number, (at, _)) in returns.enumerate() {
        walk.advance(at);
        let is_wrong = expected
            .gprs
            .get(number)
            .is_some_and(|gprs| gprs[index] == wrong);
        if at >= window.from && walk.current() == window.slot && is_wrong {
            at_fault.push(number);
        }
    }
    for number in at_fault {
        expected.gprs[number][index] = seen.violation.before as u64;
    }
}
