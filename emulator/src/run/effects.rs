//! Whether a run did what it was about: which effects its events owe, and which of them a kernel
//! was seen to have.
//!
//! A kernel that survives a scenario says something only if the scenario happened. Each event and
//! each kind of pending work owes effects (docs/oracles.md has the table); a run shows them in its
//! log, or by functions of the kernel that it goes through. What was owed and not seen *did not
//! happen*, and such a run says nothing. Not responsible for what a kernel cannot do at all: that
//! is *not applicable*, and is found out where work is made pending (`agent`).

mod owed;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use ctxfuzz_scenario::effect::Effect;
use ctxfuzz_scenario::event::{Event, Pending, Syscall};
use ctxfuzz_scenario::scenario::{MAX_TASKS, Scenario};

pub use ctxfuzz_outcome::effects::{Effects, Missing, NotApplicable};

use super::outcome::{LogEntry, Outcome};
use crate::kernel::watched::Watched;
use owed::{Asked, Detail, Owed};

/// What the host knows of where a task is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum TaskState {
    /// It does not exist, or nobody has seen it.
    #[default]
    Unknown,
    /// It can run: it has just started, or does something in which it does not sleep.
    Ready,
    /// It may be asleep, waits for its child, or yields when it gets its turn.
    MaySleep,
    /// It has shown its last registers.
    Gone,
}

/// The signal handlers that a task is in. A signal is blocked in its own handler.
#[derive(Clone, Debug, Default)]
struct Handlers {
    /// Those it will return from.
    entered: Vec<u8>,
    /// Signals that were sent to it and whose handlers it has not been seen to enter. Of several
    /// that come at once the kernel blocks all, and the task enters one handler after the other.
    sent: Vec<u8>,
    /// Signals that are blocked for good: a child of a handler, and a new program started in one,
    /// inherit the mask and not the frame.
    blocked: Vec<u8>,
}

impl Handlers {
    fn leave_all(&mut self) {
        self.blocked.append(&mut self.entered);
        self.blocked.append(&mut self.sent);
    }

    /// Whether nobody knows that the signal is delivered: it is blocked, and the task need not come
    /// back from the handler.
    fn may_hold_back(&self, detail: Detail) -> bool {
        matches!(detail, Detail::Signal(signal)
            if self.blocked.contains(&signal) || self.entered.contains(&signal))
    }
}

/// A function of [`WATCHED`](crate::kernel::watched::WATCHED) that the kernel went through.
#[derive(Clone, Copy, Debug)]
struct Hit {
    watched: Watched,
    task: Option<u8>,
    log: usize,
}

/// Keeps account of one run.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    asked: Vec<Asked>,
    rings: Vec<u8>,
    /// Tasks that have begun to exit, to abort, or to become a new program, which has no ring
    /// (Linux: `io_uring_task_cancel`).
    left: Vec<u8>,
    tasks: [TaskState; MAX_TASKS],
    handlers: [Handlers; MAX_TASKS],
    /// A worker's creation may have failed, and wait for the time when no task can run.
    worker_waits: bool,
    owed: Vec<Owed>,
    hits: Vec<Hit>,
    seen: BTreeSet<Effect>,
    not_reached: BTreeSet<u16>,
}

impl Ledger {
    /// Forgets the last run and gets ready for a scenario.
    pub fn prepare(&mut self, scenario: &Scenario) {
        self.asked.clear();
        self.asked.extend(scenario.events.iter().map(Asked::of));
        self.rings.clone_from(&scenario.stage.io_uring);
        self.left.clear();
        self.tasks = Default::default();
        let staged = scenario.stage.tasks.len().min(MAX_TASKS);
        self.tasks[..staged].fill(TaskState::Ready);
        self.handlers = Default::default();
        self.worker_waits = false;
        self.owed.clear();
        self.hits.clear();
        self.seen.clear();
        self.not_reached.clear();
    }

