//! What one kernel must still show: violations of the same kinds as `check` names them.
//!
//! Not responsible for causes: two bugs can have one kind.

use std::collections::BTreeSet;

use anyhow::bail;
use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_scenario::scenario::{Scenario, Verdict};
use ctxfuzz_triage::transparency::{Judgement, Key, keys};

use super::Kept;
use crate::commands::check::Checker;
use crate::commands::input::Input;

/// See the module.
pub struct Kinds {
    checker: Checker,
    endian: Endian,
    kinds: BTreeSet<Key>,
    names: Vec<String>,
}

impl Kinds {
    /// Those of a scenario, as a fresh machine shows them too. It is an error if there are none.
    pub fn of(kernel: &KernelName, endian: Endian, input: &Input) -> anyhow::Result<Self> {
        let mut checker = Checker::new(kernel);
        let judgement = checker.judge(&input.scenario, endian)?;
        let judgement = checker.confirmed(&input.scenario, endian, judgement)?;
        let file = input.path.display();
        if let Some(reason) = &judgement.inconclusive {
            bail!("{file}: nothing to minimize: {reason}");
        }
        let kinds = visible(&input.scenario, &judgement);
        if kinds.is_empty() {
            bail!(
                "{file}: nothing to minimize: {kernel} ({}) does nothing that somebody can see",
                endian.name()
            );
        }
        Ok(Kinds {
            checker,
            endian,
            names: kinds.iter().map(Key::to_string).collect(),
            kinds,
        })
    }
}

impl Kept for Kinds {
    fn still_there(&mut self, candidate: &Scenario) -> anyhow::Result<bool> {
        let judgement = self.checker.judge(candidate, self.endian)?;
        let says = judgement.inconclusive.is_none();
        Ok(says && visible(candidate, &judgement) == self.kinds)
    }

    fn signatures(&self) -> &[String] {
        &self.names
    }
}

/// The kinds of what somebody can see.
fn visible(scenario: &Scenario, judgement: &Judgement) -> BTreeSet<Key> {
    let violations = judgement.violations.iter();
    let visible = violations.filter(|violation| violation.verdict > Verdict::Dead);
    keys(scenario, visible).into_keys().collect()
}
