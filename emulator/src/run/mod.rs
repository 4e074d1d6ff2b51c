//! Scenario x kernel -> outcome.
//!
//! A [`Runner`] is one kernel on one machine, ready to run scenario after scenario. It judges nothing.

mod agent;
mod call;
pub mod capture;
pub mod effects;
pub mod guest;
pub mod host;
pub(crate) mod images;
pub mod observe;
pub mod outcome;
pub mod ownership;
pub mod ptrace;
pub mod quiet;
pub mod reads;
mod real;
mod remote_work;
mod spent;
pub mod user;

use std::collections::HashMap;
use std::ops::Range;

use ctxfuzz_scenario::scenario::Scenario;

use self::effects::Effects;
use self::host::{GuestEnd, Observer, RunHost};
use self::images::KnownTask;
use self::outcome::{End, Outcome};
use self::quiet::Quiet;
use self::user::Compiled;
use crate::arch::{Endian, RegisterFile};
use crate::kernel::code::CodeError;
use crate::kernel::image::{self, ImageError, KernelImage, Layout};
use crate::kernel::name::KernelName;
use crate::kernel::snapshot::{Snapshot, SnapshotError};
use crate::kernel::symbols::Symbols;
use crate::machine::address::{AddressMap, KERNEL, PAGE};
use crate::machine::coverage::EdgeMap;
use crate::machine::memory::Memory;
use crate::machine::{Block, Machine, MachineError, Options, Stop};

/// A page of nothing.
const ZEROS: [u8; PAGE as usize] = [0; PAGE as usize];

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

/// What differs between real kernels and the model, and is neither's fault.
#[derive(Clone, Copy, Debug, Default)]
struct Imitation {
    /// A task does what other CPUs and devices do.
    director: bool,
    /// A `task_struct` is copied without VMX.
    small_tasks: bool,
    /// io_uring's workers are created as since 6.12.
    newer_io_wq: bool,
}

