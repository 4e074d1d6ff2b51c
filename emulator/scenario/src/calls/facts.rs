//! What a row of the calls says, and who makes up the arguments of a call.

use std::ops::Range;

use crate::effect::Effect;
use crate::event::FpExceptions;
use crate::facility::Facility;
use crate::work::Work;

/// What is known of a call whatever its arguments: plain data for whoever needs it.
#[derive(Debug)]
pub struct CallFacts {
    /// The number that arbitrary bytes are decoded to. A new call takes the next free one, so that
    /// the numbers of the others stay.
    pub decode: usize,
    /// How much a reader of a scenario has to take in, without the arguments: the minimizer
    /// replaces a call by a lighter one.
    pub weight: u64,
    /// What the kernel does in it that has to do with registers, by which a campaign keeps
    /// divergences apart.
    pub work: Option<Work>,
    /// What it must cause in a kernel, where that does not depend on arguments or on other tasks.
    pub effect: Option<Effect>,
    /// Whether the task may sleep in it or let others run.
    pub sleeps: bool,
    /// Whether other tasks run before a tracer can stop this one.
    pub others_run_first: bool,
    /// Whether the task is gone after it, or is another program.
    pub ends_program: bool,
    /// How often a random scenario has it, against the other calls, with its flags off.
    pub common: usize,
    /// The same, with its flags on.
    pub common_with_flags: usize,
    /// The numbers that stand for it where a mutation inserts rare events. A number stands for one
    /// thing only (the others are in the generators' `rare.rs`), and a new call takes the next.
    pub rare: Range<usize>,
    /// Once in so many times each of its flags is on where it is inserted as rare.
    pub rare_flags: usize,
}

impl CallFacts {
    /// A call that does nothing to registers, and that no generator makes.
    pub(super) const NONE: CallFacts = CallFacts {
        decode: 0,
        weight: 0,
        work: None,
        effect: None,
        sleeps: false,
        others_run_first: false,
        ends_program: false,
        common: 0,
        common_with_flags: 0,
        rare: 0..0,
        rare_flags: 1,
    };
}

/// Whoever makes up the arguments of a call: a method a kind of argument.
///
/// The decoder of bytes and the generators draw from different sources and prefer different
/// values; which arguments a call has is the table's matter.
pub trait Draw {
    /// Whether something is so.
    fn flag(&mut self) -> bool;
    /// The size of a copy, 1..=8192.
    fn bytes(&mut self) -> u16;
    /// 10 (SIGUSR1) or 12 (SIGUSR2).
    fn signal(&mut self) -> u8;
    /// A facility.
    fn facility(&mut self) -> Facility;
    /// How FP exceptions are to be delivered.
    fn fpexc(&mut self) -> FpExceptions;
}
