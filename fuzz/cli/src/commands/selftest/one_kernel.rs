//! The transparency oracle: every defect is seen with one kernel, and one that has none that
//! anybody can see is left in peace.

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::defects::{self, Defect};
use ctxfuzz_scenario::scenario::Verdict;
use ctxfuzz_triage::transparency::Judgement;

use super::checks::{Scenarios, least, ok, seen_on_its_witness};
use super::{Line, Part};
use crate::commands::check::Checker;

/// One line a kernel.
pub fn transparency(scenarios: Scenarios<'_>) -> anyhow::Result<Vec<Line>> {
    let mut lines = vec![silent("repaired".to_owned(), scenarios)?];
    // Of what `fixed` itself is suspected of, the oracle declares some, and cannot see the last.
    let declared = [
        "repair-vrsave-in-fork",
        "repair-vrsave-in-exec",
        "repair-vrsave-in-core",
        "le-repair-vscr-word",
        "repair-scv-xer",
        "repair-emul-lfd-dw1",
    ];
    for defect in defects::all().filter(|defect| !declared.contains(&defect.id)) {
        lines.push(match least(defect.severity) {
            Some(least) => seen(defect, least, scenarios)?,
            None => silent(defect.kernel(), scenarios)?,
        });
    }
    Ok(lines)
}

fn seen(defect: &Defect, least: Verdict, scenarios: Scenarios<'_>) -> anyhow::Result<Line> {
    let mut checker = Checker::new(&defect.kernel().parse()?);
    seen_on_its_witness(Part::Transparency, defect, scenarios, |scenario, endian| {
        let judgement = checker.judge(scenario, endian)?;
        Ok(judgement.inconclusive.is_none() && judgement.verdict >= least)
    })
}

fn silent(name: String, scenarios: Scenarios<'_>) -> anyhow::Result<Line> {
    let mut checker = Checker::new(&name.parse()?);
    let mut loud: Vec<String> = Vec::new();
    for endian in Endian::BOTH {
        for (name, scenario) in scenarios {
            let judgement = checker.judge(scenario, endian)?;
            if judgement.inconclusive.is_some() || judgement.verdict > Verdict::Dead {
                loud.push(format!("{name} ({}): {}", endian.name(), shown(&judgement)));
            }
        }
    }
    Ok(Line {
        part: Part::Transparency,
        name,
        result: ok(loud.is_empty()),
        detail: match loud.is_empty() {
            true => format!("{} scenarios, le and be", scenarios.len()),
            false => loud.join("; "),
        },
    })
}

fn shown(judgement: &Judgement) -> String {
    let first = judgement
        .violations
        .iter()
        .find(|violation| violation.verdict > Verdict::Dead);
    match (first, &judgement.inconclusive) {
        (Some(first), _) => format!("task {} {} {}", first.task, first.what, first.verdict),
        (None, Some(reason)) => reason.to_string(),
        (None, None) => String::new(),
    }
}
