//! Walks two aligned runs and finds causes, damage, propagation and discovery.
//!
//! *Cause*: the first difference in any tracked state that is not a copy of an earlier one.
//! *Damage*: the first difference in a logical register (live or image, by owner). *Discovery*: the
//! first return to user space with the damage, and the first copy of it in memory. All by where the
//! runs meet.

mod damage;
mod elsewhere;
mod follows;

use std::collections::HashSet;
use std::rc::Rc;

use ctxfuzz_emulator::trace::{Cell, Recording, Step};
use ctxfuzz_scenario::register::Register;
use ctxfuzz_scenario::scenario::Scenario;
use rustc_hash::FxHashMap as HashMap;

use super::align::{Meeting, align};
use super::class::is_frame_msr;
use super::code::Code;
use super::context::{asked, known, whole};
use super::displaced::Frames;
use super::dispute::{CONTROL, FPSCR, class, lasting, one_dispute, travelling};
use super::expected::Fix;
use super::raw::{Change, Copied, RawCause};
use super::state::Walk;
use super::stay::{entered, follow};

/// Finds the causes behind all differences of two runs. Where the second one is what was expected
/// of the first, it parts from it in these fixes, and in nothing else: each is a cause, whatever
/// came before. Of two kernels, what becomes of registers where the sides come to disagree about
/// their owner is a part of that.
pub fn analyse(
    scenario: &Scenario,
    runs: &[Recording; 2],
    codes: &[Code; 2],
    fixes: Option<&[Fix]>,
) -> Vec<RawCause> {
    let [a, b] = runs;
    let mut analysis = Analysis {
        scenario,
        codes,
        fixes,
        a: Walk::new(a),
        b: Walk::new(b),
        runs: [a, b],
        differing: HashMap::default(),
        borrowed: HashMap::default(),
        causes: Vec::new(),
        control: None,
        frames: Frames::default(),
        left_out: HashMap::default(),
        since: [0; 2],
        met: true,
        detours: Default::default(),
        stays: Default::default(),
    };
    let mut meetings = align(a, b);
    meetings.push(Meeting {
        a: a.steps.len(),
        b: b.steps.len(),
    });
    for meeting in meetings {
        analysis.met = meeting.a < a.steps.len();
        analysis.meet(meeting);
    }
    analysis.causes
}

/// How a cell differs now, and which cause that goes back to.
#[derive(Clone, Copy)]
struct Differing {
    a: u128,
    b: u128,
    cause: usize,
}

/// Causes by class of register and pair of values.
type Originals = HashMap<(Option<u64>, (u128, u128)), usize>;

/// What a save comes to that one kernel has left out.
enum LeftOut {
    /// The image came to differ: a cause.
    Cause(usize),
    /// The image had what was saved. It is a cause if something comes of it.
    Unseen(Box<RawCause>),
}

struct Analysis<'a> {
    a: Walk<'a>,
    b: Walk<'a>,
    runs: [&'a Recording; 2],
    scenario: &'a Scenario,
    codes: &'a [Code; 2],
    fixes: Option<&'a [Fix]>,
    /// Cells that differ now.
    differing: HashMap<Cell, Differing>,
    /// Registers that differed and do not any more, since user code was last left: the kernel may
    /// have borrowed them, and put back what they had.
    borrowed: HashMap<Cell, Differing>,
    causes: Vec<RawCause>,
    /// The cause that made the two sides disagree about who owns registers; later differences
    /// follow from it.
    control: Option<usize>,
    /// Frames that are being written, at other places of a stack.
    frames: Frames,
    /// By facility: the last save into an image that one kernel made and the other one left out,
    /// though it came to the same code.
    left_out: HashMap<u64, LeftOut>,
    /// First steps of A and B in the stretch that is being looked at.
    since: [usize; 2],
    /// Whether it ends where the runs meet.
    met: bool,
    /// Functions entered in that stretch, on A and on B. Where the runs meet both do the same, so
    /// these are detours.
    detours: [HashSet<Rc<str>>; 2],
    /// The same since the kernel was entered.
    stays: [HashSet<Rc<str>>; 2],
}

