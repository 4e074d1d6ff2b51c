//! One execution of a campaign: run, count, sort out, show.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use ctxfuzz_emulator::run::Runner;
use ctxfuzz_emulator::run::outcome::End;
use ctxfuzz_generators::drop_other_delays;
use ctxfuzz_scenario::Scenario;
use ctxfuzz_triage::inconclusive::{Inconclusive, Tally};
use ctxfuzz_triage::machines::{Machines, Ran};
use xxhash_rust::xxh3::xxh3_64;

use super::engine::Harness;
use super::exchange::{Exchange, Shared};
use super::progress::{Progress, Status};
use super::queue::Queue;
use super::resources::Resources;
use super::summary::{Counts, SharedCounts, Summary};
use super::trouble::Troubles;
use super::{CampaignError, Config, corpus, places, verification};

/// An edge counts as gone once or more than once. AFL's eight classes reached no more edges, and
/// kept scenarios that go round some loop once more: three times as many, and twice as slow.
const MOST_HITS: u8 = 2;

/// So many executions pass between two looks at the clock.
const CLOCK: u64 = 16;

/// So many files that are no scenarios are said; all are counted.
const MOST_REFUSALS: u64 = 8;

/// One in so many scenarios that are kept is run twice.
const RUN_TWICE: u64 = 8;

/// The state of a campaign.
pub struct Round<'c> {
    config: &'c Config,
    progress: &'c mut dyn Progress,
    exchange: &'c mut dyn Exchange,
    stop: &'c AtomicBool,
    machines: Machines,
    queue: Queue<'c>,
    troubles: Troubles<'c>,
    started: Instant,
    delays: bool,
    executions: u64,
    corpus: u64,
    counts: Counts,
    inconclusive: Tally,
    covered: Vec<u8>,
    shared: SharedCounts,
    /// Hashes of what this process has begun with and kept, if it shares.
    kept: HashSet<u64>,
    trouble: Option<CampaignError>,
}

impl<'c> Round<'c> {
    /// Starts the machines and opens the findings directory.
    pub fn new(
        config: &'c Config,
        progress: &'c mut dyn Progress,
        exchange: &'c mut dyn Exchange,
        stop: &'c AtomicBool,
    ) -> Result<Self, CampaignError> {
        let machines = verification::machines(config)?;
        let queue = Queue::open(config, stop, machines.hashes())?;
        let covered = vec![0; map_size(&machines.runners())];
        Ok(Round {
            config,
            progress,
            exchange,
            delays: machines.same_places(),
            stop,
            machines,
            queue,
            troubles: Troubles::new(config),
            started: Instant::now(),
            executions: 0,
            corpus: 0,
            counts: Counts::default(),
            inconclusive: Tally::default(),
            covered,
            shared: SharedCounts::default(),
            kept: HashSet::new(),
            trouble: None,
        })
    }

    /// Notes what the campaign has, as far as somebody else may share it too.
    pub fn note_kept(&mut self, scenario: &Scenario) {
        if self.config.shares {
            self.kept.insert(hash(scenario));
        }
    }

    /// Whether pending work may come late.
    pub fn delays(&self) -> bool {
        self.delays
    }

    /// Bytes of a coverage map of all machines.
    pub fn map_size(&self) -> usize {
        self.covered.len()
    }

    /// The end of the campaign: what it did, or what stopped it.
    pub fn finish(mut self) -> Result<Summary, CampaignError> {
        let mut summary = Summary::default();
        self.with_status(|progress, status| {
            progress.finish(status);
            summary = status.summary();
        });
        match self.trouble.take() {
            Some(error) => Err(error),
            None => Ok(summary),
        }
    }

    fn over(&self) -> bool {
        let timed_out = || {
            let seconds = self.started.elapsed().as_secs();
            self.executions.is_multiple_of(CLOCK)
                && self.config.seconds.is_some_and(|limit| seconds >= limit)
        };
        let found = self.queue.findings().len() as u64;
        self.trouble.is_some()
            || self.config.stop_after.is_some_and(|enough| found >= enough)
            || self.stop.load(Ordering::Relaxed)
            || self.config.runs.is_some_and(|runs| self.executions >= runs)
            || timed_out()
    }

