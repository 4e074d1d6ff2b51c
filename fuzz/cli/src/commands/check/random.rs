//! Random scenarios on one kernel: the summary, and the first scenario of each kind of finding.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use ctxfuzz_campaign::aim;
use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_scenario::scenario::{Scenario, Verdict};
use ctxfuzz_triage::compare::What;
use ctxfuzz_triage::definedness::Abi;
use ctxfuzz_triage::identity::Identity;
use ctxfuzz_triage::inconclusive::{Inconclusive, Tally};
use ctxfuzz_triage::report::checked::{Case, CaseResult, Checked, Problem};
use ctxfuzz_triage::transparency::{Judgement, Key, keys};
use serde::Serialize;

use super::CheckArgs;
use super::checker::Checker;
use crate::commands::{Status, complain, input, warn_of_silence};

/// Inconclusive runs that are named; the others are counted.
const NAMED: u64 = 10;

/// Scenarios that are run in one byte order and then in the other: in turns, translated code of
/// both would not fit into the processor's caches.
const BATCH: usize = 64;

/// What random scenarios came to. Its JSON is the last line of `check --runs --json`.
#[derive(Debug, Serialize)]
pub struct Summary {
    #[serde(flatten)]
    kernel: Identity,
    seed: u64,
    /// Scenarios, each run in every byte order asked for.
    scenarios: u64,
    executions: u64,
    seconds: f64,
    executions_per_second: f64,
    /// Runs that say nothing about the kernel.
    inconclusive: u64,
    /// The same by reason.
    #[serde(flatten)]
    reasons: Tally,
    findings: Vec<Finding>,
}

/// One kind of finding, as it was first seen.
#[derive(Debug, Serialize)]
struct Finding {
    key: String,
    verdict: Verdict,
    endian: &'static str,
    registers: BTreeSet<String>,
    scenario: String,
    first_seen_execution: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// Whether the file was there before: its scenario is that of an earlier check.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    kept_earlier: bool,
}

impl Summary {
    /// Says so on stderr if too many runs say nothing.
    pub fn warn(&self) {
        warn_of_silence(&self.reasons, self.executions);
    }

    /// What it means for the exit status.
    pub fn status(&self) -> Status {
        match (self.inconclusive, self.findings.is_empty()) {
            (1.., _) => Status::Trouble,
            (0, false) => Status::Found,
            (0, true) => Status::Nothing,
        }
    }

    /// Adds a case for each kind of finding, and one for all that says nothing; one that is good if
    /// there is neither.
    pub fn record(&self, checked: &mut Checked) {
        let class = format!("{}, random scenarios", self.kernel.kernel);
        let case = |name: &str, file: Option<&String>, result| Case {
            class: class.clone(),
            name: name.to_owned(),
            file: file.map(PathBuf::from),
            result,
        };
        for finding in &self.findings {
            let registers: Vec<&str> = finding.registers.iter().map(String::as_str).collect();
            let problem = Problem {
                rule: finding.key.clone(),
                message: format!("{} did not survive", registers.join(", ")),
            };
            let report = format!(
                "scenario {} ({}), execution {}, seed {}",
                finding.scenario, finding.endian, finding.first_seen_execution, self.seed
            );
            let problems = vec![problem];
            let wrong = CaseResult::Wrong { problems, report };
            checked
                .cases
                .push(case(&finding.key, finding.path.as_ref(), wrong));
        }
        if self.inconclusive > 0 {
            let reason = self.reasons.line(self.executions).unwrap_or_default();
            let trouble = CaseResult::Trouble(reason);
            checked.cases.push(case("inconclusive runs", None, trouble));
        } else if self.findings.is_empty() {
            let name = format!("{} executions, seed {}", self.executions, self.seed);
            checked.cases.push(case(&name, None, CaseResult::Good));
        }
    }
}

