//! The host's side of a machine: what it is told, and what it answers.

use super::point::Arrival;
use super::pseries::Timer;
use super::{Vector, View};

/// What a host call is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The guest goes on.
    Resume {
        /// An interrupt that it takes first.
        interrupt: Option<Interruption>,
        /// What becomes of a real kernel's timer.
        timer: TimerOrder,
    },
    /// The machine stops.
    Stop,
}

/// An interrupt that a host call is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interruption {
    /// One that execution resumes from after the host call.
    Asynchronous(Vector),
    /// An alignment interrupt for the load or store at `at`, which is not aligned.
    Alignment {
        /// Its own address.
        at: u64,
        /// The address that it accesses.
        address: u64,
    },
    /// A data storage interrupt, as if a store to this address had no translation (real kernels
    /// only). Execution resumes after the host call.
    StoreFault {
        /// The address.
        address: u64,
    },
}

impl Interruption {
    /// Its vector.
    pub fn vector(self) -> Vector {
        match self {
            Interruption::Asynchronous(vector) => vector,
            Interruption::Alignment { .. } => Vector::Alignment,
            Interruption::StoreFault { .. } => Vector::DataStorage,
        }
    }
}

/// What becomes of the timer that a real kernel's director waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimerOrder {
    /// It stays as it is.
    Keep,
    /// It is set to this, or stopped.
    Set(Option<Timer>),
    /// It expires with the interrupt that is taken.
    Expire,
}

impl Reply {
    /// The guest goes on, and nothing else.
    pub const CONTINUE: Reply = Reply::Resume {
        interrupt: None,
        timer: TimerOrder::Keep,
    };

    /// An interrupt is taken.
    pub fn interrupt(vector: Vector) -> Self {
        Self::take(Interruption::Asynchronous(vector), TimerOrder::Keep)
    }

    /// An interrupt is taken while the timer expires.
    pub fn interrupt_and_timer(vector: Vector) -> Self {
        Self::take(Interruption::Asynchronous(vector), TimerOrder::Expire)
    }

    /// The timer is set or stopped.
    pub fn timer(timer: Option<Timer>) -> Self {
        Reply::Resume {
            interrupt: None,
            timer: TimerOrder::Set(timer),
        }
    }

    /// An alignment interrupt is taken for the access of `address` by the instruction at `at`.
    pub fn alignment(at: u64, address: u64) -> Self {
        Self::take(Interruption::Alignment { at, address }, TimerOrder::Keep)
    }

    /// A store to `address` finds no translation, and the timer expires meanwhile if it is to.
    pub fn store_fault(address: u64, expires: bool) -> Self {
        let timer = match expires {
            true => TimerOrder::Expire,
            false => TimerOrder::Keep,
        };
        Self::take(Interruption::StoreFault { address }, timer)
    }

    /// This reply, with the timer set.
    pub fn with_timer(self, timer: Timer) -> Self {
        match self {
            Reply::Resume { interrupt, .. } => Reply::Resume {
                interrupt,
                timer: TimerOrder::Set(Some(timer)),
            },
            Reply::Stop => Reply::Stop,
        }
    }

    fn take(interrupt: Interruption, timer: TimerOrder) -> Self {
        Reply::Resume {
            interrupt: Some(interrupt),
            timer,
        }
    }
}

/// The host's side of a machine.
pub trait Host: 'static {
    /// The guest executed a host call.
    fn host_call(&mut self, view: &View<'_>) -> Reply;

    /// The instruction at an address of [`super::Program::watched`] is about to run; `index` says
    /// which.
    fn executed(&mut self, view: &View<'_>, index: usize) {
        let _ = (view, index);
    }

    /// The function of the kernel begins that was waited for ([`Timer::InFunction`]); not on a real
    /// kernel, whose machine counts on by itself.
    fn function_begins(&mut self, view: &View<'_>, arrival: Arrival) {
        let _ = (view, arrival);
    }

    /// The event of the scenario that the run is in, for blocks that are collected.
    fn event(&self) -> Option<u16> {
        None
    }

    /// An exception is delivered; `at` is what SRR0 (for `scv`, LR) becomes.
    fn exception(&mut self, vector: Vector, at: u64) {
        let _ = (vector, at);
    }

    /// The instruction that [`Host::instruction`] announced last stores `size` bytes at this
    /// address, effective or (below 4 MiB) physical.
    fn store(&mut self, address: u64, size: usize) {
        let _ = (address, size);
    }

    /// An instruction is about to run (only with [`super::Options::trace`]).
    fn instruction(&mut self, view: &View<'_>) {
        let _ = view;
    }
}
