//! The host's side of a run: it logs what the user side does, has pending work made pending, and collects what oracles compare.
//!
//! How work is made pending is up to the kernel: `remote_work` for the model, `agent` for a real one.

mod end;
mod interrupt;
#[cfg(test)]
mod tests;
mod tracer;

use ctxfuzz_scenario::effect::Effect;
use ctxfuzz_scenario::event::Pending;
use ctxfuzz_scenario::scenario::{MAX_TASKS, Scenario};

use super::agent::Agent;
use super::call;
use super::capture::{Capture, Details, FIRST_GPR, Gprs, Observable};
use super::effects::Ledger;
use super::images::KnownTask;
use super::observe;
use super::outcome::{End, LogEntry, Outcome};
use super::reads::Reads;
use super::{images, ptrace, remote_work, user};
use crate::kernel::image::Layout;
use crate::kernel::watched::WATCHED;
use crate::machine::address::KERNEL;
use crate::machine::{Host, Reply, Vector, View};

pub use end::GuestEnd;

/// `thread_struct`'s `load_fp` and `load_vec`, where a scenario says so.
#[derive(Clone, Copy)]
struct Counters {
    load_fp: Option<u8>,
    load_vec: Option<u8>,
}

/// Receives what happens in a traced run, instruction by instruction.
pub trait Observer {
    /// An event of the scenario begins, or (`None`) the final part in which tasks dump their registers.
    fn event(&mut self, index: Option<u16>, task: u8);
    /// An exception is delivered.
    fn exception(&mut self, vector: Vector, at: u64);
    /// The instruction announced last stores bytes at this address, effective or (below 4 MiB) physical.
    fn store(&mut self, address: u64, size: usize);
    /// An instruction is about to run.
    fn instruction(&mut self, view: &View<'_>);
}

/// The host of one machine.
pub struct RunHost {
    layout: Layout,
    /// The host's side of a real kernel's agent.
    pub agent: Option<Agent>,
    pending: Vec<Pending>,
    /// What the reload counters of a task are to be when it comes to its first event.
    counters: [Option<Counters>; MAX_TASKS],
    last_event: Option<u32>,
    /// Who is to be stopped by a tracer, at which event.
    tracee: Option<(u8, u16)>,
    reads: Reads,
    /// What was owed, and what was seen of it.
    pub ledger: Ledger,
    /// The event whose work the model was told to do late.
    late: Option<u16>,
    parents: [Option<u8>; MAX_TASKS],
    started: [bool; MAX_TASKS],
    images_taken: bool,
    /// What has been collected. Its end, and what follows from that, is not known before the
    /// machine has stopped.
    pub outcome: Outcome,
    /// Set when the guest ended the run.
    pub guest_end: Option<GuestEnd>,
    /// Watches a traced run.
    pub observer: Option<Box<dyn Observer>>,
    /// Whether outcomes get observations.
    pub observe: bool,
    /// Whether a task of the model does what is pending.
    pub director: bool,
}

impl RunHost {
    /// A host for kernels of this layout; with an agent if it is a real one.
    pub fn new(layout: Layout, agent: Option<Agent>) -> Self {
        RunHost {
            layout,
            agent,
            pending: Vec::new(),
            counters: [None; MAX_TASKS],
            last_event: None,
            tracee: None,
            reads: Reads::default(),
            ledger: Ledger::default(),
            late: None,
            parents: [None; MAX_TASKS],
            started: [false; MAX_TASKS],
            images_taken: false,
            outcome: Outcome::empty(End::Completed),
            guest_end: None,
            observer: None,
            observe: false,
            director: false,
        }
    }

    /// Forgets the last run and gets ready for a scenario.
    pub fn prepare(&mut self, scenario: &Scenario) {
        self.pending.clear();
        let events = scenario.events.iter();
        let pending = events.map(|event| event.pending().copied().unwrap_or_default());
        self.pending.extend(pending);
        self.counters = [None; MAX_TASKS];
        for (counters, task) in self.counters.iter_mut().zip(&scenario.stage.tasks) {
            *counters = Some(Counters {
                load_fp: task.load_fp,
                load_vec: task.load_vec,
            });
        }
        self.last_event = None;
        self.tracee = None;
        self.reads = Reads::default();
        self.ledger.prepare(scenario);
        self.late = None;
        self.parents = [None; MAX_TASKS];
        self.started = [false; MAX_TASKS];
        self.images_taken = false;
        self.outcome = Outcome::empty(End::Completed);
        self.guest_end = None;
        if let Some(agent) = &mut self.agent {
            agent.prepare(scenario);
            // Runs start where the first task has just made this host call.
            self.started[0] = true;
            self.log(LogEntry::TaskStarted {
                task: 0,
                parent: None,
            });
        }
    }

