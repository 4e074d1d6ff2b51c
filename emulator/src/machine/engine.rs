//! The Unicorn engine behind a machine: its set-up and its hooks.
//!
//! All knowledge of Unicorn's ppc64 behaviour (exception numbers, where PC is when one arrives) is
//! here and in the modules below: `interrupts` turns exceptions into deliveries and stops, `calls`
//! serves host calls, `paging` translates for a real kernel.

mod blocks;
mod calls;
mod ground;
mod interrupts;
mod paging;
mod reads;

use std::cell::{Cell, OnceCell};
use std::collections::HashMap;

use unicorn_engine::{
    Arch, ControlType, HookType, Mode, Prot, RegisterPPC, TlbType, Unicorn, uc_ctl, uc_error,
};

use super::Block;
use super::address::{AddressMap, PAGE};
use super::coverage::{EdgeMap, MODEL_MAP, REAL_MAP};
use super::errata::{self, Trampolines};
use super::hang::Probe;
use super::instruction::HOST_CALL;
use super::memory::Memory;
use super::pages::PageSet;
use super::point::{Arrived, Awaited};
use super::pseries::Pseries;
use super::registers::Registers;
use super::samples::Samples;
use super::state::{SavedState, StateLayout};
use super::{Guest, Host, MachineError, Options, Program, Stop, Vector};
use crate::arch::Endian;
use crate::arch::msr;

pub(super) use self::ground::{Ground, Grounded, Identity};
pub(super) use self::interrupts::resume;
use self::paging::{Fault, translate};
#[cfg(test)]
pub(super) use self::reads::{answered, refuse};
pub(super) use self::reads::{gpr, read, refusal};

/// Bytes of translation buffer. The default, 1 GiB an engine, looks like a memory leak to a fuzzer,
/// and so does one that fills for as long as a campaign runs: code is translated once for every
/// state of the facility bits it is met in, and rare ones turn up for millions of runs. This one is
/// full after some ten thousand, and what runs all the time is translated once more then.
const TRANSLATION_BUFFER: u32 = 13 << 19;
/// A real kernel is larger.
const LARGE_TRANSLATION_BUFFER: u32 = 64 << 20;
/// `UC_CTL_TCG_BUFFER_SIZE`, to be written, one argument; the crate has no wrapper for it.
const SET_TRANSLATION_BUFFER: ControlType = ControlType(13 | 1 << 26 | 1 << 30);

pub(super) type Engine<'a, H> = Unicorn<'a, Inner<H>>;

/// What the hooks work on.
pub(super) struct Inner<H> {
    ground: Ground,
    memory: Memory,
    map: AddressMap,
    layout: StateLayout,
    options: Options,
    kernel_trampolines: Trampolines,
    user_trampolines: Trampolines,
    /// Taken out while it is being called.
    host: Option<Box<H>>,
    pub(super) coverage: EdgeMap,
    pub(super) kernel_blocks: HashMap<Block, u64>,
    pub(super) event_blocks: HashMap<(u16, Block), u64>,
    pub(super) blocks: u64,
    pub(super) samples: Samples,
    probe: Option<Probe>,
    pub(super) stop: Option<Stop>,
    /// What could not be read first in this run.
    refused: OnceCell<String>,
    /// MSR to go back to when a loan of VSX ends.
    lent_from: Option<u64>,
    /// What FPSCR\[FI\] has to become.
    inexact: bool,
    /// The next host call is the end of staging and not the host's business.
    staging: bool,
    /// Room for looking at the whole processor state.
    scratch: Option<SavedState>,
    /// What surrounds a real kernel's processor.
    pseries: Option<Pseries>,
    /// The call of a function of the kernel that is waited for.
    awaited: Option<Awaited>,
    /// The access that made the emulation stop.
    fault: Option<Fault>,
    /// Where the emulation was stopped to take a timer interrupt.
    interrupted_at: Option<u64>,
    /// Physical address of the machine's own page.
    own_page: u64,
    /// Pages from which code was fetched.
    code_pages: PageSet,
    /// Whether user translations may have changed since the emulator cached them.
    translations_changed: bool,
}

