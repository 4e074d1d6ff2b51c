//! Random scenarios on one kernel: what is new in their runs is sorted by its cause, as a campaign
//! sorts it, and kept where findings are kept.

mod summary;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::Context;
use ctxfuzz_campaign::queue::Queue;
use ctxfuzz_campaign::summary::Counts;
use ctxfuzz_campaign::{Config, aim};
use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_scenario::scenario::Scenario;
use ctxfuzz_triage::definedness::Abi;
use ctxfuzz_triage::identity::Identity;
use ctxfuzz_triage::inconclusive::{Inconclusive, Tally};
use ctxfuzz_triage::kernels::Kernels;
use ctxfuzz_triage::known::Known;
use ctxfuzz_triage::machines::Ran;

use self::summary::{Summary, merged};
use super::CheckArgs;
use super::checker::Checker;
use crate::commands::fuzz::beside;
use crate::commands::triage::this_command;
use crate::commands::{complain, input};

/// Inconclusive runs that are named; the others are counted.
const NAMED: u64 = 10;

/// Scenarios that are run in one byte order and then in the other: in turns, translated code of
/// both would not fit into the processor's caches.
const BATCH: usize = 64;

/// Runs them all.
pub fn check(
    checker: &mut Checker,
    args: &CheckArgs,
    endians: &[Endian],
    runs: u64,
) -> anyhow::Result<Summary> {
    // Where nothing is kept, what is found is explained and goes with the check.
    let nowhere = tempfile::tempdir().context("no temporary directory can be made")?;
    let dir = args.findings.as_deref();
    let configs = endians
        .iter()
        .map(|&endian| config(args, checker, endian, dir.unwrap_or(nowhere.path())));
    let configs: Vec<Config> = configs.collect();
    // Nobody would see the smaller scenario.
    let stop = AtomicBool::new(dir.is_none());
    let queues = configs.iter().map(|config| {
        let images = config.images()?;
        Ok(Queue::open(config, &stop, images)?)
    });
    let mut search = Search {
        queues: queues.collect::<anyhow::Result<_>>()?,
        endians,
        abi: args.abi.into(),
        dir,
        start: Instant::now(),
        executions: 0,
        inconclusive: Tally::default(),
    };
    // Both byte orders of a model have the same functions.
    let first = endians.first().copied().unwrap_or(Endian::Little);
    let aim = aim::at(&[checker.kernel()], first)?;
    for first in (0..runs).step_by(BATCH) {
        let batch = first..runs.min(first + BATCH as u64);
        let batch: Vec<(u64, Scenario)> = batch
            .map(|index| (index, aim::random(&aim, args.seed, index)))
            .collect();
        for side in 0..endians.len() {
            for (index, scenario) in &batch {
                search.add(checker, scenario, side, *index)?;
            }
        }
    }
    search.summary(Identity::of(checker.kernel())?, args, runs)
}

/// That of a campaign that runs nothing of its own. What is on disk, of an earlier check or of the
/// other byte order, is not made again.
fn config(args: &CheckArgs, checker: &Checker, endian: Endian, findings: &Path) -> Config {
    Config {
        kernels: Kernels::One(checker.kernel().clone()),
        endian,
        corpus: None,
        grows: false,
        findings: findings.to_owned(),
        trouble: beside(findings),
        seed: args.seed,
        runs: None,
        seconds: None,
        stop_after: None,
        abi: args.abi.into(),
        known: Known::default(),
        feedback: false,
        dirty: false,
        shares: true,
        command: this_command(),
    }
}

struct Search<'a> {
    /// What is made of violations, in each byte order.
    queues: Vec<Queue<'a>>,
    endians: &'a [Endian],
    abi: Abi,
    /// Where findings are kept.
    dir: Option<&'a Path>,
    start: Instant,
    executions: u64,
    inconclusive: Tally,
}

