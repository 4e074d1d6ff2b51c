//! A place in a function of the kernel, waited for: the machine tells when the call that is meant
//! has come so far.

use std::ops::Range;
use std::sync::Arc;

use super::Vector;

/// The code of a function. Addresses are effective.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Body {
    /// Its first instruction, the global entry point.
    pub address: u64,
    /// The local entry point (ELFv2 ABI, 3.4.1); the same if there is none.
    pub local_entry: u64,
    /// Bytes.
    pub size: u64,
}

/// A place in one call of a function of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionEntry {
    /// The function, of which there may be several copies.
    pub bodies: Arc<[Body]>,
    /// Which call, from 1 on.
    pub call: u16,
    /// Hundredths of its code that are behind.
    pub percent: u8,
}

/// What comes of it when the place is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Preemption points that are passed from there.
    pub past: u16,
    /// The event of the scenario whose work comes there.
    pub event: u16,
}

/// A place that has not been reached yet.
pub(super) struct Awaited {
    entry: FunctionEntry,
    arrival: Arrival,
    /// User code has made its request of the kernel. What it does before may enter the kernel too,
    /// for a page that is not there or a facility that is not on: such calls do not count.
    requested: bool,
    /// The function's code from the place on, once the call has begun.
    rest: Option<Range<u64>>,
}

impl Awaited {
    /// Waits; `requested` if the kernel is entered right now.
    pub(super) fn new(entry: FunctionEntry, arrival: Arrival, requested: bool) -> Self {
        Awaited {
            entry,
            arrival,
            requested,
            rest: None,
        }
    }

    /// User code enters the kernel.
    pub(super) fn enters(&mut self, vector: Vector) {
        self.requested |= vector.is_request();
    }

    /// The kernel comes to a block: what to do if the place is reached. `size`: bytes from its
    /// begin on in which a preemption point can be. (A real kernel's is the first instruction;
    /// the model's is a call at the end.)
    pub(super) fn comes_to(&mut self, pc: u64, size: u32) -> Option<Arrival> {
        if !self.requested {
            return None;
        }
        if self.rest.is_none() {
            self.rest = self.begins(pc);
        }
        let rest = self.rest.as_ref()?;
        let reached = pc < rest.end && pc + u64::from(size) > rest.start;
        reached.then_some(self.arrival)
    }

    /// The code from the place on, if this is the begin of the call.
    fn begins(&mut self, pc: u64) -> Option<Range<u64>> {
        let mut bodies = self.entry.bodies.iter();
        let body = bodies.find(|body| [body.address, body.local_entry].contains(&pc))?;
        self.entry.call = self.entry.call.saturating_sub(1);
        let behind = body.size * u64::from(self.entry.percent) / 100;
        let end = body.address + body.size;
        (self.entry.call == 0).then_some(body.address + behind..end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARRIVAL: Arrival = Arrival { past: 3, event: 7 };

    fn awaited(call: u16, percent: u8, requested: bool) -> Awaited {
        let body = Body {
            address: 0x100,
            local_entry: 0x108,
            size: 0x100,
        };
        let entry = FunctionEntry {
            bodies: [body].into(),
            call,
            percent,
        };
        Awaited::new(entry, ARRIVAL, requested)
    }

    #[test]
    fn calls_count_from_the_request_on() {
        let mut awaited = awaited(2, 0, false);
        assert_eq!(awaited.comes_to(0x100, 8), None);
        awaited.enters(Vector::FpUnavailable);
        assert_eq!(awaited.comes_to(0x100, 8), None);
        awaited.enters(Vector::SystemCall);
        assert_eq!(awaited.comes_to(0x104, 8), None);
        assert_eq!(awaited.comes_to(0x108, 8), None);
        assert_eq!(awaited.comes_to(0x100, 8), Some(ARRIVAL));
    }

    #[test]
    fn an_interrupt_is_a_request() {
        assert_eq!(awaited(1, 0, true).comes_to(0x100, 8), Some(ARRIVAL));
    }

    #[test]
    fn a_part_of_the_code_is_behind() {
        let mut awaited = awaited(1, 50, true);
        // Before the call, and outside of it.
        for pc in [0x180, 0x108, 0x178, 0x200] {
            assert_eq!(awaited.comes_to(pc, 8), None, "{pc:#x}");
        }
        assert_eq!(awaited.comes_to(0x17c, 8), Some(ARRIVAL));
    }
}
