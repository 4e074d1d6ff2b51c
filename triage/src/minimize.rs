//! Finds a smaller scenario that still shows the same signature.
//!
//! This file is the mechanism: try a candidate, keep it if it is simpler and still reproduces, stop
//! at a fixed point or when the budget is spent. What to try is in `passes`, what "simpler" means
//! in `weight`, and how to run a scenario is the caller's.

mod passes;
#[cfg(test)]
mod tests;
mod weight;

use std::collections::HashSet;

use ctxfuzz_scenario::scenario::Scenario;

use weight::Weight;

/// Tells whether a candidate still shows what is being minimized. Every call is one execution.
pub trait Reproduces {
    /// Whether the candidate has the signature.
    fn signature_holds(&mut self, candidate: &Scenario) -> bool;

    /// Is told of each scenario that is simpler than all before and shows it: what was reached need
    /// not be lost if nothing comes of the rest.
    fn simpler(&mut self, _found: &Scenario) {}
}

impl<F: FnMut(&Scenario) -> bool> Reproduces for F {
    fn signature_holds(&mut self, candidate: &Scenario) -> bool {
        self(candidate)
    }
}

/// A smaller scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Minimized {
    /// The smallest that was found. It has no `expect` rows: those were made for the original.
    pub scenario: Scenario,
    /// How many candidates were run, the first reproduction included.
    pub executions: usize,
    /// How many rounds over all passes were begun.
    pub rounds: usize,
    /// Whether no pass can make it simpler; if not, the budget was spent before.
    pub fixed_point: bool,
}

/// Why there is nothing to minimize.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MinimizeError {
    /// The scenario itself does not show the signature.
    #[error("the scenario does not reproduce the signature that is to be kept")]
    DoesNotReproduce,
    /// Not even one execution is allowed.
    #[error("a budget of 0 executions does not allow to reproduce the scenario")]
    NoBudget,
}

/// Minimizes a scenario with at most `budget` executions.
///
/// With a deterministic oracle the result is a fixed point (unless the budget ends first):
/// minimizing it again changes nothing.
pub fn minimize(
    scenario: &Scenario,
    oracle: &mut impl Reproduces,
    budget: usize,
) -> Result<Minimized, MinimizeError> {
    if budget == 0 {
        return Err(MinimizeError::NoBudget);
    }
    // What people wrote about the scenario is not about what will be left of it.
    let start = Scenario {
        about: None,
        needs: Vec::new(),
        expect: Vec::new(),
        ..scenario.clone()
    };
    if !oracle.signature_holds(&start) {
        return Err(MinimizeError::DoesNotReproduce);
    }
    let mut engine = Engine::new(start, oracle, budget - 1);
    let mut rounds = 0;
    let mut fixed_point = false;
    while !engine.spent() && !fixed_point {
        rounds += 1;
        let improved = engine.remove_events() | engine.run_passes();
        fixed_point = !improved && !engine.refused;
    }
    let executions = budget - engine.left;
    Ok(Minimized {
        scenario: engine.best,
        executions,
        rounds,
        fixed_point,
    })
}

struct Engine<'a, R> {
    best: Scenario,
    weight: Weight,
    oracle: &'a mut R,
    left: usize,
    /// Candidates that are known not to reproduce; makes the last, confirming round cheap.
    failed: HashSet<Scenario>,
    /// Whether a candidate could not be tried for want of budget.
    refused: bool,
}

impl<'a, R: Reproduces> Engine<'a, R> {
    fn new(best: Scenario, oracle: &'a mut R, left: usize) -> Self {
        let weight = Weight::of(&best);
        Engine {
            best,
            weight,
            oracle,
            left,
            failed: HashSet::new(),
            refused: false,
        }
    }

    fn spent(&self) -> bool {
        self.refused
    }

    /// Takes the candidate if it is simpler, valid and reproduces. That weights only go down is
    /// what makes everything end.
    fn try_candidate(&mut self, candidate: Scenario) -> bool {
        let weight = Weight::of(&candidate);
        if weight >= self.weight
            || candidate.validate().is_err()
            || self.failed.contains(&candidate)
        {
            return false;
        }
        if self.left == 0 {
            self.refused = true;
            return false;
        }
        self.left -= 1;
        if self.oracle.signature_holds(&candidate) {
            self.oracle.simpler(&candidate);
            self.best = candidate;
            self.weight = weight;
            true
        } else {
            self.failed.insert(candidate);
            false
        }
    }

    /// Delta debugging: takes out halves, quarters, ... and at last single events, from the back.
    fn remove_events(&mut self) -> bool {
        let mut improved = false;
        let mut size = self.best.events.len();
        while size > 0 && !self.spent() {
            let mut end = self.best.events.len();
            while end > 0 && !self.spent() {
                let start = end.saturating_sub(size);
                let mut candidate = self.best.clone();
                candidate.events.drain(start..end);
                improved |= self.try_candidate(candidate);
                end = start;
            }
            size /= 2;
        }
        improved
    }

    /// Every pass until it has nothing more to give.
    fn run_passes(&mut self) -> bool {
        let mut improved = false;
        for pass in passes::ALL {
            let mut next = 0;
            let mut candidates = pass(&self.best);
            while next < candidates.len() && !self.spent() {
                if self.try_candidate(candidates[next].clone()) {
                    improved = true;
                    // The rest of the list belongs to a scenario that is no longer the best.
                    candidates = pass(&self.best);
                } else {
                    next += 1;
                }
            }
        }
        improved
    }
}
