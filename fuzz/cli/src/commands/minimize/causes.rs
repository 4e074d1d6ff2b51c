//! What kernels must still show: the same root causes, to the same people.

use std::collections::BTreeSet;

use anyhow::bail;
use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_scenario::scenario::{Place, Scenario, Verdict};
use ctxfuzz_triage::cause::Explainer;
use ctxfuzz_triage::compare::{Comparison, What};
use ctxfuzz_triage::kernels::Kernels;
use ctxfuzz_triage::machines::Machines;

use super::Kept;
use crate::commands::input::Input;

/// See the module.
pub struct Causes {
    machines: Machines,
    explainer: Explainer,
    signatures: Vec<String>,
    verdict: Verdict,
    /// Where what differs; takes the place of signatures where a root cause is not known.
    visible: BTreeSet<(Place, What, Verdict)>,
}

impl Causes {
    /// Those of a scenario. It is an error if there are none.
    pub fn of(kernels: &Kernels, endian: Endian, input: &Input) -> anyhow::Result<Self> {
        let mut machines = Machines::new(kernels, endian)?;
        let comparison = machines.run(&input.scenario).comparison;
        let file = input.path.display();
        if let Some(reason) = comparison.reason() {
            bail!("{file}: nothing to minimize: the runs cannot be compared: {reason}");
        }
        if comparison.verdict <= Verdict::Dead {
            let [a, b] = kernels.headings();
            bail!(
                "{file}: nothing to minimize: {a} and {b} ({}) do not differ in anything that somebody can see",
                endian.name()
            );
        }
        let mut explainer = Explainer::new(kernels, endian)?;
        let signatures = explainer.explain(&input.scenario).signatures();
        Ok(Causes {
            machines,
            explainer,
            signatures,
            verdict: comparison.verdict,
            visible: visible(&comparison),
        })
    }
}

impl Kept for Causes {
    /// One cause can be `live` on one path and `abi` on another.
    fn still_there(&mut self, candidate: &Scenario) -> anyhow::Result<bool> {
        // Most candidates fail here, for a fraction of what a recorded run costs.
        let comparison = self.machines.run(candidate).comparison;
        if !comparison.comparable() || comparison.verdict != self.verdict {
            return Ok(false);
        }
        if self.signatures.is_empty() {
            return Ok(visible(&comparison) == self.visible);
        }
        Ok(self.explainer.explain(candidate).signatures() == self.signatures)
    }

    fn signatures(&self) -> &[String] {
        &self.signatures
    }
}

fn visible(comparison: &Comparison) -> BTreeSet<(Place, What, Verdict)> {
    comparison
        .visible()
        .map(|difference| (difference.place, difference.what, difference.verdict))
        .collect()
}
