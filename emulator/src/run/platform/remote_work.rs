//! How pending work is made pending on the model: the kernel reads `remote_work` in every interrupt handler and at every system call (docs/internals.md, section 4).

use ctxfuzz_scenario::event::{Pending, Switch};

use crate::kernel::image::ModelLayout;
use crate::machine::View;

/// Tells the model what other CPUs and devices do meanwhile, and whether the director is to do it.
pub fn write(view: &View<'_>, layout: &ModelLayout, pending: &Pending, director: bool) {
    let flags = u64::from(pending.switch.is_some())
        | u64::from(pending.signal.is_some()) << 1
        | u64::from(pending.io_worker) << 2
        | u64::from(director) << 3
        | u64::from(pending.ptrace.is_some()) << 4
        | u64::from(pending.softirq) << 5;
    let next = match pending.switch {
        Some(Switch::To(task)) => task.into(),
        _ => u64::MAX,
    };
    let Some(at) = view.map.physical(layout.remote_work) else {
        return;
    };
    view.memory.write_u64(at, flags);
    view.memory.write_u64(at + 8, next);
    view.memory
        .write_u64(at + 16, pending.signal.unwrap_or(0).into());
    view.memory.write_u64(at + 24, pending.after.into());
    view.memory.write_u64(at + 32, 0);
}

/// Whether the last work came at the end of its system call and not at the place that it was to come at. Told once.
pub fn take_missed(view: &View<'_>, layout: &ModelLayout) -> bool {
    let Some(at) = view.map.physical(layout.remote_work) else {
        return false;
    };
    let missed = view.memory.read_u64(at + 32) != 0;
    if missed {
        view.memory.write_u64(at + 32, 0);
    }
    missed
}
