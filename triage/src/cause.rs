//! Root cause: where two runs of one scenario part, what was damaged there, and where it was
//! discovered.
//!
//! Both kernels run again on fresh machines with everything recorded; the recordings are aligned
//! (`align`), walked (`analyse`), named (`signature`) and reported (`report`). Which words of a
//! kernel were patched is never looked at, and nothing is compared by address.

mod align;
mod analyse;
mod attribute;
mod beside;
mod borrow;
mod class;
mod code;
mod context;
mod data;
mod displaced;
mod dispute;
mod end;
mod expected;
mod model;
mod raw;
mod report;
mod signature;
mod state;
mod stay;

use std::collections::BTreeMap;

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::arch::msr;
use ctxfuzz_emulator::run::RunnerError;
use ctxfuzz_emulator::trace::{Cell, Recording, Slot, Tracer};
use ctxfuzz_scenario::scenario::{Scenario, Verdict};

use self::analyse::analyse;
use self::attribute::{fixed, responsible};
use self::code::Code;
use self::expected::{Fix, Journey, Judged};
pub use self::model::{Cause, Changed, CopyReport, DamageReport, Ended, Loss, Stop, Writer};
use self::raw::{Change, RawCause};
use self::signature::signature;
use crate::compare::{Comparison, Difference, What, compare};
use crate::definedness::Abi;
use crate::kernels::Kernels;
use crate::shortfall::EffectsReport;

/// Why two runs of one scenario differ.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The scenario.
    pub scenario: Scenario,
    /// The kernels: two, or the one that is held against what was expected of it.
    pub kernels: Kernels,
    /// Byte order.
    pub endian: Endian,
    /// What differs in the end.
    pub comparison: Comparison,
    /// The causes behind differences that are not dead, in order of appearance.
    pub causes: Vec<Cause>,
    /// What each run did of what it was asked to, A's first.
    pub effects: Vec<EffectsReport>,
}

impl Explanation {
    /// The headings of A's values and of B's.
    pub fn headings(&self) -> [String; 2] {
        self.kernels.headings()
    }

    /// The kernel behind A's run, or B's; the only one, if there is only one.
    pub fn kernel(&self, side: usize) -> String {
        let names = self.kernels.names();
        let name = names.get(side).or(names.first());
        name.map_or_else(String::new, ToString::to_string)
    }

    /// The same with the letter of the kernel, where there are two.
    pub fn lanes(&self) -> [String; 2] {
        let [a, b] = self.headings();
        match self.kernels.only() {
            Some(_) => [a, b],
            None => [format!("A: {a}"), format!("B: {b}")],
        }
    }

    /// Signatures of the causes behind differences that are not dead, sorted, without repetition.
    pub fn signatures(&self) -> Vec<String> {
        let mut signatures: Vec<String> = self.causes.iter().map(|c| c.signature.clone()).collect();
        signatures.sort();
        signatures.dedup();
        signatures
    }

    /// Those of causes that lead to a difference which is reported under a policy.
    pub fn reported(&self, abi: Abi) -> Vec<String> {
        let leads = |cause: &&Cause| cause.differences.iter().any(|d| abi.reports(d.verdict));
        let causes = self.causes.iter().filter(leads);
        let mut signatures: Vec<String> = causes.map(|cause| cause.signature.clone()).collect();
        signatures.sort();
        signatures.dedup();
        signatures
    }

    /// The report for people.
    pub fn text(&self) -> String {
        report::text(self)
    }

    /// The journey of the wrong value, of one of the causes: what a mail needs of the text.
    pub fn journey(&self, cause: &Cause) -> String {
        report::journey(self, cause)
    }

    /// The report for programs.
    pub fn json(&self) -> serde_json::Value {
        report::json(self)
    }
}

/// Records the scenario on fresh machines, and explains what differs.
///
/// # Errors
///
/// If a kernel cannot be loaded or started.
pub fn explain(
    kernels: &Kernels,
    endian: Endian,
    scenario: &Scenario,
) -> Result<Explanation, RunnerError> {
    Ok(Explainer::new(kernels, endian)?.explain(scenario))
}

/// Machines that are watched.
enum Watched {
    Pair(Box<[Tracer; 2]>),
    One(Box<Tracer>),
}

impl Watched {
    fn new(kernels: &Kernels, endian: Endian) -> Result<Self, RunnerError> {
        Ok(match kernels {
            Kernels::Pair([a, b]) => {
                Watched::Pair(Box::new([Tracer::new(a, endian)?, Tracer::new(b, endian)?]))
            }
            Kernels::One(kernel) => {
                let mut tracer = Tracer::new(kernel, endian)?;
                tracer.observe();
                Watched::One(Box::new(tracer))
            }
        })
    }

