//! What a campaign says when it is over: one JSON object for programs, a table for people.

mod together;

use std::collections::BTreeSet;
use std::fmt;

use ctxfuzz_scenario::scenario::{Place, Verdict};
use ctxfuzz_triage::inconclusive::Tally;
use ctxfuzz_triage::untrusted;
use serde::{Deserialize, Serialize};

/// The result of a campaign. Its JSON is the object of `fuzz --json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The only kernel; absent for a pair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    /// Scenarios that were run, each on all kernels.
    pub executions: u64,
    /// Whether somebody stopped it, before its own end; absent if not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
    /// How long that took.
    pub seconds: f64,
    /// Their quotient.
    pub scenarios_per_second: f64,
    /// Scenarios in the corpus.
    pub corpus: u64,
    /// What was found, in order of appearance.
    pub findings: Vec<FindingSummary>,
    /// What was found and is known, in order of appearance; absent if nothing was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known: Vec<KnownSummary>,
    /// Runs that say nothing and were kept to be looked at; absent if there were none. No findings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trouble: Vec<TroubleSummary>,
    /// The processes of `--cores`; absent without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers: Option<Workers>,
    /// What came from others; absent for a campaign that shares nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<SharedCounts>,
    /// What else there is to count: silence is worth what these say of it.
    pub counts: Counts,
    /// Executions that say nothing, by reason.
    #[serde(flatten)]
    pub inconclusive: Tally,
}

/// The processes of a campaign that has a supervisor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workers {
    /// How many fuzzed at a time.
    pub count: u64,
    /// How often one died and was started again.
    pub restarts: u64,
}

/// What other processes had, those of the same campaign too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedCounts {
    /// Scenarios that were tried.
    pub tried: u64,
    /// Scenarios of findings that were tried.
    pub findings: u64,
    /// Files that are no scenario.
    pub refused: u64,
}

impl std::ops::Add for SharedCounts {
    type Output = SharedCounts;

    fn add(self, other: SharedCounts) -> SharedCounts {
        SharedCounts {
            tried: self.tried + other.tried,
            findings: self.findings + other.findings,
            refused: self.refused + other.refused,
        }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FindingSummary {
    /// Name of the cause.
    pub signature: String,
    /// The worst verdict it was seen with.
    pub verdict: Verdict,
    /// Registers it was seen in, wherever that was.
    pub registers: BTreeSet<String>,
    /// The execution that showed it first, counted from 1.
    pub first_seen_execution: u64,
    /// When that was.
    pub first_seen_seconds: f64,
    /// Its directory.
    pub path: String,
    /// Whether an earlier campaign has kept it: the report there is that campaign's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub kept_earlier: bool,
    /// Every place and register where it was seen, each when it was seen first.
    pub sightings: Vec<Sighting>,
}

/// A reviewed signature that was met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownSummary {
    /// It.
    pub signature: String,
    /// Why it is no finding.
    pub reason: String,
    /// Kinds of divergence that were looked into and show it.
    pub kinds: u64,
}

/// A run that says nothing about a kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TroubleSummary {
    /// The kernel.
    pub kernel: String,
    /// How the run ended.
    pub end: String,
    /// The function and the task that took most of it, or in which it ended; absent if that is not
    /// known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The execution, counted from 1.
    pub execution: u64,
    /// Whether fresh machines ended so too.
    pub seen_again: bool,
    /// The scenario.
    pub path: String,
}

/// Registers that were first seen together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sighting {
    /// The place.
    pub r#where: Place,
    /// The registers.
    pub registers: Vec<String>,
    /// Who can notice.
    pub verdict: Verdict,
    /// The execution.
    pub first_seen_execution: u64,
    /// When that was.
    pub first_seen_seconds: f64,
}

