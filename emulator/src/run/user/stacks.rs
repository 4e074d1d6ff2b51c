//! User memory that kernels write: stacks, with their signal frames, and control blocks, with what is stored for user code.

use std::collections::HashMap;

use super::{BLOCKS, STACKS, STACKS_SIZE};
use crate::machine::address::{AddressMap, PAGE};

/// Physical pages of the user stacks, and that of the control blocks: memory that the kernel writes for user code.
#[derive(Clone, Debug, Default)]
pub struct Stacks(HashMap<u64, u64>);

impl Stacks {
    /// Those of a machine.
    pub fn find(map: &AddressMap) -> Self {
        let pages = (STACKS..STACKS + STACKS_SIZE).step_by(PAGE as usize);
        Stacks(
            pages
                .chain([BLOCKS])
                .filter_map(|ea| Some((map.physical(ea)?, ea)))
                .collect(),
        )
    }

    /// The effective address of a physical one in one of these pages.
    pub fn address(&self, pa: u64) -> Option<u64> {
        let page = self.0.get(&(pa & !(PAGE - 1)))?;
        Some(page | pa & (PAGE - 1))
    }
}
