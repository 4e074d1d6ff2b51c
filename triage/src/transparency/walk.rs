//! Follows log and observations of a run side by side, and holds each look at a task against the one before.

use std::collections::{BTreeMap, BTreeSet};

use ctxfuzz_emulator::run::observe::{Observation, Point};
use ctxfuzz_emulator::run::outcome::{End, LogEntry, Outcome, RegisterFile, SignalFrame};
use ctxfuzz_emulator::run::ownership::Breach;
use ctxfuzz_emulator::run::ptrace;
use ctxfuzz_scenario::event::Event;
use ctxfuzz_scenario::register::Register;
use ctxfuzz_scenario::scenario::{Place, Scenario, Verdict};

use super::context::{Context, Masks};
use super::{Violation, When};
use crate::compare::{MSR_VEC, MSR_VSX, What, area_bit, end_code};
use crate::definedness::{self, Abi};

/// Everything that a run did not leave alone, in order of time.
pub fn violations(scenario: &Scenario, outcome: &Outcome) -> Vec<Violation> {
    let mut walk = Walk::new(scenario, outcome);
    for observation in &outcome.observations {
        walk.follow(observation.log);
        walk.take(observation);
    }
    if matches!(outcome.end, End::KernelFault(_) | End::Hang) {
        walk.found.push(died(outcome));
    }
    walk.found
}

fn died(outcome: &Outcome) -> Violation {
    let last = outcome.log.iter().rev().find_map(|entry| match *entry {
        LogEntry::Event { index, task } => Some((When::Event(index), task)),
        _ => None,
    });
    let (when, task) = last.unwrap_or((When::Start, 0));
    Violation {
        when,
        task,
        place: Place::End,
        what: What::End,
        verdict: Verdict::Live,
        before: end_code(&End::Completed),
        after: end_code(&outcome.end),
    }
}

struct Task {
    before: Option<Context>,
    /// What `rt_sigreturn` brings back, innermost handler last.
    interrupted: Vec<Context>,
    /// Every VRSAVE it had. A new program's image of it is 0.
    vrsaves: BTreeSet<u32>,
}

impl Default for Task {
    /// One whose start nobody saw.
    fn default() -> Self {
        Task {
            before: None,
            interrupted: Vec::new(),
            vrsaves: BTreeSet::from([0]),
        }
    }
}

/// What a child must start with.
struct Heritage {
    context: Context,
    vrsaves: BTreeSet<u32>,
}

struct Walk<'a> {
    scenario: &'a Scenario,
    outcome: &'a Outcome,
    /// Entries of the log that were followed.
    followed: usize,
    elf: definedness::Walk<'a>,
    linux: definedness::Walk<'a>,
    tasks: BTreeMap<u8, Task>,
    /// By the index that the child has or will have.
    forks: BTreeMap<u8, Heritage>,
    /// Rules of ownership that did not hold at the last look: each is told once.
    breaches: Vec<Breach>,
    found: Vec<Violation>,
}

impl<'a> Walk<'a> {
    fn new(scenario: &'a Scenario, outcome: &'a Outcome) -> Self {
        Walk {
            scenario,
            outcome,
            followed: 0,
            elf: definedness::Walk::new(scenario, &outcome.log, Abi::Elf),
            linux: definedness::Walk::new(scenario, &outcome.log, Abi::Linux),
            tasks: BTreeMap::new(),
            forks: BTreeMap::new(),
            breaches: Vec::new(),
            found: Vec::new(),
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
            self.elf.step(entry);
            self.linux.step(entry);
            match *entry {
                LogEntry::SigReturned { task } => self.returns(task),
                LogEntry::Traced { task, event, view } => self.traced(task, event, view),
                _ => {}
            }
        }
    }

