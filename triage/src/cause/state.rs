//! The tracked state of one recorded run while one walks through its steps.

use std::collections::HashSet;

use ctxfuzz_emulator::arch::RegisterFile;
use ctxfuzz_emulator::arch::msr;
use ctxfuzz_emulator::trace::{Cell, Recording, Slot, Step, Write};
use ctxfuzz_scenario::register::Register;
use rustc_hash::FxHashMap as HashMap;

/// One run, replayed step by step.
pub struct Walk<'a> {
    run: &'a Recording,
    next: usize,
    cells: HashMap<Cell, u128>,
    writers: HashMap<Cell, (usize, Slot)>,
    /// Values that cells had before the one they have.
    former: HashMap<Cell, Vec<u128>>,
    /// The last time an image was written with what it had, in steps.
    kept: HashMap<Cell, usize>,
    next_kept: usize,
    /// Where those writes begin that the last [`advance`](Self::advance) came by.
    first_kept: usize,
    /// The event that is being done.
    pub event: Option<u16>,
}

impl<'a> Walk<'a> {
    /// At the start of a run.
    pub fn new(run: &'a Recording) -> Self {
        let cells = run.initial.iter().copied().collect();
        Walk {
            run,
            next: 0,
            cells,
            writers: HashMap::default(),
            former: HashMap::default(),
            kept: HashMap::default(),
            next_kept: 0,
            first_kept: 0,
            event: None,
        }
    }

    /// Goes on up to and including a step; returns the cells written on the way.
    pub fn advance(&mut self, to: usize) -> Vec<Cell> {
        let mut written = Vec::new();
        while self.next <= to && self.next < self.run.steps.len() {
            match &self.run.steps[self.next] {
                Step::Event { index, .. } => self.event = *index,
                Step::Write(write) => {
                    let old = self.cells.insert(write.cell, write.value).unwrap_or(0);
                    self.former.entry(write.cell).or_default().push(old);
                    let by = self.current();
                    self.writers.insert(write.cell, (self.next, by));
                    written.push(write.cell);
                }
                _ => {}
            }
            self.next += 1;
        }
        self.first_kept = self.next_kept;
        let kept = self.run.kept.iter().skip(self.next_kept);
        for (at, write) in kept.take_while(|(at, _)| *at < self.next) {
            self.kept.insert(write.cell, *at);
            self.next_kept += 1;
        }
        written
    }

    /// Images that the last [`advance`](Self::advance) wrote with what they had.
    pub fn kept(&self) -> impl Iterator<Item = &'a Write> {
        let kept = self.run.kept.get(self.first_kept..self.next_kept);
        kept.unwrap_or_default().iter().map(|(_, write)| write)
    }

    /// Index of the step that comes next.
    pub fn position(&self) -> usize {
        self.next
    }

    /// The value of a cell.
    pub fn value(&self, cell: Cell) -> u128 {
        self.cells.get(&cell).copied().unwrap_or(0)
    }

    /// The step index of the write that gave a cell its value, and the write.
    pub fn writer(&self, cell: Cell) -> Option<(usize, &'a Write)> {
        let (at, _) = *self.writers.get(&cell)?;
        match &self.run.steps[at] {
            Step::Write(write) => Some((at, write)),
            _ => None,
        }
    }

    /// Whether an image was written with what it had, from a step on.
    pub fn is_kept(&self, cell: Cell, since: usize) -> bool {
        self.kept.get(&cell).is_some_and(|at| *at >= since)
    }

    /// Whether a cell has what another task than the running one wrote, or nobody in this run.
    pub fn is_foreign(&self, cell: Cell) -> bool {
        self.writers
            .get(&cell)
            .is_none_or(|(_, by)| *by != self.current())
    }

    /// Whether a cell has a value that it had before, and another one in between.
    pub fn had_before(&self, cell: Cell) -> bool {
        let value = self.value(cell);
        let former = self.former.get(&cell);
        former.is_some_and(|values| values.contains(&value))
    }

    /// What the kernel has written to user stacks, but for zero.
    pub fn stacks(&self) -> HashSet<u64> {
        let cells = self.cells.iter();
        let values = cells.filter(|(cell, _)| cell.is_user_memory());
        values
            .map(|(_, value)| *value as u64)
            .filter(|value| *value != 0)
            .collect()
    }

    /// The data that all tasks have in memory, but for zero.
    pub fn images(&self) -> HashSet<u64> {
        let cells = self.cells.iter();
        let images = cells.filter(|(cell, _)| {
            matches!(
                cell,
                Cell::Image(_, Register::F(_) | Register::Vs(_) | Register::V(_))
            )
        });
        images
            .flat_map(|(_, value)| [(*value >> 64) as u64, *value as u64])
            .filter(|half| *half != 0)
            .collect()
    }

    /// The registers of a task in memory.
    pub fn image(&self, slot: Slot) -> RegisterFile {
        self.file(|register| Cell::Image(slot, register))
    }

    /// The slot of the running task.
    pub fn current(&self) -> Slot {
        Slot(self.value(Cell::Current) as u8)
    }

    /// Whether the registers of a task are in the processor: it runs, and its MSR says so.
    pub fn is_live(&self, slot: Slot, register: Register) -> bool {
        self.current() == slot
            && (msr::owner(register) == 0
                || self.value(Cell::Facilities(slot)) as u64 & msr::owner(register) != 0)
    }

    /// The value a task would find in a register: the processor's if live, else the image's.
    pub fn logical(&self, slot: Slot, register: Register) -> u128 {
        match self.is_live(slot, register) {
            true => self.value(Cell::Hardware(register)),
            false => self.value(Cell::Image(slot, register)),
        }
    }

    /// All registers of the processor.
    pub fn hardware(&self) -> RegisterFile {
        self.file(Cell::Hardware)
    }

    fn file(&self, cell: impl Fn(Register) -> Cell) -> RegisterFile {
        let mut file = RegisterFile::default();
        for register in Register::all() {
            file.set(register, self.value(cell(register)));
        }
        file
    }
}
