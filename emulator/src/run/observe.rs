//! What a task's registers are each time its user code calls the host, whoever holds them at that moment.
//!
//! Nothing is judged here. Each look copies the whole processor state, so a [`super::Runner`] looks only when asked to.

use ctxfuzz_scenario::register::Register;

use super::call;
use super::capture::Gprs;
use super::host::gprs;
use super::images::KnownTask;
use super::ownership::{self, Breach};
use super::{images, user};
use crate::arch::RegisterFile;
use crate::arch::msr;
use crate::kernel::image::Layout;
use crate::machine::View;

/// A facility bit of MSR and VSX, which no kernel turns on without both others: registers of that facility are in the processor.
const FP_LIVE: u64 = msr::FP | msr::VSX;
const VMX_LIVE: u64 = msr::VEC | msr::VSX;
/// One look at one task.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Observation {
    /// Whose registers.
    pub task: u8,
    /// Entries of the outcome's log before this. [`Point::Started`], [`Point::Handler`] and [`Point::Dumped`] have their own entry next.
    pub log: usize,
    /// What the task is about to do, or has just come to.
    pub point: Point,
    /// Facility bits of MSR.
    pub facilities: u64,
    /// Registers that user code itself may change before the next look at this task.
    pub writes: Vec<Register>,
    /// The registers the task has: of the processor where the facility is on, else of its `thread_struct`.
    pub registers: RegisterFile,
    /// r14 to r25.
    pub gprs: Gprs,
    /// Rules about who owns the registers that do not hold.
    pub breaches: Vec<Breach>,
}

/// Where user code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Point {
    /// A task is about to load its first registers (a child loads none).
    Started,
    /// A task has become a new program.
    Execed,
    /// `swapcontext` has returned.
    Context,
    /// About to do an operation.
    Operation {
        /// The event it belongs to; `None` for the final dump.
        event: Option<u16>,
        /// The index a child that it makes will have.
        child: Option<u8>,
    },
    /// At the start of a signal handler.
    Handler {
        /// As in [`super::outcome::LogEntry::SignalDelivered`].
        at_entry: bool,
    },
    /// The final registers are in the dump area; these are the ones here.
    Dumped,
}

/// Looks at the task that makes the host call `number`, and has `started` already or not; `None` for a call that shows nothing new.
pub(super) fn look(
    view: &View<'_>,
    layout: &Layout,
    task: u8,
    number: u64,
    log: usize,
    tasks: &[KnownTask],
    started: bool,
) -> Option<Observation> {
    let operation = view.map.physical(view.gpr(29));
    let mut writes = Vec::new();
    let point = match number {
        call::TASK_STARTED if started => Point::Execed,
        call::CONTEXT => Point::Context,
        call::TASK_STARTED => {
            if let Some(block) = view.map.physical(view.gpr(30)) {
                writes = user::written_at_start(view.memory, block);
            }
            Point::Started
        }
        call::EVENT => {
            let operation = operation?;
            writes = user::written(view.memory, operation);
            let (kind, event) = user::operation_head(view.memory, operation);
            Point::Operation {
                event: (!user::is_end(kind)).then_some(event as u16),
                child: user::is_fork(kind).then(|| view.load(user::BLOCKS_USED) as u8),
            }
        }
        call::SIGNAL_HANDLER => Point::Handler {
            at_entry: images::at_entry(view, layout),
        },
        call::DUMPED => Point::Dumped,
        // The kernel has not run since EVENT.
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
        let live = match register {
            Register::F(_) | Register::Vs(_) | Register::Fpscr => view.msr & FP_LIVE != 0,
            Register::V(_) | Register::Vscr => view.msr & VMX_LIVE != 0,
            // The only copy that user code can get at is the register: no facility guards it.
            Register::Vrsave => true,
        };
        if !live {
            let value = images::image_register(view.memory, thread, &layout.thread, register);
            file.set(register, value);
        }
    }
    file
}
