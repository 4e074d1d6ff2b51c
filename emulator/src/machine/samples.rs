//! Looks at a long run now and then: where it is, and who is running. For runs that do not end.
//!
//! When to look depends on the number of blocks only, so two runs that are the same have the same
//! samples.

use super::{Host, Machine};
use crate::machine::address::AddressMap;
use crate::machine::memory::Memory;

/// About so many looks are in a budget.
const LOOKS: u64 = 1024;
/// A run that ends within one part in so many of its budget is not looked at: nearly all do, and
/// cost nothing.
const UNSEEN: u64 = 16;
/// Where the intervals between looks start from. They differ, or a loop of as many blocks would
/// always be met at the same place.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// Where guest memory says who is running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Who {
    /// Effective address of a pointer to whoever it is.
    pub pointer: u64,
    /// Distance from where it points to to the bytes that are noted too: a number, or a name.
    pub detail: u64,
}

/// What was seen at one look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The instruction, or the one that its trampoline replaces.
    pub pc: u64,
    /// The pointer of [`Who`], 0 if nobody said where it is.
    pub who: u64,
    /// The bytes behind it.
    pub detail: [u8; 16],
}

/// The samples of the run that is going on.
#[derive(Debug)]
pub(super) struct Samples {
    who: Option<Who>,
    budget: u64,
    /// The block at which something is to be done: a look, or the end.
    pub(super) next: u64,
    random: u64,
    taken: Vec<Sample>,
}

impl Samples {
    /// None yet, of a run with this budget.
    pub(super) fn new(budget: u64) -> Self {
        let mut samples = Samples {
            who: None,
            budget,
            next: 0,
            random: 0,
            taken: Vec::new(),
        };
        samples.reset();
        samples
    }

    /// Forgets those of the last run.
    pub(super) fn reset(&mut self) {
        self.next = (self.budget / UNSEEN).max(1).min(self.budget);
        self.random = SEED;
        self.taken.clear();
    }

    /// Takes one at this block, and says when the next is due.
    pub(super) fn take(&mut self, block: u64, pc: u64, memory: &Memory, map: &AddressMap) {
        self.taken.push(self.look(pc, memory, map));
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let every = (self.budget / LOOKS).max(1);
        let interval = every / 2 + 1 + self.random % every;
        self.next = (block + interval).min(self.budget);
    }

    fn look(&self, pc: u64, memory: &Memory, map: &AddressMap) -> Sample {
        let mut sample = Sample {
            pc,
            who: 0,
            detail: [0; 16],
        };
        if let Some(who) = self.who
            && let Some(pa) = map.physical(who.pointer)
        {
            sample.who = memory.read_u64(pa);
            if let Some(pa) = map.physical(sample.who.wrapping_add(who.detail)) {
                memory.read(pa, &mut sample.detail);
            }
        }
        sample
    }
}

impl<H: Host> Machine<H> {
    /// From now on samples say who is running.
    pub fn tell_who(&mut self, who: Who) {
        self.uc.get_data_mut().samples.who = Some(who);
    }

    /// What was seen of the last run, in order of time; nothing, of a short one.
    pub fn samples(&self) -> &[Sample] {
        &self.uc.get_data().samples.taken
    }

    /// Basic blocks of the last run, without those that it was watched for when its budget was used
    /// up.
    pub fn counted(&self) -> u64 {
        self.blocks().min(self.uc.get_data().samples.budget)
    }

    /// What there is to see where the machine stands.
    pub fn here(&self) -> Sample {
        let inner = self.uc.get_data();
        inner.samples.look(self.site(), &self.memory, &self.map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::Endian;
    use crate::machine::address::ModelMap;

    fn blocks(budget: u64) -> Vec<u64> {
        let memory = Memory::new(Endian::Big, 1);
        let map = AddressMap::Model(ModelMap {
            kernel_read_only_end: 0,
        });
        let mut samples = Samples::new(budget);
        let mut blocks = Vec::new();
        while samples.next < budget {
            blocks.push(samples.next);
            samples.take(samples.next, 0, &memory, &map);
        }
        assert_eq!(samples.taken.len(), blocks.len());
        assert_eq!(samples.next, budget, "nothing is later than the end");
        blocks
    }

    #[test]
    fn looks_are_spread_over_all_of_a_long_run_but_its_beginning() {
        let looks = blocks(1_000_000);
        assert!((900..1100).contains(&looks.len()), "{}", looks.len());
        assert_eq!(looks[0], 1_000_000 / UNSEEN);
        assert!(looks.windows(2).all(|two| two[1] - two[0] <= 2 * 976));
        // Of each thousandth residue some: no period hides from them.
        let odd = looks.iter().filter(|block| *block % 2 == 1).count();
        assert!((looks.len() / 3..looks.len() * 2 / 3).contains(&odd));
        assert_eq!(looks, blocks(1_000_000));
    }

    #[test]
    fn small_budgets_have_looks_too() {
        for budget in [0, 1, 2, 15, 100] {
            assert!(blocks(budget).len() <= budget as usize);
        }
        assert!(blocks(100).len() > 30);
    }
}
