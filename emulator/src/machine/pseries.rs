//! What surrounds the processor of a real kernel: a pseries partition with one CPU, as little of it
//! as the kernel needs.
//!
//! Time is virtual: the time base counts basic blocks, and leaps when the host wants a timer to
//! expire. The decrementer expires when the host says so and at no other time. Nothing here depends
//! on the host machine.

mod hcall;

use super::exception::Vector;
use super::instruction::TIME_BASE;
use super::memory::Memory;
use super::point::{Arrival, Arrived, FunctionPoint};
use super::registers::Registers;

/// A real kernel as it was when its snapshot was taken.
pub struct Boot {
    /// Bytes of guest memory.
    pub guest_size: u64,
    /// Physical address of the process table.
    pub process_table: u64,
    /// The processor.
    pub registers: Registers,
    /// Functions that a kernel enters when it dies: address and name.
    pub fatal: Vec<(u64, String)>,
}

/// How far virtual time leaps for a timer: longer than anything waits in a run, and less than a
/// tick, so that nothing else expires.
const LEAP: u64 = 512 * 300;
/// The time base, in a snapshot's SPRs.
const TIME_BASE_SPR: u16 = 268;
/// Blocks after which the guest sees a new time.
const REFRESH: u64 = 16;

/// When the decrementer interrupt is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Timer {
    /// At the first instruction with MSR\[EE\] set.
    Soon,
    /// At a block of the kernel with MSR\[EE\] set: the first, once so many have been passed since
    /// user code made the kernel do something ([`Vector::is_request`]); or, if the kernel returns
    /// to user mode earlier, there. What user code does before that may enter the kernel too, for a
    /// page that is not there or a facility that is not on; the timer does not expire then.
    InKernel {
        /// How many are passed.
        after: u16,
        /// The event of the scenario whose work it is.
        event: u16,
    },
    /// The same, counted from the begin of a function on. (On the model, which has no decrementer,
    /// the host is told when it begins.)
    InFunction {
        /// The call of the function.
        point: FunctionPoint,
        /// What comes then.
        arrival: Arrival,
    },
}

/// A hypercall that this machine does not have: its number or name.
pub(super) struct Unserved(pub(super) String);

/// The state of the surroundings; all of it is put back before each run.
#[derive(Clone)]
pub(super) struct Pseries {
    fatal: Vec<(u64, String)>,
    time: u64,
    at_start: u64,
    timer: Option<Timer>,
    /// User code has made its request of the kernel since the timer was set.
    requested: bool,
    /// Events whose timer expired in user mode, as the kernel had no place left for it.
    unreached: Vec<u16>,
    arrived: Vec<Arrived>,
    console: Vec<u8>,
    random: u64,
}

impl Pseries {
    pub(super) fn new(boot: &Boot) -> Self {
        let at_start = boot.registers.spr(TIME_BASE_SPR).unwrap_or(0);
        Pseries {
            fatal: boot.fatal.clone(),
            time: at_start,
            at_start,
            timer: None,
            requested: false,
            unreached: Vec::new(),
            arrived: Vec::new(),
            console: Vec::new(),
            random: 0,
        }
    }

    pub(super) fn reset(&mut self) {
        self.time = self.at_start;
        self.timer = None;
        self.unreached.clear();
        self.arrived.clear();
        self.console.clear();
        self.random = 0;
    }

    /// The run that made the start state is over: runs start from here.
    pub(super) fn start_here(&mut self, blocks: u64) {
        self.at_start = self.time + blocks;
        self.reset();
    }

    /// The function at this address, if a kernel enters it when it dies.
    pub(super) fn fatal(&self, pc: u64) -> Option<&str> {
        self.fatal
            .iter()
            .find(|(address, _)| *address == pc)
            .map(|(_, name)| name.as_str())
    }