    /// A tracer reads what the task left, and changes some of it.
    fn traced(&mut self, task: u8, event: u16, view: u16) {
        let now = self.masks(task);
        let state = self.tasks.entry(task).or_default();
        let (Some(before), Some(read)) = (
            &mut state.before,
            self.outcome.traced.get(usize::from(view)),
        ) else {
            return;
        };
        let wrong: Vec<_> = before.violated(read, &now).collect();
        let when = before.when;
        let event = self.scenario.events.get(usize::from(event));
        let ptrace = event.and_then(Event::pending).and_then(|p| p.ptrace);
        if let Some(set) = ptrace.and_then(|ptrace| ptrace.set) {
            let values = ptrace::values(&set);
            for register in set.registers() {
                before.registers.set(register, values.get(register));
            }
            before.masks = now;
            state.vrsaves.insert(before.registers.vrsave);
        }
        let violations = wrong
            .into_iter()
            .map(|(register, (before, after), verdict)| Violation {
                when,
                task,
                place: Place::Ptrace,
                what: What::Register(register),
                verdict,
                before,
                after,
            });
        self.found.extend(violations);
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
            Point::Dumped => {
                let before = self
                    .tasks
                    .remove(&observation.task)
                    .and_then(|task| task.before);
                self.resumed(observation, before.as_ref());
            }
        }
    }

    /// What `regs->msr` says of a task must be true. A bit that is not is as good as a wrong register: the kernel, or a VSX instruction, will believe it.
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
        }
        started.before = Some(Context::new(observation, When::Start, now, uses_vmx));
        self.tasks.insert(task, started);
    }

    fn operation(&mut self, observation: &Observation, event: Option<u16>, child: Option<u8>) {
        let before = self
            .tasks
            .entry(observation.task)
            .or_default()
            .before
            .take();
        self.resumed(observation, before.as_ref());
        let when = event.map_or(When::End, When::Event);
        // An event can be several operations. The log has it as a whole, so what a later one defines would count as defined before.
        let masks = match &before {
            Some(before) if event.is_some() && before.when == when => before.masks,
            _ => self.masks(observation.task),
        };
        let uses_vmx = before.is_some_and(|before| before.uses_vmx);
        let context = Context::new(observation, when, masks, uses_vmx);
        let task = self.tasks.entry(observation.task).or_default();
        // A real kernel's first task has started before anybody looks: a new program's image is 0.
        task.vrsaves.extend([0, observation.registers.vrsave]);
        if let Some(child) = child {
            let (context, vrsaves) = (context.clone(), task.vrsaves.clone());
            self.forks.insert(child, Heritage { context, vrsaves });
        }
        task.before = Some(context);
    }

    /// A task is back where it was, or its last registers are known.
    fn resumed(&mut self, observation: &Observation, before: Option<&Context>) {
        if let Some(before) = before {
            let (task, now) = (observation.task, self.masks(observation.task));
            self.compare(task, Place::Register, before, &observation.registers, &now);
        }
    }

    /// Two things must hold: the frame has what was interrupted, and the handler starts with FPSCR 0, VSCR and VRSAVE as they were.
    /// Which of two signals delivered at once comes first is the kernel's choice: the second one's frame has the start of the first one's handler.
    fn handler(&mut self, observation: &Observation, at_entry: bool) {
        let task = observation.task;
        let Some(mut before) = self.tasks.entry(task).or_default().before.take() else {
            return;
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
            let now = if at_entry { now.in_handler() } else { now };
            self.compare_frame(&interrupted, frame, &now);
            // What is wrong in a frame is a violation once: `rt_sigreturn` has to bring back what is in it.
            interrupted.registers = frame.registers.clone();
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
    fn frame(&self) -> Option<&'a SignalFrame> {
        match self.outcome.log.get(self.followed)? {
            LogEntry::SignalDelivered { frame, .. } => self.outcome.frames.get(usize::from(*frame)),
            _ => None,
        }
    }

    /// Compares what was left with what is found.
    fn compare(
        &mut self,
        task: u8,
        place: Place,
        before: &Context,
        after: &RegisterFile,
        now: &Masks,
    ) {
        for (register, values, verdict) in before.violated(after, now) {
            self.found.push(Violation {
                when: before.when,
                task,
                place,
                what: What::Register(register),
                verdict,
                before: values.0,
                after: values.1,
            });
        }
    }

    /// A child's VRSAVE is the parent's image of it, which Linux 6.1 refreshes at a context switch and at a signal, but not at a fork. So an older
    /// value of the parent's says nothing about this kernel. A value that the parent never had does.
    fn compare_child(&mut self, task: u8, parent: &Heritage, child: &RegisterFile, now: &Masks) {
        let found = self.found.len();
        self.compare(task, Place::Child, &parent.context, child, now);
        for violation in &mut self.found[found..] {
            if violation.what == What::Register(Register::Vrsave)
                && parent.vrsaves.contains(&child.vrsave)
            {
                violation.verdict = Verdict::Dead;
            }
        }
    }

    /// To `rt_sigreturn` an area that is not there means zeros, so it matters only if something else had to be in it: one violation, not 32.
    fn compare_frame(&mut self, interrupted: &Context, frame: &SignalFrame, now: &Masks) {
        let violation = |what, verdict, before, after| Violation {
            when: interrupted.when,
            task: frame.task,
            place: Place::SignalFrame,
            what,
            verdict,
            before,
            after,
        };
        let (mut missing, mut lost) = (0, Verdict::Dead);
        for (register, (before, after), verdict) in interrupted.violated(&frame.registers, now) {
            let absent = area_bit(register) & !frame.msr;
            if absent == 0 {
                self.found
                    .push(violation(What::Register(register), verdict, before, after));
            } else {
                missing |= absent;
                lost = lost.max(verdict);
            }
        }
        if missing != 0 {
            let there = frame.msr & (MSR_VEC | MSR_VSX);
            self.found.push(violation(
                What::Msr,
                lost,
                (there | missing).into(),
                there.into(),
            ));
        }
    }
}
