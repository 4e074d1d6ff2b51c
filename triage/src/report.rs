//! A comparison for people (terminal and mail) and for programs (`run --json`).
//!
//! Root cause has a report of its own; this one says what differs and who can notice.

pub mod checked;
pub mod html;
pub mod junit;
pub mod mail;
pub mod sarif;
#[cfg(test)]
mod tests;
pub(crate) mod uri;

use std::fmt::Write;

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::run::outcome::{End, Spent};
use ctxfuzz_scenario::register::Register;
use ctxfuzz_scenario::scenario::Verdict;
use serde::Serialize;

use crate::compare::{Comparison, Difference, What};
use crate::definedness::Abi;
use crate::identity::Identity;
use crate::inconclusive::{Inconclusive, SpentReport, most};
use crate::names;
use crate::shortfall::EffectsReport;
use crate::untrusted;

/// Text is wrapped here: it must survive a quoted mail.
pub(crate) const COLUMNS: usize = 78;

/// What a report says beside the comparison.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The scenario's name, or its file.
    pub scenario: &'a str,
    /// Byte order of both kernels.
    pub endian: Endian,
    /// Kernel A.
    pub kernel_a: &'a Identity,
    /// Kernel B.
    pub kernel_b: &'a Identity,
    /// Signatures of the root causes, where they are known.
    pub signatures: &'a [String],
    /// Reviewed signatures among them, with their reasons.
    pub known: &'a [(String, String)],
    /// Whether all that the policy reports comes from those.
    pub excused: bool,
    /// The policy that decides what is reported.
    pub abi: Abi,
    /// Whether dead differences are listed too.
    pub all: bool,
    /// What A's run, and B's, left out or lack.
    pub effects: &'a [EffectsReport; 2],
}

impl Subject<'_> {
    fn listed<'c>(&self, comparison: &'c Comparison) -> impl Iterator<Item = &'c Difference> {
        let all = self.all;
        comparison
            .differences
            .iter()
            .filter(move |d| all || d.verdict > Verdict::Dead)
    }
}

/// One line of `run --json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunReport {
    /// The scenario's name, or its file.
    pub scenario: String,
    /// `le` or `be`.
    pub endian: &'static str,
    /// Whether anything differs, dead differences included.
    pub divergent: bool,
    /// Whether the policy wants it reported.
    pub reported: bool,
    /// The verdict.
    pub verdict: Verdict,
    /// Signatures of the root causes.
    pub signatures: Vec<String>,
    /// Those that were reviewed; absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub known: Vec<KnownReport>,
    /// What differs.
    pub differences: Vec<DifferenceReport>,
    /// Kernel A.
    pub a: SideReport,
    /// Kernel B.
    pub b: SideReport,
    /// Why the runs could not be compared; absent if they could.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_comparable: Option<String>,
    /// The same as the short name that summaries have for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inconclusive_reason: Option<&'static str>,
}

/// A reviewed signature in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KnownReport {
    /// It.
    pub signature: String,
    /// Why it is known.
    pub reason: String,
}

/// One difference in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DifferenceReport {
    /// Task index, or `kernel`.
    pub task: String,
    /// The place.
    pub r#where: &'static str,
    /// The register, `msr` or `end`.
    pub register: String,
    /// Who can notice.
    pub verdict: Verdict,
    /// Value on A.
    pub a: String,
    /// Value on B.
    pub b: String,
}

/// One kernel in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SideReport {
    /// Which it is.
    #[serde(flatten)]
    pub kernel: Identity,
    /// How its run ended.
    pub end: &'static str,
    /// What took most of a run that did not come to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spent: Option<SpentReport>,
    /// What it left out or lacks.
    #[serde(flatten)]
    pub effects: EffectsReport,
}

