//! What all clients have done together.
//!
//! Numbers of executions add up, also those of clients that died; coverage is the union. An execution is counted over all clients from here on, as far
//! as the broker has heard when a finding comes: in order of the findings, and not exact. A place where a finding was seen later has its
//! client's own count.

use std::time::Instant;

use ctxfuzz_triage::inconclusive::Tally;

use crate::campaign::progress::{Progress, Status};
use crate::campaign::resources::Resources;
use crate::campaign::summary::{
    Clients, Counts, FindingSummary, KnownSummary, Summary, TroubleSummary,
};

use super::message::ClientStatus;

/// See the module.
#[derive(Default)]
pub struct Merged {
    /// Of clients that have ended, one way or the other.
    executions: u64,
    counts: Counts,
    inconclusive: Tally,
    covered: Vec<u8>,
    findings: Vec<FindingSummary>,
    known: Vec<KnownSummary>,
    trouble: Vec<TroubleSummary>,
}

impl Merged {
    /// What was found so far.
    pub fn findings(&self) -> &[FindingSummary] {
        &self.findings
    }

    /// Notes what a client has covered.
    pub fn cover(&mut self, places: &[u32]) {
        for &place in places {
            let place = place as usize;
            if self.covered.len() <= place {
                self.covered.resize(place + 1, 0);
            }
            self.covered[place] = 1;
        }
    }

    /// Takes a client's finding; whether it is the first of its signature. `executions` are all so far.
    pub fn found(&mut self, finding: &FindingSummary, executions: u64, seconds: f64) -> bool {
        let known = |known: &FindingSummary| known.signature == finding.signature;
        match self.findings.iter().position(known) {
            Some(index) => {
                self.see_again(index, finding);
                false
            }
            None => {
                let mut finding = finding.clone();
                finding.first_seen_execution = executions;
                finding.first_seen_seconds = seconds;
                for sighting in &mut finding.sightings {
                    sighting.first_seen_execution = executions;
                    sighting.first_seen_seconds = seconds;
                }
                self.findings.push(finding);
                true
            }
        }
    }

    fn see_again(&mut self, index: usize, again: &FindingSummary) {
        let finding = &mut self.findings[index];
        finding.verdict = finding.verdict.max(again.verdict);
        finding.registers.extend(again.registers.iter().cloned());
        // One of them has written it.
        finding.kept_earlier &= again.kept_earlier;
        for sighting in &again.sightings {
            let same = finding.sightings.iter_mut().find(|known| {
                known.r#where == sighting.r#where && known.verdict == sighting.verdict
            });
            match same {
                Some(known) => {
                    let new = sighting.registers.iter();
                    let new: Vec<String> = new
                        .filter(|name| !known.registers.contains(name))
                        .cloned()
                        .collect();
                    known.registers.extend(new);
                }
                None => finding.sightings.push(sighting.clone()),
            }
        }
    }

    /// Takes over from a client that has died.
    pub fn bury(&mut self, status: &ClientStatus) {
        self.executions += status.executions;
        self.counts = sum(self.counts, &status.counts);
        self.inconclusive.merge(&status.inconclusive);
    }

    /// Takes over from a client that is done.
    pub fn finish(&mut self, summary: Summary, seconds: f64) {
        self.executions += summary.executions;
        self.counts = sum(self.counts, &summary.counts);
        self.inconclusive.merge(&summary.inconclusive);
        for finding in &summary.findings {
            self.found(finding, self.executions, seconds);
        }
        for known in summary.known {
            let same = |other: &&mut KnownSummary| other.signature == known.signature;
            match self.known.iter_mut().find(same) {
                Some(other) => other.kinds += known.kinds,
                None => self.known.push(known),
            }
        }
        for trouble in summary.trouble {
            self.keep_trouble(trouble);
        }
    }

    /// Notes a scenario that was kept to be looked at.
    pub fn keep_trouble(&mut self, trouble: TroubleSummary) {
        self.trouble.push(trouble);
    }

    /// Executions so far, those of the clients that run included.
    pub fn executions<'a>(&self, running: impl Iterator<Item = &'a ClientStatus>) -> u64 {
        self.executions + running.map(|status| status.executions).sum::<u64>()
    }

    /// Shows `tell` where everything is.
    pub fn show<'a>(
        &self,
        running: impl Iterator<Item = &'a ClientStatus> + Clone,
        corpus: u64,
        started: Instant,
        progress: &mut dyn Progress,
        tell: impl FnOnce(&mut dyn Progress, &Status<'_>),
    ) {
        let counts = running
            .clone()
            .fold(self.counts, |all, status| sum(all, &status.counts));
        let mut inconclusive = self.inconclusive.clone();
        running
            .clone()
            .for_each(|status| inconclusive.merge(&status.inconclusive));
        let resources = running
            .clone()
            .fold(Resources::now(), |all, status| all + status.resources);
        tell(
            progress,
            &Status {
                executions: self.executions(running),
                seconds: started.elapsed().as_secs_f64(),
                corpus,
                counts: self.with_edges(counts),
                inconclusive: &inconclusive,
                findings: &self.findings,
                covered: &self.covered,
                resources,
            },
        );
    }

    fn with_edges(&self, counts: Counts) -> Counts {
        let edges = self.covered.iter().filter(|&&hits| hits != 0).count();
        Counts {
            edges: edges as u64,
            ..counts
        }
    }

    /// The end.
    pub fn into_summary(self, corpus: u64, seconds: f64, clients: Clients) -> Summary {
        Summary {
            executions: self.executions,
            seconds,
            scenarios_per_second: self.executions as f64 / seconds.max(f64::EPSILON),
            corpus,
            counts: self.with_edges(self.counts),
            inconclusive: self.inconclusive,
            findings: self.findings,
            known: self.known,
            trouble: self.trouble,
            clients: Some(clients),
        }
    }
}

/// Kinds of divergence are not added up: clients see the same ones. The most that one has seen is what there is at least.
fn sum(one: Counts, two: &Counts) -> Counts {
    Counts {
        edges: one.edges.max(two.edges),
        reported: one.reported + two.reported,
        not_comparable: one.not_comparable + two.not_comparable,
        kernel_fault: one.kernel_fault + two.kernel_fault,
        budget: one.budget + two.budget,
        emulator_fault: one.emulator_fault + two.emulator_fault,
        buckets: one.buckets.max(two.buckets),
        waiting: one.waiting.max(two.waiting),
        not_reproduced: one.not_reproduced + two.not_reproduced,
        run_twice: one.run_twice + two.run_twice,
        stable: one.stable + two.stable,
    }
}
