//! Follows log and observations of a run side by side, and holds each look at a task against the
//! one before.

use std::collections::BTreeMap;

use ctxfuzz_outcome::arch::RegisterFile;
use ctxfuzz_outcome::capture::{Capture, Observable, SIGFPE, SignalFrame};
use ctxfuzz_outcome::observe::{Observation, Point};
use ctxfuzz_outcome::outcome::{End, LogEntry, Outcome};
use ctxfuzz_outcome::ownership::Breach;
use ctxfuzz_outcome::values;
use ctxfuzz_scenario::Facility;
use ctxfuzz_scenario::event::{Event, Syscall};
use ctxfuzz_scenario::scenario::{Place, Scenario, Verdict};

use super::context::{Context, Masks};
use super::{Look, Seen, Violation, When, exceptions};
use crate::compare::What;
use crate::definedness::{self, Abi};
use crate::observable::rule;
use compare::{died, excuse_vrsave};
use task::{Heritage, Task};

mod compare;
mod task;

/// Everything that a run did not leave alone, in order of time, and where each was seen.
pub fn violations(scenario: &Scenario, outcome: &Outcome) -> Vec<Seen> {
    let mut walk = Walk::new(scenario, outcome);
    for (index, observation) in outcome.observations.iter().enumerate() {
        walk.observation = index;
        walk.follow(observation.log);
        walk.read(observation.log);
        walk.take(observation);
        walk.seen(walk.look_of(observation));
    }
    walk.observation = outcome.observations.len();
    walk.follow(outcome.log.len());
    walk.read(outcome.log.len());
    if matches!(outcome.end, End::KernelFault(_) | End::Hang) {
        walk.found.push(died(outcome));
    }
    walk.seen(Look::Between);
    let looks = walk.looks.into_iter().zip(walk.found);
    let seen = looks.map(|((look, observation), violation)| Seen {
        look,
        observation,
        violation,
    });
    seen.collect()
}

struct Walk<'a> {
    scenario: &'a Scenario,
    outcome: &'a Outcome,
    /// Entries of the log that were followed.
    followed: usize,
    /// Reads that were looked at.
    read: usize,
    elf: definedness::Walk<'a>,
    linux: definedness::Walk<'a>,
    tasks: BTreeMap<u8, Task>,
    /// By the index that the child has or will have.
    forks: BTreeMap<u8, Heritage>,
    /// Rules of ownership that did not hold at the last look: each is told once.
    breaches: Vec<Breach>,
    found: Vec<Violation>,
    /// Where the first ones of these were seen.
    looks: Vec<(Look, usize)>,
    /// The observation that is taken next, or is being taken.
    observation: usize,
}

impl<'a> Walk<'a> {
    fn new(scenario: &'a Scenario, outcome: &'a Outcome) -> Self {
        Walk {
            scenario,
            outcome,
            followed: 0,
            read: 0,
            elf: definedness::Walk::new(scenario, &outcome.log, Abi::Elf),
            linux: definedness::Walk::new(scenario, &outcome.log, Abi::Linux),
            tasks: BTreeMap::new(),
            forks: BTreeMap::new(),
            breaches: Vec::new(),
            found: Vec::new(),
            looks: Vec::new(),
            observation: 0,
        }
    }

    /// What was found since this was last said was seen there.
    fn seen(&mut self, look: Look) {
        self.looks
            .resize(self.found.len(), (look, self.observation));
    }

    /// What the other oracle looks at too when this look is taken.
    fn look_of(&self, observation: &Observation) -> Look {
        match (observation.point, self.outcome.log.get(observation.log)) {
            (Point::Dumped, _) => Look::Last,
            (Point::Handler { .. }, Some(LogEntry::SignalDelivered { frame, .. }))
            | (Point::Context, Some(LogEntry::ContextSaved { frame, .. })) => {
                Look::Capture(Observable::SignalFrame, *frame)
            }
            _ => Look::Between,
        }
    }

    /// Of what the task's innermost handler has interrupted.
    fn masks_interrupted(&self, task: u8) -> Masks {
        Masks {
            elf: self.elf.interrupted(task),
            linux: self.linux.interrupted(task),
        }
    }