impl RunReport {
    /// Makes the report of a comparison.
    pub fn new(subject: &Subject<'_>, comparison: &Comparison) -> RunReport {
        let side = |kernel: &Identity,
                    end: &End,
                    spent: &Option<Spent>,
                    effects: &EffectsReport| SideReport {
            kernel: kernel.clone(),
            end: names::end(end),
            spent: spent.as_ref().map(SpentReport::new),
            effects: effects.clone(),
        };
        let [spent_a, spent_b] = &comparison.spent;
        RunReport {
            scenario: subject.scenario.to_owned(),
            endian: subject.endian.name(),
            divergent: comparison.divergent(),
            reported: comparison.reported(subject.abi) && !subject.excused,
            verdict: comparison.verdict,
            signatures: subject.signatures.to_vec(),
            known: subject
                .known
                .iter()
                .map(|(signature, reason)| KnownReport {
                    signature: signature.clone(),
                    reason: reason.clone(),
                })
                .collect(),
            differences: subject
                .listed(comparison)
                .map(DifferenceReport::new)
                .collect(),
            a: side(
                subject.kernel_a,
                &comparison.end_a,
                spent_a,
                &subject.effects[0],
            ),
            b: side(
                subject.kernel_b,
                &comparison.end_b,
                spent_b,
                &subject.effects[1],
            ),
            not_comparable: comparison.reason().map(ToString::to_string),
            inconclusive_reason: comparison.reason().map(Inconclusive::name),
        }
    }

    /// The report as one line of JSON, without a line feed.
    pub fn to_line(&self) -> String {
        // Strings, booleans and lists of them have no way to fail; an empty line would say so if
        // they had.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl DifferenceReport {
    fn new(difference: &Difference) -> DifferenceReport {
        DifferenceReport {
            task: names::task(difference.task),
            r#where: difference.place.name(),
            register: difference.what.to_string(),
            verdict: difference.verdict,
            a: hex(difference.what, difference.a),
            b: hex(difference.what, difference.b),
        }
    }
}

/// A value with all the digits its register has.
pub fn hex(what: What, value: u128) -> String {
    let digits = match what {
        What::Register(register) => register.bits() as usize / 4,
        What::Msr | What::Gpr(_) => 16,
        What::SiCode => 2,
        What::RedZone => 3,
        What::Data => 32,
        What::End => 1,
    };
    format!("0x{value:0digits$x}")
}

/// The report for people.
pub fn text(subject: &Subject<'_>, comparison: &Comparison) -> String {
    let mut lines = Lines::default();
    let headline = match (comparison.reason(), comparison.verdict) {
        (Some(_), _) => "not comparable".to_owned(),
        (None, Verdict::None) => EffectsReport::headline(subject.effects, "no difference"),
        (None, verdict) => verdict.to_string(),
    };
    lines.wrapped(
        "",
        &format!(
            "{} ({}): {headline}",
            subject.scenario,
            subject.endian.name()
        ),
    );
    if let Some(reason) = comparison.reason() {
        lines.wrapped("  ", &reason.to_string());
    }
    let [spent_a, spent_b] = &comparison.spent;
    let [effects_a, effects_b] = subject.effects;
    for (side, kernel, end, spent, effects) in [
        ("a", subject.kernel_a, &comparison.end_a, spent_a, effects_a),
        ("b", subject.kernel_b, &comparison.end_b, spent_b, effects_b),
    ] {
        let end = names::end_with_detail(end);
        lines.wrapped("  ", &format!("{side}: {kernel}, {end}"));
        // Of a run that says nothing the reason has said it.
        if let (Some(spent), None) = (spent, comparison.reason()) {
            lines.wrapped("    ", &most(spent));
        }
        for line in effects.lines(comparison.reason().is_some()) {
            lines.wrapped("    ", &line);
        }
    }
    if !subject.signatures.is_empty() {
        lines.wrapped(
            "  ",
            &format!("signatures: {}", subject.signatures.join(", ")),
        );
    }
    for (signature, reason) in subject.known {
        lines.wrapped(
            "  ",
            &format!("known: {signature}: {}", untrusted::shown(reason)),
        );
    }
    table(subject, comparison, &mut lines);
    closing(subject, comparison, &mut lines);
    lines.text
}

fn table(subject: &Subject<'_>, comparison: &Comparison, lines: &mut Lines) {
    let listed: Vec<&Difference> = subject.listed(comparison).collect();
    if listed.is_empty() {
        return;
    }
    lines.add(&format!(
        "  {:<6} {:<13} {:<8} {:<4}  {:<18} {}",
        "task", "where", "register", "who", "a", "b"
    ));
    for difference in listed {
        let name = difference.what.to_string();
        let start = format!(
            "  {:<6} {:<13} {name:<8} {:<4}",
            names::task(difference.task),
            difference.place,
            difference.verdict
        );
        let (a, b) = match difference.what {
            What::End => (
                names::end(&comparison.end_a).to_owned(),
                names::end(&comparison.end_b).to_owned(),
            ),
            what => (hex(what, difference.a), hex(what, difference.b)),
        };
        if matches!(difference.what, What::Register(Register::V(_))) {
            lines.add(&start);
            lines.add(&format!("    {a} {b}"));
        } else {
            lines.add(&format!("{start}  {a:<18} {b}"));
        }
    }
}

/// What the list does not show, and why there may be silence about what it does.
fn closing(subject: &Subject<'_>, comparison: &Comparison, lines: &mut Lines) {
    let hidden = comparison.differences.len() - subject.listed(comparison).count();
    if hidden > 0 {
        lines.wrapped(
            "  ",
            &format!("{hidden} more that nobody can see (--all lists them)"),
        );
    }
    if subject.excused {
        lines.wrapped("  ", "all of it is known: not reported");
    }
    if comparison.verdict == Verdict::Abi && subject.abi == Abi::Elf {
        lines.wrapped(
            "  ",
            "only under the Linux system call ABI: not reported without --abi linux",
        );
    }
}

/// Text that survives a quoted mail.
pub(crate) struct Lines {
    pub(crate) text: String,
    /// Columns of a line at most.
    width: usize,
}

impl Default for Lines {
    fn default() -> Self {
        Lines::of(COLUMNS)
    }
}

impl Lines {
    /// None yet, of so many columns.
    pub(crate) fn of(width: usize) -> Self {
        Lines {
            text: String::new(),
            width,
        }
    }

