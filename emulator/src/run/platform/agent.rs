//! The host's side of a real kernel's agent: requests to the director, who is asleep, which task is
//! which.
//!
//! The page that both share is docs/internals.md, section 6.

mod copied_pages;
mod sleeps;

use std::collections::BTreeSet;

use ctxfuzz_scenario::effect::Effect;
use ctxfuzz_scenario::event::{Event, Pending, Switch, Syscall};
use ctxfuzz_scenario::scenario::{MAX_TASKS, Scenario};

use crate::machine::pseries::Timer;
use crate::machine::{Reply, View};
use crate::run::abi::numbers;
use crate::run::call::UserCall;
use crate::run::effects::{self, NotApplicable};
use crate::run::images::KnownTask;
use crate::run::user::{self, Operation};

pub use copied_pages::CopiedPages;
use sleeps::Waits;
#[cfg(test)]
pub(in crate::run) use sleeps::idle;

/// Where the agent's page is.
pub const PAGE: u64 = 0x2000_b000;
/// First doubleword of the page once the agent is ready.
pub const MAGIC: u64 = 0x6374_7866_7a61_6737;
/// Times that one ring can be made to create a worker in a run.
pub const WORKER_TRIGGERS: usize = 8;

/// Where the number of pages in the second area is.
pub const DEVICE_PAGES: u64 = PAGE + at::DEVICE_PAGES;

/// Where the number of tasks at a scenario's start has to be before the first of them runs.
pub const TASKS: u64 = PAGE + at::TASKS;

numbers! {
    /// Offsets in the page.
    pub(in crate::run) mod at: u64 {
        RINGS = 8,
        REQUEST = 16,
        RUNNING_PID = 24,
        TRIGGER_FD = 32,
        SIGNAL = 40,
        NEXT_PID = 48,
        IDLE_ACTION = 56,
        TASKS = 72,
        LAZY_PAGES = 80,
        DEVICE_PAGES = 88,
        PAGE_SIZE = 96,
        NO_IO_URING = 120,
        PIDS = 128,
        TRIGGERS = 192,
    }
}

numbers! {
    /// What the director is asked to do.
    pub(in crate::run) mod request: u64 {
        IO_WORKER = 1,
        SIGNAL = 2,
        SWITCH = 4,
        PTRACE = 8,
    }
}

/// One task of a run.
#[derive(Clone, Debug, Default)]
struct Task {
    /// Its `task_struct`, once it has been seen.
    address: Option<u64>,
    /// What it may be asleep in, and since which host call.
    waits: Option<(u64, Waits)>,
    /// The same of what each handler has interrupted: a signal may come before the system call
    /// instruction, which is still to come then.
    interrupted: Vec<Option<(u64, Waits)>>,
    /// Times that its sleep was ended since it made a host call.
    woken: u32,
    /// Workers its ring was made to create.
    triggered: usize,
    /// Of a child, once its parent has been told.
    pid: Option<u64>,
    /// Signal handlers it is in.
    depth: usize,
    /// Tasks it is making: the handlers it was in, and the child.
    forking: Vec<(usize, usize)>,
    /// It has dumped its registers.
    gone: bool,
}

/// The host's side of the agent.
#[derive(Clone, Debug)]
pub struct Agent {
    /// Offset of `pid` in `task_struct`, once known.
    pid_offset: Option<u64>,
    staged: usize,
    rings: Vec<u8>,
    syscalls: Vec<Option<Syscall>>,
    /// As many as there can be.
    tasks: Vec<Task>,
    request: u64,
    clock: u64,
    fruitless: u32,
    /// Pages of that area that have been touched.
    touched: u64,
    /// Where stores go whose page the kernel is to copy with VMX.
    pages: CopiedPages,
    /// Bytes that the writes of this run have asked to be written.
    written: u64,
    /// What the kernel could not be made to do in this run.
    not_applicable: BTreeSet<NotApplicable>,
}

/// Bytes that the pipe holds where pages are small.
const PIPE: u64 = 4 * 4096;
/// Bytes of a `task_struct` in which `pid` is looked for.
const PID_WITHIN: u64 = 0x1000;