    fn masks(&self, task: u8) -> Masks {
        Masks {
            elf: self.elf.now(task),
            linux: self.linux.now(task),
        }
    }

    /// Goes on in the log until so many entries are behind.
    fn follow(&mut self, entries: usize) {
        while let Some(entry) = self
            .outcome
            .log
            .get(self.followed)
            .filter(|_| self.followed < entries)
        {
            self.followed += 1;
            if let LogEntry::Traced { task, view, .. } = *entry {
                self.traced(task, view);
            }
            self.elf.step(entry);
            self.linux.step(entry);
            match *entry {
                LogEntry::SigReturned { task } => self.returns(task),
                LogEntry::Event { index, task } => self.begins(index, task),
                LogEntry::Captured {
                    task,
                    observable,
                    number,
                } => self.captured(task, observable, number),
                LogEntry::Traced { task, event, .. } => self.written(task, event),
                _ => {}
            }
            self.seen(match *entry {
                LogEntry::Traced { view, .. } => Look::Capture(Observable::Traced, view),
                LogEntry::Captured {
                    observable, number, ..
                } => Look::Capture(observable, number),
                _ => Look::Between,
            });
        }
    }

    /// A tracer reads what the task left. It writes afterwards: what is defined by that was not
    /// yet.
    fn traced(&mut self, task: u8, view: u16) {
        let now = self.masks(task);
        let state = self.tasks.entry(task).or_default();
        let (Some(before), Some(read)) = (
            &state.before,
            self.outcome.capture(Observable::Traced, view),
        ) else {
            return;
        };
        let wrong = before.violated(&read.registers, &now);
        let violations = wrong.map(|(register, (from, to), verdict)| Violation {
            when: before.when,
            task,
            place: rule(Observable::Traced).place,
            what: What::Register(register),
            verdict,
            before: from,
            after: to,
        });
        self.found.extend(violations);
    }

    /// The tracer has changed some of it, if it does.
    fn written(&mut self, task: u8, event: u16) {
        let now = self.masks(task);
        let event = self.scenario.events.get(usize::from(event));
        let ptrace = event.and_then(Event::pending).and_then(|p| p.ptrace);
        let state = self.tasks.entry(task).or_default();
        let (Some(before), Some(set)) = (&mut state.before, ptrace.and_then(|ptrace| ptrace.set))
        else {
            return;
        };
        let values = values::traced(&set);
        for register in set.registers() {
            before.registers.set(register, values.get(register));
        }
        before.masks = now;
        state.vrsaves.insert(before.registers.vrsave);
    }

    /// What an event means for later: a handler changes what it will return to, or a task how FP
    /// exceptions are delivered.
    fn begins(&mut self, index: u16, task: u8) {
        let Some(event) = self.scenario.events.get(usize::from(index)) else {
            return;
        };
        let now = self.masks_interrupted(task);
        let state = self.tasks.entry(task).or_default();
        if let Some(delivered) = exceptions::delivered(event) {
            state.exceptions = Some(delivered);
            let children = self.forks.values_mut();
            for child in children.filter(|child| child.parent == task) {
                child.hears(delivered, &state.interrupted);
            }
        }
        if let (true, Some(interrupted)) = (event.edits_frame(), state.interrupted.last_mut()) {
            interrupted.edited(event);
            interrupted.masks = now;
            // A fork that was interrupted may have made its child already, or may begin again.
            for child in self.forks.values_mut().filter(|child| child.parent == task) {
                child.context.forget(event);
            }
        }
    }

    /// `rt_sigreturn`: what was interrupted has to come back.
    fn returns(&mut self, task: u8) {
        let task = self.tasks.entry(task).or_default();
        let left = task.before.take().map(|context| context.when);
        task.before = task.interrupted.pop().map(|context| Context {
            when: left.unwrap_or(context.when),
            ..context
        });
    }

