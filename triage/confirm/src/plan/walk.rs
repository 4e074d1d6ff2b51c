//! Follows the log of the right run: tasks, handlers, requests, and what is compared in frames and
//! at the end of tasks.

use std::collections::BTreeMap;

use ctxfuzz_judge::definedness::{Abi, Definedness, Mask, definedness};
use ctxfuzz_outcome::capture::{Observable, SIGFPE};
use ctxfuzz_outcome::observe::Point;
use ctxfuzz_outcome::outcome::{LogEntry, Outcome};
use ctxfuzz_outcome::values::pattern;
use ctxfuzz_scenario::event::{Event, Interrupt, Pending, Syscall};
use ctxfuzz_scenario::scenario::{Scenario, TaskStage};

use super::{Check, Handler, Plan, Request, Step, Task, When};
use crate::owned;

/// Where a task is, and which registers it has given values there.
#[derive(Clone)]
struct Level {
    /// `None` outside handlers, and in one of SIGFPE, which does no events.
    handler: Option<usize>,
    owned: Mask,
    /// The last event that it has begun there.
    event: Option<u16>,
}

struct Walk<'a> {
    scenario: &'a Scenario,
    outcome: &'a Outcome,
    defined: Definedness,
    plan: Plan,
    levels: BTreeMap<u8, Vec<Level>>,
}

/// What the program does, and what is compared in frames and at the end of tasks.
pub(super) fn walk(scenario: &Scenario, outcome: &Outcome, abi: Abi) -> Plan {
    let mut walk = Walk {
        scenario,
        outcome,
        defined: definedness(scenario, &outcome.log, abi),
        plan: Plan {
            scenario: scenario.clone(),
            tasks: Vec::new(),
            children: Vec::new(),
            requests: Vec::new(),
            checks: Vec::new(),
            constants: Vec::new(),
            images: 0,
        },
        levels: BTreeMap::new(),
    };
    walk.stage();
    for entry in &outcome.log {
        walk.entry(entry);
    }
    walk.control();
    walk.plan
}

