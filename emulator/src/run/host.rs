//! The host's side of a run on the model: it logs what the user side does, makes pending work pending, and collects what oracles compare.

use ctxfuzz_scenario::event::{Event, Pending, Switch};
use ctxfuzz_scenario::scenario::{MAX_TASKS, Scenario};

use super::observe::{self, Observation};
use super::outcome::{LogEntry, Outcome, RegisterFile, SignalFrame};
use super::{images, user};
use crate::kernel::image::Layout;
use crate::machine::{Host, Reply, Vector, View};

/// Numbers of host calls (docs/internals.md, section 2).
pub(super) mod call {
    pub const EVENT: u64 = 1;
    pub const INTERRUPT: u64 = 2;
    pub const SIGNAL_HANDLER: u64 = 3;
    pub const TASK_STARTED: u64 = 4;
    pub const SIGRETURN: u64 = 5;
    pub const DUMPED: u64 = 6;
    pub const ALL_DONE: u64 = 17;
    pub const PANIC: u64 = 18;
}

/// Why the guest itself ended the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GuestEnd {
    /// Nothing is left to run.
    AllDone,
    /// The kernel panicked.
    Panic(String),
    /// A host call that does not exist: the interpreter or the kernel has lost its way.
    Lost(String),
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
pub struct ModelHost {
    layout: Layout,
    pending: Vec<Pending>,
    last_event: Option<u32>,
    parents: [Option<u8>; MAX_TASKS],
    images_taken: bool,
    /// What has been collected.
    pub outcome: Collected,
    /// Set when the guest ended the run.
    pub guest_end: Option<GuestEnd>,
    /// Watches a traced run.
    pub observer: Option<Box<dyn Observer>>,
    /// Whether outcomes get observations.
    pub observe: bool,
}

/// The parts of an [`Outcome`] that are collected while the run goes on.
#[derive(Clone, Debug, Default)]
pub struct Collected {
    log: Vec<LogEntry>,
    tasks: Vec<Option<RegisterFile>>,
    frames: Vec<SignalFrame>,
    images: Vec<super::outcome::ThreadImage>,
    observations: Vec<Observation>,
}

impl Collected {
    /// Completes it.
    pub fn into_outcome(self, end: super::outcome::End) -> Outcome {
        Outcome {
            end,
            log: self.log,
            tasks: self.tasks,
            frames: self.frames,
            images: self.images,
            observations: self.observations,
        }
    }
}

impl ModelHost {
    /// A host for kernels of this layout.
    pub fn new(layout: Layout) -> Self {
        ModelHost {
            layout,
            pending: Vec::new(),
            last_event: None,
            parents: [None; MAX_TASKS],
            images_taken: false,
            outcome: Collected::default(),
            guest_end: None,
            observer: None,
            observe: false,
        }
    }

    /// Forgets the last run and gets ready for a scenario.
    pub fn prepare(&mut self, scenario: &Scenario) {
        self.pending.clear();
        let pending = scenario.events.iter().map(|event| match event {
            Event::Interrupt { pending, .. } | Event::Syscall { pending, .. } => *pending,
            _ => Pending::default(),
        });
        self.pending.extend(pending);
        self.last_event = None;
        self.parents = [None; MAX_TASKS];
        self.images_taken = false;
        self.outcome = Collected::default();
        self.outcome.tasks.resize(scenario.stage.tasks.len(), None);
        self.guest_end = None;
    }

    fn end(&mut self, end: GuestEnd) -> Reply {
        self.guest_end = Some(end);
        Reply::Stop
    }

