//! What one kernel did with one scenario: the data that oracles compare.
//!
//! Not responsible for producing it (the emulator's `run`) nor for judging it (the judge crate).

use crate::capture::{Capture, Details, Observable, SignalFrame};
use crate::effects::Effects;
use crate::observe::Observation;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// Every task reached its end.
    Completed,
    /// The kernel died: an FP instruction with MSR\[FP\] off, a wild access, a BUG.
    KernelFault(String),
    /// The machine's state recurs exactly: it would never end.
    Hang,
    /// The emulator could not do what was asked; says nothing about the kernel.
    EmulatorFault(String),
    /// Out of budget (basic blocks); says nothing about the kernel.
    Budget,
}

/// What happened, in order: the schedule, which is part of the outcome.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LogEntry {
    /// A task began to run. `parent` is the forking task for a child, `None` for a task of the
    /// stage.
    TaskStarted {
        /// Its index.
        task: u8,
        /// Who made it.
        parent: Option<u8>,
    },
    /// `task` is about to do event `index` of the scenario (once an event, however many operations
    /// it takes).
    Event {
        /// Index into the scenario's events.
        index: u16,
        /// Who does it.
        task: u8,
    },
    /// A signal handler was entered; `frame` numbers an [`Observable::SignalFrame`].
    SignalDelivered {
        /// Who handles it.
        task: u8,
        /// Which frame.
        frame: u16,
        /// Whether the frame interrupted another handler that had not begun yet: two signals were
        /// delivered at once.
        at_entry: bool,
    },
    /// `task` has become a new program.
    Execed {
        /// Who.
        task: u8,
    },
    /// The kernel has handed over registers of `task`: it has written a core dump, for instance.
    Captured {
        /// Whose.
        task: u8,
        /// What the kernel has done with them.
        observable: Observable,
        /// Which capture of this kind.
        number: u16,
    },
    /// `swapcontext` has returned; what it saved is the [`Observable::SignalFrame`] that `frame`
    /// numbers.
    ContextSaved {
        /// Who called.
        task: u8,
        /// Which frame.
        frame: u16,
    },
    /// `task` returns from its handler with `rt_sigreturn`.
    SigReturned {
        /// Who returns.
        task: u8,
    },
    /// A tracer has stopped `task` on its way back from an event, and has read its registers: an
    /// [`Observable::Traced`], which `view` numbers. If the tracer writes, it writes after this.
    Traced {
        /// Who was stopped.
        task: u8,
        /// Index into the scenario's events.
        event: u16,
        /// What the tracer read.
        view: u16,
    },
    /// `task` has dumped its final registers: an [`Observable::Final`].
    Dumped {
        /// Who.
        task: u8,
    },
}

impl LogEntry {
    /// Whose entry it is.
    pub fn task(&self) -> u8 {
        match *self {
            LogEntry::TaskStarted { task, .. }
            | LogEntry::Event { task, .. }
            | LogEntry::SignalDelivered { task, .. }
            | LogEntry::Execed { task }
            | LogEntry::Captured { task, .. }
            | LogEntry::ContextSaved { task, .. }
            | LogEntry::SigReturned { task }
            | LogEntry::Traced { task, .. }
            | LogEntry::Dumped { task } => task,
        }
    }
}

/// What took most of a run that was cut off, or that would never end. Of a run that the emulator
/// could not go on with: where it was.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Spent {
    /// Basic blocks of the run.
    pub blocks: u64,
    /// The task: `task 1` of the scenario, `director`, or the name that a real kernel has for it
    /// (`comm`).
    pub task: String,
    /// How much of what was looked at was in this task, in percent.
    pub in_task: u8,
    /// The function of the kernel, or `user code`.
    pub function: String,
    /// How much was in this function and in this task, in percent.
    pub in_function: u8,
}

