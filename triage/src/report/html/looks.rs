//! What both kernels gave a task each time its user code was seen, side by side.

use ctxfuzz_emulator::arch::RegisterFile;
use ctxfuzz_emulator::run::observe::{Observation, Point};
use ctxfuzz_emulator::run::outcome::Outcome;
use ctxfuzz_scenario::register::Register;

/// One look at one task, in both runs.
pub struct Look<'a> {
    /// Whose registers.
    pub task: u8,
    /// The event that the task did last.
    pub after: Option<u16>,
    /// Where user code is.
    pub point: Point,
    /// Entries of the log before it.
    pub log: usize,
    /// Registers on A.
    pub a: &'a RegisterFile,
    /// Registers on B.
    pub b: &'a RegisterFile,
    /// Those that differ, whether or not anybody may rely on them.
    pub differing: Vec<Register>,
}

/// All looks, in order of time, as far as the runs do the same.
pub struct Looks<'a> {
    /// They.
    pub looks: Vec<Look<'a>>,
    /// Whether one of the runs went on in another way.
    pub part: bool,
}

impl<'a> Looks<'a> {
    /// Pairs the observations of two runs.
    pub fn new(runs: &'a [Outcome; 2]) -> Looks<'a> {
        let [a, b] = runs.each_ref().map(|run| run.observations.as_slice());
        let same = |(a, b): &(&Observation, &Observation)| {
            (a.task, a.point, a.log) == (b.task, b.point, b.log)
        };
        let mut looks: Vec<Look<'a>> = Vec::new();
        let mut last = [None; 256];
        for (a, b) in a.iter().zip(b).take_while(same) {
            let after = last[usize::from(a.task)];
            if let Point::Operation {
                event: Some(event), ..
            } = a.point
            {
                last[usize::from(a.task)] = Some(event);
            }
            let differing = Register::all().filter(|&r| a.registers.get(r) != b.registers.get(r));
            looks.push(Look {
                task: a.task,
                after,
                point: a.point,
                log: a.log,
                a: &a.registers,
                b: &b.registers,
                differing: differing.collect(),
            });
        }
        let part = looks.len() < a.len().max(b.len());
        Looks { looks, part }
    }

    /// What a task has when it has done an event: the last look before it does the next in which
    /// something differs, or the last one. (With one kernel what was wrong once is what is expected
    /// from then on.)
    pub fn after_event(&self, task: u8, event: u16) -> Option<&Look<'a>> {
        let looks = self.looks.iter().rev();
        let mut looks = looks.filter(|look| look.task == task && look.after == Some(event));
        let last = looks.clone().next();
        looks.find(|look| !look.differing.is_empty()).or(last)
    }

    /// The look that belongs to an entry of the log that is no event.
    pub fn at_entry(&self, task: u8, entry: usize) -> Option<&Look<'a>> {
        self.looks.iter().find(|look| {
            let own = !matches!(look.point, Point::Operation { .. });
            own && look.task == task && look.log == entry
        })
    }
}

impl Look<'_> {
    /// When it was, in a few words.
    pub fn when(&self) -> String {
        match (self.point, self.after) {
            (Point::Dumped, _) => "at the end".into(),
            (Point::Handler { .. }, Some(event)) => format!("in the handler, after event {event}"),
            (Point::Handler { .. }, None) => "in the handler".into(),
            (_, Some(event)) => format!("after event {event}"),
            (Point::Execed, None) => "as a new program".into(),
            (Point::Context, None) => "after swapcontext".into(),
            (Point::Started, None) => "when it starts".into(),
            (Point::Operation { .. }, None) => "before its first event".into(),
        }
    }

    /// The same, in the width of a column.
    pub fn label(&self) -> String {
        match (self.point, self.after) {
            (Point::Dumped, _) => "E".into(),
            (Point::Handler { .. }, _) => "H".into(),
            (_, Some(event)) => event.to_string(),
            (_, None) => "S".into(),
        }
    }
}