    /// The functions a dying kernel enters.
    pub(super) fn fatal_addresses(&self) -> impl Iterator<Item = u64> + '_ {
        self.fatal.iter().map(|(address, _)| *address)
    }

    /// A timer expires together with an interrupt that is being taken: by it, if it is the timer's
    /// own.
    pub(super) fn expire(&mut self, vector: Vector) {
        self.set_timer(Some(Timer::Soon));
        if vector == TIMER_VECTOR {
            self.timer = None;
        }
    }

    pub(super) fn set_timer(&mut self, timer: Option<Timer>) {
        self.requested = false;
        // An interrupt that is on its way to the function must not be the one that is waited for.
        if !matches!(timer, None | Some(Timer::InFunction { .. })) {
            self.time += LEAP;
        }
        self.timer = timer;
    }

    /// User code enters the kernel by an interrupt at the host's wish.
    pub(super) fn is_interrupted(&mut self) {
        self.requested = true;
    }

    /// The function begins that was waited for.
    pub(super) fn function_begins(&mut self, arrival: Arrival) {
        self.set_timer(Some(Timer::InKernel {
            after: arrival.past,
            event: arrival.event,
        }));
        self.requested = true;
    }

    /// User code enters the kernel.
    pub(super) fn enters(&mut self, vector: Vector) {
        self.requested |= vector.is_request();
    }

    pub(super) fn timer_pending(&self) -> bool {
        self.timer.is_some()
    }

    /// Whether the decrementer interrupt is due at an instruction with MSR\[EE\] set.
    pub(super) fn due(&mut self, user: bool) -> bool {
        let due = match &mut self.timer {
            None => false,
            Some(Timer::Soon) => true,
            Some(_) if user && self.requested => self.is_missed(),
            Some(Timer::InFunction { .. }) => false,
            Some(Timer::InKernel { .. }) if !self.requested => false,
            Some(Timer::InKernel { after, .. }) => {
                let now = *after == 0;
                *after = after.saturating_sub(1);
                now
            }
        };
        if due {
            self.timer = None;
        }
        due
    }

    /// The kernel has returned to user mode, and the timer is still to expire: it does now.
    fn is_missed(&mut self) -> bool {
        match self.timer {
            Some(Timer::InKernel { event, .. }) => self.unreached.push(event),
            Some(Timer::InFunction {
                arrival: Arrival { event, .. },
                ..
            }) => {
                self.unreached.push(event);
                self.time += LEAP;
            }
            Some(Timer::Soon) | None => {}
        }
        true
    }

    /// The event that waits for a preemption point.
    pub(super) fn late_event(&self) -> Option<u16> {
        match self.timer {
            Some(Timer::InKernel { event, .. }) => Some(event),
            _ => None,
        }
    }

    /// The work of an event comes before the kernel's instruction at this address.
    pub(super) fn arrives(&mut self, event: u16, address: u64) {
        self.arrived.push(Arrived { event, address });
    }

    /// Where work came in the kernel.
    pub(super) fn arrived(&self) -> &[Arrived] {
        &self.arrived
    }

    /// Events whose timer expired later than it was to. Told once.
    pub(super) fn take_unreached(&mut self) -> Vec<u16> {
        std::mem::take(&mut self.unreached)
    }

    /// Shows the guest the time after so many blocks.
    pub(super) fn show_time(&self, memory: &Memory, page: u64, blocks: u64) {
        memory.write_unaccounted_u64(
            page + u64::from(TIME_BASE) - super::address::MACHINE_PAGE,
            self.time + blocks,
        );
    }

    pub(super) fn refreshes(blocks: u64) -> bool {
        blocks.is_multiple_of(REFRESH)
    }

    /// What the console printed.
    pub(super) fn console(&self) -> String {
        String::from_utf8_lossy(&self.console).into_owned()
    }
}

/// The interrupt a timer raises.
pub(super) const TIMER_VECTOR: Vector = Vector::Decrementer;

#[cfg(test)]
mod tests {
    use super::*;