impl Agent {
    /// An agent whose scenario is yet to come, for a kernel that copies these pages with VMX.
    pub fn new(pages: CopiedPages) -> Self {
        Agent {
            pid_offset: None,
            staged: 0,
            rings: Vec::new(),
            syscalls: Vec::new(),
            tasks: vec![Task::default(); MAX_TASKS],
            request: 0,
            clock: 0,
            fruitless: 0,
            touched: 0,
            written: 0,
            pages,
            not_applicable: BTreeSet::new(),
        }
    }

    /// What the kernel could not be made to do in the last run.
    pub fn not_applicable(&self) -> impl Iterator<Item = &NotApplicable> {
        self.not_applicable.iter()
    }

    /// Forgets the last run and gets ready for a scenario.
    pub fn prepare(&mut self, scenario: &Scenario) {
        self.staged = scenario.stage.tasks.len();
        self.rings.clone_from(&scenario.stage.io_uring);
        self.syscalls.clear();
        let calls = scenario.events.iter().map(|event| match event {
            Event::Syscall { call, .. } => Some(*call),
            _ => None,
        });
        self.syscalls.extend(calls);
        self.tasks = vec![Task::default(); MAX_TASKS];
        self.request = 0;
        self.clock = 0;
        self.fruitless = 0;
        self.touched = 0;
        self.written = 0;
        self.not_applicable.clear();
    }

    /// A task makes a host call; `current` is its `task_struct`.
    pub fn task_calls(&mut self, view: &View<'_>, task: u8, call: UserCall, current: u64) {
        let last_staged_pid = view.load(PAGE + at::PIDS + 8 * (MAX_TASKS as u64 - 1));
        let Some(task) = self.tasks.get_mut(usize::from(task)) else {
            return;
        };
        task.address = Some(current);
        let waited = task.waits.take();
        task.woken = 0;
        match call {
            UserCall::SignalHandler => {
                task.depth += 1;
                task.interrupted.push(waited);
            }
            UserCall::Sigreturn => {
                task.depth = task.depth.saturating_sub(1);
                task.waits = task.interrupted.pop().flatten();
            }
            // The loop leaves r3 alone: after a call that makes a task it is the result. Pids are
            // larger than error numbers.
            UserCall::Event => {
                let depth = task.depth;
                if let Some((_, child)) = task.forking.pop_if(|(at, _)| *at == depth) {
                    let result = view.gpr(3);
                    let made = (last_staged_pid..1 << 22).contains(&result);
                    let pid = made.then_some(result);
                    self.tasks[child].pid = pid;
                }
            }
            _ => {}
        }
    }

    /// A task is about to make another one.
    pub fn forks(&mut self, task: u8, child: usize) {
        let depth = self.tasks[usize::from(task)].depth;
        self.tasks[usize::from(task)].forking.push((depth, child));
    }

    /// A task has dumped its registers, and is about to exit.
    pub fn gone(&mut self, task: u8) {
        self.tasks[usize::from(task)].gone = true;
    }

    /// Whether all tasks that have started have dumped. When no task can run, that is all there
    /// are.
    pub fn all_gone(&self) -> bool {
        self.tasks
            .iter()
            .all(|task| task.gone || task.address.is_none())
    }

    /// The tasks that have been seen, in user order.
    pub fn tasks(&self) -> Vec<KnownTask> {
        (0u8..)
            .zip(&self.tasks)
            .filter_map(|(task, known)| {
                Some(KnownTask {
                    address: known.address?,
                    task: Some(task),
                })
            })
            .collect()
    }

    /// The task with this `task_struct`.
    pub fn task_at(&self, address: u64) -> Option<u8> {
        let at = self
            .tasks
            .iter()
            .position(|task| task.address == Some(address));
        at.map(|at| at as u8)
    }

    /// Whether the director has something to do.
    pub fn has_request(&self) -> bool {
        self.request != 0
    }

