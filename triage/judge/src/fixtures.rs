//! What unit tests are made of: differences, comparisons, and runs that a test tells step by step.

use ctxfuzz_outcome::arch::RegisterFile;
use ctxfuzz_outcome::capture::{Capture, Data, Details, Observable, SignalFrame};
use ctxfuzz_outcome::outcome::{End, LogEntry, Outcome};
use ctxfuzz_scenario::register::Register;
use ctxfuzz_scenario::scenario::{Place, Verdict};

use crate::compare::{Comparison, Difference, Standing, What};

/// A register of task 0 at its end, 1 on kernel A and 2 on kernel B.
pub fn difference(register: Register, verdict: Verdict) -> Difference {
    Difference {
        task: Some(0),
        place: Place::Register,
        what: What::Register(register),
        verdict,
        a: 1,
        b: 2,
        frame: None,
    }
}

/// Of two runs that completed and differ in this.
pub fn comparison(differences: Vec<Difference>) -> Comparison {
    let verdicts = differences.iter().map(|difference| difference.verdict);
    Comparison {
        standing: Standing::Comparable,
        verdict: verdicts.max().unwrap_or_default(),
        differences,
        end_a: End::Completed,
        end_b: End::Completed,
        spent: [None, None],
    }
}

/// A signal frame with this MSR.
pub fn signal_frame(msr: u64) -> SignalFrame {
    SignalFrame {
        msr,
        signal: 10,
        code: 0,
        red_zone: None,
    }
}

/// A run so far.
#[derive(Clone)]
pub struct Told {
    pub outcome: Outcome,
}

impl Told {
    /// Nothing has happened.
    pub fn nothing() -> Self {
        Told {
            outcome: Outcome::empty(End::Completed),
        }
    }

    fn log(&mut self, entry: LogEntry) -> &mut Self {
        self.outcome.log.push(entry);
        self
    }

    pub fn started(&mut self, task: u8, parent: Option<u8>) -> &mut Self {
        self.log(LogEntry::TaskStarted { task, parent })
    }

    pub fn event(&mut self, task: u8, index: u16) -> &mut Self {
        self.log(LogEntry::Event { index, task })
    }

    /// A frame is there, of whose delivery the log does not tell yet.
    pub fn frame(&mut self, task: u8, frame: SignalFrame, registers: RegisterFile) -> &mut Self {
        let capture = Capture::new(Observable::SignalFrame, Some(task), registers);
        self.outcome.record(capture.with(Details::Frame(frame)));
        self
    }

    /// The handler of the last frame is entered.
    pub fn delivered(&mut self, task: u8, at_entry: bool) -> &mut Self {
        let frames = self.outcome.captures_of(Observable::SignalFrame).count();
        self.log(LogEntry::SignalDelivered {
            task,
            frame: frames as u16 - 1,
            at_entry,
        })
    }

    pub fn returned(&mut self, task: u8) -> &mut Self {
        self.log(LogEntry::SigReturned { task })
    }

    /// A tracer stops the task at the event, and reads this.
    pub fn traced(&mut self, task: u8, event: u16, read: RegisterFile) -> &mut Self {
        let read = Capture::new(Observable::Traced, Some(task), read);
        let view = self.outcome.record(read);
        self.log(LogEntry::Traced { task, event, view })
    }

    /// The kernel hands over registers.
    pub fn captured(
        &mut self,
        task: u8,
        observable: Observable,
        registers: RegisterFile,
    ) -> &mut Self {
        let capture = Capture::new(observable, Some(task), registers);
        let number = self.outcome.record(capture);
        self.log(LogEntry::Captured {
            task,
            observable,
            number,
        })
    }

    /// What a `read` delivered is known.
    pub fn read(&mut self, task: u8, event: u16, bytes: Vec<u8>) -> &mut Self {
        let none = RegisterFile::default();
        let read = Capture::new(Observable::Read, Some(task), none);
        let data = Details::Data(Data { event, bytes });
        self.outcome.record(read.with(data));
        self
    }

    /// A `thread_struct` at the end.
    pub fn image(&mut self, task: Option<u8>, msr: u64, registers: RegisterFile) -> &mut Self {
        let image = Capture::new(Observable::ThreadImage, task, registers);
        self.outcome.record(image.with(Details::Thread { msr }));
        self
    }

    pub fn dumped(&mut self, task: u8, registers: RegisterFile) -> &mut Self {
        let last = Capture::new(Observable::Final, Some(task), registers);
        self.outcome.record(last.with(Details::Gprs([0; 12])));
        self.log(LogEntry::Dumped { task })
    }
}
