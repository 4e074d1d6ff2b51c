//! The host's side of a run: it logs what the user side does, has pending work made pending, and
//! collects what oracles compare.
//!
//! How work is made pending is up to the kernel (`Platform`).

mod end;
mod interrupt;
#[cfg(test)]
mod tests;
mod tracer;

use std::sync::Arc;

use ctxfuzz_scenario::effect::Effect;
use ctxfuzz_scenario::event::Pending;
use ctxfuzz_scenario::scenario::{MAX_TASKS, Scenario};

use super::call::{KernelCall, UserCall};
use super::capture::{Capture, Details, FIRST_GPR, Gprs, Observable};
use super::effects::Ledger;
use super::images::KnownTask;
use super::observe;
use super::outcome::{End, LogEntry, Outcome};
use super::platform::{Idle, Platform};
use super::reads::Reads;
use super::user::{Compiled, Operation};
use super::{images, ptrace, user};
use crate::kernel::image::Layout;
use crate::kernel::watched::WATCHED;
use crate::machine::point::Arrival;
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
    /// An event of the scenario begins, or (`None`) the final part in which tasks dump their
    /// registers.
    fn event(&mut self, index: Option<u16>, task: u8);
    /// The host has looked at a task: one more of [`Outcome::observations`].
    fn look(&mut self);
    /// The host reads a signal frame, or what `swapcontext` has saved, at this address.
    fn frame(&mut self, view: &View<'_>, context: u64);
    /// An exception is delivered.
    fn exception(&mut self, vector: Vector, at: u64);
    /// The instruction announced last stores bytes at this address, effective or (below 4 MiB)
    /// physical.
    fn store(&mut self, address: u64, size: usize);
    /// An instruction is about to run.
    fn instruction(&mut self, view: &View<'_>);
}

/// The host of one machine.
pub struct RunHost {
    layout: Layout,
    /// The kernel that runs.
    pub platform: Box<dyn Platform>,
    /// The operations that user code does, by their index in memory.
    operations: Arc<[Operation]>,
    pending: Vec<Pending>,
    /// What the reload counters of a task are to be when it comes to its first event.
    counters: [Option<Counters>; MAX_TASKS],
    last_event: Option<u32>,
    /// Who is to be stopped by a tracer, at which event.
    tracee: Option<(u8, u16)>,
    reads: Reads,
    /// What was owed, and what was seen of it.
    pub ledger: Ledger,
    parents: [Option<u8>; MAX_TASKS],
    /// The facilities whose registers each task loads when it starts.
    uses: [u64; MAX_TASKS],
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
}

impl RunHost {
    /// A host for a kernel of this layout.
    pub fn new(layout: Layout, platform: Box<dyn Platform>) -> Self {
        RunHost {
            layout,
            platform,
            operations: Arc::default(),
            pending: Vec::new(),
            counters: [None; MAX_TASKS],
            last_event: None,
            tracee: None,
            reads: Reads::default(),
            ledger: Ledger::default(),
            parents: [None; MAX_TASKS],
            uses: [0; MAX_TASKS],
            started: [false; MAX_TASKS],
            images_taken: false,
            outcome: Outcome::empty(End::Completed),
            guest_end: None,
            observer: None,
            observe: false,
        }
    }

    /// Forgets the last run and gets ready for a scenario.
    pub fn prepare(&mut self, scenario: &Scenario, compiled: &Compiled) {
        self.operations = Arc::clone(&compiled.operations);
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
        self.parents = [None; MAX_TASKS];
        self.uses = compiled.uses;
        self.started = [false; MAX_TASKS];
        self.images_taken = false;
        self.outcome = Outcome::empty(End::Completed);
        self.guest_end = None;
        self.platform.prepare(scenario);
        if self.platform.starts_in_a_task() {
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
        let call = UserCall::of(number);
        match call {
            Some(UserCall::Idle) => return self.idle(view),
            Some(UserCall::AgentTraced) => return self.traced(view),
            _ => {}
        }
        let Some(task) = user::task_of_block(view.gpr(30)) else {
            return self.end(GuestEnd::Lost(format!(
                "user code came back with r30 = {:#x}",
                view.gpr(30)
            )));
        };
        let Some(call) = call else {
            let what = format!("user code made host call {number}");
            return self.end(GuestEnd::Lost(what));
        };
        self.platform.task_calls(view, task, call);
        self.observe(view, task, call);
        if let Some(event) = self.platform.take_missed(view) {
            self.ledger.not_reached(event);
        }
        if let Some(read) = self.reads.is_back(view, task) {
            self.outcome.record(read);
        }
        match call {
            UserCall::Idle | UserCall::AgentTraced => {}
            UserCall::Event => {
                self.set_counters(view, task);
                return self.event(view, task);
            }
            UserCall::Interrupt => return self.interrupt(view),
            UserCall::Alignment => return Reply::alignment(view.gpr(26), view.gpr(27)),
            // What is not there reads as zero, and would look like a frame.
            UserCall::SignalHandler | UserCall::Context
                if view.map.physical(view.gpr(5)).is_none() =>
            {
                let what = format!("there is no memory at the context {:#x}", view.gpr(5));
                return self.end(GuestEnd::Lost(what));
            }
            UserCall::SignalHandler => {
                self.observe_frame(view);
                let frame = images::signal_frame(view, &self.layout, task);
                let frame = self.outcome.record(frame);
                self.log(LogEntry::SignalDelivered {
                    task,
                    frame,
                    at_entry: images::at_entry(view, &self.layout),
                });
            }
            UserCall::Context => {
                self.observe_frame(view);
                let frame = images::context(view, &self.layout, task, view.gpr(5));
                let frame = self.outcome.record(frame);
                self.log(LogEntry::ContextSaved { task, frame });
            }
            UserCall::TaskStarted
                if std::mem::replace(&mut self.started[usize::from(task)], true) =>
            {
                self.log(LogEntry::Execed { task });
            }
            UserCall::TaskStarted => {
                let parent = self.parents[usize::from(task)];
                self.log(LogEntry::TaskStarted { task, parent });
            }
            UserCall::Sigreturn => self.log(LogEntry::SigReturned { task }),
            UserCall::Dumped => return self.dumped(view, task),
        }
        Reply::CONTINUE
    }

    fn observe(&mut self, view: &View<'_>, task: u8, call: UserCall) {
        if !self.observe {
            return;
        }
        let caller = observe::Caller {
            task,
            call,
            operation: self.operation(view),
            uses: self.uses[usize::from(task)],
            started: self.started[usize::from(task)],
        };
        let log = self.outcome.log.len();
        let tasks = self.living_tasks(view);
        let seen = observe::look(view, &self.layout, &caller, log, &tasks);
        if let (Some(_), Some(observer)) = (&seen, &mut self.observer) {
            observer.look();
        }
        self.outcome.observations.extend(seen);
    }

    fn observe_frame(&mut self, view: &View<'_>) {
        if let Some(observer) = &mut self.observer {
            observer.frame(view, view.gpr(5));
        }
    }

    /// The operation that r29 points at, if it points at one.
    fn operation(&self, view: &View<'_>) -> Option<Operation> {
        let index = user::operation_index(view.gpr(29))?;
        self.operations.get(index).copied()
    }

    /// A task has loaded its first registers, so the counters are 1. They are not registers: no
    /// instruction of a program sets them.
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
        self.platform.dumped(task);
        if self.platform.ends_with_the_last_dump() && self.all_dumped(view) {
            return self.end(GuestEnd::AllDone);
        }
        Reply::CONTINUE
    }

    fn all_dumped(&self, view: &View<'_>) -> bool {
        let tasks = view.load(user::BLOCKS_USED);
        (0..tasks).all(|task| u8::try_from(task).is_ok_and(|task| self.outcome.has_dumped(task)))
    }

    /// No task can run: a sleep has to end, or all tasks have ended.
    fn idle(&mut self, view: &View<'_>) -> Reply {
        match self.platform.idle(view) {
            Idle::AllDone => self.end(GuestEnd::AllDone),
            Idle::GoesOn { reply, woken } => {
                if woken {
                    self.ledger.saw(Effect::Sleep);
                }
                reply
            }
            Idle::Lost(what) => self.end(GuestEnd::Lost(what)),
            Idle::OurFault(what) => self.end(GuestEnd::OurFault(what)),
        }
    }

    fn event(&mut self, view: &View<'_>, task: u8) -> Reply {
        let Some(operation) = self.operation(view) else {
            return self.end(no_operation(view));
        };
        let event = operation.event;
        if operation.is_end() {
            self.take_images(view);
            if let Some(observer) = &mut self.observer {
                observer.event(None, task);
            }
            // An operation that did not enter the kernel may have left its work behind.
            return self.make_pending(view, task, &operation);
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
        if let Some(bytes) = operation.read_bytes() {
            self.reads.begins(view, task, event as u16, bytes);
        }
        if operation.is_fork() {
            let child = view.load(user::BLOCKS_USED) as usize;
            if let Some(parent) = self.parents.get_mut(child) {
                *parent = Some(task);
                self.platform.forks(task, child);
            }
        }
        let reply = self.make_pending(view, task, &operation);
        let (log, blocks) = (
            self.outcome.log.len(),
            view.load(user::BLOCKS_USED) as usize,
        );
        self.ledger.begins(event as u16, task, log, blocks);
        reply
    }

    fn take_images(&mut self, view: &View<'_>) {
        if std::mem::replace(&mut self.images_taken, true) {
            return;
        }
        for known in self.platform.known_tasks(view.memory, view.map) {
            if let Some(image) = images::thread(view.memory, view.map, &self.layout, known) {
                self.outcome.record(image);
            }
        }
    }

    /// Those of them that have not dumped their registers: the memory of one that has may be
    /// another's by now.
    fn living_tasks(&self, view: &View<'_>) -> Vec<KnownTask> {
        let mut tasks = self.platform.known_tasks(view.memory, view.map);
        let lives = |task: u8| !self.outcome.has_dumped(task);
        tasks.retain(|known| known.task.is_none_or(lives));
        tasks
    }

    /// Has made pending what other CPUs and devices do during this operation's event.
    fn make_pending(&mut self, view: &View<'_>, task: u8, operation: &Operation) -> Reply {
        let pending = self.pending.get(operation.event as usize);
        let mut pending = pending.copied().unwrap_or_default();
        self.send_tracer(view, task, operation.event as u16, &mut pending);
        self.platform.make_pending(view, task, operation, &pending)
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
        Reply::CONTINUE
    }

    fn kernel_call(&mut self, view: &View<'_>) -> Reply {
        let number = view.gpr(3);
        let Some(call) = KernelCall::of(number) else {
            let what = format!("the kernel made host call {number}");
            // A real kernel makes none at all.
            let ours = self.platform.made_by_our_kernel(view.pc);
            return self.end(match ours {
                true => GuestEnd::OurFault(what),
                false => GuestEnd::Lost(what),
            });
        };
        if let Some(observable) = call.captures() {
            return self.captured(view, observable);
        }
        match call {
            KernelCall::AllDone => self.end(GuestEnd::AllDone),
            KernelCall::Traced => self.traced(view),
            KernelCall::Panic => {
                let reason = view
                    .map
                    .physical(view.gpr(4))
                    .map_or_else(String::new, |pa| view.memory.read_str(pa));
                self.end(GuestEnd::Panic(reason))
            }
            other => self.end(GuestEnd::OurFault(format!("nothing serves {other:?}"))),
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

    /// When the events are over, tasks return from their handlers, dump their registers and exit.
    fn event(&self) -> Option<u16> {
        let event = self.last_event.filter(|_| !self.images_taken);
        event.and_then(|event| u16::try_from(event).ok())
    }

    fn executed(&mut self, view: &View<'_>, index: usize) {
        let task = self.platform.task_at(view, view.load(self.layout.current));
        self.ledger
            .executed(WATCHED[index].0, task, self.outcome.log.len());
    }

    fn function_begins(&mut self, view: &View<'_>, arrival: Arrival) {
        self.platform.function_begins(view, arrival);
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
