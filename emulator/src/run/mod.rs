//! Scenario x kernel -> outcome.
//!
//! A [`Runner`] is one kernel on one machine, ready to run scenario after scenario. It judges
//! nothing.

mod abi;
mod call;
pub mod effects;
pub mod host;
pub(crate) mod images;
pub mod observe;
pub mod ownership;
mod platform;
pub mod ptrace;
pub mod reads;
mod spent;
pub mod user;

use std::collections::HashMap;

pub use ctxfuzz_outcome::{capture, guest, outcome};
use ctxfuzz_scenario::scenario::Scenario;

use self::effects::Effects;
use self::host::{GuestEnd, Observer, RunHost};
use self::images::KnownTask;
use self::outcome::{End, Outcome};
pub use self::platform::Quiet;
use self::platform::{Imitation, Model};
use self::user::Compiled;
use crate::arch::{Endian, RegisterFile};
use crate::kernel::code::CodeError;
use crate::kernel::functions::Functions;
use crate::kernel::image::{self, ImageError, KernelImage, Layout, ModelLayout};
use crate::kernel::name::KernelName;
use crate::kernel::snapshot::{Snapshot, SnapshotError};
use crate::kernel::symbols::Symbols;
use crate::machine::address::{AddressMap, PAGE};
use crate::machine::coverage::EdgeMap;
use crate::machine::memory::Memory;
use crate::machine::point::Arrived;
use crate::machine::{Block, Machine, MachineError, Options, Stop};

/// A kernel cannot be made ready to run.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    /// Its image is not usable.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Its snapshot is not to be had.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// Its text cannot be had.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// A real kernel is not what the tool can work with.
    #[error("{vmlinux}: {what}")]
    Kernel {
        /// Its file.
        vmlinux: String,
        /// What is wrong.
        what: String,
    },
    /// Its machine is not usable.
    #[error(transparent)]
    Machine(#[from] MachineError),
}

/// The symbols of a kernel.
pub fn kernel_symbols(name: &KernelName, endian: Endian) -> Result<Symbols, RunnerError> {
    match name.snapshot() {
        Some(snapshot) => Ok(Symbols::from_snapshot(&*snapshot?)),
        None => Ok(image::symbols(name.build(), endian)?),
    }
}

/// Hash of what a kernel consists of, for reports.
pub fn kernel_hash(name: &KernelName, endian: Endian) -> Result<u64, RunnerError> {
    match name.snapshot() {
        Some(snapshot) => Ok(snapshot?.kernel_hash),
        None => Ok(KernelImage::load(name, endian)?.hash),
    }
}

const SPR_VRSAVE: u16 = 256;
/// Lines of a dead kernel's console that are shown.
const LAST_WORDS: usize = 6;

/// Bytes above which `memcpy` uses VMX.
const VMX_COPY: u64 = 4096;

/// One kernel on one machine.
pub struct Runner {
    name: KernelName,
    endian: Endian,
    hash: u64,
    layout: Layout,
    machine: Machine<RunHost>,
    /// Seed of the garbage that a run finds in memory and registers it must not depend on.
    dirt: Option<u64>,
    runs: u64,
}

impl Runner {
    /// Loads and starts a kernel.
    pub fn new(name: &KernelName, endian: Endian) -> Result<Self, RunnerError> {
        Self::with_options(name, endian, Options::default())
    }

    /// As [`Runner::new`], with machine options.
    pub fn with_options(
        name: &KernelName,
        endian: Endian,
        options: Options,
    ) -> Result<Self, RunnerError> {
        if let Some(snapshot) = name.snapshot() {
            return platform::snapshot::runner(name, &*snapshot?, endian, options);
        }
        let image = KernelImage::load(name, endian)?;
        let host = RunHost::new(
            image.layout.clone(),
            Box::new(Model::new(
                image.model.clone(),
                Functions::new(name, endian),
            )),
        );
        let mut machine = Machine::new(&image.program, options, host)?;
        let model = Model::started(image.model, Functions::new(name, endian), machine.memory());
        machine.tell_who(spent::who(&image.layout, &model));
        machine.host().platform = Box::new(model);
        Ok(Runner {
            name: name.clone(),
            endian,
            hash: image.hash,
            layout: image.layout,
            machine,
            dirt: None,
            runs: 0,
        })
    }

