//! What all workers have done together.
//!
//! Coverage is the union. The execution and the time at which something was first seen are those of
//! the worker that has seen it.

use std::collections::HashSet;

use ctxfuzz_triage::findings::FindingStore;

use super::worker::Report;
use crate::progress::Status;
use crate::resources::Resources;
use crate::summary::{FindingSummary, Summary, Workers};

/// See the module.
pub struct Merged {
    /// Of the workers that run, in their places.
    now: Vec<Report>,
    /// Of all that ended, one way or the other.
    pub before: Summary,
    covered: Vec<u8>,
    /// Signatures that were reported.
    found: HashSet<String>,
    /// The findings as they were when the campaign began.
    earlier: FindingStore,
}

impl Merged {
    /// Of so many workers, with the only kernel if there is no pair.
    pub fn new(workers: usize, kernel: Option<String>, earlier: FindingStore) -> Merged {
        Merged {
            now: vec![Report::default(); workers],
            before: Summary {
                kernel,
                ..Summary::default()
            },
            covered: Vec::new(),
            found: HashSet::new(),
            earlier,
        }
    }

    /// Takes a worker's report; the findings in it that nobody has reported before.
    pub fn report(&mut self, worker: usize, report: Report) -> Vec<FindingSummary> {
        let size = report.covered.len().max(self.covered.len());
        self.covered.resize(size, 0);
        for (all, hits) in self.covered.iter_mut().zip(&report.covered) {
            *all |= hits;
        }
        self.now[worker] = report;
        let findings = self.now[worker].summary.findings.iter();
        let new = findings.filter(|finding| self.found.insert(finding.signature.clone()));
        let mut new: Vec<FindingSummary> = new.cloned().collect();
        self.tell_earlier(&mut new);
        new
    }

    /// That another worker was faster is nothing to tell.
    fn tell_earlier(&self, findings: &mut [FindingSummary]) {
        for finding in findings {
            finding.kept_earlier &= self.earlier.contains(&finding.signature);
        }
    }

    /// A worker has ended; how much it had run.
    pub fn bury(&mut self, worker: usize) -> u64 {
        let report = std::mem::take(&mut self.now[worker]);
        self.before.add(&report.summary);
        report.summary.executions
    }

    /// Findings so far.
    pub fn found(&self) -> u64 {
        self.found.len() as u64
    }

    /// Executions so far.
    pub fn executions(&self) -> u64 {
        let running = self.now.iter().map(|report| report.summary.executions);
        self.before.executions + running.sum::<u64>()
    }

    /// All together, with so many scenarios in the corpus directory.
    pub fn summary(&self, workers: Workers, corpus: u64, seconds: f64) -> Summary {
        let mut all = self.before.clone();
        self.now.iter().for_each(|report| all.add(&report.summary));
        self.tell_earlier(&mut all.findings);
        let order = |finding: &FindingSummary| finding.first_seen_execution;
        all.findings.sort_by_key(order);
        all.counts.edges = self.covered.iter().filter(|&&hits| hits != 0).count() as u64;
        Summary {
            seconds,
            scenarios_per_second: all.executions as f64 / seconds.max(f64::EPSILON),
            corpus,
            workers: Some(workers),
            ..all
        }
    }

    /// Where everything is.
    pub fn status<'s>(&'s self, summary: &'s Summary) -> Status<'s> {
        let workers = self.now.iter().map(|report| report.resources);
        Status {
            covered: &self.covered,
            resources: workers.fold(Resources::now(), |all, one| all + one),
            ..Status::of(summary)
        }
    }
}
