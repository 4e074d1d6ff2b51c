//! What random scenarios came to: for people, for programs and for continuous integration.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use ctxfuzz_campaign::summary::{FindingSummary, shown};
use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_scenario::scenario::Verdict;
use ctxfuzz_triage::identity::Identity;
use ctxfuzz_triage::inconclusive::Tally;
use ctxfuzz_triage::report::checked::{Case, CaseResult, Checked, Problem};
use serde::Serialize;

use crate::commands::{Status, warn_of_silence};

/// Its JSON is the last line of `check --runs --json`.
#[derive(Debug, Serialize)]
pub struct Summary {
    #[serde(flatten)]
    pub kernel: Identity,
    pub seed: u64,
    /// Scenarios, each run in every byte order asked for.
    pub scenarios: u64,
    pub executions: u64,
    pub seconds: f64,
    pub executions_per_second: f64,
    /// Runs that say nothing about the kernel.
    pub inconclusive: u64,
    /// The same by reason.
    #[serde(flatten)]
    pub reasons: Tally,
    /// Kinds that nobody looked into for a cause.
    pub waiting: u64,
    pub findings: Vec<Finding>,
}

/// One cause, as it was first seen.
#[derive(Debug, Serialize)]
pub struct Finding {
    signature: String,
    verdict: Verdict,
    endian: &'static str,
    registers: BTreeSet<String>,
    scenario: String,
    first_seen_execution: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// Whether the directory was there before: its scenario is that of an earlier check.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    kept_earlier: bool,
}

/// The findings of all byte orders, in order of appearance. `scenario` names that of an execution.
pub fn merged<'f>(
    found: impl Iterator<Item = (Endian, &'f [FindingSummary])>,
    kept: bool,
    scenario: impl Fn(u64) -> String,
) -> Vec<Finding> {
    let found = found.flat_map(|(endian, all)| all.iter().map(move |one| (endian, one)));
    let mut sightings: Vec<Finding> = found
        .map(|(endian, one)| Finding {
            signature: one.signature.clone(),
            verdict: one.verdict,
            endian: endian.name(),
            registers: one.registers.clone(),
            scenario: scenario(one.first_seen_execution),
            first_seen_execution: one.first_seen_execution,
            path: kept.then(|| one.path.clone()),
            kept_earlier: one.kept_earlier,
        })
        .collect();
    sightings.sort_by_key(|finding| finding.first_seen_execution);
    let mut findings: Vec<Finding> = Vec::new();
    for later in sightings {
        let mut known = findings.iter_mut();
        match known.find(|finding| finding.signature == later.signature) {
            Some(finding) => {
                finding.verdict = finding.verdict.max(later.verdict);
                finding.registers.extend(later.registers);
                // The other byte order has found it there.
                finding.kept_earlier &= later.kept_earlier;
            }
            None => findings.push(later),
        }
    }
    findings
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

    /// Adds a case for each finding, and one for all that says nothing; one that is good if there
    /// is neither.
    pub fn record(&self, checked: &mut Checked) {
        let class = format!("{}, random scenarios", self.kernel.kernel);
        let case = |name: &str, file: Option<PathBuf>, result| Case {
            class: class.clone(),
            name: name.to_owned(),
            file,
            result,
        };
        for finding in &self.findings {
            let registers: Vec<&str> = finding.registers.iter().map(String::as_str).collect();
            let problem = Problem {
                rule: finding.signature.clone(),
                message: format!("{} did not survive", registers.join(", ")),
            };
            let report = format!(
                "scenario {} ({}), execution {}, seed {}",
                finding.scenario, finding.endian, finding.first_seen_execution, self.seed
            );
            let problems = vec![problem];
            let wrong = CaseResult::Wrong { problems, report };
            let kept = finding.path.as_ref();
            let file = kept.map(|path| Path::new(path).join("scenario.json"));
            checked.cases.push(case(&finding.signature, file, wrong));
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
        if self.waiting > 0 {
            let waiting = self.waiting;
            writeln!(
                f,
                "{waiting} kinds not looked into: nothing in them was new"
            )?;
        }
        if self.findings.is_empty() {
            return writeln!(f, "no findings");
        }
        writeln!(
            f,
            "\nsignature, verdict, first execution (byte order), registers\n    report, or the first scenario"
        )?;
        for finding in &self.findings {
            writeln!(
                f,
                "{:<38}  {:<4}  {:>7} ({})  {}",
                finding.signature,
                finding.verdict.name(),
                finding.first_seen_execution,
                finding.endian,
                shown(&finding.registers),
            )?;
            let earlier = match finding.kept_earlier {
                true => " (of an earlier check)",
                false => "",
            };
            match &finding.path {
                Some(path) => writeln!(f, "    {path}/report.txt{earlier}")?,
                None => writeln!(f, "    {}", finding.scenario)?,
            }
        }
        Ok(())
    }
}