    /// From now on every run finds different garbage in stacks, scratch memory and hardware
    /// registers. No outcome may depend on it.
    pub fn dirty(&mut self, seed: u64) {
        self.dirt = Some(seed);
    }

    /// From now on outcomes have [`Outcome::observations`], which takes time.
    pub fn observe(&mut self) {
        self.machine.host().observe = true;
    }

    /// From now on the model does as this real kernel where that shows and nobody is wrong. What
    /// other CPUs and devices do is done by a task of the one CPU there is, so that pending work
    /// comes with a context switch to that task and back; a `task_struct` is copied as one of that
    /// kernel's size; and io_uring's workers are created when that kernel does it.
    pub fn imitate(&mut self, kernel: &Snapshot) {
        let symbol = |name| kernel.symbols.iter().find(|symbol| symbol.name == name);
        self.machine.host().platform.imitate(Imitation {
            director: true,
            small_tasks: symbol("init_task").is_some_and(|task| task.size <= VMX_COPY),
            newer_io_wq: symbol("queue_create_worker_retry").is_some(),
        });
    }

    /// From now on a task of the one CPU does what other CPUs and devices do, as on a real kernel.
    pub fn direct(&mut self) {
        self.machine.host().platform.imitate(Imitation {
            director: true,
            ..Imitation::default()
        });
    }

    /// Its kernel.
    pub fn name(&self) -> &KernelName {
        &self.name
    }

    /// Its byte order.
    pub fn endian(&self) -> Endian {
        self.endian
    }

    /// Hash of the kernel image.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// Where things are in the kernel.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Kernel edges of the last run.
    pub fn coverage(&self) -> &EdgeMap {
        self.machine.coverage()
    }

    /// The kernel blocks and how often each ran, of the last run; before there was one, of the
    /// boot. The runner must have been made with [`Options::collect_blocks`].
    pub fn kernel_blocks(&self) -> &HashMap<Block, u64> {
        self.machine.kernel_blocks()
    }

    /// The same in each event, from the task's request to the next event of any task: with what the
    /// kernel does on its way out, and for a task that it switches to.
    pub fn event_blocks(&self) -> &HashMap<(u16, Block), u64> {
        self.machine.event_blocks()
    }

    /// Where the work of events came in a real kernel in the last run, in that order. (The model's
    /// kernel counts preemption points by itself.)
    pub fn arrived(&self) -> &[Arrived] {
        self.machine.arrived()
    }

    /// Basic blocks of the last run.
    pub fn blocks(&self) -> u64 {
        self.machine.blocks()
    }

    /// Runs a scenario.
    pub fn run(&mut self, scenario: &Scenario) -> Outcome {
        let compiled = user::compile(scenario, self.endian);
        self.run_compiled(scenario, &compiled)
    }

    /// Runs a scenario that is compiled already (for this byte order).
    pub fn run_compiled(&mut self, scenario: &Scenario, compiled: &Compiled) -> Outcome {
        self.runs += 1;
        self.reset();
        self.write(compiled);
        self.machine.host().prepare(scenario, compiled);
        let stop = self.machine.go();
        let host = self.machine.host();
        let end = end(stop, host.guest_end.take());
        let outcome = std::mem::replace(&mut host.outcome, Outcome::empty(End::Completed));
        let spent = spent::spent(self, &end);
        let end = self.with_last_words(end);
        let effects = self.effects(&outcome, end == End::Completed);
        Outcome {
            end,
            spent,
            effects,
            ..outcome
        }
    }

    fn effects(&mut self, outcome: &Outcome, completed: bool) -> Effects {
        let unreached = self.machine.take_unreached();
        let host = self.machine.host();
        for event in unreached {
            host.ledger.not_reached(event);
        }
        let not_applicable = host.platform.not_applicable().into_iter().collect();
        let ledger = &mut host.ledger;
        ledger.settle(completed, outcome, not_applicable)
    }

    /// What a dying kernel said last is what its developer wants to read first.
    fn with_last_words(&self, end: End) -> End {
        let console = self.machine.console();
        match end {
            End::KernelFault(what) if !console.is_empty() => {
                let lines: Vec<&str> = console.lines().collect();
                let last = &lines[lines.len().saturating_sub(LAST_WORDS)..];
                End::KernelFault(format!("{what}; its console ends: {}", last.join(" | ")))
            }
            end => end,
        }
    }

