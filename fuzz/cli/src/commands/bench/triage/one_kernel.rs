//! `bench triage --one-kernel`: the same findings explained from the kernel that has the defect,
//! without the other one.
//!
//! That kernel may have other bugs. What the kernel without the defect is said to do wrong, for the
//! same scenario and judged by itself too, is dropped before anything is counted.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use ctxfuzz_campaign::detection::only_with;
use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::defects::Defect;
use ctxfuzz_emulator::kernel::name::{Build, KernelName};
use ctxfuzz_scenario::Scenario;
use ctxfuzz_triage::cause::{Cause, Explainer};
use ctxfuzz_triage::definedness::Abi;
use ctxfuzz_triage::kernels::Kernels;

use super::page::list;
use super::{Explained, Finding, Row, explained};
use crate::commands::bench::UNSEEN;

/// What one kernel shows of a finding.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OneKernel {
    /// Whether there is a violation that the kernel without the defect does not show.
    pub seen: bool,
    /// What causes it.
    pub explained: Explained,
    /// The same on the other build of that kernel.
    pub shuffled: Explained,
}

/// The kernel that has the defect, and the one that has not, each by itself.
pub struct Single {
    defect: &'static Defect,
    with: Explainer,
    shuffled: Explainer,
    without: Explainer,
}

impl Single {
    /// Starts both.
    pub fn new(defect: &'static Defect, endian: Endian) -> anyhow::Result<Self> {
        let [with, without] = defect.pair();
        let (with, without): (KernelName, KernelName) = (with.parse()?, without.parse()?);
        let shuffled = with.in_build(Build::Shuffled);
        Ok(Single {
            defect,
            with: Explainer::new(&Kernels::One(with), endian)?,
            shuffled: Explainer::new(&Kernels::One(shuffled), endian)?,
            without: Explainer::new(&Kernels::One(without), endian)?,
        })
    }

    /// Explains a finding.
    pub fn explain(&mut self, scenario: &Scenario) -> OneKernel {
        let abi = Abi::that_shows(self.defect);
        let (with, without) = (self.with.explain(scenario), self.without.explain(scenario));
        let there = without.reported(abi);
        let own = |mut causes: Vec<Cause>| {
            causes.retain(|cause| !there.contains(&cause.signature));
            explained(self.defect, &causes)
        };
        OneKernel {
            seen: only_with(&with.comparison, &without.comparison, abi),
            explained: own(with.causes),
            shuffled: own(self.shuffled.explain(scenario).causes),
        }
    }
}

const INTRODUCTION: &str = "
## With one kernel

The same findings, explained from the kernel that has the defect, judged by itself: `explain` is
given no second kernel. *seen*: reports a violation that the kernel without the defect does not
report for that scenario. *at fault*, *named*, *kind*: as above, of the causes with a signature that
the kernel without the defect, by itself, does not have for that scenario. *same signatures*: these
are the signatures that two kernels have, all and no others. *shuffled*: the same on the other
build: named / of the right kind / same signatures. *other signatures*: those that two kernels do
not have for that finding.

| defect | byte order | findings | seen | at fault | named | kind | same signatures | shuffled | other signatures |
|---|---|---|---|---|---|---|---|---|---|
";

/// Adds the table, if findings were explained so.
pub fn table(page: &mut String, rows: &[Row]) {
    if !rows
        .iter()
        .any(|row| row.count(|f| f.one_kernel.is_some()) > 0)
    {
        return;
    }
    page.push_str(INTRODUCTION);
    for row in rows {
        let [seen, at_fault, named, kind, same, shuffled @ ..] = counts(row);
        let [of_shuffled, kind_of_shuffled, same_of_shuffled] = shuffled;
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} | {at_fault} | {named} | {kind} | {same} | {of_shuffled} / {kind_of_shuffled} / {same_of_shuffled} | {} |",
            row.defect.id,
            row.endian.name(),
            row.findings.len(),
            why(row, seen),
            list(&others(row)),
        );
    }
    totals(page, rows);
}

/// Whether something holds of a finding that is seen.
type Holds = fn(&Finding, &OneKernel) -> bool;

/// What is counted: seen, at fault, named, kind, same signatures; and of the other build named,
/// kind, same signatures.
const COUNTED: [Holds; 8] = [
    |_, _| true,
    |_, one| one.explained.at_fault,
    |_, one| one.explained.named,
    |_, one| one.explained.class,
    |finding, one| one.explained.signatures == finding.usual().signatures,
    |_, one| one.shuffled.named,
    |_, one| one.shuffled.class,
    |finding, one| one.shuffled.signatures == finding.usual().signatures,
];

fn counts(row: &Row) -> [usize; COUNTED.len()] {
    let is = |finding: &Finding, holds: Holds| {
        let seen = finding.one_kernel.as_ref().filter(|one| one.seen);
        seen.is_some_and(|one| holds(finding, one))
    };
    COUNTED.map(|holds| row.count(|finding| is(finding, holds)))
}

