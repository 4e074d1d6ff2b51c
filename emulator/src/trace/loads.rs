//! Loads of registers one after the other, as kernels do them when they give a task its registers:
//! the processor is looked at once for all of them.
//!
//! A look copies the whole state of the emulator, and without this most of a recording would be
//! such copies. What is recorded, and in which order, is the same as with a look after each
//! instruction: a load changes its register and nothing else, a swap (little endian has one behind
//! each `lxvd2x`) is known beforehand, and nothing that a call trace depends on changes in a run of
//! both.
//!
//! Not responsible for what other instructions change (see `record`).

use std::rc::Rc;

use ctxfuzz_scenario::register::Register;

use super::record::Previous;
use super::{Cell, Step, Write};
use crate::arch::RegisterFile;
use crate::machine::instruction::{loaded_vsr, sets_gpr_only, swapped_vsr};

/// What an instruction does to its register.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Does {
    Load,
    Swap,
}

/// Of an instruction: which register, and what. `None` if it does more, or something else.
fn does(word: u32) -> Option<(Does, usize)> {
    let load = loaded_vsr(word).map(|vsr| (Does::Load, usize::from(vsr)));
    load.or_else(|| swapped_vsr(word).map(|vsr| (Does::Swap, usize::from(vsr))))
}

/// An instruction that was done, and not looked at.
struct Done {
    pc: u64,
    word: u32,
    does: Does,
    vsr: usize,
    /// How many steps there were when it was done.
    at: usize,
}

/// Instructions that were done, and not looked at.
#[derive(Default)]
pub(super) struct Loads {
    done: Vec<Done>,
    msr: u64,
    /// Callers of the code that does them, innermost first.
    callers: Vec<u64>,
    /// Something has happened since the last instruction: it may not have been done, and all must
    /// be looked at before anything else is.
    interrupted: bool,
}

impl Loads {
    pub(super) fn is_empty(&self) -> bool {
        self.done.is_empty()
    }

    /// Whether registers have to be looked at to know what was loaded.
    pub(super) fn need_a_look(&self) -> bool {
        self.interrupted || self.done.iter().any(|done| done.does == Does::Load)
    }

    /// Notes that an instruction was done after so many steps, if it is one of them; `trace` says
    /// the call trace of the first one.
    pub(super) fn take(
        &mut self,
        previous: &Previous,
        at: usize,
        trace: impl FnOnce() -> Vec<u64>,
    ) -> bool {
        let known = does(previous.word);
        // A swap that ended in an exception has swapped nothing; what a load has loaded is looked
        // at anyway.
        let Some((does, vsr)) = known.filter(|(does, _)| *does == Does::Load || !self.interrupted)
        else {
            return false;
        };
        if self.done.is_empty() {
            self.msr = previous.msr;
            self.callers = trace().split_off(1);
        }
        self.done.push(Done {
            pc: previous.pc,
            word: previous.word,
            does,
            vsr,
            at,
        });
        true
    }

    /// Whether the look can wait until the instruction that comes after `previous` is done too.
    pub(super) fn can_wait(&self, previous: &Previous, next: &Previous) -> bool {
        let one_of_them = match does(next.word) {
            // What was there before a second load nobody would know.
            Some((Does::Load, vsr)) => self.done.iter().all(|done| done.vsr != vsr),
            Some((Does::Swap, _)) => true,
            None => sets_gpr_only(next.word),
        };
        one_of_them
            && !self.interrupted
            && next.pc == previous.pc.wrapping_add(4)
            && next.msr == self.msr
    }

    /// What is no instruction happens: an exception, an event.
    pub(super) fn interrupt(&mut self) {
        self.interrupted = true;
    }

    /// An instruction was done, and all that has happened before it is known.
    pub(super) fn go_on(&mut self) {
        self.interrupted = false;
    }

    /// What the registers are, if [`need_a_look`](Self::need_a_look) says no.
    pub(super) fn foreseen(&self, hardware: &RegisterFile) -> RegisterFile {
        let mut now = hardware.clone();
        for done in &self.done {
            now.vsr[done.vsr].reverse();
        }
        now
    }

    /// The registers are `now`: brings `hardware` up to date, and puts what has changed into
    /// `steps`, each where it belongs.
    pub(super) fn settle(
        &mut self,
        hardware: &mut RegisterFile,
        now: &RegisterFile,
        steps: &mut Vec<Step>,
    ) {
        // What each has left in its register, from what is there in the end.
        let mut left = now.vsr;
        let mut values = Vec::new();
        for done in self.done.iter().rev() {
            values.push(left[done.vsr]);
            if done.does == Does::Swap {
                left[done.vsr].reverse();
            }
        }
        let mut more = 0;
        for (done, value) in self.done.drain(..).zip(values.into_iter().rev()) {
            let before = std::mem::replace(&mut hardware.vsr[done.vsr], value);
            let n = (done.vsr % 32) as u8;
            let registers: &[(Register, bool)] = match done.vsr {
                0..32 => &[
                    (Register::F(n), before[0] != value[0]),
                    (Register::Vs(n), before[1] != value[1]),
                ],
                _ => &[(Register::V(n), before != value)],
            };
            let changed = registers.iter().filter(|(_, changed)| *changed);
            let writes: Vec<Step> = changed
                .map(|(register, _)| {
                    Step::Write(Write {
                        cell: Cell::Hardware(*register),
                        value: hardware.get(*register),
                        pc: done.pc,
                        word: done.word,
                        msr: self.msr,
                        trace: trace(done.pc, &self.callers),
                    })
                })
                .collect();
            let at = done.at + more;
            more += writes.len();
            steps.splice(at..at, writes);
        }
    }
}