    fn with_timer(timer: Timer) -> Pseries {
        let mut pseries = Pseries::new(&Boot {
            guest_size: 1 << 20,
            process_table: 0,
            registers: Registers::default(),
            fatal: Vec::new(),
        });
        pseries.set_timer(Some(timer));
        pseries
    }

    const USER: bool = true;
    const KERNEL: bool = false;

    #[test]
    fn a_timer_of_the_kernel_waits_for_it_and_then_for_so_many_blocks() {
        for request in [
            Vector::SystemCall,
            Vector::SystemCallVectored,
            Vector::Alignment,
        ] {
            let mut now = with_timer(Timer::InKernel { after: 0, event: 3 });
            assert!(!now.due(USER));
            now.enters(request);
            assert!(now.due(KERNEL) && !now.due(KERNEL));
        }
        let mut late = with_timer(Timer::InKernel { after: 2, event: 3 });
        late.enters(Vector::SystemCall);
        assert!(!late.due(KERNEL) && !late.due(KERNEL));
        assert!(late.due(KERNEL) && !late.due(KERNEL));
    }

    #[test]
    fn it_comes_at_the_latest_when_the_kernel_has_returned() {
        let mut late = with_timer(Timer::InKernel {
            after: 100,
            event: 3,
        });
        late.enters(Vector::SystemCall);
        assert!(!late.due(KERNEL) && late.due(USER) && !late.due(USER));
        assert_eq!(late.take_unreached(), [3], "its place was not reached");
        late.set_timer(Some(Timer::InKernel { after: 1, event: 3 }));
        assert!(!late.due(USER), "the kernel has not been entered since");
    }

    /// User code stores to a page that is not there, or uses a facility that is not on, on its way
    /// to the call that the timer is for.
    #[test]
    fn it_does_not_come_where_the_kernel_is_entered_for_something_else() {
        for vector in [
            Vector::DataStorage,
            Vector::InstructionStorage,
            Vector::FpUnavailable,
            Vector::VmxUnavailable,
            Vector::VsxUnavailable,
        ] {
            let mut timer = with_timer(Timer::InKernel { after: 1, event: 3 });
            timer.enters(vector);
            let passed = [KERNEL, KERNEL, USER].map(|mode| timer.due(mode));
            assert_eq!(passed, [false; 3], "{vector:?}");
            timer.enters(Vector::SystemCall);
            assert!(!timer.due(KERNEL) && timer.due(KERNEL), "{vector:?}");
        }
    }

    fn in_a_function() -> Timer {
        Timer::InFunction {
            point: FunctionPoint {
                bodies: [].into(),
                call: 1,
                percent: 0,
            },
            arrival: Arrival { past: 1, event: 3 },
        }
    }

    #[test]
    fn what_waits_for_a_function_comes_so_many_points_after_its_begin() {
        let mut timer = with_timer(in_a_function());
        let before = timer.time;
        timer.enters(Vector::SystemCall);
        assert_eq!([KERNEL; 3].map(|mode| timer.due(mode)), [false; 3]);
        assert_eq!(timer.time, before, "no other interrupt is made to come");
        timer.function_begins(Arrival { past: 1, event: 3 });
        assert!(timer.time > before);
        assert_eq!(timer.late_event(), Some(3));
        assert!(!timer.due(KERNEL) && timer.due(KERNEL) && !timer.due(KERNEL));
        assert!(timer.take_unreached().is_empty());
    }

    #[test]
    fn what_waits_for_a_function_that_does_not_begin_comes_when_the_kernel_has_returned() {
        let mut timer = with_timer(in_a_function());
        let before = timer.time;
        assert!(!timer.due(USER), "the request is yet to be made");
        timer.enters(Vector::SystemCall);
        assert!(!timer.due(KERNEL) && timer.due(USER) && !timer.due(USER));
        assert!(timer.time > before);
        assert_eq!(timer.take_unreached(), [3]);
        let mut interrupt = with_timer(in_a_function());
        interrupt.is_interrupted();
        assert!(!interrupt.due(KERNEL) && interrupt.due(USER));
    }
}
