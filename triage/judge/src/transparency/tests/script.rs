//! A run as it is told to a test, step by step.

use ctxfuzz_outcome::arch::{RegisterFile, msr};
use ctxfuzz_outcome::capture::{Observable, SIGFPE, SignalFrame};
use ctxfuzz_outcome::observe::{Observation, Point};
use ctxfuzz_outcome::ownership::{Breach, Rule};
use ctxfuzz_scenario::Facility;
use ctxfuzz_scenario::event::{Event, Interrupt, Pending, RegisterValues, Syscall, Via};
use ctxfuzz_scenario::register::Register;
use ctxfuzz_scenario::scenario::{Scenario, Stage, TaskStage};

use super::super::{When, judge};
use crate::fixtures::{Told, signal_frame};

const ALL_FACILITIES: u64 = 0x0280_2000;
/// VEC and VSX: the frame has every area.
const ALL_AREAS: u64 = 0x0280_0000;

pub fn interrupt() -> Event {
    Event::Interrupt {
        vector: Interrupt::Doorbell,
        pending: Pending::NONE,
    }
}

pub fn syscall(call: Syscall) -> Event {
    Event::Syscall {
        call,
        via: Via::Sc,
        pending: Pending::NONE,
    }
}

pub fn touch() -> Event {
    Event::Touch(Facility::Vsx)
}

pub fn set(registers: &[Register]) -> Event {
    Event::Set(
        registers
            .iter()
            .map(|&r| (r, 1))
            .collect::<RegisterValues>(),
    )
}

/// A distinct value in every data register; FPSCR, VSCR and VRSAVE are 0.
pub fn file() -> RegisterFile {
    let mut file = RegisterFile::default();
    for (n, vsr) in (0x1000..).step_by(2).zip(&mut file.vsr) {
        *vsr = [n, n + 1];
    }
    file
}

pub fn poked(register: Register, value: u128) -> RegisterFile {
    let mut file = file();
    file.set(register, value);
    file
}

pub struct Script {
    pub scenario: Scenario,
    pub told: Told,
    /// MSR bits of all that follows.
    pub facilities: u64,
}

impl Script {
    /// Task 0 has started with [`file`].
    pub fn new(events: Vec<Event>) -> Self {
        let mut script = Script::bare(events);
        script.told.started(0, None);
        script
    }

    /// Nothing has happened.
    pub fn bare(events: Vec<Event>) -> Self {
        let stage = Stage {
            tasks: vec![TaskStage::default()],
            io_uring: vec![],
        };
        Script {
            scenario: Scenario {
                stage,
                events,
                ..Scenario::default()
            },
            told: Told::nothing(),
            facilities: ALL_FACILITIES,
        }
    }

    pub fn events(&self) -> u16 {
        self.scenario.events.len() as u16
    }

    fn look(&mut self, task: u8, point: Point, registers: &RegisterFile, writes: &[Register]) {
        self.told.outcome.observations.push(Observation {
            task,
            log: self.told.outcome.log.len(),
            point,
            facilities: self.facilities,
            writes: writes.to_vec(),
            registers: registers.clone(),
            gprs: [0; 12],
            breaches: Vec::new(),
        });
    }

    /// At the last look a rule about who owns registers did not hold for a task.
    pub fn breach(&mut self, task: u8, rule: Rule) {
        if let Some(last) = self.told.outcome.observations.last_mut() {
            last.breaches.push(Breach {
                task,
                rule,
                expected: 0,
                found: msr::VSX,
            });
        }
    }

    /// What a `read` delivered is known.
    pub fn read(&mut self, task: u8, event: u16, data: Vec<u8>) {
        self.told.read(task, event, data);
    }

    /// A task starts, and user code loads `writes`.
    pub fn observe_start(
        &mut self,
        task: u8,
        parent: Option<u8>,
        registers: &RegisterFile,
        writes: &[Register],
    ) {
        self.look(task, Point::Started, registers, writes);
        self.told.started(task, parent);
    }

    pub fn started(&mut self, task: u8, parent: Option<u8>, registers: &RegisterFile) {
        self.observe_start(task, parent, registers, &[]);
    }

    /// About to do an event that writes nothing.
    pub fn event(&mut self, task: u8, index: u16, registers: &RegisterFile) {
        self.operation(task, index, registers, &[]);
    }

    /// About to do the first operation of an event.
    pub fn operation(
        &mut self,
        task: u8,
        index: u16,
        registers: &RegisterFile,
        writes: &[Register],
    ) {
        self.more(task, index, registers, writes);
        self.told.event(task, index);
    }

    /// About to do a later one.
    pub fn more(&mut self, task: u8, index: u16, registers: &RegisterFile, writes: &[Register]) {
        let point = Point::Operation {
            event: Some(index),
            child: None,
        };
        self.look(task, point, registers, writes);
    }

    pub fn fork(&mut self, task: u8, index: u16, registers: &RegisterFile, child: u8) {
        let point = Point::Operation {
            event: Some(index),
            child: Some(child),
        };
        self.look(task, point, registers, &[]);
        self.told.event(task, index);
    }

    /// The queue is empty.
    pub fn end(&mut self, task: u8, registers: &RegisterFile) {
        let point = Point::Operation {
            event: None,
            child: None,
        };
        self.look(task, point, registers, &[]);
    }

    pub fn handler(
        &mut self,
        task: u8,
        at_entry: bool,
        frame: &RegisterFile,
        start: &RegisterFile,
    ) {
        self.frame(task, ALL_AREAS, frame);
        self.handler_after_frame(task, at_entry, start);
    }

    pub fn frame(&mut self, task: u8, msr: u64, registers: &RegisterFile) {
        self.told.frame(task, signal_frame(msr), registers.clone());
    }

    /// A handler of SIGFPE, whose frame has `code`.
    pub fn exception(&mut self, task: u8, code: i32, frame: &RegisterFile, start: &RegisterFile) {
        let beside = SignalFrame {
            signal: SIGFPE,
            code,
            ..signal_frame(ALL_AREAS)
        };
        self.told.frame(task, beside, frame.clone());
        self.handler_after_frame(task, false, start);
    }

    pub fn handler_after_frame(&mut self, task: u8, at_entry: bool, start: &RegisterFile) {
        self.look(task, Point::Handler { at_entry }, start, &[]);
        self.told.delivered(task, at_entry);
    }

    /// A tracer stops the task at the event, and reads this.
    pub fn traced(&mut self, task: u8, event: u16, read: &RegisterFile) {
        self.told.traced(task, event, read.clone());
    }

    /// The kernel hands over registers.
    pub fn captured(&mut self, task: u8, observable: Observable, registers: &RegisterFile) {
        self.told.captured(task, observable, registers.clone());
    }

    pub fn returned(&mut self, task: u8) {
        self.told.returned(task);
    }

    pub fn dump(&mut self, task: u8, registers: &RegisterFile) {
        self.look(task, Point::Dumped, registers, &[]);
        self.told.dumped(task, registers.clone());
    }

    /// `event: task where register verdict` of every violation.
    pub fn found(&self) -> Vec<String> {
        let judgement = judge(&self.scenario, &self.told.outcome);
        let line = |v: &super::super::Violation| {
            let when = match v.when {
                When::Start => "start".to_owned(),
                When::Event(index) => index.to_string(),
                When::End => "end".to_owned(),
            };
            format!("{when}: {} {} {} {}", v.task, v.place, v.what, v.verdict)
        };
        judgement.violations.iter().map(line).collect()
    }
}
