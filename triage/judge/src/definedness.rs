//! Which registers a task may rely on, as a pure function of the scenario and of who did what.
//!
//! `docs/oracles.md` states the rules with their reasons; the functions here are in its order.
//! Where a rule needs something the log does not say, the result has fewer defined bits than the
//! truth, so that a doubt never becomes a report. Not responsible for values: no register's
//! contents are looked at.

mod exceptions;
mod mask;
mod task;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use ctxfuzz_outcome::capture::Observable;
use ctxfuzz_outcome::outcome::LogEntry;
use ctxfuzz_scenario::event::{Event, Syscall};
use ctxfuzz_scenario::scenario::{Scenario, Verdict};

use exceptions::enables_exceptions;
pub use exceptions::fp_exception;
pub use mask::{FPSCR_CONTROL, Mask, VSCR_CONTROL};
use task::Task;

use crate::observable::{Owner, rule};

/// What user code may expect of a system call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Abi {
    /// A system call is made through a C function: volatile registers do not survive it.
    #[default]
    Elf,
    /// Documentation/powerpc/syscall64-abi.rst: all FP and vector state survives a system call.
    Linux,
}

impl Abi {
    /// The policy to look for something with that has this verdict at worst, a seeded bug say:
    /// under the ELF ABI, what is `abi` at worst would not be met at all.
    pub fn that_shows(worst: impl Into<Verdict>) -> Self {
        match worst.into() {
            Verdict::Abi => Abi::Linux,
            Verdict::None | Verdict::Dead | Verdict::Live => Abi::Elf,
        }
    }

    /// Whether a user who asked for this policy wants to hear of the verdict.
    pub fn reports(self, verdict: Verdict) -> bool {
        match self {
            Abi::Elf => verdict == Verdict::Live,
            Abi::Linux => verdict >= Verdict::Abi,
        }
    }
}

/// The masks at the points where state is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Definedness {
    masks: BTreeMap<(Observable, u16), Mask>,
}

impl Definedness {
    /// The mask of the registers in a capture, by its kind and number.
    pub fn mask(&self, observable: Observable, number: u16) -> Mask {
        let mask = self.masks.get(&(observable, number));
        mask.copied().unwrap_or(Mask::NOTHING)
    }

    /// The mask of a task's final registers (at the end of the log, for a task that never dumped
    /// them).
    pub fn task(&self, task: u8) -> Mask {
        self.mask(Observable::Final, task.into())
    }
}

/// Follows the log and tells what was defined where it was looked at.
pub fn definedness(scenario: &Scenario, log: &[LogEntry], policy: Abi) -> Definedness {
    let mut walk = Walk::new(scenario, log, policy);
    for entry in log {
        walk.step(entry);
    }
    for (task, state) in walk.tasks {
        let last = (Observable::Final, task.into());
        walk.found.masks.entry(last).or_insert(state.now);
    }
    walk.found
}

/// Follows a log step by step, for those who look at registers on the way.
pub struct Walk<'a> {
    scenario: &'a Scenario,
    policy: Abi,
    /// Whether FP exceptions may be enabled.
    traps: bool,
    family: Family,
    tasks: BTreeMap<u8, Task>,
    found: Definedness,
}

impl<'a> Walk<'a> {
    /// At the start of `log`, whose entries are to be given to [`Walk::step`] in order.
    pub fn new(scenario: &'a Scenario, log: &[LogEntry], policy: Abi) -> Self {
        Walk {
            scenario,
            policy,
            traps: enables_exceptions(scenario),
            family: Family::of(scenario, log),
            tasks: BTreeMap::new(),
            found: Definedness::default(),
        }
    }

    /// What the task may rely on now.
    pub fn now(&self, task: u8) -> Mask {
        self.tasks.get(&task).map_or(Mask::NOTHING, |task| task.now)
    }

    /// What the code may rely on that the task's innermost handler has interrupted.
    pub fn interrupted(&self, task: u8) -> Mask {
        let task = self.tasks.get(&task);
        task.and_then(|task| task.interrupted.last())
            .map_or(Mask::NOTHING, |interrupted| interrupted.mask)
    }

    /// What the code may rely on that a signal interrupts which is delivered now: that of the task,
    /// or, `at_entry`, the start of a handler.
    pub fn interruptible(&self, task: u8, at_entry: bool) -> Mask {
        let task = self.tasks.get(&task);
        task.map_or(Mask::NOTHING, |task| task.interruptible(at_entry))
    }