/// One kernel on one machine.
pub struct Runner {
    name: KernelName,
    endian: Endian,
    hash: u64,
    layout: Layout,
    machine: Machine<RunHost>,
    /// The model's writable memory as it was when the kernel had started. A real kernel's is the machine's to put back.
    pristine: Vec<u8>,
    /// Seed of the garbage that a run finds in memory and registers it must not depend on.
    dirt: Option<u64>,
    /// What the model does as a certain real kernel.
    imitates: Imitation,
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
            return real::runner(name, &*snapshot?, endian, options);
        }
        let image = KernelImage::load(name, endian)?;
        let host = RunHost::new(image.layout.clone(), None);
        let mut machine = Machine::new(&image.program, options, host)?;
        machine.tell_who(spent::who(&image.layout));
        let pristine = image.layout.model.as_ref().map_or_else(Vec::new, |model| {
            let (start, size) = model.data;
            machine.memory().to_vec(start - KERNEL, size as usize)
        });
        Ok(Runner {
            name: name.clone(),
            endian,
            hash: image.hash,
            layout: image.layout,
            machine,
            pristine,
            dirt: None,
            imitates: Imitation::default(),
            runs: 0,
        })
    }

    /// From now on every run finds different garbage in stacks, scratch memory and hardware registers. No outcome may depend on it.
    pub fn dirty(&mut self, seed: u64) {
        self.dirt = Some(seed);
    }

    /// From now on outcomes have [`Outcome::observations`], which takes time.
    pub fn observe(&mut self) {
        self.machine.host().observe = true;
    }

    /// From now on the model does as this real kernel where that shows and nobody is wrong. What other CPUs and devices do is done by a task of
    /// the one CPU there is, so that pending work comes with a context switch to that task and back; a `task_struct` is copied as one of
    /// that kernel's size; and io_uring's workers are created when that kernel does it.
    pub fn imitate(&mut self, kernel: &Snapshot) {
        let symbol = |name| kernel.symbols.iter().find(|symbol| symbol.name == name);
        self.direct();
        self.imitates.small_tasks = symbol("init_task").is_some_and(|task| task.size <= VMX_COPY);
        self.imitates.newer_io_wq = symbol("queue_create_worker_retry").is_some();
    }

    /// From now on a task of the one CPU does what other CPUs and devices do, as on a real kernel.
    pub fn direct(&mut self) {
        self.imitates.director = true;
        self.machine.host().director = true;
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

    /// The kernel blocks and how often each ran, of the last run; before there was one, of the boot. The runner must have been made with [`Options::collect_blocks`].
    pub fn kernel_blocks(&self) -> &HashMap<Block, u64> {
        self.machine.kernel_blocks()
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
        self.machine.host().prepare(scenario);
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
        let agent = host.agent.iter().flat_map(agent::Agent::not_applicable);
        let not_applicable = agent.cloned().collect();
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

    /// Runs a scenario with somebody watching every instruction. The runner must have been made with [`Options::trace`].
    pub fn run_observed(&mut self, scenario: &Scenario, observer: Box<dyn Observer>) -> Outcome {
        self.machine.host().observer = Some(observer);
        let outcome = self.run(scenario);
        self.machine.host().observer = None;
        outcome
    }

    fn reset(&mut self) {
        match self.dirt {
            None => {
                self.machine.rewind();
                self.clear_user_memory();
            }
            Some(seed) => {
                let seed = seed.wrapping_add(self.runs);
                let mut garbage = user::pattern(seed);
                garbage.vscr = 0x1_0001;
                // A real kernel's run starts in a task, whose VRSAVE is in the register, used or not.
                garbage.vrsave = match (&self.layout.model, self.machine.snapshot_spr(SPR_VRSAVE)) {
                    (Some(_), _) => seed as u32,
                    (None, own) => own as u32,
                };
                self.machine.rewind_dirty(&garbage);
                let (memory, map) = (self.machine.memory(), self.machine.map());
                for page in (0..user::SCRATCH.1).step_by(PAGE as usize) {
                    if let Some(pa) = map.physical(user::SCRATCH.0 + page) {
                        memory.poison(pa, PAGE as usize, seed.wrapping_add(page));
                    }
                }
                if let Some(model) = &self.layout.model {
                    let (start, size) = model.stacks;
                    memory.poison(start - KERNEL, size as usize, seed);
                }
            }
        }
        if let Some(model) = &self.layout.model {
            self.machine
                .memory()
                .write(model.data.0 - KERNEL, &self.pristine);
        }
    }

    /// What user code of the model would find as the last run left it: its stacks, and what a tracer has read. What is suspected of `fixed` can show that, and so can whoever watches
    /// the kernel save and restore it. (Nothing shows what is on kernel stacks, and a real kernel's memory goes back with its machine.)
    fn clear_user_memory(&self) {
        if self.layout.model.is_none() {
            return;
        }
        user::Stacks::each().for_each(|stack| self.clear_stack(stack));
        let (read, end) = ptrace::READ;
        if let Some(pa) = self.machine.map().physical(read) {
            let none = &ZEROS[..(end - read) as usize];
            self.machine.memory().write(pa, none);
        }
    }

    /// From the top down. Frames are smaller than a page: below two that are empty nobody was.
    fn clear_stack(&self, stack: Range<u64>) {
        let (memory, map) = (self.machine.memory(), self.machine.map());
        let (mut page, mut empty) = (stack.end, 0);
        while page > stack.start && empty < 2 {
            page -= PAGE;
            let Some(pa) = map.physical(page) else {
                return;
            };
            if memory.to_vec(pa, ZEROS.len()) == ZEROS {
                empty += 1;
            } else {
                memory.write(pa, &ZEROS);
                empty = 0;
            }
        }
    }

    fn write(&self, compiled: &Compiled) {
        let (memory, map) = (self.machine.memory(), self.machine.map());
        for (ea, bytes) in &compiled.segments {
            write_pages(memory, map, *ea, bytes);
        }
        if let Some(model) = &self.layout.model {
            let stage = model.stage - KERNEL;
            memory.write_u64(stage, compiled.tasks);
            memory.write_u64(stage + 8, compiled.rings);
            memory.write_u64(stage + 16, self.imitates.director.into());
            memory.write_u64(stage + 24, self.imitates.small_tasks.into());
            memory.write_u64(stage + 32, compiled.traced.into());
            memory.write_u64(stage + 40, self.imitates.newer_io_wq.into());
        } else if let Some(pa) = map.physical(agent::TASKS) {
            memory.write_u64(pa, compiled.tasks);
        }
    }

    /// The kernel's symbols.
    pub fn symbols(&self) -> Result<Symbols, RunnerError> {
        kernel_symbols(&self.name, self.endian)
    }

    /// Whether a real kernel was done with its boot when its snapshot was taken.
    pub fn quiet(&self) -> Option<Quiet> {
        let real = self.layout.model.is_none();
        real.then(|| quiet::read(self.machine.memory(), self.machine.map()))?
    }

    /// The tasks whose `thread_struct` was looked at in the last run of a real kernel.
    pub(crate) fn agent_tasks(&mut self) -> Vec<KnownTask> {
        let agent = self.machine.host().agent.as_ref();
        agent.map_or_else(Vec::new, agent::Agent::tasks)
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
        // A lost interpreter or a user-mode fault means that the kernel came back with registers no program gave it.
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
