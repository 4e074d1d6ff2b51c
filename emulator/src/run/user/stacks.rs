//! User memory that kernels write: stacks, with their signal frames, control blocks, with what is
//! stored for user code, and a tracer's, with the register sets that it has read.

use std::collections::HashMap;
use std::ops::Range;

use ctxfuzz_scenario::scenario::MAX_TASKS;

use super::{BLOCKS, STACKS, STACKS_SIZE};
use crate::machine::address::{AddressMap, PAGE};
use crate::run::ptrace::AREA;

/// Physical pages of the user stacks, that of the control blocks, and the tracer's: memory that the
/// kernel writes for user code.
#[derive(Clone, Debug, Default)]
pub struct Stacks(HashMap<u64, u64>);

impl Stacks {
    /// Those of a machine.
    pub fn find(map: &AddressMap) -> Self {
        let pages = (STACKS..STACKS + STACKS_SIZE).step_by(PAGE as usize);
        Stacks(
            pages
                .chain([BLOCKS, AREA])
                .filter_map(|ea| Some((map.physical(ea)?, ea)))
                .collect(),
        )
    }

    /// Effective addresses of each task's stack.
    pub fn each() -> impl Iterator<Item = Range<u64>> {
        let size = STACKS_SIZE / MAX_TASKS as u64;
        let starts = (STACKS..STACKS + STACKS_SIZE).step_by(size as usize);
        starts.map(move |start| start..start + size)
    }

    /// Whether an effective address is the tracer's.
    pub fn is_tracer(address: u64) -> bool {
        address & !(PAGE - 1) == AREA
    }

    /// The effective address of a physical one in one of these pages.
    pub fn address(&self, pa: u64) -> Option<u64> {
        let page = self.0.get(&(pa & !(PAGE - 1)))?;
        Some(page | pa & (PAGE - 1))
    }
}