    /// Takes the next entry of the log.
    pub fn step(&mut self, entry: &LogEntry) {
        match *entry {
            LogEntry::TaskStarted { task, parent } => {
                let started = match parent {
                    None => self.staged(task),
                    Some(parent) => self.born(task, parent),
                };
                self.tasks.insert(task, started);
            }
            LogEntry::Event { index, task } => {
                if let Some(event) = self.scenario.events.get(usize::from(index)) {
                    let (policy, traps) = (self.policy, self.traps);
                    self.task(task).does(event, policy, traps);
                }
            }
            LogEntry::SignalDelivered {
                task,
                frame,
                at_entry,
            } => {
                let mask = self.task(task).is_interrupted(at_entry);
                self.found(Observable::SignalFrame, frame, mask);
            }
            LogEntry::SigReturned { task } => self.task(task).returns(),
            LogEntry::Traced { task, event, view } => {
                let state = self.task(task);
                let now = state.now;
                self.found(Observable::Traced, view, now);
                let event = self.scenario.events.get(usize::from(event));
                let ptrace = event.and_then(Event::pending).and_then(|p| p.ptrace);
                if let Some(set) = ptrace.and_then(|ptrace| ptrace.set) {
                    self.task(task).is_written(&set);
                }
                if let Some(Event::Access { op, register, .. }) = event {
                    self.task(task).loads_again(*op, *register, &now);
                }
            }
            LogEntry::Execed { task } => self.task(task).becomes_another(),
            LogEntry::Captured {
                task,
                observable,
                number,
            } => match rule(observable).owner {
                Owner::Task { .. } => {
                    let now = self.task(task).now;
                    self.found(observable, number, now);
                }
                Owner::Guest => {}
            },
            LogEntry::ContextSaved { task, frame } => {
                let now = self.task(task).now;
                self.found(Observable::SignalFrame, frame, now);
            }
            LogEntry::Dumped { task } => {
                let now = self.task(task).now;
                self.found(Observable::Final, task.into(), now);
            }
        }
    }

    fn found(&mut self, observable: Observable, number: u16, mask: Mask) {
        self.found.masks.insert((observable, number), mask);
    }

    fn task(&mut self, task: u8) -> &mut Task {
        self.tasks
            .entry(task)
            .or_insert_with(|| Task::new(Mask::EVERYTHING, Vec::new(), BTreeSet::new()))
    }

    /// A task of the stage at its start.
    fn staged(&self, task: u8) -> Task {
        let stage = self.scenario.stage.tasks.get(usize::from(task));
        let uses = stage.map_or(&[][..], |stage| &stage.uses);
        let mut task = Task::new(Mask::EVERYTHING, Vec::new(), BTreeSet::new());
        uses.iter().for_each(|facility| task.uses(*facility));
        task
    }

    /// A child begins with what its parent had when the fork was made, not with what the parent has
    /// now.
    fn born(&self, child: u8, parent: u8) -> Task {
        let forks = self.tasks.get(&parent).map_or(&[][..], |task| &task.forks);
        if let Some(heritage) = self
            .family
            .fork_of(child, parent)
            .and_then(|nth| forks.get(nth))
        {
            return Task::new(
                heritage.mask,
                heritage.interrupted.clone(),
                heritage.used.clone(),
            );
        }
        let common = forks
            .iter()
            .map(|heritage| heritage.mask)
            .reduce(|a, b| a.and(&b));
        Task::new(common.unwrap_or(Mask::NOTHING), Vec::new(), BTreeSet::new())
    }
}

/// Which children each task has, and how often it forked: enough to tell which fork made which
/// child.
struct Family {
    children: BTreeMap<u8, Vec<u8>>,
    forks: BTreeMap<u8, usize>,
}

impl Family {
    fn of(scenario: &Scenario, log: &[LogEntry]) -> Self {
        let mut family = Family {
            children: BTreeMap::new(),
            forks: BTreeMap::new(),
        };
        for entry in log {
            match *entry {
                LogEntry::TaskStarted {
                    task,
                    parent: Some(parent),
                } => {
                    family.children.entry(parent).or_default().push(task);
                }
                LogEntry::Event { index, task } => {
                    let event = scenario.events.get(usize::from(index));
                    if event.is_some_and(makes_a_child) {
                        *family.forks.entry(task).or_default() += 1;
                    }
                }
                _ => {}
            }
        }
        // Indices are handed out when the fork is made, so they tell the order of the forks even if
        // the children start in another.
        for children in family.children.values_mut() {
            children.sort_unstable();
        }
        family
    }

    /// The number of the parent's fork that made the child; `None` when some fork made none,
    /// because it is then not known which.
    fn fork_of(&self, child: u8, parent: u8) -> Option<usize> {
        let children = self.children.get(&parent)?;
        let forks = self.forks.get(&parent).copied().unwrap_or(0);
        if children.len() != forks {
            return None;
        }
        children.iter().position(|&other| other == child)
    }
}

fn makes_a_child(event: &Event) -> bool {
    matches!(
        event,
        Event::Syscall {
            call: Syscall::Fork | Syscall::Vfork | Syscall::Clone { fail: false },
            ..
        }
    )
}
