//! What scenarios reach on two kernels: edges of both, how the runs ended, and the signatures of
//! what differs. On one kernel: its edges, and the kinds and signatures of its violations.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ScopedJoinHandle};

use bit_set::BitSet;
use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::run::RunnerError;
use ctxfuzz_emulator::run::outcome::Outcome;
use ctxfuzz_scenario::Scenario;
use ctxfuzz_scenario::scenario::Verdict;
use ctxfuzz_triage::cause::Explainer;
use ctxfuzz_triage::inconclusive::{Inconclusive, Tally};
use ctxfuzz_triage::kernels::Kernels;
use ctxfuzz_triage::machines::{Machines, Ran};
use ctxfuzz_triage::transparency::{judge, keys};

use ctxfuzz_campaign::round::{edges, map_size};

/// An edge gone once, and gone more often: what a campaign tells apart too.
const CLASSES: usize = 2;

/// Machines take longer to start than so many scenarios to run.
const WORTH_A_THREAD: usize = 200;

/// What scenarios reach, with a number for each feature.
pub struct Features {
    /// Of each scenario, in their order.
    pub of: Vec<BitSet>,
    /// Features of coverage that were seen.
    pub edges: usize,
    /// Names of those that are no coverage.
    pub signatures: Vec<String>,
    /// Scenarios that could not be compared, by reason.
    pub inconclusive: Tally,
}

impl Features {
    /// Runs the scenarios, on so many processors. What comes out does not depend on how many.
    pub fn find(
        kernels: &Kernels,
        endian: Endian,
        scenarios: &[&Scenario],
        processors: usize,
    ) -> Result<Features, RunnerError> {
        // One that cannot be made is found out before there are threads.
        let first = Watched::new(kernels, endian)?;
        let size = first.map.len() * CLASSES;
        let next = AtomicUsize::new(0);
        let parts = thread::scope(|scope| -> Result<Vec<Part>, RunnerError> {
            let next = &next;
            let help = move || Ok(Watched::new(kernels, endian)?.work(scenarios, next));
            let helpers: Vec<ScopedJoinHandle<'_, Result<Part, RunnerError>>> =
                (1..processors).map(|_| scope.spawn(help)).collect();
            let mut parts = vec![first.work(scenarios, next)];
            for helper in helpers {
                match helper.join() {
                    Ok(part) => parts.push(part?),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            Ok(parts)
        })?;
        let mut all: Part = parts.into_iter().flatten().collect();
        all.sort_by_key(|(index, _)| *index);
        Ok(number(all.into_iter().map(|(_, reached)| reached), size))
    }
}

/// On how many processors it is best to run so many scenarios.
pub fn processors(scenarios: usize) -> usize {
    let all = thread::available_parallelism().map_or(1, NonZero::get);
    all.min(scenarios / WORTH_A_THREAD).max(1)
}

/// Gives names a number behind those of coverage.
fn number(reached: impl Iterator<Item = Reached>, size: usize) -> Features {
    let mut seen = BitSet::new();
    let mut named: BTreeMap<String, usize> = BTreeMap::new();
    let mut inconclusive = Tally::default();
    let of = reached
        .map(|reached| {
            reached.why.iter().for_each(|why| inconclusive.add(why));
            seen.union_with(&reached.edges);
            let mut features = reached.edges;
            for name in reached.names {
                let next = size + named.len();
                features.insert(*named.entry(name).or_insert(next));
            }
            features
        })
        .collect();
    Features {
        of,
        edges: seen.len(),
        signatures: named.into_keys().collect(),
        inconclusive,
    }
}

/// What one scenario reaches.
struct Reached {
    edges: BitSet,
    /// How the runs ended, if not well, and the causes of what differs.
    names: Vec<String>,
    /// Why they could not be compared.
    why: Option<Inconclusive>,
}

/// What some of the scenarios reach, by their index.
type Part = Vec<(usize, Reached)>;

/// The kernels, and again on machines that record.
struct Watched {
    machines: Machines,
    explainer: Explainer,
    map: Vec<u8>,
}

impl Watched {
    fn new(kernels: &Kernels, endian: Endian) -> Result<Watched, RunnerError> {
        let machines = Machines::new(kernels, endian)?;
        Ok(Watched {
            explainer: Explainer::new(kernels, endian)?,
            map: vec![0; map_size(&machines.runners())],
            machines,
        })
    }

    /// Runs scenarios that nobody else has taken, until there are none.
    fn work(mut self, scenarios: &[&Scenario], next: &AtomicUsize) -> Part {
        let mut reached = Part::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(scenario) = scenarios.get(index) else {
                return reached;
            };
            reached.push((index, self.run(scenario)));
        }
    }

    fn run(&mut self, scenario: &Scenario) -> Reached {
        let ran = self.machines.run(scenario);
        edges(&self.machines.runners(), &mut self.map);
        let hits = self.map.iter().enumerate().filter(|(_, hits)| **hits > 0);
        let edges = hits
            .flat_map(|(edge, &hits)| {
                (0..usize::from(hits).min(CLASSES)).map(move |class| edge * CLASSES + class)
            })
            .collect();
        Reached {
            edges,
            names: self.names(scenario, &ran),
            why: ran.comparison.reason().cloned(),
        }
    }

    fn names(&mut self, scenario: &Scenario, ran: &Ran) -> Vec<String> {
        let comparison = &ran.comparison;
        if let Some(reason) = comparison.reason() {
            // The kind, not the place: schedules differ in many.
            return vec![format!("({})", reason.name())];
        }
        if comparison.verdict <= Verdict::Dead {
            return Vec::new();
        }
        let signatures = self.explainer.explain(scenario).signatures();
        let verdict = comparison.verdict;
        let signatures = signatures.iter();
        let mut names: Vec<String> = signatures
            .map(|signature| format!("{signature} {verdict}"))
            .collect();
        if let (Machines::One(_), [outcome]) = (&self.machines, ran.outcomes.as_slice()) {
            names.extend(kinds(scenario, outcome));
        }
        names
    }
}

/// The kinds of violations that somebody can see, as `check` names them.
fn kinds(scenario: &Scenario, outcome: &Outcome) -> Vec<String> {
    let judgement = judge(scenario, outcome);
    let violations = judgement.violations.iter();
    let visible = violations.filter(|violation| violation.verdict > Verdict::Dead);
    let kinds = keys(scenario, visible).into_keys();
    kinds.map(|kind| kind.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use ctxfuzz_generators::any_scenario;

    use super::*;

    #[test]
    fn what_is_found_does_not_depend_on_how_many_look() -> anyhow::Result<()> {
        let scenarios: Vec<Scenario> = (0..40).map(any_scenario).collect();
        let scenarios: Vec<&Scenario> = scenarios.iter().collect();
        let (a, b) = ("clobbering".parse()?, "fixed".parse()?);
        let kernels = Kernels::pair(&a, &b);
        let find = |processors| Features::find(&kernels, Endian::Little, &scenarios, processors);
        let (one, three) = (find(1)?, find(3)?);
        assert!(one.of == three.of && one.of.len() == 40);
        assert_eq!(one.signatures, three.signatures);
        assert!(
            one.signatures
                .contains(&"save_fpu.f0-is-fpscr live".to_owned())
        );
        assert_eq!(one.edges, three.edges);
        Ok(())
    }
}
