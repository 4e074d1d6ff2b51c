//! The checks themselves.

use std::collections::BTreeSet;

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::defects::{self, Defect, Severity};
use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_emulator::machine::conformance;
use ctxfuzz_scenario::scenario::{Scenario, Verdict};
use ctxfuzz_triage::compare::Comparison;
use ctxfuzz_triage::pair::Pair;

use super::{Line, Part, Result};
use crate::shipped::Shipped;

/// The scenario of the bug that started it.
const SEED: &str = "io-worker-on-interrupt-return";

/// Seed of the garbage that a run may not depend on.
const DIRT: u64 = 0x00d1_2700_5eed;

pub(super) type Scenarios<'a> = &'a [Shipped];

/// Does the machine behave as the ISA says, and do the checks that stock Unicorn fails really look?
pub fn machine() -> anyhow::Result<Vec<Line>> {
    let mut lines = Vec::new();
    for endian in Endian::BOTH {
        let repaired = conformance::check(endian, true)?;
        let wrong: Vec<&str> = repaired
            .iter()
            .filter(|check| !check.holds())
            .map(|check| check.name)
            .collect();
        lines.push(Line {
            part: Part::Machine,
            name: format!("Power ISA conformance ({})", endian.name()),
            result: ok(wrong.is_empty()),
            detail: match wrong.is_empty() {
                true => format!("{} checks", repaired.len()),
                false => wrong.join("; "),
            },
        });
        let stock = conformance::check(endian, false)?;
        let errata = stock.iter().filter(|check| check.erratum).count();
        lines.push(Line {
            part: Part::Machine,
            name: format!("errata are looked for ({})", endian.name()),
            result: ok(errata > 0 && stock.iter().all(|check| check.holds() != check.erratum)),
            detail: format!("{errata} checks fail without the repairs, as they must"),
        });
    }
    Ok(lines)
}

/// Is the bug that started it seen exactly as it was reported, and every catalogued defect by some
/// scenario?
pub fn detection(scenarios: Scenarios<'_>) -> anyhow::Result<Vec<Line>> {
    let mut lines = Vec::new();
    for endian in Endian::BOTH {
        lines.push(seed(scenarios, endian)?);
    }
    for defect in defects::all() {
        if let Some(least) = least(defect.severity) {
            lines.push(defect_is_seen(defect, least, scenarios)?);
        }
    }
    Ok(lines)
}

fn seed(scenarios: Scenarios<'_>, endian: Endian) -> anyhow::Result<Line> {
    let mut pair = pair("clobbering", "fixed", endian)?;
    let comparison = scenarios
        .iter()
        .find(|(name, _)| *name == SEED)
        .map(|(_, scenario)| pair.run(scenario).comparison);
    let seen = comparison.as_ref().map(seen).unwrap_or_default();
    let expected = [
        "task 0 f0 live".to_owned(),
        "task 0 vs0 live".to_owned(),
        "task 0 v0 live".to_owned(),
    ];
    Ok(Line {
        part: Part::Detection,
        name: format!("the bug that started it ({})", endian.name()),
        result: ok(seen == BTreeSet::from(expected)),
        detail: format!("{SEED}: {}", shown(seen)),
    })
}

fn defect_is_seen(
    defect: &Defect,
    least: Verdict,
    scenarios: Scenarios<'_>,
) -> anyhow::Result<Line> {
    let [a, b] = defect.pair();
    seen_on_its_witness(Part::Detection, defect, scenarios, |scenario, endian| {
        let comparison = pair(&a, &b, endian)?.run(scenario).comparison;
        Ok(comparison.comparable() && comparison.verdict >= least)
    })
}

