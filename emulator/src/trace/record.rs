//! Runs a scenario with an observer on every instruction and writes down what changes.

mod stores;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use ctxfuzz_scenario::register::Register;
use ctxfuzz_scenario::scenario::Scenario;
use rustc_hash::FxHashMap as HashMap;

use super::loads::Loads;
use super::slots::Slots;
use super::unwind::Unwinder;
use super::{Cell, FrameAt, Recording, Site, Slot, Step, Write};
use crate::arch::msr;
use crate::arch::{Endian, RegisterFile};
use crate::kernel::image::Layout;
use crate::kernel::name::KernelName;
use crate::kernel::symbols::Symbols;
use crate::machine::address::KERNEL;
use crate::machine::instruction::{BLR, touches_vector_state};
use crate::machine::{Options, Vector, View};
use crate::run::capture::Gprs;
use crate::run::host::{Observer, gprs};
use crate::run::outcome::{End, Outcome};
use crate::run::{Runner, RunnerError, images, user};

/// Bits of `regs->msr` that say who owns the facilities.
const FACILITY_BITS: u64 = msr::FP | msr::VEC | msr::VSX | msr::FE0 | msr::FE1;

/// Basic blocks of a recorded run of the model: ten times what the longest take.
const MODEL_BUDGET: u64 = 100_000;

/// Records a scenario on a kernel, on a fresh machine.
pub fn record(
    name: &KernelName,
    endian: Endian,
    scenario: &Scenario,
) -> Result<Recording, RunnerError> {
    Ok(Tracer::new(name, endian)?.record(scenario))
}

/// A kernel on a machine that is watched. Making one takes far longer than a recording.
pub struct Tracer {
    runner: Runner,
    symbols: Rc<Symbols>,
    entries: Rc<Entries>,
}

/// Functions by the address of their first instruction, as callers in the kernel see it.
type Entries = HashMap<u64, u32>;

fn entries(symbols: &Symbols) -> Entries {
    let functions = symbols.functions().iter().enumerate();
    functions
        .map(|(index, f)| (f.address + f.local_entry, index))
        // Names for the same address: the one that the address has.
        .filter(|(entry, index)| symbols.index_at(*entry) == Some(*index))
        .map(|(entry, index)| (entry, index as u32))
        .collect()
}

impl Tracer {
    /// Loads and starts a kernel.
    pub fn new(name: &KernelName, endian: Endian) -> Result<Self, RunnerError> {
        let plain = Options::default();
        let options = Options {
            trace: true,
            // A run of the model is short, and every instruction of one that hangs would be written
            // down.
            budget: match name.vmlinux() {
                Some(_) => plain.budget,
                None => MODEL_BUDGET,
            },
            ..plain
        };
        let runner = Runner::with_options(name, endian, options)?;
        let symbols = Rc::new(runner.symbols()?);
        let entries = Rc::new(entries(&symbols));
        Ok(Tracer {
            runner,
            symbols,
            entries,
        })
    }

    /// From now on recordings have a [`Step::Look`] wherever the host looks at a task, and their
    /// outcomes what it has seen.
    pub fn observe(&mut self) {
        self.runner.observe();
    }

    /// Records a scenario.
    pub fn record(&mut self, scenario: &Scenario) -> Recording {
        let slots = Slots::find(&mut self.runner, scenario);
        let shared = Rc::new(RefCell::new(Recorder::new(
            self.runner.layout().clone(),
            self.symbols.clone(),
            self.entries.clone(),
            slots,
        )));
        let outcome = self
            .runner
            .run_observed(scenario, Box::new(Handle(shared.clone())));
        // The observer's handle went with the run: this is the only one left.
        let mut recorder = shared.borrow_mut();
        if let Some(last) = self.runner.hardware_registers() {
            recorder.settle_loads(&last);
        }
        recorder.finish(outcome)
    }
}

/// Shares the recorder between the machine's host and [`record`].
struct Handle(Rc<RefCell<Recorder>>);

impl Observer for Handle {
    fn event(&mut self, index: Option<u16>, task: u8) {
        let mut recorder = self.0.borrow_mut();
        recorder.loads.interrupt();
        recorder.steps.push(Step::Event { index, task });
    }

    fn look(&mut self) {
        let mut recorder = self.0.borrow_mut();
        recorder.loads.interrupt();
        recorder.steps.push(Step::Look);
    }

    fn frame(&mut self, view: &View<'_>, context: u64) {
        let mut recorder = self.0.borrow_mut();
        let frame = FrameAt::new(view, &recorder.layout.frame, context);
        recorder.frames.push(frame);
    }

    fn exception(&mut self, vector: Vector, at: u64) {
        self.0.borrow_mut().exception(vector, at);
    }