    fn take(&mut self, observation: &Observation) {
        self.ownership(observation);
        match observation.point {
            Point::Started => self.started(observation),
            Point::Operation { event, child } => self.operation(observation, event, child),
            Point::Handler { at_entry } => self.handler(observation, at_entry),
            Point::Execed => self.execed(observation),
            Point::Context => self.swapped(observation),
            Point::Dumped => {
                let before = self
                    .tasks
                    .remove(&observation.task)
                    .and_then(|task| task.before);
                self.resumed(observation, before.as_ref());
            }
        }
    }

    /// What `regs->msr` says of a task must be true. A bit that is not is as good as a wrong
    /// register: the kernel, or a VSX instruction, will believe it.
    fn ownership(&mut self, observation: &Observation) {
        let task = self.tasks.get(&observation.task);
        let when = task.and_then(|task| task.before.as_ref());
        let when = when.map_or(When::Start, |before| before.when);
        let breaches = observation.breaches.iter();
        for breach in breaches.filter(|breach| !self.breaches.contains(breach)) {
            self.found.push(Violation {
                when,
                task: breach.task,
                place: Place::Msr,
                what: What::Msr,
                verdict: Verdict::Live,
                before: breach.expected.into(),
                after: breach.found.into(),
            });
        }
        self.breaches.clone_from(&observation.breaches);
    }

    fn started(&mut self, observation: &Observation) {
        // What a child may rely on is known when the log has its birth.
        self.follow(observation.log + 1);
        let task = observation.task;
        let now = self.masks(task);
        let mut started = Task::default();
        started.vrsaves.insert(observation.registers.vrsave);
        let mut uses_vmx = false;
        if let Some(parent) = self.forks.remove(&task) {
            self.compare_child(task, &parent, &observation.registers, &now);
            uses_vmx = parent.context.uses_vmx;
            started.vrsaves.extend(parent.vrsaves);
            started.exceptions = parent.exceptions;
        }
        started.before = Some(Context::new(observation, When::Start, now, uses_vmx));
        self.tasks.insert(task, started);
    }

    fn operation(&mut self, observation: &Observation, event: Option<u16>, child: Option<u8>) {
        let mut before = self
            .tasks
            .entry(observation.task)
            .or_default()
            .before
            .take();
        if let Some(before) = &mut before {
            before.loads_again();
        }
        self.resumed(observation, before.as_ref());
        let when = event.map_or(When::End, When::Event);
        // An event can be several operations. The log has it as a whole, so what a later one
        // defines would count as defined before.
        let masks = match &before {
            Some(before) if event.is_some() && before.when == when => {
                before.masks.with(&before.writes)
            }
            _ => self.masks(observation.task),
        };
        let uses_vmx = before.is_some_and(|before| before.uses_vmx);
        let mut context = Context::new(observation, when, masks, uses_vmx);
        let event = event.and_then(|event| self.scenario.events.get(usize::from(event)));
        if let Some(Event::Syscall {
            call: Syscall::Swapcontext { small, .. },
            ..
        }) = event
        {
            if *small {
                context.dropped(Facility::Vsx);
            }
            context.saved = Some(Box::new(context.clone()));
        }
        if let Some(Event::Access { op, register, .. }) = event {
            context.accesses(*op, *register);
        }
        let task = self.tasks.entry(observation.task).or_default();
        // A real kernel's first task has started before anybody looks: a new program's image is 0.
        task.vrsaves.extend([0, observation.registers.vrsave]);
        if let Some(child) = child {
            let heritage = Heritage {
                parent: observation.task,
                context: context.clone(),
                vrsaves: task.vrsaves.clone(),
                exceptions: task.exceptions,
            };
            self.forks.insert(child, heritage);
        }
        task.before = Some(context);
    }

    /// A task is back where it was, or its last registers are known.
    fn resumed(&mut self, observation: &Observation, before: Option<&Context>) {
        if let Some(before) = before {
            self.compare_gprs(before, observation);
            let (task, now) = (observation.task, self.masks(observation.task));
            self.compare(task, Place::Register, before, &observation.registers, &now);
            self.missed_exception(before, observation);
        }
    }