/// How many are seen, or why none can be.
fn why(row: &Row, seen: usize) -> String {
    let unseen = UNSEEN.iter().find(|(id, _)| *id == row.defect.id);
    match unseen {
        Some((_, why)) => format!("{seen} (cannot be seen: {why})"),
        None => seen.to_string(),
    }
}

/// Signatures that the pair does not have for the finding.
fn others(row: &Row) -> BTreeSet<&str> {
    row.findings.iter().flat_map(others_of).collect()
}

fn others_of(finding: &Finding) -> impl Iterator<Item = &str> {
    let one = finding.one_kernel.iter();
    let names = one.flat_map(|one| &one.explained.signatures);
    let others = names.filter(|name| !finding.usual().signatures.contains(*name));
    others.map(String::as_str)
}

fn totals(page: &mut String, rows: &[Row]) {
    let all: usize = rows.iter().map(|row| row.findings.len()).sum();
    let all_counts: Vec<[usize; COUNTED.len()]> = rows.iter().map(counts).collect();
    let sum = |column: usize| -> usize { all_counts.iter().map(|counts| counts[column]).sum() };
    let shown = |column: usize, of: usize| {
        let right = sum(column);
        format!("{right} ({:.1} %)", right as f64 * 100.0 / of.max(1) as f64)
    };
    let _ = writeln!(
        page,
        "\n| findings | seen | at fault | named | kind | same signatures | shuffled: named | kind | same signatures |\n|---|---|---|---|---|---|---|---|---|"
    );
    for (name, of) in [("all", all), ("seen", sum(0))] {
        let columns: Vec<String> = (0..COUNTED.len()).map(|c| shown(c, of)).collect();
        let _ = writeln!(page, "| {of} ({name}) | {} |", columns.join(" | "));
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;
    use ctxfuzz_emulator::kernel::defects;

    use super::*;
    use crate::shipped;

    fn of(id: &str, scenario: &str) -> anyhow::Result<OneKernel> {
        let defect = defects::find(id).context("no such defect")?;
        let scenario = shipped::scenario(scenario)?.context("no such scenario")?;
        Ok(Single::new(defect, Endian::Little)?.explain(&scenario))
    }

    #[test]
    fn one_kernel_explains_what_it_shows_and_nothing_that_it_has_anyway() -> anyhow::Result<()> {
        let id = "save-fpu-clobbers-f0";
        let own = of(id, "io-worker-on-interrupt-return")?;
        let (seen, explained) = (own.seen, &own.explained);
        assert!(seen && explained.at_fault && explained.named && explained.class);
        assert_eq!(
            Vec::from_iter(&explained.signatures),
            ["save_fpu.f0-is-fpscr"]
        );
        assert_eq!(of(id, "getppid")?, OneKernel::default());
        // Both of its kernels have what this scenario shows.
        let witness = defects::find("repair-sigreturn-reload").and_then(|d| d.witness);
        let witness = witness.context("it has one")?;
        assert_eq!(of(id, witness)?, OneKernel::default());
        assert!(of("repair-sigreturn-reload", witness)?.seen);
        Ok(())
    }

    fn finding(seen: bool, signature: &str) -> Finding {
        let explained = |signature: &str| Explained {
            at_fault: true,
            signatures: BTreeSet::from([signature.to_owned()]),
            ..Explained::default()
        };
        Finding {
            from_witness: false,
            explained: [0; 3].map(|_| explained("of_two")),
            one_kernel: Some(OneKernel {
                seen,
                explained: explained(signature),
                shuffled: explained("of_two"),
            }),
        }
    }

    #[test]
    fn what_is_not_seen_is_not_named() -> anyhow::Result<()> {
        let row = |findings| -> anyhow::Result<Row> {
            Ok(Row {
                defect: defects::find("save-fpu-clobbers-f0").context("no such defect")?,
                endian: Endian::Little,
                witness_events: 1,
                findings,
                minimized: Vec::new(),
            })
        };
        let seen = [finding(true, "of_two"), finding(true, "another")];
        let rows = [row([&seen[..], &[finding(false, "of_two")]].concat())?];
        let mut page = String::new();
        table(&mut page, &rows);
        assert!(
            page.contains("| le | 3 | 2 | 2 | 0 | 0 | 1 | 0 / 0 / 2 | `another` |"),
            "{page}"
        );
        assert!(page.contains("| 3 (all) | 2 (66.7 %) | 2 (66.7 %) | 0 (0.0 %) |"));
        assert!(page.contains("| 2 (seen) | 2 (100.0 %) |"), "{page}");

        let mut silent = String::new();
        let pair = Finding {
            one_kernel: None,
            ..finding(true, "of_two")
        };
        table(&mut silent, &[row(vec![pair])?]);
        assert_eq!(silent, "");
        Ok(())
    }
}