impl<H> Grounded for Inner<H> {
    fn ground(&self) -> &Ground {
        &self.ground
    }
}

impl<H: Host> Inner<H> {
    pub(super) fn new(
        memory: Memory,
        map: AddressMap,
        layout: StateLayout,
        options: Options,
        program: &Program,
        host: H,
    ) -> Result<Self, MachineError> {
        let (kernel_trampolines, user_trampolines) = if options.repair_errata {
            repair(&memory, &map, program)?
        } else {
            no_trampolines(&map, program)
        };
        let pseries = match &program.guest {
            Guest::Model { .. } => None,
            Guest::Pseries(boot) => Some(Pseries::new(boot)),
        };
        if let Some(pseries) = &pseries {
            // A host call at its first instruction tells that the kernel dies.
            for address in pseries.fatal_addresses() {
                if let Some(pa) = map.physical(address) {
                    memory.write_u32(pa, HOST_CALL);
                }
            }
        }
        Ok(Inner {
            code_pages: PageSet::new(memory.size()),
            own_page: map.own().page.pa,
            ground: Ground::new(memory.clone()),
            memory,
            map,
            layout,
            options,
            kernel_trampolines,
            user_trampolines,
            host: Some(Box::new(host)),
            coverage: EdgeMap::new(match pseries {
                Some(_) => REAL_MAP,
                None => MODEL_MAP,
            }),
            kernel_blocks: HashMap::new(),
            event_blocks: HashMap::new(),
            blocks: 0,
            samples: Samples::new(options.budget),
            probe: None,
            stop: None,
            refused: OnceCell::new(),
            lent_from: None,
            inexact: false,
            staging: false,
            scratch: None,
            pseries,
            awaited: None,
            fault: None,
            interrupted_at: None,
            translations_changed: false,
        })
    }

    pub(super) fn stage_next(&mut self) {
        self.staging = true;
    }

    /// Runs start in the state of the surroundings that there is now.
    pub(super) fn start_here(&mut self) {
        let blocks = self.blocks;
        if let Some(pseries) = &mut self.pseries {
            pseries.start_here(blocks);
        }
    }

    pub(super) fn reset(&mut self) {
        self.coverage.clear();
        self.kernel_blocks.clear();
        self.event_blocks.clear();
        self.blocks = 0;
        self.samples.reset();
        self.probe = None;
        self.stop = None;
        self.refused.take();
        self.lent_from = None;
        self.inexact = false;
        self.staging = false;
        self.fault = None;
        self.interrupted_at = None;
        self.awaited = None;
        let page = self.own_page;
        if let Some(pseries) = &mut self.pseries {
            pseries.reset();
            pseries.show_time(&self.memory, page, 0);
        }
    }

    pub(super) fn host_mut(&mut self) -> &mut H {
        // The host is absent only inside its own call, and `Machine` cannot be used then.
        self.host
            .as_mut()
            .expect("the host is at home outside its own calls")
    }

    pub(super) fn console(&self) -> String {
        self.pseries
            .as_ref()
            .map_or_else(String::new, Pseries::console)
    }

    pub(super) fn arrived(&self) -> &[Arrived] {
        self.pseries.as_ref().map_or(&[], Pseries::arrived)
    }

    pub(super) fn take_unreached(&mut self) -> Vec<u16> {
        let pseries = self.pseries.as_mut();
        pseries.map_or_else(Vec::new, Pseries::take_unreached)
    }

    /// Whether the page of this physical address has been executed.
    pub(super) fn holds_code(&self, pa: u64) -> bool {
        self.code_pages.contains(pa)
    }

    /// Whether the emulator may know user translations that are no longer right once memory has
    /// been put back.
    pub(super) fn translations_changed(&mut self) -> bool {
        std::mem::take(&mut self.translations_changed)
    }

    /// User code enters the kernel.
    fn enters(&mut self, vector: Vector) {
        if let Some(pseries) = &mut self.pseries {
            pseries.enters(vector);
        }
        if let Some(awaited) = &mut self.awaited {
            awaited.enters(vector);
        }
    }