    fn store(&mut self, address: u64, size: usize) {
        self.0.borrow_mut().stores.push((address, size));
    }

    fn instruction(&mut self, view: &View<'_>) {
        self.0.borrow_mut().instruction(view);
    }
}

/// An instruction.
pub(super) struct Previous {
    pub(super) pc: u64,
    pub(super) word: u32,
    pub(super) msr: u64,
}

impl Previous {
    fn write(&self, cell: Cell, value: u128, trace: Rc<[u64]>) -> Write {
        Write {
            cell,
            value,
            pc: self.pc,
            word: self.word,
            msr: self.msr,
            trace,
        }
    }
}

struct Recorder {
    layout: Layout,
    symbols: Rc<Symbols>,
    entries: Rc<Entries>,
    slots: Slots,
    stacks: user::Stacks,
    unwinder: Option<Unwinder>,
    previous: Option<Previous>,
    stores: Vec<(u64, usize)>,
    steps: Vec<Step>,
    kept: Vec<(usize, Write)>,
    hardware: RegisterFile,
    /// What `hardware` does not have yet.
    loads: Loads,
    memory: HashMap<Cell, u128>,
    /// Address of `regs->msr` by slot.
    msr_at: BTreeMap<Slot, u64>,
    initial: Vec<(Cell, u128)>,
    frames: Vec<FrameAt>,
    gprs: Vec<Gprs>,
    /// Where the kernel has just caused an exception; its registers are still there at the next
    /// instruction.
    faulting: Option<u64>,
    fault: Option<Site>,
}

impl Recorder {
    fn new(layout: Layout, symbols: Rc<Symbols>, entries: Rc<Entries>, slots: Slots) -> Self {
        Recorder {
            layout,
            symbols,
            entries,
            slots,
            stacks: user::Stacks::default(),
            unwinder: None,
            previous: None,
            stores: Vec::new(),
            steps: Vec::new(),
            kept: Vec::new(),
            hardware: RegisterFile::default(),
            loads: Loads::default(),
            memory: HashMap::default(),
            msr_at: BTreeMap::new(),
            initial: Vec::new(),
            frames: Vec::new(),
            gprs: Vec::new(),
            faulting: None,
            fault: None,
        }
    }

    /// Where a run that the machine ended was: without a call trace, as nothing ran afterwards.
    fn stopped_at(&self) -> Option<Site> {
        let pc = self.previous.as_ref().map(|previous| previous.pc)?;
        Some(Site {
            pc,
            trace: Rc::from([pc]),
        })
    }

    fn finish(&mut self, outcome: Outcome) -> Recording {
        let died = matches!(outcome.end, End::KernelFault(_));
        let fault = self.fault.clone();
        let names = self.symbols.functions().iter().map(|f| f.name.clone());
        Recording {
            outcome,
            steps: std::mem::take(&mut self.steps),
            kept: std::mem::take(&mut self.kept),
            functions: names.collect(),
            initial: self.initial.clone(),
            tasks: self.slots.users().to_vec(),
            frames: self.frames.clone(),
            gprs: self.gprs.clone(),
            knows_use: self.slots.used_flags().is_some(),
            fault: fault.or_else(|| self.stopped_at().filter(|site| died && site.pc >= KERNEL)),
        }
    }

    fn exception(&mut self, vector: Vector, at: u64) {
        self.loads.interrupt();
        self.steps.push(Step::KernelEntry(vector));
        self.faulting = (vector.is_error() && at >= KERNEL).then_some(at);
    }

    fn instruction(&mut self, view: &View<'_>) {
        if self.unwinder.is_none() {
            self.begin(view);
        }
        if let (Some(pc), Some(unwinder)) = (self.faulting.take(), &self.unwinder) {
            let trace = unwinder.trace(&self.symbols, view, pc).into();
            self.fault = Some(Site { pc, trace });
        }
        let next = Previous {
            pc: view.pc,
            word: view.word,
            msr: view.msr,
        };
        self.effects(view, &next);
        self.boundaries(view);
        self.previous = Some(next);
    }

    fn begin(&mut self, view: &View<'_>) {
        self.unwinder = Some(Unwinder::default());
        self.stacks = user::Stacks::find(view.map);
        self.hardware = view.registers();
        self.initial = Register::all()
            .map(|r| (Cell::Hardware(r), self.hardware.get(r)))
            .collect();
        let current = self.slots.of(view.load(self.layout.current));
        self.initial.push((Cell::Current, current));
        self.memory.insert(Cell::Current, current);
        for slot in self.slots.made_before() {
            self.begin_slot(view, slot);
        }
    }

