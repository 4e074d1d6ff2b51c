//! What the transparency oracle found, for people and for programs (`check --json`), in the words
//! and the shape of `run`'s reports.

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_scenario::describe::describe;
use ctxfuzz_scenario::register::Register;
use ctxfuzz_scenario::scenario::{Scenario, Verdict};
use serde::Serialize;

use super::{Judgement, Violation, When};
use crate::compare::What;
use crate::definedness::Abi;
use crate::identity::Identity;
use crate::inconclusive::{Inconclusive, SpentReport, most};
use crate::names;
use crate::report::{Lines, hex};
use crate::shortfall::EffectsReport;

/// What a report says beside the judgement.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The scenario's name, or its file.
    pub name: &'a str,
    /// The scenario.
    pub scenario: &'a Scenario,
    /// Byte order of the kernel.
    pub endian: Endian,
    /// The kernel.
    pub kernel: &'a Identity,
    /// The policy that decides what is reported.
    pub abi: Abi,
    /// Whether dead violations are listed too.
    pub all: bool,
}

impl Subject<'_> {
    fn listed<'j>(&self, judgement: &'j Judgement) -> Vec<&'j Violation> {
        let listed = |violation: &&Violation| self.all || violation.verdict > Verdict::Dead;
        judgement.violations.iter().filter(listed).collect()
    }
}

/// One line of `check --json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// The scenario's name, or its file.
    pub scenario: String,
    /// `le` or `be`.
    pub endian: &'static str,
    /// The kernel.
    #[serde(flatten)]
    pub kernel: Identity,
    /// How the run ended.
    pub end: &'static str,
    /// Whether the policy wants it reported.
    pub reported: bool,
    /// The verdict.
    pub verdict: Verdict,
    /// What is wrong.
    pub violations: Vec<ViolationReport>,
    /// Why the run says nothing about the kernel; absent if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inconclusive: Option<String>,
    /// The same as the short name that summaries have for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inconclusive_reason: Option<&'static str>,
    /// What took most of a run that did not come to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spent: Option<SpentReport>,
    /// What it left out or lacks.
    #[serde(flatten)]
    pub effects: EffectsReport,
}

/// One violation in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ViolationReport {
    /// Index of the event at which the task left user mode; `null` before the first and after the
    /// last event of the task.
    pub event: Option<u16>,
    /// Task index.
    pub task: String,
    /// The place.
    pub r#where: &'static str,
    /// The register, `msr` or `end`.
    pub register: String,
    /// Who can notice.
    pub verdict: Verdict,
    /// Value when the task left user mode.
    pub before: String,
    /// Value that was found.
    pub after: String,
}

impl CheckReport {
    /// Makes the report of a judgement.
    pub fn new(subject: &Subject<'_>, judgement: &Judgement) -> CheckReport {
        let listed = subject.listed(judgement);
        CheckReport {
            scenario: subject.name.to_owned(),
            endian: subject.endian.name(),
            kernel: subject.kernel.clone(),
            end: names::end(&judgement.end),
            reported: judgement.reported(subject.abi),
            verdict: judgement.verdict,
            violations: listed.into_iter().map(ViolationReport::new).collect(),
            inconclusive: judgement.inconclusive.as_ref().map(ToString::to_string),
            inconclusive_reason: judgement.inconclusive.as_ref().map(Inconclusive::name),
            spent: judgement.spent.as_ref().map(SpentReport::new),
            effects: judgement.effects.clone(),
        }
    }

    /// The report as one line of JSON, without a line feed.
    pub fn to_line(&self) -> String {
        // Strings, numbers and lists of them have no way to fail; an empty line would say so if
        // they had.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl ViolationReport {
    fn new(violation: &Violation) -> ViolationReport {
        ViolationReport {
            event: match violation.when {
                When::Event(index) => Some(index),
                When::Start | When::End => None,
            },
            task: names::task(Some(violation.task)),
            r#where: violation.place.name(),
            register: violation.what.to_string(),
            verdict: violation.verdict,
            before: hex(violation.what, violation.before),
            after: hex(violation.what, violation.after),
        }
    }
}

/// The report for people.
pub fn text(subject: &Subject<'_>, judgement: &Judgement) -> String {
    let mut lines = Lines::default();
    let headline = match (&judgement.inconclusive, judgement.verdict) {
        (Some(_), _) => "inconclusive".to_owned(),
        (None, Verdict::None) => EffectsReport::headline([&judgement.effects], "no violation"),
        (None, verdict) => verdict.to_string(),
    };
    let (name, endian) = (subject.name, subject.endian.name());
    lines.wrapped("", &format!("{name} ({endian}): {headline}"));
    let end = names::end_with_detail(&judgement.end);
    lines.wrapped("  ", &format!("kernel: {}, {end}", subject.kernel));
    match (&judgement.inconclusive, &judgement.spent) {
        (Some(why), _) => lines.wrapped("  ", &why.to_string()),
        (None, Some(spent)) => lines.wrapped("  ", &most(spent)),
        (None, None) => {}
    }
    let told = judgement.inconclusive.is_some();
    for line in judgement.effects.lines(told) {
        lines.wrapped("  ", &line);
    }
    let listed = subject.listed(judgement);
    for event in events(&listed) {
        if let Some(event_itself) = subject.scenario.events.get(usize::from(event)) {
            lines.wrapped("  ", &format!("event {event}: {}", describe(event_itself)));
        }
    }
    table(judgement, &listed, &mut lines);
    let hidden = judgement.violations.len() - listed.len();
    if hidden > 0 {
        lines.wrapped(
            "  ",
            &format!("{hidden} more that nobody can see (--all lists them)"),
        );
    }
    if judgement.verdict == Verdict::Abi && subject.abi == Abi::Elf {
        lines.wrapped(
            "  ",
            "only under the Linux system call ABI: not reported without --abi linux",
        );
    }
    lines.text
}

/// Events that violations name, in order of time.
fn events(listed: &[&Violation]) -> Vec<u16> {
    let mut events: Vec<u16> = Vec::new();
    for violation in listed {
        if let When::Event(index) = violation.when
            && !events.contains(&index)
        {
            events.push(index);
        }
    }
    events
}

fn table(judgement: &Judgement, listed: &[&Violation], lines: &mut Lines) {
    if listed.is_empty() {
        return;
    }
    lines.add(&format!(
        "  {:<5} {:<4} {:<12} {:<8} {:<4}  {:<18} {}",
        "event", "task", "where", "register", "who", "before", "after"
    ));
    for violation in listed {
        let when = match violation.when {
            When::Start => "start".to_owned(),
            When::Event(index) => index.to_string(),
            When::End => "end".to_owned(),
        };
        let start = format!(
            "  {when:<5} {:<4} {:<12} {:<8} {:<4}",
            violation.task,
            violation.place,
            violation.what.to_string(),
            violation.verdict
        );
        let (before, after) = match violation.what {
            What::End => (
                "completed".to_owned(),
                names::end(&judgement.end).to_owned(),
            ),
            what => (hex(what, violation.before), hex(what, violation.after)),
        };
        if matches!(violation.what, What::Register(Register::V(_))) {
            lines.add(&start);
            lines.add(&format!("    {before} {after}"));
        } else {
            lines.add(&format!("{start}  {before:<18} {after}"));
        }
    }
}
