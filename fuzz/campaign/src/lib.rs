//! A campaign: scenario after scenario on two kernels, or on one that is judged by itself, with
//! coverage feedback, and what is kept of it; on the cores of one machine (`supervisor`), and with
//! others through a directory (`share`).
//!
//! `round` is one execution, `queue` is the way of a divergence to a finding on disk, `engine`
//! decides what is tried next. Everything that is kept depends on the configuration and the seed
//! alone; the clock only ends a campaign that was given seconds, and is shown. Not responsible for
//! the command line (`fuzz/cli`), nor for making scenarios (`fuzz/generators`).

pub mod aim;
pub mod artifact;
pub mod collect;
pub mod corpus;
pub mod detection;
mod engine;
pub mod error;
pub mod exchange;
mod heap;
mod kinds;
pub mod monitor;
pub mod observed;
mod places;
pub mod progress;
pub mod queue;
pub mod resources;
pub mod round;
pub mod share;
pub mod summary;
pub mod supervisor;
#[cfg(test)]
pub mod tests;
pub mod trouble;
mod verification;

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_emulator::run::RunnerError;
use ctxfuzz_generators::drop_other_delays;
use ctxfuzz_scenario::{LoadError, Scenario};
use ctxfuzz_triage::definedness::Abi;
use ctxfuzz_triage::findings::FindingsError;
use ctxfuzz_triage::kernels::Kernels;
use ctxfuzz_triage::known::Known;
use ctxfuzz_triage::pair::same_places;
use ctxfuzz_triage::untrusted;

use engine::{EngineError, Plan};
use exchange::Exchange;
use progress::Progress;
use round::Round;
use summary::Summary;

/// What a campaign is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// The kernels: two that are compared, or one that is judged by itself.
    pub kernels: Kernels,
    /// Their byte order.
    pub endian: Endian,
    /// Directory whose scenarios come first, and which gets the new ones; made if it does not
    /// exist.
    pub corpus: Option<PathBuf>,
    /// Whether anything is written to it.
    pub grows: bool,
    /// Where findings go.
    pub findings: PathBuf,
    /// Where scenarios go whose runs say nothing; made when there is one.
    pub trouble: PathBuf,
    /// Decides every choice.
    pub seed: u64,
    /// Executions after which it ends.
    pub runs: Option<u64>,
    /// Seconds after which it ends.
    pub seconds: Option<u64>,
    /// Findings after which it ends; what an earlier campaign has kept counts too, once it is seen.
    pub stop_after: Option<u64>,
    /// What is reported.
    pub abi: Abi,
    /// Reviewed signatures, which are no findings.
    pub known: Known,
    /// Whether new coverage makes a scenario worth keeping.
    pub feedback: bool,
    /// Whether kernel B, or the only one, finds garbage in its machine, different every run.
    pub dirty: bool,
    /// Whether other processes find the same at the same time: then a finding that is on disk is
    /// not made again.
    pub shares: bool,
    /// The command line, for reports.
    pub command: String,
}

impl Config {
    /// Hashes of the kernels' images, A's first.
    pub fn images(&self) -> Result<Vec<u64>, RunnerError> {
        self.kernels.images(self.endian)
    }

    /// Whether interrupts can come at the same places in all of the kernels.
    pub fn same_places(&self) -> Result<bool, RunnerError> {
        match (&self.kernels, self.images()?.as_slice()) {
            (Kernels::Pair([a, b]), &[image_a, image_b]) => {
                Ok(same_places([a, b], [image_a, image_b]))
            }
            _ => Ok(true),
        }
    }
}

/// Why a campaign could not begin or had to end.
#[derive(Debug, thiserror::Error)]
pub enum CampaignError {
    /// A scenario of the corpus is no scenario.
    #[error(transparent)]
    Scenario(#[from] LoadError),
    /// The corpus directory is of no use.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Corpus {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// Findings cannot be kept.
    #[error(transparent)]
    Findings(#[from] FindingsError),
    /// A kernel cannot be run.
    #[error(transparent)]
    Runner(#[from] RunnerError),
    /// The engine gave up.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Reads the first scenarios of a campaign, and says what was passed over.
pub fn read_corpus(
    config: &Config,
    progress: &mut dyn Progress,
) -> Result<Vec<Scenario>, CampaignError> {
    let corpus::Initial { scenarios, others } =
        corpus::initial(config.corpus.as_deref(), config.seed)?;
    for other in &others {
        let path = untrusted::path(other);
        progress.note(&format!("{path}: skipped: is not a regular file"));
    }
    Ok(scenarios)
}

/// Makes the first scenarios fit the kernels, and the corpus directory ready. To be called when all
/// else is known to be in order: this writes.
pub fn prepare_corpus(
    config: &Config,
    delays: bool,
    scenarios: &mut [Scenario],
) -> Result<(), CampaignError> {
    if !delays {
        scenarios.iter_mut().for_each(drop_other_delays);
    }
    match config.corpus.as_ref().filter(|_| config.grows) {
        Some(dir) => corpus::prepare(dir, scenarios),
        None => Ok(()),
    }
}

/// Runs a campaign until its executions or seconds are over, or `stop` is set. What was found is on
/// disk when it returns, also with an error.
pub fn run(
    config: &Config,
    progress: &mut dyn Progress,
    exchange: &mut dyn Exchange,
    stop: &AtomicBool,
) -> Result<Summary, CampaignError> {
    heap::keep_small();
    let mut initial = read_corpus(config, progress)?;
    let mut round = Round::new(config, progress, exchange, stop)?;
    prepare_corpus(config, round.delays(), &mut initial)?;
    let mut kernels: Vec<&KernelName> = config.kernels.names().iter().collect();
    if round.delays() {
        // Kernels with the same places have the same functions in them: B's are enough.
        kernels.drain(..kernels.len() - 1);
    }
    let aim = aim::at(&kernels, config.endian)?;
    initial
        .iter()
        .for_each(|scenario| round.note_kept(scenario));
    let plan = Plan {
        seed: config.seed,
        initial,
        map_size: round.map_size(),
        feedback: config.feedback,
        delays: round.delays(),
        aim,
    };
    let engine = engine::run(plan, &mut round);
    // What stopped the round is the reason; the engine only passes on that there is one.
    let summary = round.finish()?;
    engine?;
    Ok(summary)
}
