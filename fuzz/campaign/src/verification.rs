//! What is established about a divergence before it is called a finding: that fresh machines show
//! it too, what causes it, and the smallest scenario that shows the same.

use std::sync::atomic::{AtomicBool, Ordering};

use ctxfuzz_emulator::run::RunnerError;
use ctxfuzz_emulator::run::outcome::Outcome;
use ctxfuzz_scenario::scenario::{Scenario, Verdict};
use ctxfuzz_triage::bucket::BucketKey;
use ctxfuzz_triage::cause::{Explainer, Explanation};
use ctxfuzz_triage::compare::{Comparison, Difference, Standing};
use ctxfuzz_triage::definedness::Abi;
use ctxfuzz_triage::machines::Machines;
use ctxfuzz_triage::minimize::{self, Minimized};

use super::observed;
use super::{Config, places};

/// A divergence is kept if so many fresh machines, or pairs of them, all show it.
const REPLAYS: usize = 2;
/// Root causes that minimizing one finding may look for. Each records whole runs, so this is what
/// its time goes into.
const EXPLANATIONS: usize = 300;
/// Candidates that minimizing one finding may run without.
const CANDIDATES: usize = 5_000;

/// A cause, and the differences it is blamed for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blame {
    /// Stable name of the cause.
    pub signature: String,
    /// The worst of the differences.
    pub verdict: Verdict,
    /// Those that are reported.
    pub differences: Vec<Difference>,
    /// The bucket, where no cause was found.
    unexplained: Option<BucketKey>,
}

/// Whether a difference is one that the policy reports.
pub fn reported(difference: &Difference, abi: Abi) -> bool {
    abi.reports(difference.verdict)
}

/// Fresh machines for the campaign's kernels.
pub fn machines(config: &Config) -> Result<Machines, RunnerError> {
    let mut machines = Machines::new(&config.kernels, config.endian)?;
    if config.dirty {
        match &mut machines {
            Machines::Pair(pair) => pair.b.dirty(config.seed),
            Machines::One(runner) => runner.dirty(config.seed),
        }
    }
    Ok(machines)
}

/// Both sides of a scenario's run, for the pages of findings.
pub fn observed(config: &Config, scenario: &Scenario) -> Result<[Outcome; 2], RunnerError> {
    Ok(observed::observed(&mut machines(config)?, scenario))
}

/// Whether fresh machines show the same comparison, every time.
pub fn reproduces(
    config: &Config,
    scenario: &Scenario,
    seen: &Comparison,
) -> Result<bool, RunnerError> {
    for _ in 0..REPLAYS {
        let again = machines(config)?.run(scenario).comparison;
        let same = match (config.dirty, config.kernels.only()) {
            (false, _) => again == *seen,
            // Garbage is different every run, so a value that came from there is too.
            (true, None) => shape(&again).eq(shape(seen)),
            (true, Some(_)) => has_in_common(&again, seen, config.abi),
        };
        if !same {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a reported violation of one is in the other too. A task that is given garbage may find
/// one register or the other right by chance, so they need not have all in common.
fn has_in_common(again: &Comparison, seen: &Comparison, abi: Abi) -> bool {
    let of = |d: &Difference| (d.task, d.place, d.what, d.verdict, d.frame);
    let mut reported = seen.differences.iter().filter(|d| reported(d, abi));
    reported.any(|d| again.differences.iter().any(|other| of(other) == of(d)))
}

fn shape(comparison: &Comparison) -> impl Iterator<Item = impl PartialEq> {
    let reason = comparison.standing != Standing::Comparable;
    let of = |d: &Difference| (d.task, d.place, d.what, d.verdict, d.frame);
    comparison.differences.iter().map(move |d| (reason, of(d)))
}

/// The causes of what is reported, worst differences of each. Where root cause analysis has no
/// answer the `kinds` are the names: a divergence must not go unheard because it is not understood.
pub fn blame(
    config: &Config,
    explanation: &Explanation,
    kinds: &[(String, Vec<Difference>)],
    bucket: &BucketKey,
) -> Vec<Blame> {
    let mut blames: Vec<Blame> = explanation
        .causes
        .iter()
        .map(|cause| Blame {
            signature: cause.signature.clone(),
            verdict: cause.verdict,
            differences: cause
                .differences
                .iter()
                .filter(|difference| reported(difference, config.abi))
                .cloned()
                .collect(),
            unexplained: None,
        })
        .filter(|blame| !blame.differences.is_empty())
        .collect();
    if blames.is_empty() {
        blames.extend(kinds.iter().map(|(name, differences)| {
            Blame {
                signature: name.clone(),
                verdict: differences
                    .iter()
                    .map(|d| d.verdict)
                    .max()
                    .unwrap_or_default(),
                differences: differences.clone(),
                unexplained: Some(bucket.clone()),
            }
        }));
    }
    blames
}

/// The smallest scenario that shows a cause with the same verdict, as far as the budget goes;
/// `None` if it was not even found again, or if the campaign is to stop.
pub fn minimized(
    config: &Config,
    scenario: &Scenario,
    blame: &Blame,
    stop: &AtomicBool,
) -> Result<Option<Minimized>, RunnerError> {
    let mut machines = machines(config)?;
    let mut trouble = None;
    let mut left = EXPLANATIONS;
    let mut explainer = None;
    let mut oracle =
        |candidate: &Scenario| {
            if trouble.is_some() || stop.load(Ordering::Relaxed) {
                return false;
            }
            let ran = machines.run(candidate);
            if let Some(key) = &blame.unexplained {
                return ran.bucket(candidate).as_ref() == Some(key);
            }
            // Cheap, and refuses most: the same cause shows itself in the same registers.
            let likely = ran.comparison.differences.iter().any(|difference| {
                difference.verdict == blame.verdict
                    && blame.differences.iter().any(|d| d.what == difference.what)
            });
            if !likely || left == 0 {
                return false;
            }
            left -= 1;
            if explainer.is_none() {
                match Explainer::new(&config.kernels, config.endian) {
                    Ok(new) => explainer = Some(new),
                    Err(error) => trouble = Some(error),
                }
            }
            explainer.as_mut().is_some_and(|explainer| {
                explainer.explain(candidate).causes.iter().any(|cause| {
                    cause.signature == blame.signature && cause.verdict == blame.verdict
                })
            })
        };
    let minimized = minimize::minimize(scenario, &mut oracle, CANDIDATES);
    if let Some(error) = trouble {
        return Err(error);
    }
    let Ok(minimized) = minimized else {
        return Ok(None);
    };
    // A smaller one must not be a divergence of places where the first was none.
    let ran = machines.run(&minimized.scenario);
    let of_places = !machines.same_places()
        && places::explain(&mut machines, &minimized.scenario, &ran, config.abi);
    Ok((!of_places).then_some(minimized))
}