    /// The kernel went through a watched function while `task` was the current one.
    pub fn executed(&mut self, watched: Watched, task: Option<u8>, log: usize) {
        let state = task.and_then(|task| self.tasks.get(usize::from(task)));
        // Others sleep too, and so does a task for reasons of its own, such as a lock.
        if watched == Watched::Sleeps && state != Some(&TaskState::MaySleep) {
            return;
        }
        self.hits.push(Hit { watched, task, log });
    }

    /// The work of this event was to come late and came when the kernel returned.
    pub fn not_reached(&mut self, event: u16) {
        self.not_reached.insert(event);
    }

    /// An effect was seen that does not show in log or functions.
    pub fn saw(&mut self, effect: Effect) {
        self.seen.insert(effect);
    }

    /// An entry was added to the log.
    pub fn logged(&mut self, entry: &LogEntry, outcome: &Outcome) {
        let (task, state) = match *entry {
            LogEntry::TaskStarted { task, .. } => (task, TaskState::Ready),
            LogEntry::Execed { task } => {
                self.handlers_of(task).leave_all();
                (task, TaskState::Ready)
            }
            LogEntry::SignalDelivered { task, frame, .. } => {
                let frame = outcome.signal_frame(frame);
                let signal = frame.map_or(0, |(_, frame)| frame.signal);
                let handlers = self.handlers_of(task);
                handlers.sent.retain(|sent| *sent != signal);
                handlers.entered.push(signal);
                (task, TaskState::Ready)
            }
            // The call that the signal has interrupted may begin again.
            LogEntry::SigReturned { task } => {
                self.handlers_of(task).entered.pop();
                (task, TaskState::MaySleep)
            }
            LogEntry::Dumped { task } => (task, TaskState::Gone),
            LogEntry::Captured {
                task, observable, ..
            } if observable.ends_task() => (task, TaskState::Gone),
            _ => return,
        };
        self.tasks[usize::from(task) % MAX_TASKS] = state;
    }

    fn handlers_of(&mut self, task: u8) -> &mut Handlers {
        &mut self.handlers[usize::from(task) % MAX_TASKS]
    }

    /// `task` is about to do event `index`; the log has `log` entries. `blocks` is how many tasks
    /// there have been.
    pub fn begins(&mut self, index: u16, task: u8, log: usize, blocks: usize) {
        let Some(asked) = self.asked.get(usize::from(index)).copied() else {
            return;
        };
        let handlers = self.handlers_of(task);
        handlers.sent.extend(asked.signals());
        let handlers = handlers.clone();
        let does_nothing = asked.makes_task() && blocks >= MAX_TASKS
            || asked.returns_from_handler() && handlers.entered.is_empty();
        if !does_nothing {
            let ready = self.ready_beside(task);
            let ring = !self.worker_waits && self.can_ask_a_ring(task);
            self.worker_waits |= ring && asked.delays_worker();
            if asked.ends_program() && !handlers.entered.is_empty() {
                // Two signals that came at once are handled one after the other, and the second
                // handler ends here.
                let signal = |owed: &Owed| (owed.task, owed.effect) == (task, Effect::Signal);
                self.owed.retain(|owed| !signal(owed));
            }
            let owed = asked.owes(&ready, ring).into_iter();
            let owed = owed.filter(|(_, detail)| !handlers.may_hold_back(*detail));
            self.owed.extend(owed.map(|(effect, detail)| Owed {
                event: index,
                task,
                effect,
                detail,
                log,
            }));
            if asked.ends_program() {
                self.left.push(task);
            }
            if asked.makes_task()
                && let Some(child) = self.handlers.get_mut(blocks)
            {
                *child = handlers;
                child.leave_all();
            }
        }
        self.tasks[usize::from(task) % MAX_TASKS] = match asked.may_sleep() {
            true => TaskState::MaySleep,
            false => TaskState::Ready,
        };
    }

