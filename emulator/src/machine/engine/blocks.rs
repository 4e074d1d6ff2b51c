//! What is done at each block, and in a traced run at each instruction: coverage, the budget, a
//! real kernel's time, and places that are waited for.

use unicorn_engine::RegisterPPC;

use super::super::address::KERNEL;
use super::super::hang::Probe;
use super::super::instruction::HOST_CALL;
use super::super::point::Arrival;
use super::super::pseries::Pseries;
use super::super::{Host, Stop};
use super::calls::with_host;
use super::{Engine, interrupts, read, stop};

pub(super) fn on_block<H: Host>(uc: &mut Engine<'_, H>, pc: u64, size: u32) {
    let inner = uc.get_data_mut();
    inner.blocks += 1;
    if pc >= KERNEL {
        inner.coverage.enter(pc);
        if inner.options.collect_blocks {
            *inner.kernel_blocks.entry((pc, size)).or_default() += 1;
            if let Some(event) = inner.host.as_ref().and_then(|host| host.event()) {
                let block = (event, (pc, size));
                *inner.event_blocks.entry(block).or_default() += 1;
            }
        }
        if let Some(awaited) = &mut inner.awaited {
            let reaches = if inner.pseries.is_some() { 4 } else { size };
            if let Some(arrival) = awaited.comes_to((pc, size), reaches) {
                function_begins(uc, pc, arrival);
            }
        }
    }
    let inner = uc.get_data_mut();
    if inner.blocks >= inner.samples.next {
        look(uc, pc);
    }
}

/// The call begins that was waited for.
#[cold]
fn function_begins<H: Host>(uc: &mut Engine<'_, H>, pc: u64, arrival: Arrival) {
    uc.get_data_mut().awaited = None;
    if let Some(pseries) = &mut uc.get_data_mut().pseries {
        return pseries.function_begins(arrival);
    }
    let word = uc.get_data().word(pc);
    let msr = read(uc, RegisterPPC::MSR);
    with_host(uc, pc, word, msr, |host, view| {
        host.function_begins(view, arrival);
    });
}

/// What there is to do at few blocks: to note where the run is, or to end it.
#[cold]
fn look<H: Host>(uc: &mut Engine<'_, H>, pc: u64) {
    let inner = uc.get_data_mut();
    if inner.blocks >= inner.options.budget {
        return over_budget(uc, pc);
    }
    let (block, site) = (inner.blocks, inner.site(pc));
    inner.samples.take(block, site, &inner.memory, &inner.map);
}

/// As [`on_block`], with time going on and timers expiring. Some hundred million of these are a
/// campaign's minute: it does nothing that can wait.
pub(super) fn on_real_block<H: Host>(uc: &mut Engine<'_, H>, pc: u64, size: u32) {
    on_block(uc, pc, size);
    let inner = uc.get_data_mut();
    let blocks = inner.blocks;
    let Some(pseries) = &mut inner.pseries else {
        return;
    };
    let pending = pseries.timer_pending();
    if Pseries::refreshes(blocks) {
        pseries.show_time(&inner.memory, inner.own_page, blocks);
    }
    if pending && inner.stop.is_none() && inner.interrupted_at.is_none() {
        interrupts::take_timer(uc, pc);
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

pub(super) fn on_instruction<H: Host>(uc: &mut Engine<'_, H>, pc: u64) {
    let inner = uc.get_data();
    let trampolines = inner.trampolines(pc);
    let (pc, word) = match trampolines.site_of(pc) {
        // Only the replaced instruction itself counts, once; the rest of a trampoline is not the
        // guest's.
        Some(_) if !trampolines.runs_original(pc) => return,
        Some((site, word)) => (site, word),
        None if trampolines.branches_away(pc) => return,
        None => match trampolines.original_word(pc) {
            Some(word) => (pc, word),
            None => (pc, inner.word(pc)),
        },
    };
    if word == HOST_CALL || inner.map.own().stubs.physical(pc).is_some() {
        return;
    }
    let msr = read(uc, RegisterPPC::MSR);
    with_host(uc, pc, word, msr, |host, view| host.instruction(view));
}