fn trace(pc: u64, callers: &[u64]) -> Rc<[u64]> {
    std::iter::once(pc).chain(callers.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LXVD2X_1: u32 = 0x7c20_2698; // lxvd2x vs1,0,r4
    const LXVD2X_2: u32 = 0x7c40_2698;
    const SWAP_1: u32 = 0xf021_0a50; // xxswapd vs1,vs1
    const LI: u32 = 0x38a0_0010; // li r5,16
    const MTFSF: u32 = 0xfe00_058e;

    fn at(index: u64, word: u32) -> Previous {
        Previous {
            pc: 0xc000_0000_0000_8000 + 4 * index,
            word,
            msr: 0,
        }
    }

    fn taken(words: &[u32], steps: usize) -> Loads {
        let mut loads = Loads::default();
        for (index, word) in (0..).zip(words) {
            loads.take(&at(index, *word), steps, || vec![0, 7]);
            loads.go_on();
        }
        loads
    }

    fn settled(
        loads: &mut Loads,
        hardware: &mut RegisterFile,
        now: &RegisterFile,
    ) -> Vec<(u64, Register, u128)> {
        let mut steps = vec![Step::UserReturn; 3];
        loads.settle(hardware, now, &mut steps);
        assert!(loads.is_empty() && hardware == now);
        assert_eq!(
            steps[..2],
            [Step::UserReturn, Step::UserReturn],
            "what came before is still before"
        );
        let last = steps.pop();
        assert_eq!(last, Some(Step::UserReturn), "and what came after, after");
        let writes = steps.into_iter().skip(2).map(|step| match step {
            Step::Write(Write {
                cell: Cell::Hardware(register),
                value,
                pc,
                trace,
                ..
            }) => {
                assert_eq!(*trace, [pc, 7]);
                ((pc & 0xfff) / 4, register, value)
            }
            other => panic!("{other:?}"),
        });
        writes.collect()
    }

    #[test]
    fn each_load_has_what_it_loaded_even_if_that_is_swapped_later() {
        // The third of the steps that are there came after the loads, before anybody looked.
        let mut loads = taken(&[LXVD2X_1, SWAP_1, LI, LXVD2X_2], 2);
        assert!(loads.need_a_look());
        let (mut hardware, mut now) = (RegisterFile::default(), RegisterFile::default());
        now.vsr[1] = [1, 2];
        now.vsr[2] = [0, 3];
        let writes = settled(&mut loads, &mut hardware, &now);
        assert_eq!(
            writes,
            [
                (0, Register::F(1), 2),
                (0, Register::Vs(1), 1),
                (1, Register::F(1), 1),
                (1, Register::Vs(1), 2),
                (3, Register::Vs(2), 3),
            ]
        );
    }

    #[test]
    fn swaps_are_known_without_a_look_unless_they_may_not_have_happened() {
        let mut loads = taken(&[SWAP_1], 2);
        assert!(!loads.need_a_look());
        let mut hardware = RegisterFile::default();
        hardware.vsr[1] = [1, 2];
        let now = loads.foreseen(&hardware);
        let writes = settled(&mut loads, &mut hardware, &now);
        assert_eq!(writes, [(0, Register::F(1), 2), (0, Register::Vs(1), 1)]);
        loads.interrupt();
        assert!(!loads.take(&at(1, SWAP_1), 2, || vec![0]));
        assert!(loads.take(&at(1, LXVD2X_1), 2, || vec![0]) && loads.need_a_look());
    }

    #[test]
    fn a_look_waits_for_more_loads_and_for_nothing_else() {
        let first = at(0, LXVD2X_1);
        let waits = |next: Previous| taken(&[LXVD2X_1], 0).can_wait(&first, &next);
        assert!(waits(at(1, LXVD2X_2)) && waits(at(1, SWAP_1)) && waits(at(1, LI)));
        assert!(!waits(at(1, LXVD2X_1)), "what was there would be lost");
        assert!(!waits(at(1, MTFSF)));
        assert!(!waits(at(2, LXVD2X_2)), "a branch");
        assert!(!waits(Previous {
            msr: 1,
            ..at(1, LXVD2X_2)
        }));
        let mut loads = taken(&[LXVD2X_1], 0);
        loads.interrupt();
        assert!(!loads.can_wait(&first, &at(1, LXVD2X_2)));
    }
}