    fn cover(&mut self, coverage: &mut [u8]) {
        edges(&self.machines.runners(), coverage);
        for (covered, hits) in self.covered.iter_mut().zip(coverage.iter()) {
            *covered |= hits;
        }
    }

    /// Counts what is not counted as it happens.
    fn count_all(&mut self) {
        let hit = self.covered.iter().filter(|&&hits| hits != 0).count();
        self.counts.edges = hit as u64;
        self.queue.count(&mut self.counts);
    }

    fn count(&mut self, ran: &Ran) {
        let counts = &mut self.counts;
        let any = |is: fn(&End) -> bool| {
            let mut ends = ran.outcomes.iter().map(|outcome| &outcome.end);
            u64::from(ends.any(is))
        };
        counts.kernel_fault += any(|end| matches!(end, End::KernelFault(_) | End::Hang));
        counts.budget += any(|end| matches!(end, End::Budget));
        counts.emulator_fault += any(|end| matches!(end, End::EmulatorFault(_)));
        if let Some(why) = ran.comparison.reason() {
            counts.not_comparable += 1;
            self.inconclusive.add(why);
        }
    }

    /// By reason: runs that say nothing, and divergences that were taken back.
    fn all_inconclusive(&self) -> Tally {
        let mut tally = self.inconclusive.clone();
        tally.add_times(&Inconclusive::NotSeenAgain, self.counts.not_reproduced);
        tally
    }

