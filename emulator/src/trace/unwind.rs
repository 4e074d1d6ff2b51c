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
/// Linux's STACK_FRAME_REGS_MARKER, "REGS" in memory, in either byte order: the frame has a
/// pt_regs.
const REGS_MARKER: [u64; 2] = [0x5245_4753, 0x5347_4552];
/// Where the marker is in a frame; the pt_regs are 16 bytes behind it. (ELFv1, and ELFv2 before
/// Linux 6.2; ELFv2 since.)
const MARKER_AT: [u64; 2] = [96, 32];

/// Offsets in Linux's pt_regs.
mod regs {
    pub const R1: u64 = 8;
    pub const NIP: u64 = 256;
    pub const LINK: u64 = 288;
}

/// Code that runs, or that an interrupt has stopped.
#[derive(Clone, Copy)]
struct Context {
    pc: u64,
    sp: u64,
    lr: u64,
}

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
        *self.frames.borrow_mut().entry(index).or_insert_with(|| {
            (0..function.size)
                .step_by(4)
                .find(|o| makes_frame(word(view, function.address + o)))
        })
    }

    fn is_text(&self, symbols: &Symbols, address: u64) -> bool {
        let mut text = self.text.borrow_mut();
        let known = text.entry(address);
        *known.or_insert_with(|| symbols.index_at(address).is_some())
    }

    /// The chain of return addresses of code at `pc` with the registers of `view`. Where it comes
    /// to an interrupt, the instruction that was interrupted follows, and its callers.
    pub(super) fn trace(&self, symbols: &Symbols, view: &View<'_>, pc: u64) -> Vec<u64> {
        let mut trace = Vec::new();
        let (sp, lr) = (view.gpr(1), view.lr());
        let mut next = Some(Context { pc, sp, lr });
        while let Some(context) = next.filter(|_| trace.len() < DEPTH) {
            next = self.callers(symbols, view, context, &mut trace);
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

    /// Adds the code and its callers, up to the interrupt that they run in: what that has stopped.
    fn callers(
        &self,
        symbols: &Symbols,
        view: &View<'_>,
        Context { pc, mut sp, lr }: Context,
        trace: &mut Vec<u64>,
    ) -> Option<Context> {
        trace.push(pc);
        let index = symbols.index_at(pc);
        let framed = index.is_some_and(|index| {
            let start = symbols.functions()[index].address;
            self.frame(symbols, view, index)
                .is_some_and(|offset| pc > start + offset)
        });
        // A function that has made its frame may not have saved LR in its caller's: what lies
        // there is of an earlier call then.
        let mut saved = true;
        if framed && let Some(index) = index {
            let slot = view.follow(view.follow(sp) + LR_SAVE);
            saved = calls(symbols, view, slot, index) || !calls(symbols, view, lr, index);
        }
        if !framed || !saved {
            trace.push(lr);
        }
        while trace.len() < DEPTH && sp >= KERNEL && sp & 7 == 0 {
            let caller = view.follow(sp);
            if let Some(stopped) = interrupted(view, sp, caller) {
                return Some(stopped);
            }
            if caller <= sp {
                break;
            }
            if std::mem::replace(&mut saved, true) {
                trace.push(view.follow(caller + LR_SAVE));
            }
            sp = caller;
        }
        None
    }
}

fn word(view: &View<'_>, address: u64) -> u32 {
    view.map
        .physical(address)
        .map_or(0, |pa| view.memory.read_u32(pa))
}

/// Whether an address is behind a `bl` to a function.
fn calls(symbols: &Symbols, view: &View<'_>, back: u64, function: usize) -> bool {
    if back < KERNEL || back & 3 != 0 {
        return false;
    }
    let at = back - 4;
    branches_to(word(view, at), at).is_some_and(|to| symbols.index_at(to) == Some(function))
}

/// What the frame at `sp` says that an interrupt has stopped in the kernel. `caller` is its back
/// chain, which is the r1 of that.
fn interrupted(view: &View<'_>, sp: u64, caller: u64) -> Option<Context> {
    let marked = MARKER_AT.iter();
    let mut marked = marked.filter(|at| REGS_MARKER.contains(&view.follow(sp + **at)));
    let regs = marked.find_map(|at| {
        let regs = sp + at + 16;
        (view.follow(regs + regs::R1) == caller).then_some(regs)
    })?;
    let [pc, lr] = [regs::NIP, regs::LINK].map(|offset| view.follow(regs + offset));
    let stopped = Context { pc, sp: caller, lr };
    (pc >= KERNEL && caller > sp).then_some(stopped)
}

/// `stdu r1,-n(r1)`.
fn makes_frame(word: u32) -> bool {
    word & 0xffff_0003 == 0xf821_0001
}

/// Where `bl` at an address goes.
fn branches_to(word: u32, at: u64) -> Option<u64> {
    let offset = i64::from(((word & 0x03ff_fffc) as i32) << 6 >> 6);
    (word & 0xfc00_0003 == 0x4800_0001).then(|| at.wrapping_add_signed(offset))
}

#[cfg(test)]
mod tests {
    use super::{branches_to, makes_frame};

    #[test]
    fn calls_go_forward_and_back() {
        assert_eq!(branches_to(0x4800_0009, 0x1000), Some(0x1008)); // bl .+8
        assert_eq!(branches_to(0x4bff_fff1, 0x1000), Some(0xff0)); // bl .-16
        assert_eq!(branches_to(0x4800_0008, 0x1000), None); // b .+8
        assert_eq!(branches_to(0x4e80_0421, 0x1000), None); // bctrl
    }

    #[test]
    fn frames_are_made_by_stdu_of_the_stack_pointer() {
        assert!(makes_frame(0xf821_ffa1)); // stdu r1,-96(r1)
        assert!(!makes_frame(0xf801_0010)); // std r0,16(r1)
        assert!(!makes_frame(0xf841_0019)); // stdu r2,24(r1)
    }
}