    /// Runs a scenario with somebody watching every instruction. The runner must have been made
    /// with [`Options::trace`].
    pub fn run_observed(&mut self, scenario: &Scenario, observer: Box<dyn Observer>) -> Outcome {
        self.machine.host().observer = Some(observer);
        let outcome = self.run(scenario);
        self.machine.host().observer = None;
        outcome
    }

    fn reset(&mut self) {
        let (memory, map) = (self.machine.memory().clone(), self.machine.map().clone());
        let Some(seed) = self.dirt else {
            self.machine.rewind();
            self.machine.host().platform.reset(&memory, &map);
            return;
        };
        let seed = seed.wrapping_add(self.runs);
        let own = self.machine.snapshot_spr(SPR_VRSAVE);
        let mut garbage = user::pattern(seed);
        garbage.vscr = 0x1_0001;
        garbage.vrsave = self.machine.host().platform.first_vrsave(own, seed);
        self.machine.rewind_dirty(&garbage);
        for page in (0..user::SCRATCH.1).step_by(PAGE as usize) {
            if let Some(pa) = map.physical(user::SCRATCH.0 + page) {
                memory.poison(pa, PAGE as usize, seed.wrapping_add(page));
            }
        }
        self.machine.host().platform.poison(&memory, seed);
    }

    fn write(&mut self, compiled: &Compiled) {
        let (memory, map) = (self.machine.memory().clone(), self.machine.map().clone());
        for (ea, bytes) in &compiled.segments {
            write_pages(&memory, &map, *ea, bytes);
        }
        let platform = &self.machine.host().platform;
        platform.set_stage(&memory, &map, compiled);
    }

    /// The kernel's symbols.
    pub fn symbols(&self) -> Result<Symbols, RunnerError> {
        kernel_symbols(&self.name, self.endian)
    }

    /// Whether a real kernel was done with its boot when its snapshot was taken.
    pub fn quiet(&mut self) -> Option<Quiet> {
        let (memory, map) = (self.machine.memory().clone(), self.machine.map().clone());
        self.machine.host().platform.quiet(&memory, &map)
    }

    /// The tasks whose `thread_struct` can be looked at after the last run.
    pub(crate) fn known_tasks(&mut self) -> Vec<KnownTask> {
        let (memory, map) = (self.machine.memory().clone(), self.machine.map().clone());
        self.machine.host().platform.known_tasks(&memory, &map)
    }

    /// Addresses in the model; `None` of a real kernel.
    pub(crate) fn model(&mut self) -> Option<ModelLayout> {
        self.machine.host().platform.model().cloned()
    }

    /// The hardware registers where the last run stopped.
    pub fn hardware_registers(&self) -> Option<RegisterFile> {
        self.machine.registers().ok()
    }
}

/// Writes to effective addresses, whose pages may lie anywhere.
fn write_pages(memory: &Memory, map: &AddressMap, ea: u64, bytes: &[u8]) {
    let mut at = ea;
    let mut rest = bytes;
    while !rest.is_empty() {
        let room = (PAGE - at % PAGE) as usize;
        let (now, later) = rest.split_at(room.min(rest.len()));
        if let Some(pa) = map.physical(at) {
            memory.write(pa, now);
        }
        at += now.len() as u64;
        rest = later;
    }
}

fn end(stop: Stop, guest: Option<GuestEnd>) -> End {
    match (stop, guest) {
        (Stop::Host, Some(GuestEnd::AllDone)) => End::Completed,
        (Stop::Host, Some(GuestEnd::Panic(reason))) => End::KernelFault(reason),
        // A lost interpreter or a user-mode fault means that the kernel came back with registers no
        // program gave it.
        (Stop::Host, Some(GuestEnd::Lost(what))) => End::KernelFault(what),
        (Stop::Host, Some(GuestEnd::OurFault(what) | GuestEnd::Misled(what))) => {
            End::EmulatorFault(what)
        }
        (Stop::Host, None) => End::EmulatorFault("stopped without a host call".into()),
        (Stop::Fault { what, user: false }, _) => End::KernelFault(what),
        (Stop::Fault { what, user: true }, _) => {
            End::KernelFault(format!("user code faulted: {what}"))
        }
        (Stop::Hang, _) => End::Hang,
        (Stop::Budget, _) => End::Budget,
        (Stop::EmulatorFault(what), _) => End::EmulatorFault(what),
    }
}
