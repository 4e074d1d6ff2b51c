//! How work becomes pending on the model: the kernel reads `remote_work` in every interrupt handler
//! and at every system call (docs/internals.md, section 4).

use ctxfuzz_scenario::event::{Pending, Switch};

use crate::kernel::image::ModelLayout;
use crate::machine::View;
use crate::run::abi::numbers;

numbers! {
    /// Offsets in `remote_work`.
    pub(in crate::run) mod at: u64 {
        FLAGS = 0,
        NEXT = 8,
        SIGNAL = 16,
        AFTER = 24,
        MISSED = 32,
    }
}

/// More preemption points than the kernel passes in a run.
const FAR: u64 = 1 << 32;

numbers! {
    /// Its flags.
    pub(in crate::run) mod work: u64 {
        RESCHED = 1,
        SIGNAL = 2,
        IO_WORKER = 4,
        BY_DIRECTOR = 8,
        PTRACE = 16,
        SOFTIRQ = 32,
    }
}

/// Tells the model what other CPUs and devices do meanwhile, and whether the director is to do it.
pub fn write(view: &View<'_>, layout: &ModelLayout, pending: &Pending, director: bool) {
    let flags = [
        (pending.switch.is_some(), work::RESCHED),
        (pending.signal.is_some(), work::SIGNAL),
        (pending.io_worker, work::IO_WORKER),
        (director, work::BY_DIRECTOR),
        (pending.ptrace.is_some(), work::PTRACE),
        (pending.softirq, work::SOFTIRQ),
    ];
    let flags = flags.iter().filter(|(is_set, _)| *is_set);
    let next = match pending.switch {
        Some(Switch::To(task)) => task.into(),
        _ => u64::MAX,
    };
    let Some(start) = view.map.physical(layout.remote_work) else {
        return;
    };
    let put = |offset, value| view.memory.write_u64(start + offset, value);
    put(at::FLAGS, flags.map(|(_, flag)| flag).sum());
    put(at::NEXT, next);
    put(at::SIGNAL, pending.signal.unwrap_or(0).into());
    put(
        at::AFTER,
        if pending.at.is_some() {
            FAR
        } else {
            pending.after.into()
        },
    );
    put(at::MISSED, 0);
}

/// The function has begun in which work is to come: `past` preemption points from here.
pub fn function_begins(view: &View<'_>, layout: &ModelLayout, past: u16) {
    let Some(start) = view.map.physical(layout.remote_work) else {
        return;
    };
    // The work has come already, as the kernel was about to return.
    if view.memory.read_u64(start + at::AFTER) == 0 {
        return;
    }
    let left = u64::from(past) + 1;
    view.memory.write_u64(start + at::AFTER, left);
    if let Some(pa) = view.map.physical(layout.softirq_after) {
        view.memory.write_u64(pa, left);
    }
}

/// Whether the last work came at the end of its system call and not at the preemption point that it
/// was to come at. Told once.
pub fn take_missed(view: &View<'_>, layout: &ModelLayout) -> bool {
    let Some(start) = view.map.physical(layout.remote_work) else {
        return false;
    };
    let missed = view.memory.read_u64(start + at::MISSED) != 0;
    if missed {
        view.memory.write_u64(start + at::MISSED, 0);
    }
    missed
}
