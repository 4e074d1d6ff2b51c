//! Host calls: those of the guest, which the machine's host serves, and those of trampolines, which
//! the machine serves itself.

use std::cell::RefCell;

use unicorn_engine::{RegisterPPC, uc_error};

use super::super::errata::{FI, Request};
use super::super::exception::{Reason, Vector};
use super::super::instruction::{HOST_CALL, inexact_after};
use super::super::point::Awaited;
use super::super::pseries::Timer;
use super::super::state::SavedState;
use super::super::{Host, Interruption, MachineError, Processor, Reply, Stop, TimerOrder, View};
use super::interrupts::{take, take_with};
use super::paging::{NO_TRANSLATION, STORE};
use super::reads::refuse;
use super::{AddressMap, Engine, failed, gpr, read, set, stop};
use crate::arch::RegisterFile;
use crate::arch::msr;

struct Live<'a, 'b, 'u, H: Host>(&'a RefCell<&'b mut Engine<'u, H>>);

impl<H: Host> Processor for Live<'_, '_, '_, H> {
    fn gpr(&self, n: u8) -> u64 {
        gpr(&self.0.borrow(), n)
    }

    fn lr(&self) -> u64 {
        read(&self.0.borrow(), RegisterPPC::LR)
    }

    fn registers(&self) -> RegisterFile {
        let mut uc = self.0.borrow_mut();
        registers(&mut uc).unwrap_or_else(|error| {
            refuse(&uc, format!("the processor state: {error:?}"));
            RegisterFile::default()
        })
    }

    fn refused(&self, what: String) {
        refuse(&self.0.borrow(), what);
    }
}

fn registers<H: Host>(uc: &mut Engine<'_, H>) -> Result<RegisterFile, uc_error> {
    let scratch = uc.get_data_mut().scratch.take();
    let mut state = scratch.map_or_else(|| SavedState::new(uc), Ok)?;
    state.save(uc)?;
    let file = uc.get_data().layout.registers(&state);
    uc.get_data_mut().scratch = Some(state);
    Ok(file)
}

/// Tells the host when these instructions run. A hook on one address is translated into that
/// instruction alone: no other is slower.
pub(super) fn watch<H: Host>(
    uc: &mut Engine<'_, H>,
    addresses: &[Option<u64>],
) -> Result<(), MachineError> {
    for (index, address) in addresses.iter().enumerate() {
        let Some(address) = *address else { continue };
        uc.add_code_hook(address, address, move |uc, pc, _| {
            let word = uc.get_data().word(pc);
            let msr = read(uc, RegisterPPC::MSR);
            with_host(uc, pc, word, msr, |host, view| host.executed(view, index));
        })
        .map_err(failed("watch an instruction"))?;
    }
    Ok(())
}

/// Calls the host with a view of the processor.
pub(super) fn with_host<H: Host, R>(
    uc: &mut Engine<'_, H>,
    pc: u64,
    word: u32,
    msr: u64,
    call: impl FnOnce(&mut H, &View<'_>) -> R,
) -> Option<R> {
    let mut host = uc.get_data_mut().host.take()?;
    let (memory, map) = (uc.get_data().memory.clone(), uc.get_data().map.clone());
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

pub(super) fn host_call<H: Host>(uc: &mut Engine<'_, H>, at: u64, msr: u64) {
    if let Some(request) = uc.get_data().trampolines(at).request(at) {
        return serve(uc, request, msr);
    }
    if let Some(name) = uc.get_data().pseries.as_ref().and_then(|p| p.fatal(at)) {
        let what = format!("the kernel dies in {name}");
        return stop(uc, Stop::Fault { what, user: false });
    }
    if std::mem::take(&mut uc.get_data_mut().staging) {
        return stop(uc, Stop::Host);
    }
    let reply = with_host(uc, at, HOST_CALL, msr, |host, view| host.host_call(view));
    match reply {
        Some(Reply::Resume { interrupt, timer }) => {
            set_timer(uc, timer, interrupt);
            if let Some(interrupt) = interrupt {
                interrupted(uc, interrupt, at, msr);
            }
        }
        Some(Reply::Stop) => stop(uc, Stop::Host),
        None => stop(
            uc,
            Stop::EmulatorFault("a host call inside a host call".into()),
        ),
    }
}

fn set_timer<H: Host>(uc: &mut Engine<'_, H>, timer: TimerOrder, interrupt: Option<Interruption>) {
    let inner = uc.get_data_mut();
    if let TimerOrder::Set(timer) = &timer {
        inner.awaited = match timer {
            Some(Timer::InFunction { point, arrival }) => {
                Some(Awaited::new(point.clone(), *arrival, interrupt.is_some()))
            }
            _ => None,
        };
    }
    let Some(pseries) = &mut inner.pseries else {
        return;
    };
    match (timer, interrupt) {
        (TimerOrder::Keep, _) | (TimerOrder::Expire, None) => {}
        (TimerOrder::Set(timer), interrupt) => {
            pseries.set_timer(timer);
            if interrupt.is_some() {
                pseries.is_interrupted();
            }
        }
        (TimerOrder::Expire, Some(interrupt)) => pseries.expire(interrupt.vector()),
    }
}

/// Takes an interrupt at the host call at `at`.
fn interrupted<H: Host>(uc: &mut Engine<'_, H>, interrupt: Interruption, at: u64, msr: u64) {
    let reason = |address, dsisr| Reason {
        srr1: 0,
        data: Some([address, dsisr]),
    };
    match interrupt {
        Interruption::Asynchronous(vector) => take(uc, vector, at + 4, msr),
        Interruption::Alignment { at, address } => {
            take_with(uc, Vector::Alignment, reason(address, 0), at, msr);
        }
        Interruption::StoreFault { address } => {
            let reason = reason(address, NO_TRANSLATION | STORE);
            take_with(uc, Vector::DataStorage, reason, at + 4, msr);
        }
    }
}

/// What a trampoline asks for.
fn serve<H: Host>(uc: &mut Engine<'_, H>, request: Request, msr: u64) {
    match request {
        Request::LendVsx { .. } if msr & msr::VSX != 0 => {}
        Request::LendVsx { variant } => {
            uc.get_data_mut().lent_from = Some(msr);
            set(uc, RegisterPPC::MSR, msr | msr::VSX | msr::FP);
            set(uc, RegisterPPC::PC, variant);
        }
        Request::ReturnVsx => {
            let before = uc.get_data_mut().lent_from.take().unwrap_or(msr);
            set(uc, RegisterPPC::MSR, before);
        }
        Request::NoteInexact { word } => note_inexact(uc, word),
        Request::MendInexact => mend_inexact(uc),
        Request::ProcessId { rs } => {
            let pid = gpr(uc, rs);
            let inner = uc.get_data_mut();
            inner.translations_changed = true;
            if let AddressMap::Radix(radix) = &inner.map {
                radix.set_pid(pid);
            }
        }
    }
}

/// The register API reads the low word of FPSCR right.
fn inexact<H: Host>(uc: &Engine<'_, H>) -> bool {
    read(uc, RegisterPPC::FPSCR) & FI != 0
}

fn note_inexact<H: Host>(uc: &mut Engine<'_, H>, word: u32) {
    let fpr = |n: u32| read(uc, RegisterPPC::FPR0 as i32 + n as i32);
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
