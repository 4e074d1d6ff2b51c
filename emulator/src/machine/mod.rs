//! The emulated ppc64 processor and its memory: Unicorn, made to behave as the Power ISA says.
//!
//! A machine runs loaded images from a snapshot, delivers exceptions to their vectors, counts guest
//! edges, keeps a budget, and says in a typed way why it stopped. It knows nothing of kernels,
//! tasks or scenarios: what a host call means is up to its [`Host`]. Nothing else in the project
//! knows Unicorn.

pub mod address;
pub mod conformance;
pub mod coverage;
mod engine;
mod errata;
mod exception;
mod hang;
mod host;
pub mod instruction;
mod measure;
pub mod memory;
pub mod pages;
pub mod point;
pub mod pseries;
pub mod radix;
mod registers;
pub mod samples;
mod state;
#[cfg(test)]
mod tests;
mod view;

use std::collections::HashMap;
use std::fmt;

use unicorn_engine::{RegisterPPC, Unicorn};

use self::address::{AddressMap, ModelMap};
use self::coverage::EdgeMap;
use self::engine::Inner;
pub use self::exception::Vector;
pub use self::host::{Host, Interruption, Reply, TimerOrder};
use self::memory::{MODEL_SIZE, Memory};
use self::pages::PageSet;
use self::pseries::Boot;
use self::radix::{OWN_SIZE, RadixMap};
pub use self::registers::Registers;
use self::state::{SavedState, StateLayout};
#[cfg(test)]
pub(crate) use self::view::MadeUp;
use self::view::Processor;
pub use self::view::View;
use crate::arch::{Endian, RegisterFile};

/// What to load into a new machine.
pub struct Program {
    /// Byte order of the machine.
    pub endian: Endian,
    /// Bytes by physical address.
    pub segments: Vec<(u64, Vec<u8>)>,
    /// Kernel text to repair (see `errata`): effective address and size in bytes.
    pub kernel_text: Vec<(u64, u64)>,
    /// User text to repair.
    pub user_text: Vec<(u64, u64)>,
    /// Instructions that the host is told of when they run ([`Host::executed`]): effective
    /// addresses. `None` is one that is not there.
    pub watched: Vec<Option<u64>>,
    /// What kind of guest it is.
    pub guest: Guest,
}

/// Kinds of guest.
pub enum Guest {
    /// The built-in model, or a test: 4 MiB, fixed translation, nothing around the processor.
    Model {
        /// Physical end of kernel text and read-only data, page aligned.
        kernel_read_only_end: u64,
        /// Where it starts, in privileged state with relocation on and every facility off.
        entry: u64,
    },
    /// A real kernel.
    Pseries(Box<Boot>),
}

/// FX, XX and FPRF: what another user of the processor may have left in FPSCR.
const STATUS_GARBAGE: u64 = 0x8201_5000;

/// A basic block as the emulator runs it: its address and its size in bytes.
pub type Block = (u64, u32);

/// Choices that do not depend on the program.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Basic blocks a run may take.
    pub budget: u64,
    /// Whether emulator errata are repaired. Only the self-test turns it off, to see that it fails
    /// without.
    pub repair_errata: bool,
    /// Whether [`Host::instruction`] is called for every instruction (slow).
    pub trace: bool,
    /// Whether kernel blocks are collected ([`Machine::kernel_blocks`],
    /// [`Machine::event_blocks`]).
    pub collect_blocks: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            budget: 1_000_000,
            repair_errata: true,
            trace: false,
            collect_blocks: false,
        }
    }
}

/// Why a machine stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The host said so.
    Host,
    /// The guest did what cannot be served: what, in words, and whether it was in user mode.
    Fault {
        /// What happened and where.
        what: String,
        /// Whether MSR\[PR\] was set.
        user: bool,
    },
    /// The machine's state recurred exactly.
    Hang,
    /// Out of budget.
    Budget,
    /// The emulator failed or met what it does not model.
    EmulatorFault(String),
}

/// A machine cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// Unicorn reported an error.
    #[error("the emulator failed to {what}: {error:?}")]
    Engine {
        /// What was being done.
        what: &'static str,
        /// Unicorn's error.
        error: unicorn_engine::uc_error,
    },
    /// The emulator's state has a layout that could not be measured.
    #[error(
        "this build of the emulator keeps its registers in an unknown way (measuring program: {0})"
    )]
    UnknownState(&'static str),
    /// An instruction with a known erratum lies where it cannot be repaired.
    #[error("the instruction at {0:#x} has an emulator erratum that cannot be repaired there")]
    Unrepairable(u64),
    /// The program did not reach its first host call.
    #[error("the program stopped before its first host call: {0:?}")]
    NotStaged(Stop),
}