/// Runs them all.
pub fn check(
    checker: &mut Checker,
    args: &CheckArgs,
    endians: &[Endian],
    runs: u64,
) -> anyhow::Result<Summary> {
    if let Some(dir) = &args.findings {
        fs::create_dir_all(dir)
            .with_context(|| format!("{}: cannot make the directory", dir.display()))?;
    }
    let start = Instant::now();
    // Both byte orders of a model have the same functions.
    let first = endians.first().copied().unwrap_or(Endian::Little);
    let aim = aim::at(&[checker.kernel()], first)?;
    let mut search = Search {
        abi: args.abi.into(),
        dir: args.findings.as_deref(),
        findings: BTreeMap::new(),
        executions: 0,
        inconclusive: Tally::default(),
    };
    for first in (0..runs).step_by(BATCH) {
        let batch = first..runs.min(first + BATCH as u64);
        let scenarios = batch.map(|index| aim::random(&aim, args.seed, index));
        let scenarios: Vec<Scenario> = scenarios.collect();
        let mut judged = Vec::new();
        for &endian in endians {
            let judge = |scenario| checker.judge(scenario, endian);
            judged.push(scenarios.iter().map(judge).collect::<Result<Vec<_>, _>>()?);
        }
        for (index, scenario) in scenarios.iter().enumerate() {
            for (&endian, judgements) in endians.iter().zip(&judged) {
                search.add(checker, scenario, endian, &judgements[index])?;
            }
        }
    }
    let mut findings: Vec<Finding> = search.findings.into_values().collect();
    findings.sort_by_key(|finding| finding.first_seen_execution);
    let seconds = start.elapsed().as_secs_f64();
    Ok(Summary {
        kernel: Identity::of(checker.kernel())?,
        seed: args.seed,
        scenarios: runs,
        executions: search.executions,
        seconds,
        executions_per_second: search.executions as f64 / seconds,
        inconclusive: search.inconclusive.all(),
        reasons: search.inconclusive,
        findings,
    })
}

struct Search<'a> {
    abi: Abi,
    dir: Option<&'a Path>,
    findings: BTreeMap<Key, Finding>,
    executions: u64,
    inconclusive: Tally,
}

