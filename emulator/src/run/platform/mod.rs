//! What a run needs of its kernel, the model or a real one: how the stage is set, how work becomes
//! pending, which task is which, and when nothing is left to run.
//!
//! Another kind of kernel is another implementation of [`Platform`]. Not responsible for what is
//! recorded of a run (`host`), nor for the machine (`machine`).

pub mod agent;
mod model;
mod points;
pub mod quiet;
mod real;
pub(super) mod remote_work;
pub mod snapshot;

use ctxfuzz_scenario::event::Pending;
use ctxfuzz_scenario::scenario::Scenario;

use super::call::UserCall;
use super::effects::NotApplicable;
use super::images::KnownTask;
use super::user::{Compiled, Operation};
use crate::kernel::image::ModelLayout;
use crate::machine::address::AddressMap;
use crate::machine::memory::Memory;
use crate::machine::point::Arrival;
use crate::machine::samples::Sample;
use crate::machine::{Reply, Vector, View};

pub use model::Model;
#[cfg(test)]
pub(super) use model::stage;
pub use quiet::Quiet;
pub use real::Real;

/// What the model does as a certain real kernel, where the two differ and neither is wrong.
#[derive(Clone, Copy, Debug, Default)]
pub struct Imitation {
    /// A task does what other CPUs and devices do.
    pub director: bool,
    /// A `task_struct` is copied without VMX.
    pub small_tasks: bool,
    /// io_uring's workers are created as since 6.12.
    pub newer_io_wq: bool,
}

/// What comes of it when no task can run.
pub enum Idle {
    /// All tasks have ended.
    AllDone,
    /// A sleep ends, or time passes: the run goes on with this reply.
    GoesOn {
        /// What the machine does.
        reply: Reply,
        /// Whether a task's sleep ends.
        woken: bool,
    },
    /// The kernel has lost a task.
    Lost(String),
    /// Only this project's own code can have come here.
    OurFault(String),
}

/// A kernel, as the host of a run deals with it. Each implementation says in words what it cannot
/// do ([`Platform::not_applicable`]).
pub trait Platform {
    /// Forgets the last run and gets ready for a scenario.
    fn prepare(&mut self, scenario: &Scenario);

    /// Whether a run starts where the first task has already made its first host call.
    fn starts_in_a_task(&self) -> bool;

    /// Puts back the memory that the machine does not put back by itself.
    fn reset(&self, memory: &Memory, map: &AddressMap);

    /// Fills memory that no run may depend on with garbage made from a seed.
    fn poison(&self, memory: &Memory, seed: u64);

    /// Writes what the kernel has to know of a scenario before its first task runs.
    fn set_stage(&self, memory: &Memory, map: &AddressMap, compiled: &Compiled);

    /// The value of VRSAVE that a run may start with: `own` is the snapshot's, `seed` any other.
    fn first_vrsave(&self, own: u64, seed: u64) -> u32;

    /// `task`, which runs, makes a host call.
    fn task_calls(&mut self, view: &View<'_>, task: u8, call: UserCall) {
        let _ = (view, task, call);
    }

    /// `task` is about to make the task with the index `child`.
    fn forks(&mut self, task: u8, child: usize) {
        let _ = (task, child);
    }

    /// `task` has dumped its registers, and is about to exit.
    fn dumped(&mut self, task: u8) {
        let _ = task;
    }

    /// Whether the run is over as soon as all tasks have dumped. (The model's kernel says so
    /// itself.)
    fn ends_with_the_last_dump(&self) -> bool;

    /// No task can run.
    fn idle(&mut self, view: &View<'_>) -> Idle;

    /// `task` is about to do an operation, with this work pending.
    fn make_pending(
        &mut self,
        view: &View<'_>,
        task: u8,
        operation: &Operation,
        pending: &Pending,
    ) -> Reply;

    /// The function begins in which the work is to come that was made pending last.
    fn function_begins(&mut self, view: &View<'_>, arrival: Arrival) {
        let _ = (view, arrival);
    }

    /// The event whose late work came at the end of its system call, because the kernel did not
    /// pass as many preemption points as `after` says. Told once.
    fn take_missed(&mut self, view: &View<'_>) -> Option<u16> {
        let _ = view;
        None
    }

    /// Whether a task that a tracer is to stop at an event may stop at a later one. The model's
    /// does at once or never.
    fn stops_late(&self) -> bool {
        false
    }

    /// The tracer, who still waits for another task to stop, cannot stop one at this event.
    fn tracer_is_busy(&mut self, event: u16, pending: &Pending) {
        let _ = (event, pending);
    }

    /// An operation of this event asks for an interrupt.
    fn interrupt(&mut self, view: &View<'_>, vector: Vector, event: u16) -> Reply;

    /// Whether a host call of a kernel's at `pc` was made by this project's own code.
    fn made_by_our_kernel(&self, pc: u64) -> bool;

    /// The index of the task whose `task_struct` is at this address.
    fn task_at(&self, view: &View<'_>, address: u64) -> Option<u8>;

    /// The tasks whose `thread_struct` can be looked at.
    fn known_tasks(&self, memory: &Memory, map: &AddressMap) -> Vec<KnownTask>;

    /// What a sample of a long run has for the name of its task.
    fn task_name(&self, sample: &Sample, memory: &Memory, map: &AddressMap) -> String;

    /// Distance from a `task_struct` to what [`Platform::task_name`] wants to see of it.
    fn task_detail(&self) -> u64;

    /// What the kernel could not be made to do in the last run.
    fn not_applicable(&self) -> Vec<NotApplicable> {
        Vec::new()
    }

    /// From now on the model does as a certain real kernel.
    fn imitate(&mut self, imitation: Imitation) {
        let _ = imitation;
    }

    /// Addresses in the model; `None` of a real kernel.
    fn model(&self) -> Option<&ModelLayout> {
        None
    }

    /// Whether a real kernel was done with its boot when its snapshot was taken.
    fn quiet(&self, memory: &Memory, map: &AddressMap) -> Option<Quiet> {
        let _ = (memory, map);
        None
    }
}
