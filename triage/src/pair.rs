//! Two kernels side by side: one scenario, two runs, one comparison.

use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_emulator::run::outcome::{Endian, Outcome};
use ctxfuzz_emulator::run::{Runner, RunnerError, user};
use ctxfuzz_scenario::scenario::Scenario;

use crate::compare::{Comparison, compare};
use crate::inconclusive::Inconclusive;

/// Two kernels of one byte order, each on a machine of its own.
pub struct Pair {
    /// Kernel A.
    pub a: Runner,
    /// Kernel B.
    pub b: Runner,
}

/// What a pair did with a scenario.
#[derive(Clone, Debug)]
pub struct Paired {
    /// Kernel A's outcome.
    pub a: Outcome,
    /// Kernel B's outcome.
    pub b: Outcome,
    /// How they differ.
    pub comparison: Comparison,
}

impl Pair {
    /// Starts both kernels on fresh machines.
    pub fn new(a: &KernelName, b: &KernelName, endian: Endian) -> Result<Self, RunnerError> {
        Ok(Pair {
            a: Runner::new(a, endian)?,
            b: Runner::new(b, endian)?,
        })
    }

    /// Runs a scenario on both and compares.
    pub fn run(&mut self, scenario: &Scenario) -> Paired {
        let compiled = user::compile(scenario, self.a.endian());
        let a = self.a.run_compiled(scenario, &compiled);
        let b = self.b.run_compiled(scenario, &compiled);
        let mut comparison = compare(scenario, &a, &b);
        if a.effects.not_applicable != b.effects.not_applicable {
            // One of them did more than the other.
            comparison = comparison.inconclusive(Inconclusive::NotApplicable);
        }
        Paired { a, b, comparison }
    }
}