impl Search<'_> {
    fn add(
        &mut self,
        checker: &mut Checker,
        scenario: &Scenario,
        endian: Endian,
        judgement: &Judgement,
    ) -> anyhow::Result<()> {
        self.executions += 1;
        let new = self.new_keys(scenario, judgement);
        let confirmed = match new.is_empty() {
            true => None,
            false => Some(checker.confirmed(scenario, endian, judgement.clone())?),
        };
        let judgement = confirmed.as_ref().unwrap_or(judgement);
        if let Some(reason) = &judgement.inconclusive {
            return self.name(scenario, endian, reason);
        }
        if new.is_empty() {
            return Ok(());
        }
        let kept = match self.dir {
            Some(_) => checker.by_name(scenario, endian)?,
            None => scenario.clone(),
        };
        for (key, whats) in new {
            let finding = self.keep(&kept, endian, &key, &whats)?;
            self.findings.insert(key, finding);
        }
        Ok(())
    }

    /// Kinds of finding that nobody has seen yet.
    fn new_keys(
        &self,
        scenario: &Scenario,
        judgement: &Judgement,
    ) -> BTreeMap<Key, BTreeSet<What>> {
        let reported = judgement
            .violations
            .iter()
            .filter(|violation| self.abi.reports(violation.verdict));
        let mut keys = keys(scenario, reported);
        keys.retain(|key, _| !self.findings.contains_key(key));
        keys
    }

    /// Says that a run says nothing. Where findings are kept the scenario is too, as a random one
    /// depends on the kernel and cannot be had by its seed alone.
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
        if let Some(dir) = self.dir {
            let path = dir.join(format!("inconclusive.{name}.json"));
            input::write_whole(&path, &scenario.to_json())?;
        }
        Ok(())
    }

    fn keep(
        &self,
        scenario: &Scenario,
        endian: Endian,
        key: &Key,
        whats: &BTreeSet<What>,
    ) -> anyhow::Result<Finding> {
        let path: Option<PathBuf> = self.dir.map(|dir| dir.join(format!("{key}.json")));
        let kept_earlier = path.as_ref().is_some_and(|path| path.exists());
        if let Some(path) = path.as_ref().filter(|_| !kept_earlier) {
            input::write_whole(path, &scenario.to_json())?;
        }
        Ok(Finding {
            key: key.to_string(),
            verdict: key.verdict(),
            endian: endian.name(),
            registers: whats.iter().map(What::to_string).collect(),
            scenario: scenario.name.clone().unwrap_or_default(),
            first_seen_execution: self.executions,
            path: path.map(|path| path.display().to_string()),
            kept_earlier,
        })
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}: {} random scenarios, {} executions in {:.1} s ({:.0}/s), {} inconclusive",
            self.kernel,
            self.scenarios,
            self.executions,
            self.seconds,
            self.executions_per_second,
            self.inconclusive
        )?;
        if let Some(line) = self.reasons.line(self.executions) {
            writeln!(f, "{line}")?;
        }
        if self.findings.is_empty() {
            return writeln!(f, "no findings");
        }
        writeln!(
            f,
            "\nkey, first execution (byte order), first scenario or its file"
        )?;
        for finding in &self.findings {
            let earlier = match finding.kept_earlier {
                true => " (of an earlier check)",
                false => "",
            };
            writeln!(
                f,
                "{:<38}  {:>7} ({})  {}{earlier}",
                finding.key,
                finding.first_seen_execution,
                finding.endian,
                finding.path.as_deref().unwrap_or(&finding.scenario)
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ctxfuzz_emulator::run::outcome::End;
    use ctxfuzz_generators::Aim;
    use ctxfuzz_scenario::scenario::Place;
    use ctxfuzz_triage::shortfall::EffectsReport;
    use ctxfuzz_triage::transparency::{Violation, When};

    use super::*;

    fn search() -> Search<'static> {
        Search {
            abi: Abi::Elf,
            dir: None,
            findings: BTreeMap::new(),
            executions: 0,
            inconclusive: Tally::default(),
        }
    }

    fn judgement(verdict: Verdict) -> Judgement {
        let violation = Violation {
            when: When::End,
            task: 0,
            place: Place::End,
            what: What::End,
            verdict,
            before: 0,
            after: 2,
        };
        Judgement {
            inconclusive: None,
            violations: vec![violation],
            verdict,
            end: End::Hang,
            spent: None,
            effects: EffectsReport::default(),
        }
    }

    #[test]
    fn a_kind_is_new_once_and_only_if_it_is_reported() -> anyhow::Result<()> {
        let (mut search, scenario) = (search(), aim::random(&Aim::default(), 1, 1));
        assert!(
            search
                .new_keys(&scenario, &judgement(Verdict::Abi))
                .is_empty()
        );
        let new = search.new_keys(&scenario, &judgement(Verdict::Live));
        assert_eq!(new.len(), 1);
        for (key, whats) in new {
            let finding = search.keep(&scenario, Endian::Big, &key, &whats)?;
            search.findings.insert(key, finding);
        }
        assert!(
            search
                .new_keys(&scenario, &judgement(Verdict::Live))
                .is_empty()
        );
        Ok(())
    }

    #[test]
    fn what_says_nothing_is_trouble_even_beside_findings() -> anyhow::Result<()> {
        let mut search = search();
        let mut summary = check(
            &mut Checker::new(&"fixed".parse()?),
            &args()?,
            &Endian::BOTH,
            1,
        )?;
        assert_eq!(summary.status(), Status::Nothing);
        let why = Inconclusive::NotSeenAgain;
        search.name(&aim::random(&Aim::default(), 1, 1), Endian::Little, &why)?;
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
