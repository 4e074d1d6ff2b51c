//! Call traces by the back chain, as Linux prints them.

use std::cell::RefCell;

use rustc_hash::FxHashMap as HashMap;

use crate::kernel::symbols::Symbols;
use crate::machine::View;
use crate::machine::address::KERNEL;

/// Frames to walk at most.
const DEPTH: usize = 40;
/// Offset of the LR save doubleword from a frame's start (ELFv2 ABI, 2.2.2).
const LR_SAVE: u64 = 16;

/// Knows for each function where it makes its frame.
#[derive(Default)]
pub(super) struct Unwinder {
    /// Offset of the `stdu r1` that makes the frame, by function index, of those that have been
    /// asked for.
    frames: RefCell<HashMap<usize, Option<u64>>>,
    /// Whether addresses that have been asked for are in a function. A return address comes again
    /// and again.
    text: RefCell<HashMap<u64, bool>>,
}

impl Unwinder {
    /// Where a function makes its frame.
    fn frame(&self, symbols: &Symbols, view: &View<'_>, index: usize) -> Option<u64> {
        let function = &symbols.functions()[index];
        let word = |offset: u64| {
            view.map
                .physical(function.address + offset)
                .map_or(0, |pa| view.memory.read_u32(pa))
        };
        *self.frames.borrow_mut().entry(index).or_insert_with(|| {
            (0..function.size)
                .step_by(4)
                .find(|o| makes_frame(word(*o)))
        })
    }

    fn is_text(&self, symbols: &Symbols, address: u64) -> bool {
        let mut text = self.text.borrow_mut();
        let known = text.entry(address);
        *known.or_insert_with(|| symbols.index_at(address).is_some())
    }

    /// The chain of return addresses of code at `pc` with the registers of `view`.
    pub(super) fn trace(&self, symbols: &Symbols, view: &View<'_>, pc: u64) -> Vec<u64> {
        let mut trace = vec![pc];
        let mut sp = view.gpr(1);
        let framed = symbols.index_at(pc).is_some_and(|i| {
            let start = symbols.functions()[i].address;
            self.frame(symbols, view, i)
                .is_some_and(|offset| pc > start + offset)
        });
        if !framed {
            trace.push(view.lr());
        }
        while trace.len() < DEPTH && sp >= KERNEL && sp & 7 == 0 {
            let caller = view.follow(sp);
            if caller <= sp {
                break;
            }
            trace.push(view.follow(caller + LR_SAVE));
            sp = caller;
        }
        // The last frames belong to the interrupt or system call itself; what is not kernel text is
        // no caller.
        let kernel = trace
            .iter()
            .take_while(|a| self.is_text(symbols, **a))
            .count();
        trace.truncate(kernel.max(1));
        trace
    }
}

/// `stdu r1,-n(r1)`.
fn makes_frame(word: u32) -> bool {
    word & 0xffff_0003 == 0xf821_0001
}

#[cfg(test)]
mod tests {
    use super::makes_frame;

    #[test]
    fn frames_are_made_by_stdu_of_the_stack_pointer() {
        assert!(makes_frame(0xf821_ffa1)); // stdu r1,-96(r1)
        assert!(!makes_frame(0xf801_0010)); // std r0,16(r1)
        assert!(!makes_frame(0xf841_0019)); // stdu r2,24(r1)
    }
}