    fn log(&mut self, entry: LogEntry) {
        self.ledger.logged(&entry, &self.outcome);
        self.outcome.log.push(entry);
    }

    fn end(&mut self, end: GuestEnd) -> Reply {
        self.guest_end = Some(end);
        Reply::Stop
    }

    fn user_call(&mut self, view: &View<'_>) -> Reply {
        let number = view.gpr(28);
        if number == call::IDLE {
            return self.idle(view);
        }
        if number == call::AGENT_TRACED {
            return self.traced(view);
        }
        let Some(task) = user::task_of_block(view.gpr(30)) else {
            return self.end(GuestEnd::Lost(format!(
                "user code came back with r30 = {:#x}",
                view.gpr(30)
            )));
        };
        if let Some(agent) = &mut self.agent {
            agent.seen(view, task, number, view.load(self.layout.current));
        }
        if self.observe {
            let log = self.outcome.log.len();
            let tasks = self.living_tasks(view);
            let again = self.started[usize::from(task)];
            let seen = observe::look(view, &self.layout, task, number, log, &tasks, again);
            self.outcome.observations.extend(seen);
        }
        self.note_missed_place(view);
        if let Some(read) = self.reads.is_back(view, task) {
            self.outcome.record(read);
        }
        match number {
            call::EVENT => {
                self.set_counters(view, task);
                return self.event(view, task);
            }
            call::INTERRUPT => return self.interrupt(view),
            call::ALIGNMENT => {
                return Reply::Alignment {
                    at: view.gpr(26),
                    address: view.gpr(27),
                };
            }
            // What is not there reads as zero, and would look like a frame.
            call::SIGNAL_HANDLER | call::CONTEXT if view.map.physical(view.gpr(5)).is_none() => {
                let what = format!("there is no memory at the context {:#x}", view.gpr(5));
                return self.end(GuestEnd::Lost(what));
            }
            call::SIGNAL_HANDLER => {
                let frame = images::signal_frame(view, &self.layout, task);
                let frame = self.outcome.record(frame);
                self.log(LogEntry::SignalDelivered {
                    task,
                    frame,
                    at_entry: images::at_entry(view, &self.layout),
                });
            }
            call::CONTEXT => {
                let frame = images::context(view, &self.layout, task, view.gpr(5));
                let frame = self.outcome.record(frame);
                self.log(LogEntry::ContextSaved { task, frame });
            }
            call::TASK_STARTED if std::mem::replace(&mut self.started[usize::from(task)], true) => {
                self.log(LogEntry::Execed { task });
            }
            call::TASK_STARTED => {
                let parent = self.parents[usize::from(task)];
                self.log(LogEntry::TaskStarted { task, parent });
            }
            call::SIGRETURN => self.log(LogEntry::SigReturned { task }),
            call::DUMPED => return self.dumped(view, task),
            other => return self.end(GuestEnd::Lost(format!("user code made host call {other}"))),
        }
        Reply::Continue
    }

    /// A task has loaded its first registers, so the counters are 1. They are not registers: no instruction of a program sets them.
    fn set_counters(&mut self, view: &View<'_>, task: u8) {
        let Some(counters) = self.counters[usize::from(task)].take() else {
            return;
        };
        let thread = &self.layout.thread;
        for (offset, value) in [
            (thread.load_fp, counters.load_fp),
            (thread.load_vec, counters.load_vec),
        ] {
            if let (Some(value), Some(at)) = (value, observe::current_thread(view, &self.layout)) {
                view.memory.write(at + offset, &[value]);
            }
        }
    }

