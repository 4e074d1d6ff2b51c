//! Root cause: where two runs of one scenario part, what was damaged there, and where it was discovered.

use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_emulator::run::RunnerError;
use ctxfuzz_emulator::run::outcome::Endian;
use ctxfuzz_scenario::scenario::Scenario;

use crate::compare::Comparison;

/// Why two runs of one scenario differ.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// What differs in the end.
    pub comparison: Comparison,
}

impl Explanation {
    /// Signatures of the causes behind differences that are not dead, sorted, without repetition.
    pub fn signatures(&self) -> Vec<String> {
        Vec::new()
    }

    /// The report for people.
    pub fn text(&self) -> String {
        String::new()
    }

    /// The report for programs.
    pub fn json(&self) -> serde_json::Value {
        serde_json::Value::Null
    }
}

/// Records the scenario on both kernels, on fresh machines, and explains how the runs part.
pub fn explain(
    a: &KernelName,
    b: &KernelName,
    endian: Endian,
    scenario: &Scenario,
) -> Result<Explanation, RunnerError> {
    let mut pair = crate::pair::Pair::new(a, b, endian)?;
    Ok(Explanation {
        comparison: pair.run(scenario).comparison,
    })
}
