//! The Unicorn engine behind a machine: its set-up, its hooks, and how exceptions become deliveries, host calls or stops.
//!
//! All knowledge of Unicorn's ppc64 behaviour (exception numbers, where PC is when one arrives) is here.

use std::cell::RefCell;

use unicorn_engine::{
    Arch, ControlType, HookType, Mode, Prot, RegisterPPC, TlbEntry, TlbType, Unicorn, uc_ctl,
    uc_error,
};

use super::address::{self, AddressMap, KERNEL, PAGE, Use};
use super::coverage::EdgeMap;
use super::errata::{FI, Request, Trampolines};
use super::exception::{Vector, deliver, msr, rfscv_msr};
use super::hang::Probe;
use super::instruction::{HOST_CALL, RFSCV, SCV_0, inexact_after};
use super::memory::{self, Memory};
use super::state::{SavedState, StateLayout};
use super::{Host, MachineError, Options, Processor, Program, Reply, Stop, View};
use crate::run::outcome::{Endian, RegisterFile};

/// Exception numbers as Unicorn reports them (QEMU's POWERPC_EXCP_*).
mod excp {
    pub const PROGRAM: u32 = 6;
    pub const FP_UNAVAILABLE: u32 = 7;
    pub const SYSTEM_CALL: u32 = 8;
    pub const VMX_UNAVAILABLE: u32 = 73;
    pub const VSX_UNAVAILABLE: u32 = 94;
    /// An instruction the emulator does not have, `scv` and `rfscv` among them.
    pub const ILLEGAL: u32 = 96;
}

/// Bytes of translation buffer. The default, 1 GiB an engine, looks like a memory leak to a fuzzer.
const TRANSLATION_BUFFER: u32 = 8 << 20;
/// `UC_CTL_TCG_BUFFER_SIZE`, to be written, one argument; the crate has no wrapper for it.
const SET_TRANSLATION_BUFFER: ControlType = ControlType(13 | 1 << 26 | 1 << 30);

pub(super) type Engine<'a, H> = Unicorn<'a, Inner<H>>;

