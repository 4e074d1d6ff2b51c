//! The transparency oracle: every defect is seen with one kernel, and one that has none that anybody can see is left in peace.

use ctxfuzz_emulator::kernel::defects::DEFECTS;
use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_emulator::run::outcome::Endian;
use ctxfuzz_scenario::scenario::Verdict;
use ctxfuzz_triage::transparency::Judgement;

use super::checks::{Scenarios, least, ok, told};
use super::{Line, Part};
use crate::commands::check::Checker;

/// One line a kernel.
pub fn transparency(scenarios: Scenarios<'_>) -> anyhow::Result<Vec<Line>> {
    let mut lines = vec![silent("fixed".to_owned(), scenarios)?];
    for defect in DEFECTS {
        let kernel = format!("fixed+{}", defect.id);
        lines.push(match least(defect.severity) {
            Some(least) => seen(defect.id, least, scenarios)?,
            None => silent(kernel, scenarios)?,
        });
    }
    Ok(lines)
}

fn seen(defect: &str, least: Verdict, scenarios: Scenarios<'_>) -> anyhow::Result<Line> {
    let kernel: KernelName = format!("fixed+{defect}").parse()?;
    let mut checker = Checker::new(&kernel);
    let mut witnesses = Vec::new();
    for endian in Endian::BOTH {
        for (name, scenario) in scenarios {
            let judgement = checker.judge(scenario, endian)?;
            if judgement.inconclusive.is_none() && judgement.verdict >= least {
                witnesses.push((endian.name(), *name));
                break;
            }
        }
    }
    // A defect in the swaps of little endian has no place in the other.
    let wanted = if defect.starts_with("le-") { 1 } else { 2 };
    Ok(Line {
        part: Part::Transparency,
        name: defect.to_owned(),
        result: ok(witnesses.len() == wanted),
        detail: told(&witnesses),
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
        (None, Some(reason)) => reason.clone(),
        (None, None) => String::new(),
    }
}
