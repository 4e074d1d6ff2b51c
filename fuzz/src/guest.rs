//! Guest coverage: which edges the emulated kernels reached is what libFuzzer steers by.

use std::sync::atomic::{AtomicU8, Ordering};

use ctxfuzz_emulator::run::Runner;

/// Counters for one kernel; larger maps are folded, as libFuzzer looks at all of them after every
/// run.
const COUNTERS: usize = 4096;

// libFuzzer reads whatever is in this section as coverage, and clears it before every run.
#[used]
#[unsafe(link_section = "__libfuzzer_extra_counters")]
static GUEST: [[AtomicU8; COUNTERS]; 2] = [const { [const { AtomicU8::new(0) }; COUNTERS] }; 2];

/// Says which edges the last runs of one or two kernels reached.
pub fn cover<'a>(runners: impl IntoIterator<Item = &'a Runner>) {
    for (half, runner) in GUEST.iter().zip(runners) {
        for (index, &hits) in runner.coverage().hits().iter().enumerate() {
            // Once or more often; how often says little about a kernel.
            half[index % COUNTERS].fetch_max(hits.min(2), Ordering::Relaxed);
        }
    }
}

/// How many counters of each kernel are set.
#[cfg(test)]
pub fn covered() -> [usize; 2] {
    [0, 1].map(|half: usize| {
        let set = |counter: &&AtomicU8| counter.load(Ordering::Relaxed) != 0;
        GUEST[half].iter().filter(set).count()
    })
}