/// What one kernel did with one scenario.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// Who spent it, if it was cut off, would never end, or was more than the emulator can do.
    pub spent: Option<Spent>,
    /// The schedule.
    pub log: Vec<LogEntry>,
    /// What the run showed of tasks' registers, in order of time.
    pub captures: Vec<Capture>,
    /// What each task had at each of its host calls, in order of time; empty unless the runner was
    /// told to observe.
    pub observations: Vec<Observation>,
    /// Whether it did what the scenario asked for.
    pub effects: Effects,
}

impl Outcome {
    /// A run that ended before anything was seen of it.
    pub fn empty(end: End) -> Self {
        Outcome {
            end,
            spent: None,
            log: Vec::new(),
            captures: Vec::new(),
            observations: Vec::new(),
            effects: Effects::default(),
        }
    }

    /// Adds a capture and returns its number. A task that dumps its registers again, as only a
    /// broken kernel makes it do, has the last ones.
    pub fn record(&mut self, mut capture: Capture) -> u16 {
        capture.log = self.log.len();
        capture.number = match (capture.observable, capture.task) {
            (Observable::Final, Some(task)) => {
                self.captures
                    .retain(|old| (old.observable, old.task) != (Observable::Final, Some(task)));
                task.into()
            }
            (observable, _) => self.captures_of(observable).count() as u16,
        };
        let number = capture.number;
        self.captures.push(capture);
        number
    }

    /// The captures of one kind, in order of time.
    pub fn captures_of(&self, observable: Observable) -> impl Iterator<Item = &Capture> {
        let captures = self.captures.iter();
        captures.filter(move |capture| capture.observable == observable)
    }

    /// The capture of this kind and number.
    pub fn capture(&self, observable: Observable, number: u16) -> Option<&Capture> {
        let mut captures = self.captures_of(observable);
        captures.find(|capture| capture.number == number)
    }

    /// Whether a task has dumped its final registers.
    pub fn has_dumped(&self, task: u8) -> bool {
        self.capture(Observable::Final, task.into()).is_some()
    }

    /// A signal frame or a saved context.
    pub fn signal_frame(&self, number: u16) -> Option<(&Capture, &SignalFrame)> {
        let capture = self.capture(Observable::SignalFrame, number)?;
        match &capture.details {
            Details::Frame(frame) => Some((capture, frame)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::RegisterFile;

    fn capture(observable: Observable, task: u8) -> Capture {
        let registers = RegisterFile {
            fpscr: task.into(),
            ..RegisterFile::default()
        };
        Capture::new(observable, Some(task), registers)
    }

    #[test]
    fn captures_are_numbered_by_kind_and_know_their_place_in_the_log() {
        let mut outcome = Outcome::empty(End::Completed);
        assert_eq!(outcome.record(capture(Observable::Traced, 3)), 0);
        outcome.log.push(LogEntry::Execed { task: 3 });
        assert_eq!(outcome.record(capture(Observable::CoreDump, 1)), 0);
        assert_eq!(outcome.record(capture(Observable::Traced, 2)), 1);
        let second = outcome.capture(Observable::Traced, 1);
        let second = second.map(|capture| (capture.task, capture.log));
        assert_eq!(second, Some((Some(2), 1)));
        assert_eq!(outcome.capture(Observable::CoreDump, 1), None);
    }

    #[test]
    fn a_task_has_the_registers_that_it_dumped_last() {
        let mut outcome = Outcome::empty(End::Completed);
        for (task, fpscr) in [(2, 1), (0, 2), (2, 3)] {
            let mut last = capture(Observable::Final, task);
            last.registers.fpscr = fpscr;
            assert_eq!(outcome.record(last), u16::from(task));
        }
        let dumped = outcome.captures_of(Observable::Final);
        let dumped = dumped.map(|last| (last.task, last.registers.fpscr));
        assert_eq!(dumped.collect::<Vec<_>>(), [(Some(0), 2), (Some(2), 3)]);
        assert!(outcome.has_dumped(2) && !outcome.has_dumped(1));
    }
}
