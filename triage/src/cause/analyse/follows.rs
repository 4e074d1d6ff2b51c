//! Whether a difference is the consequence of an earlier one: a copy of its values, a computation
//! of user code with them, or what becomes of registers whose owner the sides disagree about.
//!
//! Not responsible for frames and buffers that lie elsewhere (`elsewhere`).

use ctxfuzz_emulator::machine::Vector;
use ctxfuzz_emulator::machine::address::KERNEL;
use ctxfuzz_emulator::trace::{Cell, Step};
use ctxfuzz_scenario::register::Register;

use super::{Analysis, Originals};
use crate::cause::borrow::put_back;
use crate::cause::context::told_by_fpscr;
use crate::cause::dispute::{CONTROL, FPSCR, STACK, class, lasting, travelling};
use crate::cause::expected::Fix;
use crate::cause::raw::{Change, RawCause};

/// A rule: the earlier cause that a change follows from.
type Rule<'a> = fn(&Analysis<'a>, &Change, &Originals) -> Option<usize>;

impl<'a> Analysis<'a> {
    /// The first that holds decides.
    const FOLLOWS: [Rule<'a>; 8] = [
        Self::borrowed,
        Self::copied,
        Self::had_before,
        Self::told_by_fpscr,
        Self::after_lone_exception,
        Self::computed,
        Self::by_images,
        Self::by_owners,
    ];

    /// What the expected run has been given here.
    pub(super) fn fix(&self, change: &Change) -> Option<&Fix> {
        let writer = change.writer_b.as_ref().filter(|_| change.recent[1])?;
        let wanted = (change.cell, change.b, writer.pc);
        let mut fixes = self.fixes?.iter();
        fixes.find(|fix| (fix.write.cell, fix.write.value, fix.write.pc) == wanted)
    }

    /// The earlier cause whose wrong value this is.
    pub(super) fn copied_from(&mut self, change: &Change, originals: &Originals) -> Option<usize> {
        // Owners were right meanwhile, and told wrongly once more, with the same bits.
        let is_known = self.differing.contains_key(&change.cell);
        if class(&change.cell) == Some(CONTROL) && !is_known && self.fix(change).is_some() {
            return None;
        }
        let placed = self.placed_elsewhere(change);
        placed
            .or_else(|| {
                Self::FOLLOWS
                    .iter()
                    .find_map(|rule| rule(self, change, originals))
            })
            .or_else(|| self.read_elsewhere(change))
    }

    /// The cause of a disagreement about owners: what differs after it follows from it. Not so
    /// where the right value was put in for another task, into registers that are made anew, into
    /// what no bit guards, or where owners are told: that is a fault of its own.
    fn by_owners(&self, change: &Change, _: &Originals) -> Option<usize> {
        let control = self.control?;
        let Some(fix) = self.fix(change) else {
            return Some(control);
        };
        let slots = self.causes[control].changes.iter().map(|c| c.cell.slot());
        let own = change.cell.slot().unwrap_or(self.a.current());
        let of_task = slots.flatten().any(|slot| slot == own);
        let guarded = class(&change.cell).is_some_and(|class| class != CONTROL && class != 0);
        (of_task && !fix.made && guarded).then_some(control)
    }

    /// It was as wrong before, and put back.
    fn borrowed(&self, change: &Change, _: &Originals) -> Option<usize> {
        let had = self.borrowed.get(&change.cell)?;
        let is_it = (had.a, had.b) == (change.a, change.b) && put_back(change, self.codes);
        is_it.then_some(had.cause)
    }

    /// It has the values of something that differed before.
    fn copied(&self, change: &Change, originals: &Originals) -> Option<usize> {
        let pair = (change.a, change.b);
        let own = class(&change.cell);
        // What goes to a stack may come from anywhere; what comes from one may be anything.
        let wanted = own.filter(|c| *c != STACK);
        let known = |pair| {
            originals
                .get(&(wanted, pair))
                .or_else(|| originals.get(&(Some(STACK), pair)))
        };
        let mut pairs =
            travelling(&change.cell, pair).filter(|p| *p == pair || change.cell.is_user_memory());
        let left = lasting(&change.cell, pair).filter(|_| own != Some(STACK));
        let left = || left.and_then(|pair| originals.get(&(Some(FPSCR), pair)));
        pairs.find_map(known).or_else(left).copied()
    }

    fn told_by_fpscr(&self, change: &Change, _: &Originals) -> Option<usize> {
        told_by_fpscr(change, self.a.current(), &self.causes)
    }

    /// User code came to an exception that it did not come to on the other side: by what it
    /// computes with.
    fn after_lone_exception(&self, _: &Change, _: &Originals) -> Option<usize> {
        self.lone_exception()
            .then(|| self.latest_of_class(Cell::Hardware(Register::F(0))))?
    }

    /// A computation spreads what its operands have, and those are of the same facility.
    fn computed(&self, change: &Change, _: &Originals) -> Option<usize> {
        let by_user = change.writer().is_some_and(|w| w.pc < KERNEL);
        by_user.then(|| {
            self.latest_of_class(change.cell)
                .or_else(|| self.causes.len().checked_sub(1))
        })?
    }

    /// An SPR is written or not by what the images say: theirs was the first difference.
    fn by_images(&self, change: &Change, _: &Originals) -> Option<usize> {
        if !matches!(change.cell, Cell::Hardware(Register::Vrsave)) {
            return None;
        }
        // It already differed, and one side made something of what it found: load_up_altivec does
        // of zero.
        let before = self.differing.get(&change.cell);
        if let Some(known) = before.filter(|_| change.recent != [true; 2]) {
            return Some(known.cause);
        }
        let image = self
            .differing
            .iter()
            .filter(|(c, _)| matches!(c, Cell::Image(_, Register::Vrsave)));
        image.map(|(_, d)| d.cause).min()
    }

    /// What comes from memory that is not tracked, and has differed before. A tracer has what
    /// registers held when the kernel read them, by way of a buffer: they may be the same again. A
    /// vcpu has what its guest's were: both sides load it.
    fn had_before(&self, change: &Change, _: &Originals) -> Option<usize> {
        let by_tracer = matches!(change.cell, Cell::RegisterSet(_));
        let by_guest = matches!(change.cell, Cell::Hardware(_)) && change.by_same_instruction();
        let same =
            |c: &Change| (c.a, c.b) == (change.a, change.b) && (by_tracer || c.cell == change.cell);
        let has = |cause: &RawCause| {
            cause.changes.iter().any(same) || cause.copies.iter().any(|c| same(&c.change))
        };
        (by_tracer || by_guest).then(|| self.causes.iter().rposition(has))?
    }

    /// Whether only one side has had an FP exception in this stretch.
    fn lone_exception(&self) -> bool {
        let walks = [&self.a, &self.b];
        let [a, b] = [0, 1].map(|side| {
            let steps = self.runs[side]
                .steps
                .get(self.since[side]..walks[side].position());
            let entry = Step::KernelEntry(Vector::Program);
            steps.is_some_and(|steps| steps.contains(&entry))
        });
        a != b
    }

    /// The latest cause that shows in a register of the same facility now.
    fn latest_of_class(&self, cell: Cell) -> Option<usize> {
        let same = self
            .differing
            .iter()
            .filter(|(other, _)| class(other) == class(&cell));
        same.map(|(_, d)| d.cause).max()
    }
}
