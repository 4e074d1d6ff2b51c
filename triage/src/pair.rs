//! Two kernels side by side: one scenario, two runs, one comparison.

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_emulator::run::outcome::Outcome;
use ctxfuzz_emulator::run::{Runner, RunnerError, user};
use ctxfuzz_scenario::effect::Effect;
use ctxfuzz_scenario::scenario::{Scenario, Verdict};

use crate::compare::{Comparison, compare};
use crate::inconclusive::{Inconclusive, Side};
use crate::shortfall::Shortfall;

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

/// Whether interrupts can come at the same places in two kernels, whose images have these hashes:
/// models are patched and not built anew.
pub fn same_places([a, b]: [&KernelName; 2], images: [u64; 2]) -> bool {
    match (a.vmlinux(), b.vmlinux()) {
        (None, None) => true,
        (Some(_), Some(_)) => images[0] == images[1],
        _ => false,
    }
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
        if left_out(&a) != left_out(&b) {
            // One of them did more than the other.
            comparison = comparison.inconclusive(Inconclusive::NotApplicable);
        }
        let sides = [(Side::A, &a), (Side::B, &b)];
        let shortfall = sides.into_iter().find_map(|(side, outcome)| {
            let shortfall = Shortfall::of(scenario, &outcome.effects)?;
            Some((Some(side), shortfall))
        });
        // What somebody could notice is a fact, whatever else did not happen.
        if let Some((side, shortfall)) = shortfall
            && comparison.comparable()
            && comparison.verdict <= Verdict::Dead
        {
            comparison = comparison.inconclusive(Inconclusive::DidNotHappen { side, shortfall });
        }
        Paired { a, b, comparison }
    }
}

/// The parts that a kernel could not be made to do. Why is each kernel's own.
fn left_out(outcome: &Outcome) -> Vec<(u16, Effect)> {
    let parts = outcome.effects.not_applicable.iter();
    parts.map(|part| (part.event, part.effect)).collect()
}
