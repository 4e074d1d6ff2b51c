//! How long a campaign takes until it meets one defect: the same engine, with nothing else to do.
//!
//! The two kernels differ in the defect alone, so the first divergence that would be reported is
//! it. Nothing is kept, explained or minimized.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::defects::Defect;
use ctxfuzz_scenario::Scenario;
use ctxfuzz_triage::definedness::Abi;
use ctxfuzz_triage::pair::Pair;

use super::engine::{self, Harness, Plan};
use super::{CampaignError, aim, corpus, round};

/// What one search came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Search {
    /// The execution that showed the defect; `None`: none within the budget.
    pub found: Option<u64>,
    /// Executions made.
    pub executions: u64,
    /// Seconds they took.
    pub seconds: f64,
}

/// Fuzzes until the defect is met, `runs` executions are over, or `stop` is set.
pub fn search(
    defect: &Defect,
    endian: Endian,
    corpus: Option<&Path>,
    seed: u64,
    runs: u64,
    stop: &AtomicBool,
) -> Result<Search, anyhow::Error> {
    let [a, b] = defect.pair();
    let pair = Pair::new(&a.parse()?, &b.parse()?, endian).map_err(CampaignError::from)?;
    let aim = aim::at(&[pair.b.name()], endian)?;
    let mut hunt = Hunt {
        pair,
        abi: Abi::that_shows(defect),
        runs,
        stop,
        executions: 0,
        found: None,
    };
    let plan = Plan {
        seed,
        initial: corpus::initial(corpus, seed)?.scenarios,
        map_size: round::map_size(&[&hunt.pair.a, &hunt.pair.b]),
        feedback: true,
        delays: true,
        aim,
    };
    let started = Instant::now();
    engine::run(plan, &mut hunt)?;
    Ok(Search {
        found: hunt.found,
        executions: hunt.executions,
        seconds: started.elapsed().as_secs_f64(),
    })
}

struct Hunt<'a> {
    pair: Pair,
    abi: Abi,
    runs: u64,
    stop: &'a AtomicBool,
    executions: u64,
    found: Option<u64>,
}

impl Harness for Hunt<'_> {
    fn execute(&mut self, scenario: &Scenario, coverage: &mut [u8]) -> ControlFlow<()> {
        let over = self.executions >= self.runs || self.stop.load(Ordering::Relaxed);
        if over || self.found.is_some() {
            return ControlFlow::Break(());
        }
        let paired = self.pair.run(scenario);
        self.executions += 1;
        round::edges(&[&self.pair.a, &self.pair.b], coverage);
        if paired.comparison.reported(self.abi) {
            self.found = Some(self.executions);
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use ctxfuzz_emulator::kernel::defects;

    use super::*;

    #[test]
    fn a_defect_is_met_at_the_same_execution_every_time_and_a_control_never() {
        let stop = AtomicBool::new(false);
        let search = |id: &str, runs| {
            let defect = defects::find(id).unwrap();
            super::search(defect, Endian::Little, None, 3, runs, &stop).unwrap()
        };
        let first = search("save-fpu-clobbers-f0", 1_000);
        assert_eq!(first.found, Some(first.executions));
        assert_eq!(search("save-fpu-clobbers-f0", 1_000).found, first.found);
        let none = search("restore-math-declines", 300);
        assert_eq!((none.found, none.executions), (None, 300));
    }
}