    fn trampolines(&self, pc: u64) -> &Trampolines {
        // The upper half of the address space is the kernel's, the machine's own pages for it
        // included.
        if pc >> 63 == 1 {
            &self.kernel_trampolines
        } else {
            &self.user_trampolines
        }
    }

    /// The instruction that `pc` stands for: itself, or the one its trampoline replaces.
    pub(super) fn site(&self, pc: u64) -> u64 {
        self.trampolines(pc)
            .site_of(pc)
            .map_or(pc, |(site, _)| site)
    }

    fn word(&self, pc: u64) -> u32 {
        self.map
            .physical(pc)
            .map_or(0, |pa| self.memory.read_u32(pa))
    }
}

fn no_trampolines(map: &AddressMap, program: &Program) -> (Trampolines, Trampolines) {
    let own = map.own();
    let kernel = match program.guest {
        Guest::Model { .. } => errata::Guest::Plain,
        Guest::Pseries(_) => errata::Guest::RealKernel,
    };
    (
        Trampolines::new(own.kernel_trampolines, kernel),
        Trampolines::new(own.user_trampolines, errata::Guest::Plain),
    )
}

fn repair(
    memory: &Memory,
    map: &AddressMap,
    program: &Program,
) -> Result<(Trampolines, Trampolines), MachineError> {
    let (mut kernel, mut user) = no_trampolines(map, program);
    // Millions of words in a row, and each translation walks the kernel's tables.
    let last = Cell::new((u64::MAX, u64::MAX));
    let physical = |ea: u64| {
        let (page, offset) = (ea / PAGE * PAGE, ea % PAGE);
        if last.get().0 != page {
            last.set((page, map.physical(page).unwrap_or(u64::MAX)));
        }
        last.get().1.saturating_add(offset)
    };
    for (text, size) in &program.kernel_text {
        kernel
            .repair(memory, *text, size / 4, physical)
            .map_err(MachineError::Unrepairable)?;
    }
    for (text, size) in &program.user_text {
        user.repair(memory, *text, size / 4, physical)
            .map_err(MachineError::Unrepairable)?;
    }
    Ok((kernel, user))
}

fn failed(what: &'static str) -> impl Fn(uc_error) -> MachineError {
    move |error| MachineError::Engine { what, error }
}

/// Makes an engine with memory mapped and all hooks in place.
pub(super) fn start<H: Host>(
    inner: Inner<H>,
    watched: &[Option<u64>],
) -> Result<Engine<'static, H>, MachineError> {
    let trace = inner.options.trace;
    let real = inner.pseries.is_some();
    let mut uc = bare(inner)?;
    if real {
        uc.add_tlb_hook(1, 0, |uc, ea, access| paging::fill(uc, ea, access))
    } else {
        uc.add_tlb_hook(1, 0, |uc, ea, _| {
            let problem_state = read(uc, RegisterPPC::MSR) & msr::PR != 0;
            translate(&uc.get_data().map, ea, problem_state)
        })
    }
    .map_err(failed("add the translation hook"))?;
    uc.add_intr_hook(|uc, number| interrupts::on_exception(uc, number))
        .map_err(failed("add the exception hook"))?;
    if real {
        uc.add_block_hook(1, 0, blocks::on_real_block)
    } else {
        uc.add_block_hook(1, 0, blocks::on_block)
    }
    .map_err(failed("add the block hook"))?;
    calls::watch(&mut uc, watched)?;
    if trace {
        uc.add_code_hook(1, 0, |uc, pc, _| blocks::on_instruction(uc, pc))
            .map_err(failed("add the instruction hook"))?;
        uc.add_mem_hook(HookType::MEM_WRITE, 1, 0, |uc, _, address, size, _| {
            if let Some(host) = uc.get_data_mut().host.as_mut() {
                host.store(address, size);
            }
            true
        })
        .map_err(failed("add the store hook"))?;
    }
    Ok(uc)
}