    fn dumped(&mut self, view: &View<'_>, task: u8) -> Reply {
        if let Some(page) = view.map.moved_user_data() {
            let what = format!("the kernel has moved the page of user data at {page:#x}");
            return self.end(GuestEnd::Misled(what));
        }
        let file = user::read_dump(view.memory, |ea| view.physical(ea), task);
        let last = Capture::new(Observable::Final, Some(task), file);
        self.outcome.record(last.with(Details::Gprs(gprs(view))));
        self.log(LogEntry::Dumped { task });
        if let Some(agent) = &mut self.agent {
            agent.gone(task);
        }
        // The model says itself when nothing is left to run.
        if self.agent.is_some() && self.all_dumped(view) {
            return self.end(GuestEnd::AllDone);
        }
        Reply::Continue
    }

    fn all_dumped(&self, view: &View<'_>) -> bool {
        let tasks = view.load(user::BLOCKS_USED);
        (0..tasks).all(|task| u8::try_from(task).is_ok_and(|task| self.outcome.has_dumped(task)))
    }

    /// No task can run: somebody's sleep has to end, or all have ended.
    fn idle(&mut self, view: &View<'_>) -> Reply {
        // A control block that a failed call did not hand back belongs to nobody: no task starts in it.
        let agent = self.agent.as_mut();
        if agent.as_ref().is_some_and(|agent| agent.all_gone()) {
            return self.end(GuestEnd::AllDone);
        }
        let woken = agent.map(|agent| agent.wake_somebody(view));
        if matches!(woken, Some(Ok(Reply::Timer(None)))) {
            self.ledger.saw(Effect::Sleep);
        }
        match woken {
            Some(Ok(reply)) => reply,
            Some(Err(what)) => self.end(GuestEnd::Lost(what)),
            // Only the agent has this call. The model's user program is ours, and no kernel changes it.
            None => self.end(GuestEnd::OurFault(format!(
                "the model's user code made host call {}",
                call::IDLE
            ))),
        }
    }

    fn event(&mut self, view: &View<'_>, task: u8) -> Reply {
        let Some(operation) = view.map.physical(view.gpr(29)) else {
            return self.end(no_operation(view));
        };
        let (kind, event) = user::operation_head(view.memory, operation);
        if user::is_end(kind) {
            self.take_images(view);
            if let Some(observer) = &mut self.observer {
                observer.event(None, task);
            }
            // An operation that did not enter the kernel may have left its work behind.
            return self.make_pending(view, task, operation, usize::MAX);
        }
        if self.last_event != Some(event) {
            self.last_event = Some(event);
            self.log(LogEntry::Event {
                index: event as u16,
                task,
            });
            if let Some(observer) = &mut self.observer {
                observer.event(Some(event as u16), task);
            }
        }
        if let Some(bytes) = user::read_bytes(view.memory, operation) {
            self.reads.begins(view, task, event as u16, bytes);
        }
        if user::is_fork(kind) {
            let child = view.load(user::BLOCKS_USED) as usize;
            if let Some(parent) = self.parents.get_mut(child) {
                *parent = Some(task);
                if let Some(agent) = &mut self.agent {
                    agent.forks(task, child);
                }
            }
        }
        let reply = self.make_pending(view, task, operation, event as usize);
        let (log, blocks) = (
            self.outcome.log.len(),
            view.load(user::BLOCKS_USED) as usize,
        );
        self.ledger.begins(event as u16, task, log, blocks);
        reply
    }

    /// The model says so when work that was to come late came at the end of its system call (docs/internals.md, section 4).
    fn note_missed_place(&mut self, view: &View<'_>) {
        let Some(model) = self.layout.model.as_ref().filter(|_| self.late.is_some()) else {
            return;
        };
        if remote_work::take_missed(view, model)
            && let Some(event) = self.late.take()
        {
            self.ledger.not_reached(event);
        }
    }

    /// The task whose `task_struct` is the current one.
    fn current_task(&self, view: &View<'_>) -> Option<u8> {
        let current = view.load(self.layout.current);
        match (&self.layout.model, &self.agent) {
            (Some(model), _) => images::user_index(view, model, current),
            (None, agent) => agent.as_ref()?.task_at(current),
        }
    }

