//! Arguments of the calls that generators make. Which calls, and how often, is theirs.

use ctxfuzz_scenario::{Draw, Facility, FpExceptions};
use mutatis::Rng;

use crate::constants::SIGNALS;
use crate::generate::{once_in, one_of};

/// How flags are drawn.
pub(crate) enum Flags {
    /// All are so.
    All(bool),
    /// Each is on once in so many times.
    OnceIn(usize),
}

/// Draws arguments from random numbers.
pub(crate) struct Arguments<'a> {
    pub(crate) rng: &'a mut Rng,
    pub(crate) flags: Flags,
    /// Sizes of copies.
    pub(crate) bytes: &'a [u16],
}

impl Draw for Arguments<'_> {
    fn flag(&mut self) -> bool {
        match self.flags {
            Flags::All(on) => on,
            Flags::OnceIn(times) => once_in(self.rng, times),
        }
    }

    fn bytes(&mut self) -> u16 {
        one_of(self.rng, self.bytes)
    }

    fn signal(&mut self) -> u8 {
        one_of(self.rng, &SIGNALS)
    }

    fn facility(&mut self) -> Facility {
        one_of(self.rng, Facility::ALL)
    }

    fn fpexc(&mut self) -> FpExceptions {
        one_of(self.rng, FpExceptions::ALL)
    }
}
