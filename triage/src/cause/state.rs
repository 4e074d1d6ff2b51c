//! The tracked state of one recorded run while one walks through its steps.

use std::collections::HashMap;

use ctxfuzz_emulator::machine::msr;
use ctxfuzz_emulator::run::outcome::RegisterFile;
use ctxfuzz_emulator::trace::{Cell, Recording, Slot, Step, Write};
use ctxfuzz_scenario::register::Register;

/// One run, replayed step by step.
pub struct Walk<'a> {
    run: &'a Recording,
    next: usize,
    cells: HashMap<Cell, u128>,
    writers: HashMap<Cell, usize>,
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
            writers: HashMap::new(),
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
                    self.cells.insert(write.cell, write.value);
                    self.writers.insert(write.cell, self.next);
                    written.push(write.cell);
                }
                _ => {}
            }
            self.next += 1;
        }
        written
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
        let at = *self.writers.get(&cell)?;
        match &self.run.steps[at] {
            Step::Write(write) => Some((at, write)),
            _ => None,
        }
    }

    /// The slot of the running task.
    pub fn current(&self) -> Slot {
        Slot(self.value(Cell::Current) as u8)
    }

    /// Whether the registers of a task are in the processor: it runs, and its MSR says so.
    pub fn is_live(&self, slot: Slot, register: Register) -> bool {
        self.current() == slot
            && (owner_bit(register) == 0
                || self.value(Cell::Facilities(slot)) as u64 & owner_bit(register) != 0)
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
        let mut file = RegisterFile::default();
        for register in Register::all() {
            file.set(register, self.value(Cell::Hardware(register)));
        }
        file
    }
}

/// The MSR bit that owns a register; 0 for VRSAVE, which the running task always owns.
pub fn owner_bit(register: Register) -> u64 {
    match register {
        Register::F(_) | Register::Vs(_) | Register::Fpscr => msr::FP,
        Register::V(_) | Register::Vscr => msr::VEC,
        Register::Vrsave => 0,
    }
}