    /// Whether it is known that the worker of a ring can ask its owner: the task's own ring, or
    /// else the first of all. If that one's owner has left, or is about to, whose turn it is
    /// depends on how far it has come.
    fn can_ask_a_ring(&self, task: u8) -> bool {
        let lives = |owner: u8| self.alive(owner) && !self.left.contains(&owner);
        let own = self.rings.contains(&task) && lives(task);
        own || self.rings.iter().min().is_some_and(|first| lives(*first))
    }

    fn alive(&self, task: u8) -> bool {
        let state = self.tasks.get(usize::from(task));
        state.is_some_and(|state| *state != TaskState::Gone)
    }

    fn ready_beside(&self, task: u8) -> Vec<u8> {
        let ready = (0u8..).zip(&self.tasks);
        let ready = ready.filter(|(other, state)| *other != task && **state == TaskState::Ready);
        ready.map(|(other, _)| other).collect()
    }

    /// What the run came to. `completed`: all tasks reached their end; of a run that was cut off
    /// nothing is owed.
    pub fn settle(
        &mut self,
        completed: bool,
        outcome: &Outcome,
        not_applicable: Vec<NotApplicable>,
    ) -> Effects {
        let mut seen = std::mem::take(&mut self.seen);
        seen.extend(self.hits.iter().filter_map(|hit| hit.watched.shows()));
        seen.extend(outcome.log.iter().filter_map(shown_by));
        let mut did_not_happen = Vec::new();
        for owed in self.owed.drain(..) {
            let cannot =
                |part: &NotApplicable| (part.event, part.effect) == (owed.event, owed.effect);
            // The task may have been in user code already when it was interrupted after all.
            let late = owed.effect == Effect::Switch && self.not_reached.contains(&owed.event);
            match owed.happened(outcome, &self.hits) {
                true => _ = seen.insert(owed.effect),
                false if completed && !late && !not_applicable.iter().any(cannot) => did_not_happen
                    .push(Missing {
                        event: owed.event,
                        effect: owed.effect,
                        sign: owed.detail.sign(owed.effect),
                    }),
                false => {}
            }
        }
        did_not_happen.sort();
        did_not_happen.dedup();
        Effects {
            completed,
            seen,
            did_not_happen,
            not_applicable,
            not_reached: std::mem::take(&mut self.not_reached),
        }
    }
}

/// The effect that an entry of the log shows by itself.
fn shown_by(entry: &LogEntry) -> Option<Effect> {
    match entry {
        LogEntry::TaskStarted { parent, .. } => parent.map(|_| Effect::Child),
        LogEntry::SignalDelivered { .. } => Some(Effect::Signal),
        LogEntry::Execed { .. } => Some(Effect::Exec),
        LogEntry::Captured { observable, .. } => observable.effect(),
        LogEntry::Traced { .. } => Some(Effect::Ptrace),
        LogEntry::Event { .. }
        | LogEntry::ContextSaved { .. }
        | LogEntry::SigReturned { .. }
        | LogEntry::Dumped { .. } => None,
    }
}

/// The effects of pending work.
pub fn of_pending(pending: &Pending) -> impl Iterator<Item = Effect> + use<> {
    let parts = [
        (Effect::IoWorker, pending.io_worker),
        (Effect::Signal, pending.signal.is_some()),
        (Effect::Switch, pending.switch.is_some()),
        (Effect::Ptrace, pending.ptrace.is_some()),
        (Effect::Softirq, pending.softirq),
    ];
    let asked = parts.into_iter().filter(|(_, asked)| *asked);
    asked.map(|(effect, _)| effect)
}

/// The effect of a call that some kernels cannot be made to make.
pub fn of_call(call: Syscall) -> Option<Effect> {
    call.facts().effect
}

/// Every effect that a scenario's events could have, wherever it runs.
pub fn possible(scenario: &Scenario) -> BTreeSet<Effect> {
    let all: Vec<u8> = (0..MAX_TASKS as u8).collect();
    let owes = |event: &Event| {
        let asked = Asked::of(event);
        let effects = asked.owes(&all, true).into_iter();
        effects.map(|(effect, _): (Effect, Detail)| effect)
    };
    scenario.events.iter().flat_map(owes).collect()
}