    /// What is too long, broken between words and indented as it is. What has a place in it stays
    /// whole, as Linux prints it.
    pub(crate) fn fitted(&mut self, text: &str) {
        for line in text.lines() {
            let words = line.trim_start();
            match line.chars().count() <= self.width || line.contains("+0x") {
                true => self.add(line),
                false => self.wrapped(&line[..line.len() - words.len()], words),
            }
        }
    }

    pub(crate) fn add(&mut self, line: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{}", line.trim_end());
    }

    /// A line of its own, and an empty one.
    pub(crate) fn heading(&mut self, text: &str) {
        self.add(text);
        self.add("");
    }

    /// Lines that nothing is done to: code, and diffs, which have spaces at the end of lines.
    pub(crate) fn as_it_is(&mut self, text: &str) {
        self.text.push_str(text);
        if !text.is_empty() && !text.ends_with('\n') {
            self.text.push('\n');
        }
    }

    /// Breaks between words, and an empty line follows.
    pub(crate) fn paragraph(&mut self, text: &str) {
        let mut line = String::new();
        for word in text.split_whitespace() {
            let used = line.chars().count();
            if used > 0 && used + 1 + word.chars().count() > self.width {
                self.add(&std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.add(&line);
        self.add("");
    }

    /// Breaks between words; a word longer than a line stays whole, so that it can be copied.
    pub(crate) fn wrapped(&mut self, indent: &str, text: &str) {
        let mut line = indent.to_owned();
        for word in text.split_whitespace() {
            let used = line.chars().count();
            if used > indent.len() && used + 1 + word.chars().count() > self.width {
                self.add(&line);
                line = format!("{indent}    ");
            } else if used > indent.len() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.add(&line);
    }
}