/// An emulated machine with its program loaded and run up to its first host call.
pub struct Machine<H: Host> {
    uc: Unicorn<'static, Inner<H>>,
    memory: Memory,
    map: AddressMap,
    layout: StateLayout,
    snapshot: SavedState,
    /// A real kernel's memory as it was at the snapshot, and PIDR.
    pristine: Option<Pristine>,
}

/// Memory to go back to.
struct Pristine {
    bytes: Vec<u8>,
    pid: u64,
}

/// Pages written in a run that are put back and stay writable without being noticed again. Beyond
/// so many it pays to start to notice afresh.
const WRITTEN_LIMIT: usize = 256;

impl<H: Host> Machine<H> {
    /// Makes a machine, loads the program, and runs it to its first host call, which becomes the
    /// snapshot that [`Machine::rewind`] goes back to.
    pub fn new(program: &Program, options: Options, host: H) -> Result<Self, MachineError> {
        let layout = measure::layout(program.endian)?;
        let (memory, map) = place(program);
        for (pa, bytes) in &program.segments {
            memory.write(*pa, bytes);
        }
        exception::install_stubs(&memory, &map.own());
        let inner = Inner::new(memory.clone(), map.clone(), layout, options, program, host)?;
        let mut uc = engine::start(inner, &program.watched)?;
        let failed = |error| MachineError::Engine {
            what: "save state",
            error,
        };
        match &program.guest {
            Guest::Model { entry, .. } => engine::set_entry(&mut uc, *entry, program.endian),
            Guest::Pseries(boot) => {
                engine::set_registers(&mut uc, &layout, &boot.registers).map_err(failed)?;
            }
        }
        let mut machine = Machine {
            snapshot: SavedState::new(&uc).map_err(failed)?,
            uc,
            memory,
            map,
            layout,
            pristine: None,
        };
        machine.uc.get_data_mut().stage_next();
        match machine.go() {
            Stop::Host => {}
            other => return Err(MachineError::NotStaged(other)),
        }
        machine
            .snapshot
            .save(&machine.uc)
            .map_err(|error| MachineError::Engine {
                what: "save state",
                error,
            })?;
        if let AddressMap::Radix(radix) = &machine.map {
            machine.pristine = Some(Pristine {
                bytes: machine.memory.copy_written(),
                pid: radix.pid(),
            });
            machine.uc.get_data_mut().start_here();
            machine.forget_written();
        }
        Ok(machine)
    }

    /// Notices afresh which pages are written.
    fn forget_written(&mut self) {
        if let Some(written) = self.memory.written() {
            written.borrow_mut().clear();
        }
        // The host's own failure to do so shows as stale memory in no case: an error here is an
        // engine that is gone.
        let _ = self.uc.ctl_flush_tlb();
    }

    /// Puts a real kernel's memory back. The model's is the caller's to restore.
    fn restore_memory(&mut self) {
        let Some(pristine) = &self.pristine else {
            return;
        };
        let Some(written) = self.memory.written() else {
            return;
        };
        let mut code = false;
        {
            let pages = written.borrow();
            for pa in pages.iter() {
                let at = pa as usize;
                if let Some(bytes) = pristine.bytes.get(at..at + PageSet::PAGE) {
                    self.memory.restore_page(pa, bytes);
                    code |= self.uc.get_data().holds_code(pa);
                }
            }
        }
        if let AddressMap::Radix(radix) = &self.map {
            radix.set_pid(pristine.pid);
        }
        if code {
            let _ = self.uc.ctl_flush_tb();
        }
        let many = written.borrow().len() > WRITTEN_LIMIT;
        if many || self.uc.get_data_mut().translations_changed() {
            self.forget_written();
        }
    }

    /// Puts the processor back to the snapshot, and a real kernel's memory. The model's memory is
    /// the caller's to restore.
    pub fn rewind(&mut self) {
        self.restore_memory();
        let failed = self.snapshot.restore(&self.uc).is_err();
        let inner = self.uc.get_data_mut();
        inner.reset();
        if failed {
            inner.stop = Some(Stop::EmulatorFault(
                "the processor state could not be restored".into(),
            ));
        }
    }

    /// As [`Machine::rewind`], and then gives VSRs, VSCR and VRSAVE the given values, and FPSCR
    /// other status bits, as another user of the processor would have left them.
    pub fn rewind_dirty(&mut self, registers: &RegisterFile) {
        self.rewind();
        let dirtied = SavedState::new(&self.uc).and_then(|mut state| {
            state.save(&self.uc)?;
            self.layout.set_registers(&mut state, registers);
            self.layout.flip_fpscr(&mut state, STATUS_GARBAGE);
            state.restore(&self.uc)
        });
        if dirtied.is_err() {
            self.uc.get_data_mut().stop = Some(Stop::EmulatorFault(
                "the processor state could not be written".into(),
            ));
        }
    }