    /// Both runs, or the one and what was expected of it.
    fn record(&mut self, scenario: &Scenario, code: &Code) -> Judged {
        match self {
            Watched::Pair(tracers) => {
                let [a, b] = tracers.each_mut().map(|tracer| tracer.record(scenario));
                Judged {
                    comparison: compare(scenario, &a.outcome, &b.outcome),
                    runs: [a, b],
                    fixes: Vec::new(),
                    is_pair: true,
                }
            }
            Watched::One(tracer) => expected::beside(scenario, tracer.record(scenario), code),
        }
    }
}

/// Kernels on machines that are watched, to explain many scenarios.
pub struct Explainer {
    kernels: Kernels,
    endian: Endian,
    watched: Watched,
    /// Of A and B: the same one twice, if there is only one kernel.
    codes: [Code; 2],
}

impl Explainer {
    /// Loads and starts them.
    ///
    /// # Errors
    ///
    /// If a kernel cannot be loaded or started.
    pub fn new(kernels: &Kernels, endian: Endian) -> Result<Self, RunnerError> {
        let names = kernels.names();
        let code = |side: usize| Code::of(&names[side % names.len()], endian);
        Ok(Explainer {
            kernels: kernels.clone(),
            endian,
            watched: Watched::new(kernels, endian)?,
            codes: [code(0)?, code(1)?],
        })
    }

    /// Runs a scenario and explains what differs.
    pub fn explain(&mut self, scenario: &Scenario) -> Explanation {
        let mut judged = self.watched.record(scenario, &self.codes[0]);
        let explain = |judged: &Judged| causes(scenario, judged, &self.codes);
        let mut causes = explain(&judged);
        let visible = judged.comparison.visible().next().is_some();
        if causes.is_empty() && visible && self.kernels.only().is_some() {
            judged = expected::by_last_writer(scenario, judged, &self.codes[0]);
            causes = explain(&judged);
        }
        let Judged {
            comparison,
            runs,
            fixes,
            ..
        } = judged;
        for cause in &mut causes {
            self.tell(cause, &fixes, &runs[0]);
        }
        let runs = runs.iter().take(self.kernels.names().len());
        let effects = runs.map(|run| EffectsReport::new(scenario, &run.outcome.effects));
        Explanation {
            scenario: scenario.clone(),
            kernels: self.kernels.clone(),
            endian: self.endian,
            comparison,
            causes,
            effects: effects.collect(),
        }
    }

    /// What the rule says that found what the only kernel should have written.
    fn tell(&self, cause: &mut Cause, fixes: &[Fix], run: &Recording) {
        let of = |fix: &&Fix| {
            let written = (fix.write.cell, fix.write.value);
            cause.changes.iter().any(|c| (c.cell, c.b) == written)
        };
        let mut found = fixes.iter().filter(of);
        let Some(fix) = found.next() else {
            return;
        };
        let journey = fix.journey.map(|journey| {
            let task = |slot: Slot| run.tasks.get(usize::from(slot.0)).copied().flatten();
            let stop = |at: usize| {
                let (event, current, write) = Journey::write(run, at)?;
                Some(Stop {
                    step: at,
                    event,
                    running: task(current),
                    place: cell_name(write.cell, &task),
                    value: write.value,
                    writer: self.codes[0].writer(write),
                })
            };
            Loss {
                register: journey.register,
                right: journey.right,
                held: journey.held.and_then(stop),
                got: journey.got.and_then(stop),
            }
        });
        let class = fix.class.or_else(|| found.find_map(|fix| fix.class));
        cause.class = class.unwrap_or(cause.class);
        cause.rule = Some(fix.rule).filter(|rule| !rule.is_empty());
        cause.loss = journey;
    }
}

