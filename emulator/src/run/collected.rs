//! What a run has come to so far: an [`Outcome`] without its end.

use super::effects::Effects;
use super::observe::Observation;
use super::outcome::{End, Gprs, LogEntry, Outcome, Read, SignalFrame, ThreadImage};
use crate::arch::RegisterFile;

/// The parts of an [`Outcome`] that are collected while the run goes on.
#[derive(Clone, Debug, Default)]
pub struct Collected {
    pub(super) log: Vec<LogEntry>,
    pub(super) tasks: Vec<Option<RegisterFile>>,
    pub(super) gprs: Vec<Option<Gprs>>,
    pub(super) cores: Vec<RegisterFile>,
    pub(super) vcpus: Vec<RegisterFile>,
    pub(super) frames: Vec<SignalFrame>,
    pub(super) traced: Vec<RegisterFile>,
    pub(super) reads: Vec<Read>,
    pub(super) images: Vec<ThreadImage>,
    pub(super) observations: Vec<Observation>,
}

impl Collected {
    /// Completes it.
    pub fn into_outcome(self, end: End, effects: Effects) -> Outcome {
        Outcome {
            end,
            spent: None,
            log: self.log,
            tasks: self.tasks,
            gprs: self.gprs,
            cores: self.cores,
            vcpus: self.vcpus,
            frames: self.frames,
            traced: self.traced,
            reads: self.reads,
            images: self.images,
            observations: self.observations,
            effects,
        }
    }
}