/// Is the defect seen on its own witness, in every byte order that has it?
pub(super) fn seen_on_its_witness(
    part: Part,
    defect: &Defect,
    scenarios: Scenarios<'_>,
    mut is_seen: impl FnMut(&Scenario, Endian) -> anyhow::Result<bool>,
) -> anyhow::Result<Line> {
    let witness = scenarios
        .iter()
        .find(|(name, _)| Some(*name) == defect.witness);
    let mut seen = Vec::new();
    for endian in Endian::BOTH {
        if let Some((_, scenario)) = witness
            && is_seen(scenario, endian)?
        {
            seen.push(endian);
        }
    }
    let wanted: Vec<Endian> = Endian::BOTH
        .into_iter()
        .filter(|&endian| defect.applies(endian))
        .collect();
    let words = |endians: &[Endian]| -> String {
        let names: Vec<&str> = endians.iter().map(|endian| endian.name()).collect();
        names.join(", ")
    };
    let name = witness.map_or("no witness", |(name, _)| *name);
    Ok(Line {
        part,
        name: defect.id.to_owned(),
        result: ok(seen == wanted),
        detail: match seen == wanted {
            true => format!("{}: {name}", words(&seen)),
            false => format!(
                "{name}: seen on [{}], expected on [{}]",
                words(&seen),
                words(&wanted)
            ),
        },
    })
}

/// Is nothing said where nothing is wrong?
pub fn silence(scenarios: Scenarios<'_>) -> anyhow::Result<Vec<Line>> {
    let mut lines = Vec::new();
    for endian in Endian::BOTH {
        let mut dirty = pair("fixed", "fixed", endian)?;
        dirty.b.dirty(DIRT);
        let name = format!("fixed, other garbage in memory ({})", endian.name());
        lines.push(silent(name, &mut dirty, Verdict::None, scenarios));
        let mut repeated = pair("clobbering", "clobbering", endian)?;
        let name = format!("clobbering against itself ({})", endian.name());
        lines.push(silent(name, &mut repeated, Verdict::None, scenarios));
    }
    for defect in defects::all() {
        if least(defect.severity).is_none() {
            for endian in Endian::BOTH {
                let [a, b] = defect.pair();
                let mut pair = pair(&a, &b, endian)?;
                let name = format!("{} ({})", defect.id, endian.name());
                lines.push(silent(name, &mut pair, Verdict::Dead, scenarios));
            }
        }
    }
    Ok(lines)
}

fn silent(name: String, pair: &mut Pair, at_most: Verdict, scenarios: Scenarios<'_>) -> Line {
    let loud: Vec<String> = scenarios
        .iter()
        .filter_map(|(name, scenario)| {
            let comparison = pair.run(scenario).comparison;
            match comparison.reason() {
                Some(reason) => Some(format!("{name}: {reason}")),
                None => (comparison.verdict > at_most)
                    .then(|| format!("{name}: {}", shown(seen(&comparison)))),
            }
        })
        .collect();
    Line {
        part: Part::Silence,
        name,
        result: ok(loud.is_empty()),
        detail: match loud.is_empty() {
            true => format!("{} scenarios", scenarios.len()),
            false => loud.join("; "),
        },
    }
}

fn pair(a: &str, b: &str, endian: Endian) -> anyhow::Result<Pair> {
    let (a, b): (KernelName, KernelName) = (a.parse()?, b.parse()?);
    Ok(Pair::new(&a, &b, endian)?)
}

/// The verdict that a defect must reach; `None` for one that nobody can see.
pub(super) fn least(severity: Severity) -> Option<Verdict> {
    match severity {
        Severity::Live => Some(Verdict::Live),
        Severity::Abi => Some(Verdict::Abi),
        Severity::Harmless => None,
    }
}

fn seen(comparison: &Comparison) -> BTreeSet<String> {
    comparison
        .visible()
        .map(|difference| {
            let task = ctxfuzz_triage::names::task(difference.task);
            format!("task {task} {} {}", difference.what, difference.verdict)
        })
        .collect()
}

fn shown(seen: BTreeSet<String>) -> String {
    match seen.is_empty() {
        true => "no difference that anybody can see".to_owned(),
        false => seen.into_iter().collect::<Vec<_>>().join(", "),
    }
}

pub(super) fn ok(holds: bool) -> Result {
    match holds {
        true => Result::Ok,
        false => Result::Failed,
    }
}