    /// Runs from where the machine is until something stops it.
    pub fn go(&mut self) -> Stop {
        if let Some(stop) = self.uc.get_data_mut().stop.take() {
            return stop;
        }
        loop {
            let pc = engine::read(&self.uc, RegisterPPC::PC);
            if let Some(stop) = engine::refusal(&mut self.uc) {
                return stop;
            }
            // The end address is one no guest reaches: runs end by a host call or a fault.
            let result = self.uc.emu_start(pc, u64::MAX - 3, 0, 0);
            if !engine::resume(&mut self.uc) {
                return engine::reason(&mut self.uc, result);
            }
        }
    }

    /// What a real kernel's console printed in the last run.
    pub fn console(&self) -> String {
        self.uc.get_data().console()
    }

    /// The processor's state at the snapshot: an SPR.
    pub fn snapshot_spr(&self, number: u16) -> u64 {
        self.layout.spr(&self.snapshot, number)
    }

    /// Events of the last run whose timer was to expire in the kernel and expired in user mode.
    /// Told once.
    pub fn take_unreached(&mut self) -> Vec<u16> {
        self.uc.get_data_mut().take_unreached()
    }

    /// Where the work of events came in a real kernel in the last run, in that order.
    pub fn arrived(&self) -> &[point::Arrived] {
        self.uc.get_data().arrived()
    }

    /// Guest memory.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Translation.
    pub fn map(&self) -> &AddressMap {
        &self.map
    }

    /// Edges since the last rewind.
    pub fn coverage(&self) -> &EdgeMap {
        &self.uc.get_data().coverage
    }

    /// The kernel blocks and how often each ran, since the last rewind, if they are collected.
    pub fn kernel_blocks(&self) -> &HashMap<Block, u64> {
        &self.uc.get_data().kernel_blocks
    }

    /// The same in each event of the scenario ([`Host::event`]).
    pub fn event_blocks(&self) -> &HashMap<(u16, Block), u64> {
        &self.uc.get_data().event_blocks
    }

    /// Basic blocks since the last rewind.
    pub fn blocks(&self) -> u64 {
        self.uc.get_data().blocks
    }

    /// The host's side.
    pub fn host(&mut self) -> &mut H {
        self.uc.get_data_mut().host_mut()
    }

    /// The FP, VMX and VSX registers as they are.
    pub fn registers(&self) -> Result<RegisterFile, MachineError> {
        let failed = |error| MachineError::Engine {
            what: "read the registers",
            error,
        };
        let mut state = SavedState::new(&self.uc).map_err(failed)?;
        state.save(&self.uc).map_err(failed)?;
        Ok(self.layout.registers(&state))
    }

    /// A general purpose register as it is.
    pub fn gpr(&self, n: u8) -> Result<u64, MachineError> {
        let register = RegisterPPC::R0 as i32 + i32::from(n & 31);
        let value = self.uc.reg_read(register);
        value.map_err(|error| MachineError::Engine {
            what: "read a register",
            error,
        })
    }

    /// The instruction that the machine stands at, or the one that its trampoline replaces.
    fn site(&self) -> u64 {
        let pc = engine::read(&self.uc, RegisterPPC::PC);
        self.uc.get_data().site(pc)
    }
}

/// Memory and translation for a program.
fn place(program: &Program) -> (Memory, AddressMap) {
    match &program.guest {
        Guest::Model {
            kernel_read_only_end,
            ..
        } => (
            Memory::new(program.endian, MODEL_SIZE),
            AddressMap::Model(ModelMap {
                kernel_read_only_end: *kernel_read_only_end,
            }),
        ),
        Guest::Pseries(boot) => {
            let size = (boot.guest_size + OWN_SIZE) as usize;
            let memory = Memory::accounted(program.endian, size);
            let radix = RadixMap::new(
                memory.clone(),
                boot.guest_size,
                boot.process_table,
                boot.registers.spr(SPR_PIDR).unwrap_or(0),
            );
            (memory, AddressMap::Radix(radix))
        }
    }
}

const SPR_PIDR: u16 = 48;

impl<H: Host> fmt::Debug for Machine<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine")
            .field("endian", &self.memory.endian())
            .field("blocks", &self.blocks())
            .finish_non_exhaustive()
    }
}