/// Names the raw causes, merges repetitions, and keeps those that lead to a difference that is not
/// dead.
fn causes(scenario: &Scenario, judged: &Judged, codes: &[Code; 2]) -> Vec<Cause> {
    let (runs, comparison) = (&judged.runs, &judged.comparison);
    let fixes = (!judged.is_pair).then_some(&judged.fixes[..]);
    if !comparison.comparable() {
        return Vec::new();
    }
    if let Some(difference) = comparison.visible().find(|d| d.what == What::End) {
        return Vec::from_iter(end::cause(runs, codes, difference).map(|end| {
            match analyse(scenario, runs, codes, fixes)
                .iter()
                .find(|raw| makes_mortal(raw))
            {
                Some(raw) => Cause {
                    ended: end.ended.clone(),
                    verdict: end.verdict,
                    ..named(raw, end.differences, runs, codes)
                },
                None => end,
            }
        }));
    }
    let raw = analyse(scenario, runs, codes, fixes);
    let mut led_to: BTreeMap<usize, Vec<Difference>> = BTreeMap::new();
    let mut found_beside: Vec<Cause> = Vec::new();
    for difference in comparison.visible() {
        let beside = beside::cause(runs, codes, difference);
        if let Some(cause) = beside.or_else(|| data::cause(scenario, runs, difference)) {
            match found_beside
                .iter_mut()
                .find(|c| c.signature == cause.signature)
            {
                Some(known) => known.differences.extend(cause.differences),
                None => found_beside.push(cause),
            }
        } else if let Some(index) =
            fixed(&raw, &judged.fixes, difference).or_else(|| responsible(&raw, difference))
        {
            led_to.entry(index).or_default().push(difference.clone());
        }
    }
    let mut named: Vec<Cause> = Vec::new();
    for (index, raw) in raw.iter().enumerate() {
        let signature = signature(raw, codes);
        let differences = led_to.remove(&index).unwrap_or_default();
        match named.iter_mut().find(|c| c.signature == signature) {
            // The occurrence that led to something visible is the one to show.
            Some(known) if known.differences.is_empty() && !differences.is_empty() => {
                let occurrences = known.occurrences + 1;
                *known = Cause {
                    occurrences,
                    ..describe(raw, signature, differences, runs, codes)
                };
            }
            Some(known) => {
                known.occurrences += 1;
                known.differences.extend(differences);
            }
            None => named.push(describe(raw, signature, differences, runs, codes)),
        }
    }
    named.retain(|c| !c.differences.is_empty());
    for cause in &mut named {
        cause.verdict = cause
            .differences
            .iter()
            .map(|d| d.verdict)
            .max()
            .unwrap_or_default();
    }
    named.extend(found_beside);
    named
}

/// Whether kernels die of it: the sides disagreed about who owns registers before one of them
/// ended.
fn makes_mortal(raw: &RawCause) -> bool {
    let owners = u128::from(msr::FP | msr::VEC | msr::VSX);
    let disputed = |c: &Change| matches!(c.cell, Cell::Facilities(_)) && (c.a ^ c.b) & owners != 0;
    raw.met && raw.changes.iter().any(disputed)
}

fn named(
    raw: &RawCause,
    differences: Vec<Difference>,
    runs: &[Recording; 2],
    codes: &[Code; 2],
) -> Cause {
    describe(raw, signature(raw, codes), differences, runs, codes)
}

fn describe(
    raw: &RawCause,
    signature: String,
    differences: Vec<Difference>,
    runs: &[Recording; 2],
    codes: &[Code; 2],
) -> Cause {
    let task = |slot: Slot| runs[0].tasks.get(usize::from(slot.0)).copied().flatten();
    let changed = |change: &Change| Changed {
        name: cell_name(change.cell, &task),
        cell: change.cell,
        register: signature::register(change.cell),
        a: change.a,
        b: change.b,
        pattern: signature::pattern(raw, change),
        alone: (change.a == change.b).then(|| usize::from(change.recent[1])),
    };
    let first = raw.changes.iter().min_by_key(|c| c.cell);
    let copies = raw.copies.iter().map(|copied| CopyReport {
        event: copied.event,
        to: changed(&copied.change),
        writer: copied
            .change
            .writer_a
            .as_ref()
            .map(|w| codes[0].writer(w))
            .or_else(|| copied.change.writer_b.as_ref().map(|w| codes[1].writer(w))),
        thread_conditions: copied.thread_conditions,
        in_memory: !matches!(copied.change.cell, Cell::Hardware(_)),
    });
    Cause {
        signature,
        class: class::class(raw, codes),
        verdict: Verdict::None,
        event: raw.event,
        occurrences: 1,
        ended: None,
        changes: raw.changes.iter().map(changed).collect(),
        writer_a: first
            .and_then(|c| c.writer_a.as_ref())
            .map(|w| codes[0].writer(w)),
        writer_b: first
            .and_then(|c| c.writer_b.as_ref())
            .map(|w| codes[1].writer(w)),
        damage: raw.damage.as_ref().map(|d| DamageReport {
            event: d.event,
            task: task(d.slot),
            register: d.register,
            at_cause: d.at_cause,
        }),
        user_return: raw.user_return.map(|(event, slot)| (event, task(slot))),
        copies: copies.collect(),
        differences,
        rule: None,
        loss: None,
    }
}

fn cell_name(cell: Cell, task: &impl Fn(Slot) -> Option<u8>) -> String {
    let of = |slot: Slot| {
        task(slot).map_or_else(|| "an io_uring worker".to_owned(), |t| format!("task {t}"))
    };
    match cell {
        Cell::Hardware(register) => register.to_string(),
        Cell::Image(slot, register) => format!("{register} in thread_struct of {}", of(slot)),
        Cell::Facilities(slot) => format!("facility bits in regs->msr of {}", of(slot)),
        Cell::Used(slot) => format!("used_vr and used_vsr of {}", of(slot)),
        Cell::UserMsr => "facility bits with which user code goes on".into(),
        Cell::Current => "the running task".into(),
        Cell::UserStack(address) => format!("user stack at {address:#x}"),
        Cell::RegisterSet(address) => format!("register set that was read, at {address:#x}"),
    }
}