impl Walk<'_> {
    fn stage(&mut self) {
        for (number, stage) in (0..).zip(&self.scenario.stage.tasks) {
            let start = self.plan.image();
            self.task(number, Some((stage.clone(), start)));
            self.begin(number, owned::staged(stage));
            let counter = stage.load_fp.or(stage.load_vec).unwrap_or(1);
            let preemptions = u32::from(counter.wrapping_sub(1));
            if preemptions > 0 {
                self.plan.requests.push(Request {
                    task: number,
                    event: None,
                    late: false,
                    pending: Pending::NONE,
                    preemptions,
                });
            }
        }
        for (event, what) in (0..).zip(&self.scenario.events) {
            if matches!(what, Event::Set(_)) || what.takes_an_image() {
                let image = self.plan.image();
                self.plan.constants.push((event, image));
            }
        }
    }

    /// Where the control does no events, tasks end with the registers that they begin with.
    fn control(&mut self) {
        if self.plan.is_disturbed() {
            return;
        }
        for check in &mut self.plan.checks {
            check.when = When::Disturbed;
        }
        for task in &self.plan.tasks {
            let Some((stage, _)) = &task.staged else {
                continue;
            };
            let mut right = stage.pattern.map(pattern).unwrap_or_default();
            for (register, value) in &stage.registers {
                right.set(*register, *value);
            }
            self.plan.checks.push(Check {
                at: format!("task {}, at its end", task.number),
                image: task.last,
                right,
                defined: owned::staged(stage),
                when: When::Control,
            });
        }
    }

    fn task(&mut self, number: u8, staged: Option<(TaskStage, usize)>) {
        let last = self.plan.image();
        self.plan.tasks.push(Task {
            number,
            staged,
            steps: Vec::new(),
            handlers: Vec::new(),
            last,
            exceptions: 0,
        });
    }

    fn begin(&mut self, task: u8, owned: Mask) {
        let level = Level {
            handler: None,
            owned,
            event: None,
        };
        self.levels.insert(task, vec![level]);
    }

    fn level(&mut self, task: u8) -> Option<&mut Level> {
        self.levels.get_mut(&task)?.last_mut()
    }

    fn owned(&mut self, task: u8) -> Mask {
        self.level(task).map_or(Mask::NOTHING, |level| level.owned)
    }

    fn entry(&mut self, entry: &LogEntry) {
        match *entry {
            LogEntry::Event { index, task } => self.event(index, task),
            LogEntry::TaskStarted {
                task,
                parent: Some(parent),
            } => {
                let owned = owned::inherited(self.owned(parent));
                self.begin(task, owned);
            }
            LogEntry::SignalDelivered { task, frame, .. } => self.delivered(task, frame),
            LogEntry::SigReturned { task } => {
                if let Some(levels) = self.levels.get_mut(&task) {
                    levels.pop();
                }
            }
            LogEntry::Dumped { task } => self.dumped(task),
            _ => {}
        }
    }

    fn event(&mut self, index: u16, task: u8) {
        let scenario = self.scenario;
        let event = scenario.events.get(usize::from(index));
        let (Some(event), Some(level)) = (event, self.level(task)) else {
            return;
        };
        owned::writes(&mut level.owned, event);
        level.event = Some(index);
        let handler = level.handler;
        if event.edits_frame() {
            // Outside a handler there is no frame, and nothing happens.
            if handler.is_none() {
                return;
            }
            self.writes_in_frame(task, event);
        }
        let Some(doer) = self.plan.task_mut(task) else {
            return;
        };
        doer.steps_of(handler).push(Step::Event(index));
        self.child_of(index, task);
        let pending = event.pending().copied().unwrap_or(Pending::NONE);
        let asks =
            matches!(event, Event::Interrupt { vector, .. } if *vector != Interrupt::DataStorage);
        if asks || !pending.is_none() {
            self.plan.requests.push(Request {
                task,
                event: Some(index),
                late: !asks,
                pending,
                preemptions: 0,
            });
        }
    }

    /// What a handler writes into its frame, whoever it has interrupted has set.
    fn writes_in_frame(&mut self, task: u8, event: &Event) {
        let written = match event {
            Event::FillFrame { .. } | Event::SetFrame(_) => event.registers_in_frame(),
            _ => Vec::new(),
        };
        let levels = self.levels.get_mut(&task).into_iter().flatten();
        if let Some(interrupted) = levels.rev().nth(1) {
            for register in written {
                interrupted.owned.put(register, true);
            }
        }
    }

    /// The child that the event makes, if it makes one.
    fn child_of(&mut self, index: u16, task: u8) {
        let mut looks = self.outcome.observations.iter();
        let made = looks.find_map(|look| match look.point {
            Point::Operation {
                event: Some(event),
                child,
            } if event == index && look.task == task => child,
            _ => None,
        });
        let starts = |entry: &LogEntry| matches!(entry, LogEntry::TaskStarted { task, parent: Some(_) } if Some(*task) == made);
        if let Some(child) = made.filter(|_| self.outcome.log.iter().any(starts)) {
            self.plan.children.push((index, child));
            self.task(child, None);
        }
    }

    fn delivered(&mut self, task: u8, frame: u16) {
        let Some((capture, beside)) = self.outcome.signal_frame(frame) else {
            return;
        };
        let interrupted = self.owned(task);
        let interrupts = self.level(task).and_then(|level| level.event);
        let defined = self.defined.mask(Observable::SignalFrame, frame);
        let image = self.plan.images;
        let Some(doer) = self.plan.task_mut(task) else {
            return;
        };
        let mut handler = None;
        if beside.signal == SIGFPE {
            doer.exceptions += 1;
        } else {
            let number = doer.handlers.len();
            handler = Some(number);
            let steps = Vec::new();
            doer.handlers.push(Handler {
                interrupts,
                steps,
                frame: image,
            });
            self.plan.images += 1;
            self.plan.checks.push(Check {
                at: format!("task {task}, in the frame of handler {number}"),
                image,
                right: capture.registers.clone(),
                defined: defined.and(&interrupted),
                when: When::Disturbed,
            });
        }
        let levels = self.levels.entry(task).or_default();
        levels.push(Level {
            handler,
            owned: Mask::NOTHING,
            event: None,
        });
    }

    fn dumped(&mut self, task: u8) {
        let Some(last) = self.outcome.capture(Observable::Final, task.into()) else {
            return;
        };
        let owned = self.owned(task);
        let Some(doer) = self.plan.task_mut(task) else {
            return;
        };
        let image = doer.last;
        self.plan.checks.push(Check {
            at: format!("task {task}, at its end"),
            image,
            right: last.registers.clone(),
            defined: self.defined.task(task).and(&owned),
            when: match self.scenario.events.iter().any(changes_what_comes_back) {
                true => When::Disturbed,
                false => When::Always,
            },
        });
    }
}

/// Whether a task goes on with other registers after it, if a handler does it.
fn changes_what_comes_back(event: &Event) -> bool {
    matches!(
        event,
        Event::Syscall {
            call: Syscall::Swapcontext { small: true, .. },
            ..
        }
    ) || !event.registers_in_frame().is_empty()
}