    /// A new program has nothing of the old one's registers. VRSAVE is an exception: Linux 6.1
    /// leaves the old one's there.
    fn execed(&mut self, observation: &Observation) {
        self.follow(observation.log + 1);
        let task = observation.task;
        let now = self.masks(task);
        let state = self.tasks.remove(&task).unwrap_or_default();
        let when = state
            .before
            .as_ref()
            .map_or(When::Start, |before| before.when);
        let mut expected = Context::new(observation, when, now, false);
        expected.registers = RegisterFile::default();
        let first = self.found.len();
        self.compare(
            task,
            Place::Register,
            &expected,
            &observation.registers,
            &now,
        );
        excuse_vrsave(&mut self.found[first..], &state.vrsaves);
        let mut started = Task {
            exceptions: state.exceptions,
            ..Task::default()
        };
        started.vrsaves.insert(observation.registers.vrsave);
        started.before = Some(Context::new(observation, When::Start, now, false));
        self.tasks.insert(task, started);
    }

    /// `swapcontext`: the context has what the task had, and so has the task afterwards, but for
    /// what there was no room for.
    fn swapped(&mut self, observation: &Observation) {
        let task = observation.task;
        let Some(mut before) = self.tasks.entry(task).or_default().before.take() else {
            return;
        };
        let now = self.masks(task);
        if let (Some(saved), Some(frame)) = (before.saved.take(), self.frame()) {
            self.compare_frame(&saved, frame, &now);
        }
        self.resumed(observation, Some(&before));
        let after = Context::new(observation, before.when, before.masks, before.uses_vmx);
        self.tasks.entry(task).or_default().before = Some(after);
    }

    /// Two things must hold: the frame has what was interrupted, and the handler starts with FPSCR
    /// 0, VSCR and VRSAVE as they were. Which of two signals delivered at once comes first is the
    /// kernel's choice: the second one's frame has the start of the first one's handler.
    fn handler(&mut self, observation: &Observation, at_entry: bool) {
        let task = observation.task;
        let state = self.tasks.entry(task).or_default();
        let Some(mut before) = state.before.take() else {
            return;
        };
        before.exceptions = match &before.entering {
            Some(outer) => outer.exceptions,
            None => state.exceptions,
        };
        let (mut interrupted, handler) = match (at_entry, before.entering.take()) {
            (false, None) => {
                let handler = before.handler();
                (before, handler)
            }
            (false, Some(outer)) => (*outer, before),
            (true, None) => {
                let mut entry = before.handler();
                entry.entering = Some(Box::new(before));
                let handler = entry.handler();
                (entry, handler)
            }
            (true, outer @ Some(_)) => {
                before.entering = outer;
                let handler = before.handler();
                (before, handler)
            }
        };
        let now = self.masks(task);
        if let Some(frame) = self.frame() {
            let now = Masks {
                elf: self.elf.interruptible(task, at_entry),
                linux: self.linux.interruptible(task, at_entry),
            };
            self.compare_frame(&interrupted, frame, &now);
            self.compare_beside(task, &interrupted, frame);
            // What is wrong in a frame is a violation once: `rt_sigreturn` has to bring back what
            // is in it.
            let (capture, frame) = frame;
            for child in self.forks.values_mut().filter(|child| child.parent == task) {
                child.context.begins_again(&interrupted, &capture.registers);
            }
            interrupted.registers = capture.registers.clone();
            interrupted.frame_msr = frame.msr;
            if frame.signal == SIGFPE {
                interrupted.registers.fpscr = exceptions::disabled(interrupted.registers.fpscr);
            }
        }
        let registers = &observation.registers;
        self.compare(
            task,
            Place::Register,
            &handler,
            registers,
            &now.in_handler(),
        );
        let now = Context::new(observation, handler.when, handler.masks, handler.uses_vmx);
        let task = self.tasks.entry(task).or_default();
        task.interrupted.push(interrupted);
        task.before = Some(now);
    }

    /// The frame of the delivery that is next in the log.
    fn frame(&self) -> Option<(&'a Capture, &'a SignalFrame)> {
        match self.outcome.log.get(self.followed)? {
            LogEntry::SignalDelivered { frame, .. } | LogEntry::ContextSaved { frame, .. } => {
                self.outcome.signal_frame(*frame)
            }
            _ => None,
        }
    }
}