impl Analysis<'_> {
    fn meet(&mut self, meeting: Meeting) {
        self.since = [self.a.position(), self.b.position()];
        let before = [self.a.value(Cell::Current), self.b.value(Cell::Current)];
        let images = self.images_before(meeting.a);
        self.detours = [
            entered(self.runs[0], self.a.position(), meeting.a),
            entered(self.runs[1], self.b.position(), meeting.b),
        ];
        for (side, to) in [meeting.a, meeting.b].into_iter().enumerate() {
            follow(self.runs[side], self.since[side], to, &mut self.stays[side]);
        }
        let written = [self.a.advance(meeting.a), self.b.advance(meeting.b)];
        let saved = self.saved(&written);
        let mut written = written.concat();
        written.sort_unstable();
        written.dedup();
        // A wrong value is a copy only if its original was there when the stretch began.
        let originals = if written.is_empty() {
            Originals::default()
        } else {
            self.originals()
        };
        let mut fresh = Vec::new();
        for cell in written {
            let (a, b) = (self.a.value(cell), self.b.value(cell));
            let known = self
                .differing
                .get(&cell)
                .is_some_and(|d| (d.a, d.b) == (a, b));
            if a == b {
                let healed = self.differing.remove(&cell);
                self.borrowed.extend(healed.map(|d| (cell, d)));
            } else if !known {
                fresh.push(cell);
            }
        }
        let caused = self.sort_fresh(&fresh, &originals, &images);
        self.look_for_left_out(saved, &caused);
        if !self.differing.is_empty() {
            let switched = before != [self.a.value(Cell::Current), self.b.value(Cell::Current)];
            self.look_for_damage(&fresh, &caused, switched);
            self.look_for_user_return(meeting);
        }
        if self.goes_on(meeting) {
            self.borrowed.clear();
            let slot = self.a.current();
            self.frames.are_complete(slot);
            let causes = self.causes.iter_mut();
            causes
                .filter(|c| c.slot == slot)
                .for_each(|c| c.is_over = true);
        }
    }

    /// The causes of all values that differ now, by the pair of values and the facility of the
    /// register.
    fn originals(&self) -> Originals {
        let mut originals = Originals::default();
        let mut add = |class, pair: (u128, u128), cause| {
            // The earliest cause has a value that two of them share, whatever order the cells come
            // in.
            let known = originals.entry((class, pair)).or_insert(cause);
            *known = cause.min(*known);
        };
        for (cell, d) in &self.differing {
            for pair in travelling(cell, (d.a, d.b)) {
                // On a stack nothing says which register a value was.
                add(class(cell), pair, d.cause);
                add(None, pair, d.cause);
            }
            let left = lasting(cell, (d.a, d.b));
            left.into_iter()
                .for_each(|pair| add(Some(FPSCR), pair, d.cause));
        }
        originals
    }

    /// Values of image cells before a stretch of A, for the cells that it writes.
    fn images_before(&self, to: usize) -> HashMap<Cell, u128> {
        let steps = &self.runs[0].steps;
        let written = steps
            .iter()
            .take(to + 1)
            .skip(self.a.position())
            .filter_map(|s| match s {
                Step::Write(w) if matches!(w.cell, Cell::Image(..)) => Some(w.cell),
                _ => None,
            });
        written.map(|cell| (cell, self.a.value(cell))).collect()
    }

    /// Tells copies of known wrong values from new causes; returns the causes that are new.
    fn sort_fresh(
        &mut self,
        fresh: &[Cell],
        originals: &Originals,
        images: &HashMap<Cell, u128>,
    ) -> HashSet<usize> {
        let mut groups: Vec<(Vec<Option<String>>, Vec<Change>)> = Vec::new();
        for &cell in fresh {
            let change = self.change(cell);
            if let Some(cause) = self.copied_from(&change, originals) {
                self.differing.insert(
                    cell,
                    Differing {
                        a: change.a,
                        b: change.b,
                        cause,
                    },
                );
                let copied = Copied {
                    event: self.a.event,
                    same_stay: !self.causes[cause].is_over,
                    thread_conditions: self.thread_conditions(&change, images),
                    change,
                };
                self.causes[cause].copies.push(copied);
                continue;
            }
            let key = self.call_chain(&change);
            match groups.iter_mut().find(|(chain, _)| *chain == key) {
                Some((_, changes)) => changes.push(change),
                None => groups.push((key, vec![change])),
            }
        }
        let groups = groups.into_iter().map(|(_, changes)| changes).collect();
        let groups = match self.fixes {
            None => one_dispute(groups),
            Some(_) => groups,
        };
        groups
            .into_iter()
            .map(|changes| self.new_cause(changes))
            .collect()
    }

    fn change(&self, cell: Cell) -> Change {
        if cell == Cell::UserMsr {
            return self.msr_not_taken();
        }
        let recent = |walk: &Walk<'_>, since| walk.writer(cell).is_some_and(|(at, _)| at >= since);
        let change = Change {
            fixed: false,
            cell,
            a: self.a.value(cell),
            b: self.b.value(cell),
            writer_a: self.a.writer(cell).map(|(_, w)| w.clone()),
            writer_b: self.b.writer(cell).map(|(_, w)| w.clone()),
            rewritten: self.rewritten(cell),
            recent: [
                recent(&self.a, self.since[0]),
                recent(&self.b, self.since[1]),
            ],
            kept: [
                self.a.is_kept(cell, self.since[0]),
                self.b.is_kept(cell, self.since[1]),
            ],
            foreign: [self.a.is_foreign(cell), self.b.is_foreign(cell)],
            former: [self.a.had_before(cell), self.b.had_before(cell)],
        };
        Change {
            fixed: self.fix(&change).is_some(),
            ..change
        }
    }

    /// The callers of the code that made a change: enough to keep apart what different functions
    /// did. By name, as the two sides may have them at different addresses.
    fn call_chain(&self, change: &Change) -> Vec<Option<String>> {
        let Some((side, writer)) = change.telling() else {
            return Vec::new();
        };
        let callers = writer.trace.iter().skip(1);
        callers.map(|pc| self.codes[side].function(*pc)).collect()
    }

    /// User code goes on with another MSR than `regs->msr` says: whoever changed that last did not
    /// see to it that it counts.
    fn msr_not_taken(&self) -> Change {
        let walks = [&self.a, &self.b];
        let [a, b] = walks.map(|walk| walk.value(Cell::UserMsr));
        let wrong = walks
            .map(|walk| walk.value(Cell::UserMsr) != walk.value(Cell::Facilities(walk.current())));
        let writer = |side: usize| {
            let walk = walks[side];
            let told = wrong[side].then(|| Cell::Facilities(walk.current()));
            walk.writer(told.unwrap_or(Cell::UserMsr))
                .map(|(_, write)| write.clone())
        };
        Change {
            cell: Cell::UserMsr,
            a,
            b,
            writer_a: writer(0),
            writer_b: writer(1),
            recent: wrong,
            kept: [false; 2],
            foreign: [false; 2],
            former: [false; 2],
            rewritten: false,
            fixed: false,
        }
    }

    fn rewritten(&self, cell: Cell) -> bool {
        let Cell::Hardware(Register::Vs(n)) = cell else {
            return false;
        };
        let at = |cell| self.a.writer(cell).map(|(at, _)| at);
        at(Cell::Hardware(Register::F(n))) > at(cell)
    }

    fn new_cause(&mut self, mut changes: Vec<Change>) -> usize {
        changes.sort_by_key(|c| c.cell);
        let cause = self.causes.len();
        let displaced = self.frames.begin(&changes, self.a.current(), cause);
        for change in &changes {
            self.differing.insert(
                change.cell,
                Differing {
                    a: change.a,
                    b: change.b,
                    cause,
                },
            );
            let is_control = class(&change.cell) == Some(CONTROL) || is_frame_msr(change);
            if is_control && !displaced {
                self.control.get_or_insert(cause);
            }
        }
        let common = displaced.then(|| self.common_callers(&changes));
        let raw = self.raw_cause(changes);
        self.causes.push(RawCause {
            displaced: common,
            ..raw
        });
        cause
    }

    /// A cause as it is where it came about.
    fn raw_cause(&self, changes: Vec<Change>) -> RawCause {
        RawCause {
            known: known([&self.a, &self.b], &changes),
            event: self.a.event,
            asked: asked(self.scenario, self.a.event),
            whole: whole([&self.a, &self.b], self.since, &changes),
            changes,
            displaced: None,
            detours: self.detours.clone(),
            stays: self.stays.clone(),
            hardware: [self.a.hardware(), self.b.hardware()],
            images: [
                self.a.image(self.a.current()),
                self.b.image(self.b.current()),
            ],
            damage: None,
            user_return: None,
            copies: Vec::new(),
            slot: self.a.current(),
            is_over: false,
            met: self.met,
        }
    }
}