/// What the hooks work on.
pub(super) struct Inner<H> {
    memory: Memory,
    map: AddressMap,
    layout: StateLayout,
    options: Options,
    kernel_trampolines: Trampolines,
    user_trampolines: Trampolines,
    /// Taken out while it is being called.
    host: Option<Box<H>>,
    pub(super) coverage: EdgeMap,
    pub(super) blocks: u64,
    probe: Option<Probe>,
    pub(super) stop: Option<Stop>,
    /// MSR to go back to when a loan of VSX ends.
    lent_from: Option<u64>,
    /// What FPSCR\[FI\] has to become.
    inexact: bool,
    /// The next host call is the end of staging and not the host's business.
    staging: bool,
    /// Room for looking at the whole processor state in a traced run.
    scratch: Option<SavedState>,
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
        let mut kernel_trampolines = Trampolines::new(KERNEL + address::KERNEL_TRAMPOLINES);
        let mut user_trampolines = Trampolines::new(address::USER_TRAMPOLINES);
        if options.repair_errata {
            let physical = |ea| map.physical(ea).unwrap_or(0);
            for (text, size) in &program.kernel_text {
                kernel_trampolines
                    .repair(&memory, *text, size / 4, physical)
                    .map_err(MachineError::Unrepairable)?;
            }
            for (text, size) in &program.user_text {
                user_trampolines
                    .repair(&memory, *text, size / 4, physical)
                    .map_err(MachineError::Unrepairable)?;
            }
        }
        Ok(Inner {
            memory,
            map,
            layout,
            options,
            kernel_trampolines,
            user_trampolines,
            host: Some(Box::new(host)),
            coverage: EdgeMap::default(),
            blocks: 0,
            probe: None,
            stop: None,
            lent_from: None,
            inexact: false,
            staging: false,
            scratch: None,
        })
    }

    pub(super) fn stage_next(&mut self) {
        self.staging = true;
    }

    pub(super) fn reset(&mut self) {
        self.coverage.clear();
        self.blocks = 0;
        self.probe = None;
        self.stop = None;
        self.lent_from = None;
        self.inexact = false;
        self.staging = false;
    }

    pub(super) fn host_mut(&mut self) -> &mut H {
        // The host is absent only inside its own call, and `Machine` cannot be used then.
        self.host
            .as_mut()
            .expect("the host is at home outside its own calls")
    }

    fn trampolines(&self, pc: u64) -> &Trampolines {
        if pc >= KERNEL {
            &self.kernel_trampolines
        } else {
            &self.user_trampolines
        }
    }

    /// The instruction that `pc` stands for: itself, or the one its trampoline replaces.
    fn site(&self, pc: u64) -> u64 {
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

fn failed(what: &'static str) -> impl Fn(uc_error) -> MachineError {
    move |error| MachineError::Engine { what, error }
}

/// Makes an engine with memory mapped and all hooks in place.
pub(super) fn start<H: Host>(inner: Inner<H>) -> Result<Engine<'static, H>, MachineError> {
    let memory = inner.memory.clone();
    let trace = inner.options.trace;
    let mut uc = bare(inner, &memory)?;
    uc.add_tlb_hook(1, 0, |uc, ea, _| {
        let problem_state = uc.reg_read(RegisterPPC::MSR).unwrap_or(0) & msr::PR != 0;
        translate(&uc.get_data().map, ea, problem_state)
    })
    .map_err(failed("add the translation hook"))?;
    uc.add_intr_hook(|uc, number| on_exception(uc, number))
        .map_err(failed("add the exception hook"))?;
    uc.add_block_hook(1, 0, |uc, pc, _| on_block(uc, pc))
        .map_err(failed("add the block hook"))?;
    if trace {
        uc.add_code_hook(1, 0, |uc, pc, _| on_instruction(uc, pc))
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

/// An engine with memory mapped and no hooks.
pub(super) fn bare<D>(data: D, memory: &Memory) -> Result<Unicorn<'static, D>, MachineError> {
    let mut uc = Unicorn::new_with_data(Arch::PPC, Mode::PPC64 | Mode::BIG_ENDIAN, data)
        .map_err(failed("start"))?;
    // SAFETY: a live engine, and the control takes one unsigned integer.
    unsafe { uc_ctl(uc.get_handle(), SET_TRANSLATION_BUFFER, TRANSLATION_BUFFER) }
        .and(Ok(()))
        .map_err(failed("size its translation buffer"))?;
    uc.ctl_set_tlb_type(TlbType::VIRTUAL)
        .map_err(failed("use a virtual TLB"))?;
    // SAFETY: the allocation is as long as said and outlives the engine: the machine keeps a handle to it beside the engine.
    unsafe { uc.mem_map_ptr(0, memory::SIZE as u64, Prot::ALL, memory.as_ptr().cast()) }
        .map_err(failed("map memory"))?;
    Ok(uc)
}

fn translate(map: &AddressMap, ea: u64, problem_state: bool) -> Option<TlbEntry> {
    let (pa, usage) = map.translate(ea, problem_state)?;
    let perms = match usage {
        Use::Code => Prot::READ | Prot::EXEC,
        Use::Data => Prot::READ | Prot::WRITE,
    };
    Some(TlbEntry {
        paddr: pa & !(PAGE - 1),
        perms,
    })
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

/// A general purpose register (0 if the engine will not say).
pub(super) fn gpr<D>(uc: &Unicorn<'_, D>, n: u8) -> u64 {
    uc.reg_read(RegisterPPC::R0 as i32 + i32::from(n & 31))
        .unwrap_or(0)
}

/// Why the engine came back.
pub(super) fn reason<H: Host>(uc: &mut Engine<'_, H>, result: Result<(), uc_error>) -> Stop {
    if let Some(stop) = uc.get_data_mut().stop.take() {
        return stop;
    }
    let pc = uc.reg_read(RegisterPPC::PC).unwrap_or(0);
    let user = uc.reg_read(RegisterPPC::MSR).unwrap_or(0) & msr::PR != 0;
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

struct Live<'a, 'b, 'u, H: Host>(&'a RefCell<&'b mut Engine<'u, H>>);

impl<H: Host> Processor for Live<'_, '_, '_, H> {
    fn gpr(&self, n: u8) -> u64 {
        gpr(&self.0.borrow(), n)
    }

    fn lr(&self) -> u64 {
        self.0.borrow().reg_read(RegisterPPC::LR).unwrap_or(0)
    }

    fn registers(&self) -> RegisterFile {
        let mut uc = self.0.borrow_mut();
        let state = uc
            .get_data_mut()
            .scratch
            .take()
            .map_or_else(|| SavedState::new(&uc), Ok);
        let Ok(mut state) = state else {
            return RegisterFile::default();
        };
        if state.save(&uc).is_err() {
            return RegisterFile::default();
        }
        let file = uc.get_data().layout.registers(&state);
        uc.get_data_mut().scratch = Some(state);
        file
    }
}

/// Calls the host with a view of the processor.
fn with_host<H: Host, R>(
    uc: &mut Engine<'_, H>,
    pc: u64,
    word: u32,
    msr: u64,
    call: impl FnOnce(&mut H, &View<'_>) -> R,
) -> Option<R> {
    let mut host = uc.get_data_mut().host.take()?;
    let (memory, map) = (uc.get_data().memory.clone(), uc.get_data().map);
    let result = {
        let cell = RefCell::new(&mut *uc);
        let live = Live(&cell);
        call(
            &mut host,
            &View {
                pc,
                word,
                msr,
                memory: &memory,
                map: &map,
                processor: &live,
            },
        )
    };
    uc.get_data_mut().host = Some(host);
    Some(result)
}

fn set<H: Host>(uc: &mut Engine<'_, H>, register: RegisterPPC, value: u64) {
    if let Err(error) = uc.reg_write(register, value) {
        uc.get_data_mut()
            .stop
            .get_or_insert(Stop::EmulatorFault(format!(
                "writing {register:?}: {error:?}"
            )));
    }
}

fn stop<H: Host>(uc: &mut Engine<'_, H>, why: Stop) {
    uc.get_data_mut().stop.get_or_insert(why);
    let _ = uc.emu_stop();
}

fn on_exception<H: Host>(uc: &mut Engine<'_, H>, number: u32) {
    let pc = uc.reg_read(RegisterPPC::PC).unwrap_or(0);
    let msr = uc.reg_read(RegisterPPC::MSR).unwrap_or(0);
    let user = msr & msr::PR != 0;
    let at = pc.wrapping_sub(4);
    match number {
        excp::SYSTEM_CALL if uc.get_data().word(at) == HOST_CALL => host_call(uc, at, msr),
        excp::SYSTEM_CALL if user => take(uc, Vector::SystemCall, pc, msr),
        excp::FP_UNAVAILABLE => unavailable(uc, Vector::FpUnavailable, at, msr),
        excp::VMX_UNAVAILABLE => unavailable(uc, Vector::VmxUnavailable, at, msr),
        excp::VSX_UNAVAILABLE => unavailable(uc, Vector::VsxUnavailable, at, msr),
        excp::ILLEGAL if user && uc.get_data().word(at) == SCV_0 => {
            take(uc, Vector::SystemCallVectored, pc, msr)
        }
        excp::ILLEGAL if !user && uc.get_data().word(at) == RFSCV => {
            let ctr = uc.reg_read(RegisterPPC::CTR).unwrap_or(0);
            let lr = uc.reg_read(RegisterPPC::LR).unwrap_or(0);
            set(uc, RegisterPPC::MSR, rfscv_msr(msr, ctr));
            set(uc, RegisterPPC::PC, lr);
        }
        excp::PROGRAM | excp::ILLEGAL | excp::SYSTEM_CALL => {
            let word = uc.get_data().word(at);
            stop(
                uc,
                Stop::Fault {
                    what: format!("program interrupt on {word:#010x} at {at:#x}"),
                    user,
                },
            );
        }
        other => stop(
            uc,
            Stop::EmulatorFault(format!("exception {other} at {at:#x}")),
        ),
    }
}

fn unavailable<H: Host>(uc: &mut Engine<'_, H>, vector: Vector, at: u64, msr: u64) {
    let site = uc.get_data().site(at);
    if msr & msr::PR != 0 {
        take(uc, vector, site, msr);
    } else {
        stop(
            uc,
            Stop::Fault {
                what: format!("{} exception in the kernel at {site:#x}", vector.name()),
                user: false,
            },
        );
    }
}

/// Delivers an exception; `pc` becomes SRR0.
fn take<H: Host>(uc: &mut Engine<'_, H>, vector: Vector, pc: u64, msr: u64) {
    if let Some(host) = uc.get_data_mut().host.as_mut() {
        host.exception(vector, pc);
    }
    let (r3, r4) = (gpr(uc, 3), gpr(uc, 4));
    let delivery = deliver(&uc.get_data().memory, vector, pc, msr, r3, r4);
    if let Some([r3, r4]) = delivery.gprs {
        set(uc, RegisterPPC::R3, r3);
        set(uc, RegisterPPC::R4, r4);
    }
    if let Some([lr, ctr]) = delivery.link {
        set(uc, RegisterPPC::LR, lr);
        set(uc, RegisterPPC::CTR, ctr);
    }
    set(uc, RegisterPPC::MSR, delivery.msr);
    set(uc, RegisterPPC::PC, delivery.pc);
}

fn host_call<H: Host>(uc: &mut Engine<'_, H>, at: u64, msr: u64) {
    match uc.get_data().trampolines(at).request(at) {
        Some(Request::LendVsx { .. }) if msr & msr::VSX != 0 => return,
        Some(Request::LendVsx { variant }) => {
            uc.get_data_mut().lent_from = Some(msr);
            set(uc, RegisterPPC::MSR, msr | msr::VSX | msr::FP);
            return set(uc, RegisterPPC::PC, variant);
        }
        Some(Request::ReturnVsx) => {
            let before = uc.get_data_mut().lent_from.take().unwrap_or(msr);
            return set(uc, RegisterPPC::MSR, before);
        }
        Some(Request::NoteInexact { word }) => return note_inexact(uc, word),
        Some(Request::MendInexact) => return mend_inexact(uc),
        None => {}
    }
    if std::mem::take(&mut uc.get_data_mut().staging) {
        return stop(uc, Stop::Host);
    }
    match with_host(uc, at, HOST_CALL, msr, |host, view| host.host_call(view)) {
        Some(Reply::Continue) => {}
        Some(Reply::Interrupt(vector)) => take(uc, vector, at + 4, msr),
        Some(Reply::Stop) => stop(uc, Stop::Host),
        None => stop(
            uc,
            Stop::EmulatorFault("a host call inside a host call".into()),
        ),
    }
}

/// The register API reads the low word of FPSCR right.
fn inexact<H: Host>(uc: &Engine<'_, H>) -> bool {
    uc.reg_read(RegisterPPC::FPSCR).unwrap_or(0) & FI != 0
}

fn note_inexact<H: Host>(uc: &mut Engine<'_, H>, word: u32) {
    let fpr = |n: u32| {
        uc.reg_read(RegisterPPC::FPR0 as i32 + n as i32)
            .unwrap_or(0)
    };
    let wanted = inexact_after(word, inexact(uc), fpr);
    uc.get_data_mut().inexact = wanted;
}

fn mend_inexact<H: Host>(uc: &mut Engine<'_, H>) {
    if inexact(uc) == uc.get_data().inexact {
        return;
    }
    // Writing FPSCR through the register API would lose its high word.
    let layout = uc.get_data().layout;
    let state = uc
        .get_data_mut()
        .scratch
        .take()
        .map_or_else(|| SavedState::new(uc), Ok);
    let mended = state.and_then(|mut state| {
        state.save(uc)?;
        layout.flip_fpscr(&mut state, FI);
        state.restore(uc).map(|()| state)
    });
    match mended {
        Ok(state) => uc.get_data_mut().scratch = Some(state),
        Err(error) => stop(uc, Stop::EmulatorFault(format!("mending FPSCR: {error:?}"))),
    }
}

fn on_block<H: Host>(uc: &mut Engine<'_, H>, pc: u64) {
    let inner = uc.get_data_mut();
    inner.blocks += 1;
    if pc >= KERNEL {
        inner.coverage.enter(pc);
    }
    if inner.blocks >= inner.options.budget {
        over_budget(uc, pc);
    }
}

/// Out of budget: goes on a little longer to see whether the machine's state recurs.
fn over_budget<H: Host>(uc: &mut Engine<'_, H>, pc: u64) {
    let mut probe = uc.get_data_mut().probe.take();
    let memory = uc.get_data().memory.clone();
    let verdict = probe
        .get_or_insert_with(Probe::default)
        .block(uc, &memory, pc);
    uc.get_data_mut().probe = probe;
    if let Some(recurs) = verdict {
        stop(uc, if recurs { Stop::Hang } else { Stop::Budget });
    }
}

fn on_instruction<H: Host>(uc: &mut Engine<'_, H>, pc: u64) {
    let inner = uc.get_data();
    let (pc, word) = match inner.trampolines(pc).site_of(pc) {
        // Only the replaced instruction itself counts, once; the rest of a trampoline is not the guest's.
        Some(_) if !inner.trampolines(pc).runs_original(pc) => return,
        Some((site, word)) => (site, word),
        None if inner.trampolines(pc).original_word(pc).is_some() => return,
        None => (pc, inner.word(pc)),
    };
    let stubs = KERNEL + address::STUBS;
    if word == HOST_CALL || (stubs..stubs + PAGE).contains(&pc) {
        return;
    }
    let msr = uc.reg_read(RegisterPPC::MSR).unwrap_or(0);
    with_host(uc, pc, word, msr, |host, view| host.instruction(view));
}
