//! A place in a function of the kernel, waited for: the machine tells when the call that is meant
//! has come so far.

use std::ops::Range;
use std::sync::Arc;

use super::{Block, Vector};

/// The code of a function. Addresses are effective.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Body {
    /// The first address of it.
    pub address: u64,
    /// Bytes.
    pub size: u64,
    /// Where calls begin: the global entry point and the local one (ELFv2 ABI, 3.4.1), which may be
    /// the same; of a function that is a part of its caller, where it begins there.
    pub entries: [u64; 2],
}

/// A place in one call of a function of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionPoint {
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

/// Where late work came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// The event of the scenario whose work it was.
    pub event: u16,
    /// The instruction of the kernel before which it came. Effective.
    pub address: u64,
}

/// A place that has not been reached yet.
pub(super) struct Awaited {
    point: FunctionPoint,
    arrival: Arrival,
    /// User code has made its request of the kernel. What it does before may enter the kernel too,
    /// for a page that is not there or a facility that is not on: such calls do not count.
    requested: bool,
    /// The function's code from the place on, once the call has begun.
    rest: Option<Range<u64>>,
}

impl Awaited {
    /// Waits; `requested` if the kernel is entered right now.
    pub(super) fn new(point: FunctionPoint, arrival: Arrival, requested: bool) -> Self {
        Awaited {
            point,
            arrival,
            requested,
            rest: None,
        }
    }

    /// User code enters the kernel.
    pub(super) fn enters(&mut self, vector: Vector) {
        self.requested |= vector.is_request();
    }

    /// The kernel comes to a block: what to do if the place is reached. `reaches`: bytes from its
    /// begin on in which a preemption point can be. (A real kernel's is the first instruction;
    /// the model's is a call at the end.)
    pub(super) fn comes_to(&mut self, block: Block, reaches: u32) -> Option<Arrival> {
        if !self.requested {
            return None;
        }
        let (pc, _) = block;
        if self.rest.is_none() {
            self.rest = self.begins(block);
            if self.rest.is_some() && self.point.percent == 0 {
                return Some(self.arrival);
            }
        }
        let rest = self.rest.as_ref()?;
        let reached = pc < rest.end && pc + u64::from(reaches) > rest.start;
        reached.then_some(self.arrival)
    }

    /// The code from the place on, if the call begins in this block: at its first instruction, or,
    /// of a function that is a part of its caller, anywhere in it.
    fn begins(&mut self, (pc, size): Block) -> Option<Range<u64>> {
        let block = pc..pc + u64::from(size);
        let mut bodies = self.point.bodies.iter();
        let body = bodies.find(|body| body.entries.iter().any(|entry| block.contains(entry)))?;
        self.point.call = self.point.call.saturating_sub(1);
        let behind = body.size * u64::from(self.point.percent) / 100;
        let end = body.address + body.size;
        (self.point.call == 0).then_some(body.address + behind..end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARRIVAL: Arrival = Arrival { past: 3, event: 7 };

    fn awaited(call: u16, percent: u8, requested: bool) -> Awaited {
        let body = Body {
            address: 0x100,
            size: 0x100,
            entries: [0x100, 0x108],
        };
        let point = FunctionPoint {
            bodies: [body].into(),
            call,
            percent,
        };
        Awaited::new(point, ARRIVAL, requested)
    }

    #[test]
    fn calls_count_from_the_request_on() {
        let mut awaited = awaited(2, 0, false);
        assert_eq!(awaited.comes_to((0x100, 8), 8), None);
        awaited.enters(Vector::FpUnavailable);
        assert_eq!(awaited.comes_to((0x100, 8), 8), None);
        awaited.enters(Vector::SystemCall);
        assert_eq!(awaited.comes_to((0x10c, 8), 8), None);
        assert_eq!(awaited.comes_to((0x108, 8), 8), None);
        assert_eq!(awaited.comes_to((0x100, 8), 8), Some(ARRIVAL));
    }

    #[test]
    fn an_interrupt_is_a_request() {
        assert_eq!(awaited(1, 0, true).comes_to((0x100, 8), 8), Some(ARRIVAL));
    }

    #[test]
    fn a_part_of_the_code_is_behind() {
        let mut awaited = awaited(1, 50, true);
        // Before the call, and outside of it.
        for pc in [0x180, 0x108, 0x178, 0x200] {
            assert_eq!(awaited.comes_to((pc, 8), 8), None, "{pc:#x}");
        }
        assert_eq!(awaited.comes_to((0x17c, 8), 8), Some(ARRIVAL));
    }

    #[test]
    fn a_function_that_is_a_part_of_its_caller_begins_in_the_middle_of_a_block() {
        let copy = |percent| {
            let mut awaited = awaited(1, percent, true);
            awaited.point.bodies = [Body {
                address: 0x100,
                size: 0x40,
                entries: [0x110; 2],
            }]
            .into();
            awaited
        };
        let mut begin = copy(0);
        assert_eq!(begin.comes_to((0xf0, 0x20), 4), None);
        assert_eq!(begin.comes_to((0x108, 0x10), 4), Some(ARRIVAL));
        let mut middle = copy(50);
        assert_eq!(middle.comes_to((0x108, 0x10), 4), None);
        assert_eq!(middle.comes_to((0x200, 0x10), 4), None);
        assert_eq!(middle.comes_to((0x120, 0x10), 4), Some(ARRIVAL));
    }
}