    /// What becomes of a run; `claimed` if somebody else says that there is a finding in it. Breaks
    /// when something stops the campaign.
    fn sort_out(&mut self, scenario: &Scenario, ran: &Ran, claimed: bool) -> ControlFlow<()> {
        let told = self.queue.findings().len();
        let sorted = self
            .take(scenario, ran, claimed)
            .and_then(|()| self.queue.work(self.executions));
        self.tell(told);
        match sorted {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.trouble = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    fn take(&mut self, scenario: &Scenario, ran: &Ran, claimed: bool) -> Result<(), CampaignError> {
        self.troubles.take(scenario, ran, self.executions)?;
        if !ran.comparison.reported(self.config.abi) {
            return Ok(());
        }
        self.counts.reported += 1;
        let seconds = self.started.elapsed().as_secs_f64();
        let execution = self.executions;
        let Some(case) = self
            .queue
            .is_new(scenario, ran, execution, seconds, claimed)
        else {
            return Ok(());
        };
        if !self.delays && places::explain(&mut self.machines, scenario, ran, self.config.abi) {
            self.counts.reported -= 1;
            self.counts.other_place += 1;
            return Ok(());
        }
        self.queue.take(case, claimed)
    }

    fn run(&mut self, scenario: &Scenario, coverage: &mut [u8]) -> Ran {
        self.exchange.begin(scenario);
        let ran = self.machines.run(scenario);
        self.executions += 1;
        self.cover(coverage);
        self.count(&ran);
        ran
    }

    /// A scenario from elsewhere, as this campaign makes its own.
    fn fitting(&self, mut scenario: Scenario) -> Scenario {
        if !self.delays {
            drop_other_delays(&mut scenario);
        }
        scenario
    }

    /// Looks for the finding that somebody else claims. That it covers something new is not said:
    /// it is tried once more for that.
    fn verify(&mut self, scenario: &Scenario) {
        if !self.over() {
            let ran = self.run(scenario, &mut vec![0; self.map_size()]);
            // What stops the campaign is noticed before the next execution.
            let _ = self.sort_out(scenario, &ran, true);
        }
    }

    /// Whether a scenario covers the same twice in a row.
    fn run_twice(&mut self, scenario: &Scenario) {
        let [once, again] = [(); 2].map(|()| {
            let mut coverage = vec![0; self.map_size()];
            self.machines.run(scenario);
            edges(&self.machines.runners(), &mut coverage);
            coverage
        });
        self.counts.run_twice += 1;
        self.counts.stable += u64::from(once == again);
    }

    fn tell(&mut self, told: usize) {
        for finding in self.queue.findings().iter().skip(told) {
            self.progress.found(finding);
        }
    }

    fn with_status(&mut self, tell: impl FnOnce(&mut dyn Progress, &Status<'_>)) {
        self.count_all();
        let inconclusive = self.all_inconclusive();
        let kernel = self.config.kernels.only().map(ToString::to_string);
        let status = Status {
            kernel: kernel.as_deref(),
            executions: self.executions,
            seconds: self.started.elapsed().as_secs_f64(),
            corpus: self.corpus,
            counts: self.counts,
            inconclusive: &inconclusive,
            findings: self.queue.findings(),
            known: self.queue.known(),
            trouble: self.troubles.kept(),
            shared: self.config.shares.then_some(self.shared),
            covered: &self.covered,
            resources: Resources::now(),
        };
        tell(self.progress, &status);
    }

    fn show(&mut self) {
        if self.executions.is_multiple_of(CLOCK) && self.progress.due() {
            self.with_status(|progress, status| progress.show(status));
        }
    }
}

impl Harness for Round<'_> {
    fn execute(&mut self, scenario: &Scenario, coverage: &mut [u8]) -> ControlFlow<()> {
        if self.over() {
            return ControlFlow::Break(());
        }
        let ran = self.run(scenario, coverage);
        self.sort_out(scenario, &ran, false)?;
        self.show();
        ControlFlow::Continue(())
    }

    fn start_with(&mut self, count: usize) {
        self.corpus = count as u64;
    }

    fn receive(&mut self) -> Vec<Scenario> {
        let mut to_try = Vec::new();
        let finding = self.queue.has_time(self.executions);
        for shared in self.exchange.receive(finding) {
            match shared {
                Shared::Scenario(scenario) => {
                    let scenario = self.fitting(scenario);
                    // What this process has begun with or kept it finds again among the others'.
                    if !self.kept.contains(&hash(&scenario)) {
                        self.shared.tried += 1;
                        to_try.push(scenario);
                    }
                }
                Shared::Claimed(scenario) => {
                    self.shared.findings += 1;
                    let scenario = self.fitting(scenario);
                    self.verify(&scenario);
                    to_try.push(scenario);
                }
                Shared::Refused(why) => {
                    self.shared.refused += 1;
                    if self.shared.refused <= MOST_REFUSALS {
                        self.progress.note(&why);
                    }
                }
                Shared::Note(line) => self.progress.note(&line),
            }
        }
        to_try
    }

    fn keep(&mut self, scenario: &Scenario) {
        self.corpus += 1;
        self.note_kept(scenario);
        if self.corpus.is_multiple_of(RUN_TWICE) {
            self.run_twice(scenario);
        }
        let written = match &self.config.corpus {
            Some(dir) if self.config.grows => corpus::write(dir, scenario).map(drop),
            _ => Ok(()),
        };
        if let Err(error) = written {
            self.trouble.get_or_insert(error);
        }
    }
}

fn hash(scenario: &Scenario) -> u64 {
    xxh3_64(scenario.to_json().as_bytes())
}

/// Writes the edges of the last run of each machine, one machine's behind the other's.
pub fn edges(runners: &[&Runner], coverage: &mut [u8]) {
    let mut rest = coverage;
    for runner in runners {
        let hits = runner.coverage().hits();
        let (part, behind) = rest.split_at_mut(hits.len());
        for (byte, &hits) in part.iter_mut().zip(hits) {
            *byte = hits.min(MOST_HITS);
        }
        rest = behind;
    }
}

/// Bytes of a coverage map of all machines.
pub fn map_size(runners: &[&Runner]) -> usize {
    let sizes = runners.iter().map(|runner| runner.coverage().hits().len());
    sizes.sum()
}