    fn field(view: &View<'_>, offset: u64) -> Option<u64> {
        view.map.physical(PAGE + offset)
    }

    fn put(view: &View<'_>, offset: u64, value: u64) {
        if let Some(pa) = Self::field(view, offset) {
            view.memory.write_u64(pa, value);
        }
    }

    /// The pid of a task; `None` for a child that has not run yet.
    fn pid(&self, view: &View<'_>, task: usize) -> Option<u64> {
        if task < self.staged {
            return Some(view.load(PAGE + at::PIDS + 8 * task as u64));
        }
        let task = self.tasks.get(task)?;
        let Some(address) = task.address else {
            return task.pid;
        };
        let pa = view.map.physical(address + self.pid_offset?)?;
        Some(view.memory.read_u32(pa).into())
    }

    /// Finds out where `task_struct` has `pid`: followed by `tgid`, which is the same, and soon by
    /// `real_parent` and `parent`, the same again.
    fn find_pid(&mut self, view: &View<'_>, task: usize) {
        let (Some(pid), Some(address)) = (self.pid(view, task), self.tasks[task].address) else {
            return;
        };
        let word = |offset: u64| {
            view.map
                .physical(address + offset)
                .map_or(0, |pa| u64::from(view.memory.read_u32(pa)))
        };
        self.pid_offset = (0..PID_WITHIN).step_by(4).find(|o| {
            let parent = |at: u64| view.follow(address + at);
            let parents = (o + 8).next_multiple_of(8);
            word(*o) == pid
                && word(o + 4) == pid
                && [parents, parents + 8]
                    .iter()
                    .any(|at| parent(*at) >> 60 == 0xc && parent(*at) == parent(at + 8))
        });
    }

    /// A task is about to do an operation, with this work pending.
    pub fn make_pending(
        &mut self,
        view: &View<'_>,
        task: u8,
        operation: &Operation,
        pending: &Pending,
    ) -> Reply {
        let index = usize::from(task);
        if self.pid_offset.is_none() && index < self.staged {
            self.find_pid(view, index);
        }
        let event = operation.event as u16;
        let call = self
            .syscalls
            .get(operation.event as usize)
            .copied()
            .flatten();
        self.note_sleep(index, call);
        self.note_write(view, event, call);
        self.fit_to_kernel(view, index, event, call);
        // Without a control block or a handler these two do nothing, so nothing can be pending: the
        // director would wake at the next interrupt.
        let blocks = view.load(user::BLOCKS_USED) as usize;
        let idle = operation.is_fork() && blocks >= MAX_TASKS
            || operation.is_sigreturn() && self.tasks[index].depth == 0;
        let pending = if idle { &Pending::NONE } else { pending };
        self.request(view, index, event, pending);
        Self::put(view, at::REQUEST, self.request);
        let after = pending.after;
        let timer = self.request != 0 && !operation.is_interrupt();
        Reply::timer(timer.then_some(Timer::InKernel { after, event }))
    }

    /// Changes the call that the task is about to make, in memory, where this kernel cannot be made
    /// to do what the scenario says, or needs another argument.
    fn fit_to_kernel(&mut self, view: &View<'_>, task: usize, event: u16, call: Option<Syscall>) {
        let missing = match call {
            Some(Syscall::EnableKernel { .. }) => {
                Some("the agent has no call in which this kernel uses FP, VMX or VSX itself")
            }
            Some(Syscall::KvmRun { .. }) => Some("the machine has no guests"),
            Some(Syscall::Hibernate) => Some("the machine has no disk to be suspended to"),
            Some(Syscall::Execve) => {
                Some("a new program would have no part in the memory of the others")
            }
            Some(Syscall::Abort) => Some("the agent keeps no core dumps"),
            _ => None,
        };
        if let Some((what, effect)) = missing.zip(call.and_then(effects::of_call)) {
            self.cannot(event, effect, what);
        }
        if matches!(call, Some(Syscall::Execve | Syscall::Abort)) {
            user::replace_with_getppid(view);
        }
        if matches!(call, Some(Syscall::Kill { .. }))
            && let Some(pid) = self.pid(view, task)
        {
            // The scenario says getpid().
            user::set_first_argument(view, pid);
        }
    }

