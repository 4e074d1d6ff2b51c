//! One execution of a campaign: run, count, sort out, show.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use ctxfuzz_emulator::run::outcome::End;
use ctxfuzz_scenario::Scenario;
use ctxfuzz_triage::pair::{Pair, Paired};

use super::desk::Desk;
use super::engine::Harness;
use super::progress::{Progress, Status};
use super::summary::{Counts, Summary};
use super::trouble::Troubles;
use super::{CampaignError, Config, corpus, evidence};

/// An edge counts as gone once or more than once. AFL's eight classes reached no more edges, and kept scenarios that go round some loop
/// once more: three times as many, and twice as slow.
const MOST_HITS: u8 = 2;

/// So many executions pass between two looks at the clock.
const CLOCK: u64 = 16;

/// The state of a campaign.
pub struct Round<'c> {
    config: &'c Config,
    progress: &'c mut dyn Progress,
    stop: &'c AtomicBool,
    pair: Pair,
    desk: Desk<'c>,
    troubles: Troubles<'c>,
    started: Instant,
    executions: u64,
    corpus: u64,
    counts: Counts,
    covered: Vec<u8>,
    trouble: Option<CampaignError>,
}

impl<'c> Round<'c> {
    /// Starts the machines and opens the findings directory.
    pub fn new(
        config: &'c Config,
        progress: &'c mut dyn Progress,
        stop: &'c AtomicBool,
    ) -> Result<Self, CampaignError> {
        let pair = evidence::machines(config)?;
        let desk = Desk::open(config, stop, [pair.a.hash(), pair.b.hash()])?;
        let covered = vec![0; map_size(&pair)];
        Ok(Round {
            config,
            progress,
            stop,
            pair,
            desk,
            troubles: Troubles::new(config),
            started: Instant::now(),
            executions: 0,
            corpus: 0,
            counts: Counts::default(),
            covered,
            trouble: None,
        })
    }

    /// Bytes of a coverage map of both machines.
    pub fn map_size(&self) -> usize {
        self.covered.len()
    }

    /// The end of the campaign: what it did, or what stopped it.
    pub fn finish(mut self) -> Result<Summary, CampaignError> {
        self.count_all();
        self.progress.finish(&Status {
            executions: self.executions,
            seconds: self.started.elapsed().as_secs_f64(),
            corpus: self.corpus,
            counts: self.counts,
            findings: self.desk.findings(),
        });
        if let Some(error) = self.trouble.take() {
            return Err(error);
        }
        let seconds = self.started.elapsed().as_secs_f64();
        let (findings, known) = self.desk.into_findings();
        Ok(Summary {
            executions: self.executions,
            seconds,
            scenarios_per_second: self.executions as f64 / seconds.max(f64::EPSILON),
            corpus: self.corpus,
            findings,
            known,
            trouble: self.troubles.into_kept(),
            counts: self.counts,
        })
    }

    fn over(&self) -> bool {
        let timed_out = || {
            let seconds = self.started.elapsed().as_secs();
            self.executions.is_multiple_of(CLOCK)
                && self.config.seconds.is_some_and(|limit| seconds >= limit)
        };
        self.trouble.is_some()
            || self.stop.load(Ordering::Relaxed)
            || self.config.runs.is_some_and(|runs| self.executions >= runs)
            || timed_out()
    }

    /// Whether interrupts can come at the same places in both kernels: models are patched and not built anew.
    pub fn same_places(&self) -> bool {
        match (self.config.a.vmlinux(), self.config.b.vmlinux()) {
            (None, None) => true,
            (Some(_), Some(_)) => self.pair.a.hash() == self.pair.b.hash(),
            _ => false,
        }
    }

    fn cover(&mut self, coverage: &mut [u8]) {
        edges(&self.pair, coverage);
        for (covered, hits) in self.covered.iter_mut().zip(coverage.iter()) {
            *covered |= hits;
        }
    }

    /// Counts what is not counted as it happens.
    fn count_all(&mut self) {
        let hit = self.covered.iter().filter(|&&hits| hits != 0).count();
        self.counts.edges = hit as u64;
        self.desk.count(&mut self.counts);
    }

    fn count(&mut self, paired: &Paired) {
        let counts = &mut self.counts;
        let ends = [&paired.a.end, &paired.b.end];
        let any = |is: fn(&End) -> bool| u64::from(ends.into_iter().any(is));
        counts.kernel_fault += any(|end| matches!(end, End::KernelFault(_) | End::Hang));
        counts.budget += any(|end| matches!(end, End::Budget));
        counts.emulator_fault += any(|end| matches!(end, End::EmulatorFault(_)));
        counts.not_comparable += u64::from(!paired.comparison.comparable());
    }

    fn sort_out(&mut self, scenario: &Scenario, paired: &Paired) -> Result<(), CampaignError> {
        self.troubles.take(scenario, paired, self.executions)?;
        if !paired.comparison.reported(self.config.abi) {
            return Ok(());
        }
        self.counts.reported += 1;
        let seconds = self.started.elapsed().as_secs_f64();
        self.desk.take(scenario, paired, self.executions, seconds)
    }

    fn tell(&mut self, told: usize) {
        for finding in self.desk.findings().iter().skip(told) {
            self.progress.found(finding);
        }
    }

    fn show(&mut self) {
        if self.executions.is_multiple_of(CLOCK) && self.progress.due() {
            self.count_all();
            self.progress.show(&Status {
                executions: self.executions,
                seconds: self.started.elapsed().as_secs_f64(),
                corpus: self.corpus,
                counts: self.counts,
                findings: self.desk.findings(),
            });
        }
    }
}

impl Harness for Round<'_> {
    fn execute(&mut self, scenario: &Scenario, coverage: &mut [u8]) -> ControlFlow<()> {
        if self.over() {
            return ControlFlow::Break(());
        }
        let paired = self.pair.run(scenario);
        self.executions += 1;
        self.cover(coverage);
        self.count(&paired);
        let told = self.desk.findings().len();
        let sorted = self
            .sort_out(scenario, &paired)
            .and_then(|()| self.desk.work(self.executions));
        self.tell(told);
        if let Err(error) = sorted {
            self.trouble = Some(error);
            return ControlFlow::Break(());
        }
        self.show();
        ControlFlow::Continue(())
    }

    fn start_with(&mut self, count: usize) {
        self.corpus = count as u64;
    }

    fn keep(&mut self, scenario: &Scenario) {
        self.corpus += 1;
        let written = match &self.config.corpus {
            Some(dir) if self.config.grows => corpus::write(dir, scenario).map(drop),
            _ => Ok(()),
        };
        if let Err(error) = written {
            self.trouble.get_or_insert(error);
        }
    }
}

/// Writes the edges of the last run of both machines, one half each.
pub fn edges(pair: &Pair, coverage: &mut [u8]) {
    let hits = [&pair.a, &pair.b].map(|runner| runner.coverage().hits());
    let (a, b) = coverage.split_at_mut(hits[0].len());
    for (half, hits) in [a, b].into_iter().zip(hits) {
        for (byte, &hits) in half.iter_mut().zip(hits) {
            *byte = hits.min(MOST_HITS);
        }
    }
}

/// Bytes of a coverage map of both machines.
pub fn map_size(pair: &Pair) -> usize {
    pair.a.coverage().hits().len() + pair.b.coverage().hits().len()
}