/// Executions by what came of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Coverage map bytes that were ever hit.
    pub edges: u64,
    /// Divergences that are reported.
    pub reported: u64,
    /// Pairs of runs that had different schedules or no common end, and runs that say nothing about
    /// an only kernel.
    pub not_comparable: u64,
    /// Executions of which a run ended in a kernel fault or a hang.
    pub kernel_fault: u64,
    /// Executions of which a run was cut off.
    pub budget: u64,
    /// Executions of which a run was more than the emulator can do.
    pub emulator_fault: u64,
    /// Kinds of divergence that were seen.
    pub buckets: u64,
    /// Kinds that nobody looked into for a root cause: they were still waiting at the end, or there
    /// was no room for them to wait. Their places and registers are all known from others.
    pub waiting: u64,
    /// Divergences that fresh machines did not show again.
    pub not_reproduced: u64,
    /// Divergences that each kernel shows at another place of the function in which work came:
    /// none at all. Kernels with the same code have none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub other_place: u64,
    /// Scenarios of the corpus that were run twice in a row for their coverage: one in eight of
    /// those that a campaign keeps.
    pub run_twice: u64,
    /// Those that covered the same both times. Any other is a fault of the emulator or of a kernel
    /// that is not deterministic.
    pub stable: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.counts;
        writeln!(
            f,
            "{} executions in {:.1} s ({:.0}/s), corpus {}, edges {}",
            self.executions, self.seconds, self.scenarios_per_second, self.corpus, counts.edges
        )?;
        if self.interrupted {
            writeln!(f, "stopped by Ctrl-C, before its end")?;
        }
        let Counts {
            reported, buckets, ..
        } = counts;
        let (what, silent) = match self.kernel {
            Some(_) => ("violations", "inconclusive"),
            None => ("divergences", "not comparable"),
        };
        writeln!(
            f,
            "{reported} reported {what} of {buckets} kinds; {silent} {}, kernel faults and hangs {}",
            counts.not_comparable, counts.kernel_fault
        )?;
        if let Some(Workers { count, restarts }) = self.workers {
            let s = if count == 1 { "" } else { "s" };
            writeln!(f, "{count} worker{s}, started again {restarts} times")?;
        }
        if let Some(shared) = self.shared {
            writeln!(
                f,
                "tried of others: {} scenarios, {} findings; files refused: {}",
                shared.tried, shared.findings, shared.refused
            )?;
        }
        let unstable = counts.run_twice - counts.stable;
        let trouble = [
            (unstable, "that did not cover the same when run again"),
            (
                counts.waiting,
                "of these kinds not looked into: nothing in them was new",
            ),
        ];
        for (count, what) in trouble.into_iter().filter(|&(count, _)| count > 0) {
            writeln!(f, "{count} {what}")?;
        }
        if let Some(line) = self.inconclusive.line(self.executions) {
            writeln!(f, "{line}")?;
        }
        for trouble in &self.trouble {
            let (kernel, end) = (&trouble.kernel, untrusted::shown(&trouble.end));
            let place = trouble.place.as_ref();
            let place = place.map_or_else(String::new, |place| format!(" ({place})"));
            writeln!(f, "  {kernel}: {end}{place}: {}", trouble.path)?;
        }
        for known in &self.known {
            let (signature, reason) = (&known.signature, untrusted::shown(&known.reason));
            writeln!(
                f,
                "known: {signature} in {} of these kinds: {reason}",
                known.kinds
            )?;
        }
        if self.findings.is_empty() {
            return writeln!(f, "no findings");
        }
        let widest = |name: fn(&FindingSummary) -> usize, least: usize| {
            self.findings.iter().map(name).max().unwrap_or(0).max(least)
        };
        let signature = widest(|finding| finding.signature.len(), "signature".len());
        writeln!(
            f,
            "\n{:<signature$}  {:<7}  {:>9}  registers",
            "signature", "verdict", "execution"
        )?;
        for finding in &self.findings {
            writeln!(
                f,
                "{:<signature$}  {:<7}  {:>9}  {}\n    {}/report.txt{}",
                finding.signature,
                finding.verdict.name(),
                finding.first_seen_execution,
                shown(&finding.registers),
                finding.path,
                if finding.kept_earlier {
                    " (of an earlier campaign)"
                } else {
                    ""
                }
            )?;
        }
        Ok(())
    }
}

/// A line's worth of names.
pub fn shown(registers: &BTreeSet<String>) -> String {
    const MOST: usize = 6;
    let mut names: Vec<&str> = registers.iter().take(MOST).map(String::as_str).collect();
    let more = registers.len().saturating_sub(MOST);
    let rest = format!("and {more} more");
    if more > 0 {
        names.push(&rest);
    }
    names.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_object_has_the_documented_keys() {
        let summary = Summary {
            kernel: None,
            executions: 2,
            interrupted: false,
            seconds: 0.5,
            scenarios_per_second: 4.0,
            corpus: 1,
            findings: vec![FindingSummary {
                signature: "save_fpu.f0-is-fpscr".into(),
                verdict: Verdict::Live,
                registers: ["f0".to_owned()].into(),
                first_seen_execution: 2,
                first_seen_seconds: 0.25,
                path: "findings/save_fpu.f0-is-fpscr".into(),
                kept_earlier: false,
                sightings: vec![Sighting {
                    r#where: Place::Register,
                    registers: vec!["f0".into()],
                    verdict: Verdict::Live,
                    first_seen_execution: 2,
                    first_seen_seconds: 0.25,
                }],
            }],
            known: Vec::new(),
            trouble: Vec::new(),
            workers: None,
            shared: None,
            counts: Counts::default(),
            inconclusive: Tally::default(),
        };
        assert_eq!(
            serde_json::to_string(&summary).unwrap(),
            concat!(
                r#"{"executions":2,"seconds":0.5,"scenarios_per_second":4.0,"corpus":1,"findings":[{"#,
                r#""signature":"save_fpu.f0-is-fpscr","verdict":"live","registers":["f0"],"first_seen_execution":2,"#,
                r#""first_seen_seconds":0.25,"path":"findings/save_fpu.f0-is-fpscr","sightings":[{"where":"register","#,
                r#""registers":["f0"],"verdict":"live","first_seen_execution":2,"first_seen_seconds":0.25}]}],"#,
                r#""counts":{"edges":0,"reported":0,"not_comparable":0,"kernel_fault":0,"budget":0,"emulator_fault":0,"#,
                r#""buckets":0,"waiting":0,"not_reproduced":0,"run_twice":0,"stable":0},"#,
                r#""inconclusive_by_reason":{}}"#
            )
        );
    }

    #[test]
    fn one_kernel_is_named_and_has_violations() {
        let summary = Summary {
            kernel: Some("fixed".to_owned()),
            ..Summary::default()
        };
        let json = serde_json::to_string(&summary).unwrap();
        assert!(json.starts_with(r#"{"kernel":"fixed","executions":0"#));
        assert_eq!(serde_json::from_str::<Summary>(&json).unwrap(), summary);
        let one = "0 reported violations of 0 kinds; inconclusive 0, ";
        let two = "0 reported divergences of 0 kinds; not comparable 0, ";
        assert!(summary.to_string().contains(one), "{summary}");
        assert!(Summary::default().to_string().contains(two));
    }

    #[test]
    fn long_lists_of_registers_are_cut() {
        let names = |count: usize| (0..count).map(|n| format!("f{n}")).collect();
        assert_eq!(shown(&names(2)), "f0 f1");
        assert_eq!(shown(&names(9)), "f0 f1 f2 f3 f4 f5 and 3 more");
    }
}
