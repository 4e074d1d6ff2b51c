//! What a campaign's minimizer makes of a finding, in figures.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::defects::Defect;
use ctxfuzz_scenario::Scenario;
use ctxfuzz_triage::cause::{Explainer, explain};
use ctxfuzz_triage::kernels::Kernels;
use ctxfuzz_triage::known::Known;

use crate::{CampaignError, Config, verification};
use ctxfuzz_triage::definedness::Abi;

/// A minimized finding.
#[derive(Clone, Copy, Debug)]
pub struct Reduced {
    /// Whether what is left has the cause that was to be kept.
    pub kept: bool,
    /// Whether minimizing it again changes nothing.
    pub idempotent: bool,
    /// Events left.
    pub events: usize,
    /// Candidates that were run.
    pub executions: usize,
}

/// Minimizes a finding for its first cause, as a campaign does; `None` where there is no cause to
/// keep.
pub fn reduced(
    defect: &Defect,
    endian: Endian,
    scenario: &Scenario,
) -> Result<Option<Reduced>, anyhow::Error> {
    let config = config(defect, endian)?;
    let stop = AtomicBool::new(false);
    let ran = verification::machines(&config)
        .map_err(CampaignError::from)?
        .run(scenario);
    let Some(bucket) = ran.bucket(scenario) else {
        return Ok(None);
    };
    let explanation = explain(&config.kernels, endian, scenario)?;
    let kinds = ran.kinds(scenario, config.abi);
    let blames = verification::blame(&config, &explanation, &kinds, &bucket);
    let Some(blame) = blames.first() else {
        return Ok(None);
    };
    let Some(once) = verification::minimized(&config, scenario, blame, &stop)? else {
        return Ok(None);
    };
    let twice = verification::minimized(&config, &once.scenario, blame, &stop)?;
    let left = Explainer::new(&config.kernels, endian)?.explain(&once.scenario);
    Ok(Some(Reduced {
        kept: left.signatures().contains(&blame.signature),
        idempotent: twice.is_some_and(|twice| twice.scenario == once.scenario),
        events: once.scenario.events.len(),
        executions: once.executions,
    }))
}

/// A campaign's, as far as evidence about one finding goes.
fn config(defect: &Defect, endian: Endian) -> Result<Config, anyhow::Error> {
    let [a, b] = defect.pair();
    Ok(Config {
        kernels: Kernels::pair(&a.parse()?, &b.parse()?),
        endian,
        corpus: None,
        grows: false,
        findings: PathBuf::new(),
        trouble: PathBuf::new(),
        seed: 0,
        runs: None,
        stop_after: None,
        seconds: None,
        abi: Abi::that_shows(defect),
        known: Known::default(),
        feedback: true,
        dirty: false,
        shares: false,
        command: String::new(),
    })
}