    fn user_call(&mut self, view: &View<'_>) -> Reply {
        let number = view.gpr(28);
        let Some(task) = user::task_of_block(view.gpr(30)) else {
            return self.end(GuestEnd::Lost(format!(
                "user code came back with r30 = {:#x}",
                view.gpr(30)
            )));
        };
        if self.observe {
            let log = self.outcome.log.len();
            let seen = observe::look(view, &self.layout, task, number, log);
            self.outcome.observations.extend(seen);
        }
        match number {
            call::EVENT => self.event(view, task),
            call::INTERRUPT => return self.interrupt(view),
            call::SIGNAL_HANDLER => {
                let frame = images::signal_frame(view, &self.layout, task, view.gpr(5));
                self.outcome.log.push(LogEntry::SignalDelivered {
                    task,
                    frame: self.outcome.frames.len() as u16,
                });
                self.outcome.frames.push(frame);
            }
            call::TASK_STARTED => {
                let parent = self.parents[usize::from(task)];
                self.outcome
                    .log
                    .push(LogEntry::TaskStarted { task, parent });
            }
            call::SIGRETURN => self.outcome.log.push(LogEntry::SigReturned { task }),
            call::DUMPED => {
                let index = usize::from(task);
                if self.outcome.tasks.len() <= index {
                    self.outcome.tasks.resize(index + 1, None);
                }
                let file =
                    user::read_dump(view.memory, |ea| view.map.physical(ea).unwrap_or(0), task);
                self.outcome.tasks[index] = Some(file);
                self.outcome.log.push(LogEntry::Dumped { task });
            }
            other => return self.end(GuestEnd::Lost(format!("user code made host call {other}"))),
        }
        Reply::Continue
    }

    fn event(&mut self, view: &View<'_>, task: u8) {
        let Some(operation) = view.map.physical(view.gpr(29)) else {
            return;
        };
        let (kind, event) = user::operation_head(view.memory, operation);
        if user::is_end(kind) {
            // An operation that did not enter the kernel may have left its work behind.
            self.make_pending(view, usize::MAX);
            if !self.images_taken {
                self.images_taken = true;
                self.outcome.images = images::threads(view.memory, view.map, &self.layout);
            }
            if let Some(observer) = &mut self.observer {
                observer.event(None, task);
            }
            return;
        }
        if self.last_event != Some(event) {
            self.last_event = Some(event);
            self.outcome.log.push(LogEntry::Event {
                index: event as u16,
                task,
            });
            if let Some(observer) = &mut self.observer {
                observer.event(Some(event as u16), task);
            }
        }
        if user::is_fork(kind) {
            let child = view.load(user::BLOCKS_USED) as usize;
            if let Some(parent) = self.parents.get_mut(child) {
                *parent = Some(task);
            }
        }
        self.make_pending(view, event as usize);
    }

    /// Tells the kernel what other CPUs and devices do during this event.
    fn make_pending(&self, view: &View<'_>, event: usize) {
        let pending = self.pending.get(event).copied().unwrap_or_default();
        let flags = u64::from(pending.switch.is_some())
            | u64::from(pending.signal.is_some()) << 1
            | u64::from(pending.io_worker) << 2;
        let next = match pending.switch {
            Some(Switch::To(task)) => task.into(),
            _ => u64::MAX,
        };
        let Some(at) = view.map.physical(self.layout.remote_work) else {
            return;
        };
        view.memory.write_u64(at, flags);
        view.memory.write_u64(at + 8, next);
        view.memory
            .write_u64(at + 16, pending.signal.unwrap_or(0).into());
    }

    fn interrupt(&mut self, view: &View<'_>) -> Reply {
        match view.load(view.gpr(29).wrapping_add(8)) {
            0x500 => Reply::Interrupt(Vector::External),
            0x900 => Reply::Interrupt(Vector::Decrementer),
            0xa00 => Reply::Interrupt(Vector::Doorbell),
            other => self.end(GuestEnd::Lost(format!(
                "user code asked for interrupt {other:#x}"
            ))),
        }
    }

    fn kernel_call(&mut self, view: &View<'_>) -> Reply {
        match view.gpr(3) {
            call::ALL_DONE => self.end(GuestEnd::AllDone),
            call::PANIC => {
                let reason = view
                    .map
                    .physical(view.gpr(4))
                    .map_or_else(String::new, |pa| view.memory.read_str(pa));
                self.end(GuestEnd::Panic(reason))
            }
            other => self.end(GuestEnd::Lost(format!("the kernel made host call {other}"))),
        }
    }
}

impl Host for ModelHost {
    fn host_call(&mut self, view: &View<'_>) -> Reply {
        if view.user() {
            self.user_call(view)
        } else {
            self.kernel_call(view)
        }
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