/// An engine with the memory of its data mapped and no hooks.
pub(super) fn bare<D: Grounded>(data: D) -> Result<Unicorn<'static, D>, MachineError> {
    let memory = data.ground().memory().clone();
    let mut uc = Unicorn::new_with_data(Arch::PPC, Mode::PPC64 | Mode::BIG_ENDIAN, data)
        .map_err(failed("start"))?;
    let buffer = if memory.written().is_some() {
        LARGE_TRANSLATION_BUFFER
    } else {
        TRANSLATION_BUFFER
    };
    // SAFETY: a live engine, and the control takes one unsigned integer.
    unsafe { uc_ctl(uc.get_handle(), SET_TRANSLATION_BUFFER, buffer) }
        .and(Ok(()))
        .map_err(failed("size its translation buffer"))?;
    uc.ctl_set_tlb_type(TlbType::VIRTUAL)
        .map_err(failed("use a virtual TLB"))?;
    // SAFETY: the allocation is as long as said, and the engine's data keeps it until the engine is
    // closed (`Ground`).
    unsafe { uc.mem_map_ptr(0, memory.size() as u64, Prot::ALL, memory.as_ptr().cast()) }
        .map_err(failed("map memory"))?;
    Ok(uc)
}

/// Sets PC and the MSR a kernel starts with.
pub(super) fn set_entry<D>(uc: &mut Unicorn<'_, D>, entry: u64, endian: Endian) {
    let little = if endian == Endian::Little { msr::LE } else { 0 };
    let _ = uc.reg_write(
        RegisterPPC::MSR,
        msr::SF | msr::ME | msr::IR | msr::DR | msr::RI | little,
    );
    let _ = uc.reg_write(RegisterPPC::PC, entry);
}

/// Gives a real kernel's processor the registers of its snapshot.
pub(super) fn set_registers<D: Grounded>(
    uc: &mut Unicorn<'_, D>,
    layout: &StateLayout,
    registers: &Registers,
) -> Result<(), uc_error> {
    let mut state = SavedState::new(uc)?;
    state.save(uc)?;
    layout.set_sprs(&mut state, &registers.sprs);
    state.restore(uc)?;
    for (n, value) in registers.gpr.iter().enumerate() {
        uc.reg_write(RegisterPPC::R0 as i32 + n as i32, *value)?;
    }
    for (register, value) in [
        (RegisterPPC::LR, registers.lr),
        (RegisterPPC::CTR, registers.ctr),
        (RegisterPPC::CR, registers.cr.into()),
        (RegisterPPC::XER, registers.xer),
        // A hypervisor's bit is none of the guest's.
        (RegisterPPC::MSR, registers.msr & !(1 << 60)),
        (RegisterPPC::PC, registers.pc),
    ] {
        uc.reg_write(register, value)?;
    }
    Ok(())
}

/// Why the engine came back.
pub(super) fn reason<H: Host>(uc: &mut Engine<'_, H>, result: Result<(), uc_error>) -> Stop {
    let reason = reported(uc, result);
    refusal(uc).unwrap_or(reason)
}

fn reported<H: Host>(uc: &mut Engine<'_, H>, result: Result<(), uc_error>) -> Stop {
    if let Some(stop) = uc.get_data_mut().stop.take() {
        return stop;
    }
    let pc = read(uc, RegisterPPC::PC);
    let user = read(uc, RegisterPPC::MSR) & msr::PR != 0;
    match result {
        Err(uc_error::EXCEPTION) => Stop::Fault {
            what: format!(
                "access to an address that is not mapped, at {:#x}",
                uc.get_data().site(pc)
            ),
            user,
        },
        Err(error) => Stop::EmulatorFault(format!("{error:?} at {pc:#x}")),
        Ok(()) => Stop::EmulatorFault(format!("stopped without a reason at {pc:#x}")),
    }
}

fn set<H: Host>(uc: &mut Engine<'_, H>, register: impl Into<i32>, value: u64) {
    let register = register.into();
    if let Err(error) = uc.reg_write(register, value) {
        uc.get_data_mut()
            .stop
            .get_or_insert(Stop::EmulatorFault(format!(
                "writing register {register} of Unicorn: {error:?}"
            )));
    }
}

fn stop<H: Host>(uc: &mut Engine<'_, H>, why: Stop) {
    uc.get_data_mut().stop.get_or_insert(why);
    let _ = uc.emu_stop();
}