    /// A task is to be interrupted by a system reset.
    pub fn system_reset(&mut self, event: u16) -> Reply {
        let what = "the machine takes no interrupt in real mode, as a system reset is taken";
        self.cannot(event, Effect::SystemReset, what);
        Reply::CONTINUE
    }

    /// Work is pending while the director, who is the tracer, waits for another task to stop: it
    /// does this work when that has stopped.
    pub fn director_is_busy(&mut self, event: u16, pending: &Pending) {
        let what =
            "the agent's director is the tracer too, and still waits for another task to stop";
        for effect in effects::of_pending(pending) {
            self.cannot(event, effect, what);
        }
    }

    fn cannot(&mut self, event: u16, effect: Effect, what: &'static str) {
        self.not_applicable.insert(NotApplicable {
            event,
            effect,
            what: what.into(),
        });
    }

    /// Where pages are small the pipe holds four of them, as in the model; else it holds one, which
    /// no scenario fills.
    fn note_write(&mut self, view: &View<'_>, event: u16, call: Option<Syscall>) {
        let Some(Syscall::Write { bytes }) = call else {
            return;
        };
        self.written += u64::from(bytes);
        if self.written > PIPE && view.load(PAGE + at::PAGE_SIZE) > PIPE {
            let what =
                "a pipe of this kernel holds a page of 64 KiB, so that nobody waits for room in it";
            self.cannot(event, Effect::Sleep, what);
        }
    }

    fn request(&mut self, view: &View<'_>, task: usize, event: u16, pending: &Pending) {
        self.request = 0;
        let Some(pid) = self.pid(view, task) else {
            return;
        };
        Self::put(view, at::RUNNING_PID, pid);
        if pending.softirq {
            let what = "the machine has no device whose softirq uses VMX";
            self.cannot(event, Effect::Softirq, what);
        }
        if pending.io_worker && self.trigger(view, task, event) {
            self.request |= request::IO_WORKER;
        }
        if let Some(signal) = pending.signal {
            self.request |= request::SIGNAL;
            Self::put(view, at::SIGNAL, signal.into());
        }
        if let Some(switch) = pending.switch {
            let next = match switch {
                Switch::Any => None,
                Switch::To(next) => self.pid(view, usize::from(next)),
            };
            self.request |= request::SWITCH;
            Self::put(view, at::NEXT_PID, next.unwrap_or(0));
        }
        if pending.ptrace.is_some() {
            self.request |= request::PTRACE;
        }
    }

    /// Names the file that sets a ring going, if there is one that can still be: the task's own, or
    /// else that of the first task that has one.
    fn trigger(&mut self, view: &View<'_>, task: usize, event: u16) -> bool {
        let owns = |task: &usize| self.rings.contains(&(*task as u8)) && !self.tasks[*task].gone;
        let owner = Some(task).filter(owns);
        let Some(task) = owner.or_else(|| (0..self.staged).find(owns)) else {
            return false;
        };
        let ready = view.load(PAGE + at::RINGS) >> task & 1 == 1;
        let triggered = &mut self.tasks[task].triggered;
        if !ready {
            // A kernel that has it, and a ring that the agent could not get ready: the worker will
            // not happen, and that is told.
            if view.load(PAGE + at::NO_IO_URING) != 0 {
                let what = "this kernel has no io_uring, or forbids it";
                self.cannot(event, Effect::IoWorker, what);
            }
            return false;
        }
        if *triggered >= WORKER_TRIGGERS {
            let what = "one ring creates no more than 8 workers in a run";
            self.cannot(event, Effect::IoWorker, what);
            return false;
        }
        let slot = (task * WORKER_TRIGGERS + *triggered) as u64;
        *triggered += 1;
        let fd = view.load(PAGE + at::TRIGGERS + 8 * slot);
        Self::put(view, at::TRIGGER_FD, fd);
        true
    }
}
