//! Scenario x kernel -> outcome.
//!
//! A [`Runner`] is one kernel on one machine, ready to run scenario after scenario. It judges nothing.

pub mod host;
pub(crate) mod images;
pub mod observe;
pub mod outcome;
pub mod user;

use ctxfuzz_scenario::scenario::Scenario;

use self::host::{GuestEnd, ModelHost, Observer};
use self::outcome::{End, Endian, Outcome, RegisterFile};
use self::user::Compiled;
use crate::kernel::image::{ImageError, KernelImage, Layout};
use crate::kernel::name::KernelName;
use crate::machine::address::KERNEL;
use crate::machine::coverage::EdgeMap;
use crate::machine::{Machine, MachineError, Options, Stop};

/// A kernel cannot be made ready to run.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    /// Its image is not usable.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Its machine is not usable.
    #[error(transparent)]
    Machine(#[from] MachineError),
}

/// One kernel on one machine.
pub struct Runner {
    name: KernelName,
    endian: Endian,
    hash: u64,
    layout: Layout,
    machine: Machine<ModelHost>,
    /// Writable kernel memory as it was when the kernel had started.
    pristine: Vec<u8>,
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
        let image = KernelImage::load(name, endian)?;
        let machine = Machine::new(
            &image.program,
            options,
            ModelHost::new(image.layout.clone()),
        )?;
        let (start, size) = image.layout.data;
        let pristine = machine.memory().to_vec(start - KERNEL, size as usize);
        Ok(Runner {
            name: name.clone(),
            endian,
            hash: image.hash,
            layout: image.layout,
            machine,
            pristine,
            dirt: None,
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
        std::mem::take(&mut host.outcome).into_outcome(end)
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
            None => self.machine.rewind(),
            Some(seed) => {
                let seed = seed.wrapping_add(self.runs);
                let mut garbage = user::pattern(seed);
                garbage.vscr = 0x1_0001;
                garbage.vrsave = seed as u32;
                self.machine.rewind_dirty(&garbage);
                let scratch = self.machine.map().physical(user::SCRATCH.0).unwrap_or(0);
                let memory = self.machine.memory();
                memory.poison(
                    self.layout.stacks.0 - KERNEL,
                    self.layout.stacks.1 as usize,
                    seed,
                );
                memory.poison(scratch, user::SCRATCH.1 as usize, seed);
            }
        }
        self.machine
            .memory()
            .write(self.layout.data.0 - KERNEL, &self.pristine);
    }

    fn write(&self, compiled: &Compiled) {
        let (memory, map) = (self.machine.memory(), self.machine.map());
        for (ea, bytes) in &compiled.segments {
            if let Some(pa) = map.physical(*ea) {
                memory.write(pa, bytes);
            }
        }
        let stage = self.layout.stage - KERNEL;
        memory.write_u64(stage, compiled.tasks);
        memory.write_u64(stage + 8, compiled.rings);
    }

    /// The hardware registers where the last run stopped.
    pub fn hardware_registers(&self) -> Option<RegisterFile> {
        self.machine.registers()
    }
}

fn end(stop: Stop, guest: Option<GuestEnd>) -> End {
    match (stop, guest) {
        (Stop::Host, Some(GuestEnd::AllDone)) => End::Completed,
        (Stop::Host, Some(GuestEnd::Panic(reason))) => End::KernelFault(reason),
        // A lost interpreter or a user-mode fault means that the kernel came back with registers no program gave it.
        (Stop::Host, Some(GuestEnd::Lost(what))) => End::KernelFault(what),
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