    /// What is there of a task that the kernel had made before the run.
    fn begin_slot(&mut self, view: &View<'_>, slot: Slot) {
        let base = self.slots.address(slot) + self.layout.task_thread;
        let Some(thread) = view.map.physical(base) else {
            return;
        };
        let mut cells: Vec<(Cell, u128)> = Register::all()
            .map(|register| {
                let value =
                    images::image_register(view.memory, thread, &self.layout.thread, register);
                (Cell::Image(slot, register), value)
            })
            .collect();
        let regs = view.follow(base + self.layout.thread.regs);
        if regs != 0 {
            let at = regs.wrapping_add(self.layout.regs_msr);
            self.msr_at.insert(slot, at);
            let bits = view.follow(at) & FACILITY_BITS;
            cells.push((Cell::Facilities(slot), bits.into()));
        }
        self.memory.extend(cells.iter().copied());
        self.initial.extend(cells);
    }

    /// The loads that have not been looked at, with the registers as they are now.
    fn settle_loads(&mut self, now: &RegisterFile) {
        self.loads.settle(&mut self.hardware, now, &mut self.steps);
    }

    /// Whether the previous instruction is a load that is looked at later, together with others.
    fn put_off(&mut self, view: &View<'_>, previous: &Previous) -> bool {
        let mut loads = std::mem::take(&mut self.loads);
        let put_off = loads.take(previous, self.steps.len(), || self.trace(view, previous));
        self.loads = loads;
        put_off
    }

    /// Makes up for what was put off.
    fn look(&mut self, view: &View<'_>, previous: &Previous) {
        if !self.loads.need_a_look() {
            let now = self.loads.foreseen(&self.hardware);
            return self.settle_loads(&now);
        }
        let now = view.registers();
        self.settle_loads(&now);
        self.registers(view, previous, now);
    }

    /// Notes what is different in the registers as they are now.
    fn registers(&mut self, view: &View<'_>, previous: &Previous, now: RegisterFile) {
        if now == self.hardware {
            return;
        }
        let changed: Vec<Register> = Register::all()
            .filter(|r| now.get(*r) != self.hardware.get(*r))
            .collect();
        for register in changed {
            self.write(view, previous, Cell::Hardware(register), now.get(register));
        }
        self.hardware = now;
    }

    /// What the previous instruction changed.
    fn effects(&mut self, view: &View<'_>, next: &Previous) {
        let stores = std::mem::take(&mut self.stores);
        let Some(previous) = self.previous.take() else {
            return;
        };
        if self.put_off(view, &previous) || !self.loads.is_empty() {
            if !self.loads.can_wait(&previous, next) {
                self.look(view, &previous);
            }
        } else if touches_vector_state(previous.word) {
            self.registers(view, &previous, view.registers());
        }
        self.loads.go_on();
        for (address, size) in stores {
            self.store(view, &previous, address, size as u64);
        }
        let returned = is_return(previous.word) && view.pc != previous.pc.wrapping_add(4);
        if (returned || previous.word == BLR)
            && let Some(function) = self.symbols.index_at(previous.pc)
        {
            self.steps.push(Step::Exit(function as u32));
        }
        if previous.msr & msr::PR == 0 && view.user() {
            let bits = view.msr & FACILITY_BITS;
            self.note(view, &previous, Cell::UserMsr, bits.into());
            self.user_return(view);
        }
    }

    fn user_return(&mut self, view: &View<'_>) {
        self.steps.push(Step::UserReturn);
        self.gprs.push(gprs(view));
        self.slots.look(view);
    }

    fn boundaries(&mut self, view: &View<'_>) {
        if let Some(function) = self.entries.get(&view.pc) {
            self.steps.push(Step::Enter(*function));
        }
    }

    fn trace(&self, view: &View<'_>, previous: &Previous) -> Vec<u64> {
        match &self.unwinder {
            Some(unwinder) if previous.msr & msr::PR == 0 => {
                unwinder.trace(&self.symbols, view, previous.pc)
            }
            _ => vec![previous.pc],
        }
    }

    fn write(&mut self, view: &View<'_>, previous: &Previous, cell: Cell, value: u128) {
        let trace = self.trace(view, previous).into();
        let write = previous.write(cell, value, trace);
        self.steps.push(Step::Write(write));
    }

    /// An image, or who owns its registers, is written with what it has.
    fn keep(&mut self, view: &View<'_>, previous: &Previous, cell: Cell, value: u128) {
        let trace: Rc<[u64]> = self.trace(view, previous).into();
        // Code that is entered from user space puts down what was there, and decides nothing.
        if matches!(cell, Cell::Facilities(_)) && trace.len() < 2 {
            return;
        }
        let write = previous.write(cell, value, trace);
        self.kept.push((self.steps.len(), write));
    }
}

/// `bclr` without link, in any of its conditional forms.
fn is_return(word: u32) -> bool {
    word >> 26 == 19 && (word >> 1) & 0x3ff == 16 && word & 1 == 0
}