    fn take_images(&mut self, view: &View<'_>) {
        if std::mem::replace(&mut self.images_taken, true) {
            return;
        }
        for known in self.known_tasks(view) {
            if let Some(image) = images::thread(view.memory, view.map, &self.layout, known) {
                self.outcome.record(image);
            }
        }
    }

    /// Those of them that have not dumped their registers: the memory of one that has may be another's by now.
    fn living_tasks(&self, view: &View<'_>) -> Vec<KnownTask> {
        let mut tasks = self.known_tasks(view);
        let lives = |task: u8| !self.outcome.has_dumped(task);
        tasks.retain(|known| known.task.is_none_or(lives));
        tasks
    }

    /// The tasks whose `thread_struct` can be looked at.
    pub fn known_tasks(&self, view: &View<'_>) -> Vec<KnownTask> {
        match (&self.layout.model, &self.agent) {
            (Some(model), _) => images::model_tasks(view.memory, view.map, model),
            (None, Some(agent)) => agent.tasks(),
            (None, None) => Vec::new(),
        }
    }

    /// Has made pending what other CPUs and devices do during this event.
    fn make_pending(&mut self, view: &View<'_>, task: u8, operation: u64, event: usize) -> Reply {
        let mut pending = self.pending.get(event).copied().unwrap_or_default();
        self.send_tracer(view, task, event as u16, &mut pending);
        if let Some(agent) = &mut self.agent {
            return agent.make_pending(view, task, operation, &pending);
        }
        if let Some(model) = &self.layout.model {
            remote_work::write(view, model, &pending, self.director);
            self.late = (pending.after != 0).then_some(event as u16);
        }
        Reply::Continue
    }

    /// The kernel hands over registers of a task.
    fn captured(&mut self, view: &View<'_>, observable: Observable) -> Reply {
        let task = view.gpr(4) as u8;
        let capture = Capture::new(observable, Some(task), ptrace::read(view));
        let number = self.outcome.record(capture);
        self.log(LogEntry::Captured {
            task,
            observable,
            number,
        });
        Reply::Continue
    }

    fn kernel_call(&mut self, view: &View<'_>) -> Reply {
        if let Some(observable) = call::captured(view.gpr(3)) {
            return self.captured(view, observable);
        }
        match view.gpr(3) {
            call::ALL_DONE => self.end(GuestEnd::AllDone),
            call::TRACED => self.traced(view),
            call::PANIC => {
                let reason = view
                    .map
                    .physical(view.gpr(4))
                    .map_or_else(String::new, |pa| view.memory.read_str(pa));
                self.end(GuestEnd::Panic(reason))
            }
            other => {
                let what = format!("the kernel made host call {other}");
                // The model's kernel text makes its host calls by constants. A call from elsewhere
                // is user code that the kernel went back to in privileged state, and a real kernel
                // makes none at all.
                let ours = self.layout.model.is_some() && view.pc >= KERNEL;
                self.end(match ours {
                    true => GuestEnd::OurFault(what),
                    false => GuestEnd::Lost(what),
                })
            }
        }
    }
}

/// The kernel came back with another r29 than the task had.
fn no_operation(view: &View<'_>) -> GuestEnd {
    GuestEnd::Lost(format!(
        "user code came back with r29 = {:#x}",
        view.gpr(29)
    ))
}

/// r14 to r25.
pub(crate) fn gprs(view: &View<'_>) -> Gprs {
    std::array::from_fn(|n| view.gpr(FIRST_GPR + n as u8))
}

impl Host for RunHost {
    fn host_call(&mut self, view: &View<'_>) -> Reply {
        if view.user() {
            self.user_call(view)
        } else {
            self.kernel_call(view)
        }
    }

    fn executed(&mut self, view: &View<'_>, index: usize) {
        let task = self.current_task(view);
        self.ledger
            .executed(WATCHED[index].0, task, self.outcome.log.len());
    }

    fn exception(&mut self, vector: Vector, at: u64) {
        if let Some(observer) = &mut self.observer {
            observer.exception(vector, at);
        }
    }

    fn store(&mut self, address: u64, size: usize) {
        if let Some(observer) = &mut self.observer {
            observer.store(address, size);
        }
    }

    fn instruction(&mut self, view: &View<'_>) {
        if let Some(observer) = &mut self.observer {
            observer.instruction(view);
        }
    }
}
