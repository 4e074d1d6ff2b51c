//! Telling a hang from a run that is merely long: a deterministic machine whose whole state recurs
//! will never end.

use unicorn_engine::{RegisterPPC, Unicorn};
use xxhash_rust::xxh3::xxh3_64;

use super::engine::Grounded;
use super::memory::Memory;
use super::pages::PageSet;
use super::radix::OWN_SIZE;
use super::state::SavedState;

/// Basic blocks to go on for, looking for a recurrence. Loops of a kernel that cannot get on are
/// far shorter.
const PATIENCE: u64 = 20_000;

/// Watches a run that is out of budget.
#[derive(Default)]
pub(super) struct Probe {
    first: Option<Checkpoint>,
    blocks: u64,
}

struct Checkpoint {
    pc: u64,
    general: Option<u64>,
    whole: Option<u64>,
}

impl Probe {
    /// Looks at the state on entry of a block: `Some(true)` if it has been seen before,
    /// `Some(false)` if patience is over.
    pub(super) fn block<D: Grounded>(
        &mut self,
        uc: &Unicorn<'_, D>,
        memory: &Memory,
        pc: u64,
    ) -> Option<bool> {
        self.blocks += 1;
        let Some(first) = &self.first else {
            self.first = Some(Checkpoint {
                pc,
                general: general(uc),
                whole: whole(uc, memory),
            });
            return None;
        };
        let same = first.pc == pc
            && first.general.is_some()
            && first.general == general(uc)
            && first.whole.is_some()
            && first.whole == whole(uc, memory);
        if same {
            Some(true)
        } else {
            (self.blocks > PATIENCE).then_some(false)
        }
    }
}

/// A cheap hash that rules out most blocks. `None` (never equal) if the registers cannot be had.
fn general<D>(uc: &Unicorn<'_, D>) -> Option<u64> {
    let mut bytes = Vec::with_capacity(8 * 36);
    for n in 0..32 {
        let value = uc.reg_read(RegisterPPC::R0 as i32 + n).ok()?;
        bytes.extend(value.to_ne_bytes());
    }
    for register in [
        RegisterPPC::LR,
        RegisterPPC::CTR,
        RegisterPPC::CR,
        RegisterPPC::MSR,
    ] {
        bytes.extend(uc.reg_read(register).ok()?.to_ne_bytes());
    }
    Some(xxh3_64(&bytes))
}

/// A hash of processor state and memory. `None` (never equal) if the state cannot be had.
fn whole<D: Grounded>(uc: &Unicorn<'_, D>, memory: &Memory) -> Option<u64> {
    let mut state = SavedState::new(uc).ok()?;
    state.save(uc).ok()?;
    // Memory that nobody wrote is as it was before; the machine's own pages, where time goes on,
    // are behind the guest's.
    let contents = match memory.written() {
        Some(written) => {
            let guest = (memory.size() as u64).saturating_sub(OWN_SIZE);
            let pages = written.borrow().sorted();
            pages
                .into_iter()
                .filter(|pa| *pa < guest)
                .flat_map(|pa| memory.to_vec(pa, PageSet::PAGE))
                .collect()
        }
        None => memory.to_vec(0, memory.size()),
    };
    let parts = [xxh3_64(state.bytes()), xxh3_64(&contents)];
    Some(xxh3_64(&parts.map(u64::to_ne_bytes).concat()))
}