impl Search<'_> {
    /// Runs the scenario with this index in one of the byte orders, and takes what is new.
    fn add(
        &mut self,
        checker: &mut Checker,
        scenario: &Scenario,
        side: usize,
        index: u64,
    ) -> anyhow::Result<()> {
        let endian = self.endians[side];
        let ran = checker.run(scenario, endian)?;
        self.executions += 1;
        let of_index = index * self.endians.len() as u64;
        self.take(checker, scenario, ran, side, of_index + side as u64 + 1)?;
        self.queues[side].work(self.executions)?;
        Ok(())
    }

    fn take(
        &mut self,
        checker: &mut Checker,
        scenario: &Scenario,
        ran: Ran,
        side: usize,
        execution: u64,
    ) -> anyhow::Result<()> {
        let (queue, endian) = (&mut self.queues[side], self.endians[side]);
        if let Some(reason) = ran.comparison.reason() {
            return self.name(scenario, endian, reason);
        }
        if !ran.comparison.reported(self.abi) {
            return Ok(());
        }
        let seconds = self.start.elapsed().as_secs_f64();
        let Some(mut case) = queue.is_new(scenario, &ran, execution, seconds, false) else {
            return Ok(());
        };
        let named = match self.dir {
            Some(_) => checker.by_name(scenario, endian)?,
            None => scenario.clone(),
        };
        if named != *scenario {
            let ran = checker.run(&named, endian)?;
            let again = queue.is_new(&named, &ran, execution, seconds, true);
            case = again.unwrap_or(case);
        }
        queue.take(case, false)?;
        Ok(())
    }

    /// Says that a run says nothing. Where findings are kept the scenario is too, beside them, as a
    /// random one depends on the kernel and cannot be had by its seed alone.
    fn name(
        &mut self,
        scenario: &Scenario,
        endian: Endian,
        reason: &Inconclusive,
    ) -> anyhow::Result<()> {
        self.inconclusive.add(reason);
        if self.inconclusive.all() > NAMED {
            return Ok(());
        }
        let name = scenario.name.as_deref().unwrap_or_default();
        complain(&format!("{name} ({}): {reason}", endian.name()));
        if let Some(dir) = self.dir.map(beside) {
            fs::create_dir_all(&dir)
                .with_context(|| format!("{}: cannot make the directory", dir.display()))?;
            let path: PathBuf = dir.join(format!("inconclusive.{name}.json"));
            input::write_whole(&path, &scenario.to_json())?;
        }
        Ok(())
    }

    fn summary(self, kernel: Identity, args: &CheckArgs, runs: u64) -> anyhow::Result<Summary> {
        let seconds = self.start.elapsed().as_secs_f64();
        let mut reasons = self.inconclusive;
        let mut waiting = 0;
        for queue in &self.queues {
            let mut counts = Counts::default();
            queue.count(&mut counts);
            reasons.add_times(&Inconclusive::NotSeenAgain, counts.not_reproduced);
            waiting += counts.waiting;
        }
        let found = self.queues.iter().map(Queue::findings);
        let found = self.endians.iter().copied().zip(found);
        let orders = self.endians.len() as u64;
        Ok(Summary {
            kernel,
            seed: args.seed,
            scenarios: runs,
            executions: self.executions,
            seconds,
            executions_per_second: self.executions as f64 / seconds,
            inconclusive: reasons.all(),
            reasons,
            waiting,
            findings: merged(found, self.dir.is_some(), |execution| {
                aim::random_name(args.seed, (execution - 1) / orders)
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::Status;

    #[test]
    fn what_says_nothing_is_trouble_even_beside_findings() -> anyhow::Result<()> {
        let mut summary = check(
            &mut Checker::new(&"fixed".parse()?),
            &args()?,
            &Endian::BOTH,
            1,
        )?;
        assert_eq!(summary.status(), Status::Nothing);
        let mut search = Search {
            queues: Vec::new(),
            endians: &[],
            abi: Abi::Elf,
            dir: None,
            start: Instant::now(),
            executions: 0,
            inconclusive: Tally::default(),
        };
        let why = Inconclusive::NotSeenAgain;
        search.name(
            &aim::random(&ctxfuzz_generators::Aim::default(), 1, 1),
            Endian::Little,
            &why,
        )?;
        summary.inconclusive = search.inconclusive.all();
        summary.reasons = search.inconclusive;
        assert_eq!(summary.status(), Status::Trouble);
        let line = "inconclusive 1 of 2 (50.0 %): 1 not seen again";
        assert!(summary.to_string().contains(line), "{summary}");
        let json = serde_json::to_value(&summary)?;
        assert_eq!(json["inconclusive"], 1);
        assert_eq!(json["inconclusive_by_reason"]["not seen again"], 1);
        Ok(())
    }

    fn args() -> anyhow::Result<CheckArgs> {
        use clap::Parser;
        #[derive(Parser)]
        struct Line {
            #[command(flatten)]
            check: CheckArgs,
        }
        Ok(Line::try_parse_from(["check", "--kernel", "fixed", "--runs", "1"])?.check)
    }
}
