//! What a task's registers are each time its user code calls the host, whoever holds them at that
//! moment.
//!
//! Nothing is judged here. Each look copies the whole processor state, so a [`super::Runner`] looks
//! only when asked to.

use ctxfuzz_scenario::facility::Facility;
use ctxfuzz_scenario::register::Register;

pub use ctxfuzz_outcome::observe::{Observation, Point};

use super::call::UserCall;
use super::host::gprs;
use super::images::KnownTask;
use super::ownership;
use super::user::Operation;
use super::{images, user};
use crate::arch::RegisterFile;
use crate::arch::msr;
use crate::kernel::image::Layout;
use crate::machine::View;

/// A facility bit of MSR and VSX, which no kernel turns on without both others: registers of that
/// facility are in the processor.
const FP_LIVE: u64 = msr::FP | msr::VSX;
const VMX_LIVE: u64 = msr::VEC | msr::VSX;

/// The task that makes a host call.
pub(super) struct Caller {
    /// Its index.
    pub task: u8,
    /// Which call.
    pub call: UserCall,
    /// The operation that it is at, if it is at one.
    pub operation: Option<Operation>,
    /// The facilities whose registers it loads when it starts.
    pub uses: u64,
    /// Whether it has started already.
    pub started: bool,
}

/// Looks at the task that makes a host call; `None` for a call that shows nothing new.
pub(super) fn look(
    view: &View<'_>,
    layout: &Layout,
    caller: &Caller,
    log: usize,
    tasks: &[KnownTask],
) -> Option<Observation> {
    let task = caller.task;
    let mut writes = Vec::new();
    let point = match caller.call {
        UserCall::TaskStarted if caller.started => Point::Execed,
        UserCall::Context => Point::Context,
        UserCall::TaskStarted => {
            writes = user::written_at_start(caller.uses);
            Point::Started
        }
        UserCall::Event => {
            let operation = caller.operation?;
            writes = operation.writes();
            Point::Operation {
                event: (!operation.is_end()).then_some(operation.event as u16),
                child: operation
                    .is_fork()
                    .then(|| view.load(user::BLOCKS_USED) as u8),
            }
        }
        UserCall::SignalHandler => Point::Handler {
            at_entry: images::at_entry(view, layout),
        },
        UserCall::Dumped => Point::Dumped,
        // The kernel has not run since the operation's event.
        _ => return None,
    };
    Some(Observation {
        task,
        log,
        point,
        facilities: view.msr & (msr::FP | msr::VEC | msr::VSX),
        writes,
        registers: match point {
            // Dumping went through f0 and v0.
            Point::Dumped => user::read_dump(view.memory, |ea| view.physical(ea), task),
            _ => logical_registers(view, layout),
        },
        gprs: gprs(view),
        breaches: ownership::breaches(view, layout, task, tasks),
    })
}

/// Physical address of the current task's `thread_struct`.
pub(super) fn current_thread(view: &View<'_>, layout: &Layout) -> Option<u64> {
    let task = view.load(layout.current);
    view.map.physical(task.wrapping_add(layout.task_thread))
}

/// The registers that the running task would find if it used them all now.
fn logical_registers(view: &View<'_>, layout: &Layout) -> RegisterFile {
    let mut file = view.registers();
    let Some(thread) = current_thread(view, layout) else {
        return file;
    };
    for register in Register::all() {
        let live = match register.owner() {
            Some(Facility::Fp | Facility::Vsx) => view.msr & FP_LIVE != 0,
            Some(Facility::Vmx) => view.msr & VMX_LIVE != 0,
            // The only copy that user code can get at is the register: no facility guards it.
            None => true,
        };
        if !live {
            let value = images::image_register(view.memory, thread, &layout.thread, register);
            file.set(register, value);
        }
    }
    file
}
