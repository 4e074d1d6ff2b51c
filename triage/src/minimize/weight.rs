//! Which of two scenarios is simpler.

use ctxfuzz_scenario::access::AccessOp;
use ctxfuzz_scenario::event::{ComputeOp, Event, Interrupt, Pending, RegisterValues, Switch, Via};
use ctxfuzz_scenario::point::Percent;
use ctxfuzz_scenario::scenario::Scenario;

/// How much a reader has to take in; compared from the first field to the last. No infinite chain
/// goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weight {
    events: usize,
    tasks: usize,
    rings: usize,
    pending: usize,
    facilities: usize,
    registers: usize,
    detail: u64,
}

impl Weight {
    /// The weight of a scenario.
    pub fn of(scenario: &Scenario) -> Weight {
        let mut weight = Weight {
            events: scenario.events.len(),
            tasks: scenario.stage.tasks.len(),
            rings: scenario.stage.io_uring.len(),
            pending: 0,
            facilities: 0,
            registers: 0,
            detail: 0,
        };
        for task in &scenario.stage.tasks {
            weight.facilities += task.uses.len();
            weight.values(&task.registers);
            weight.detail += task.pattern.map_or(0, |seed| 1 + number(seed.into()));
            let counters = [task.load_fp, task.load_vec];
            weight.registers += counters.into_iter().flatten().count();
        }
        for event in &scenario.events {
            weight.event(event);
        }
        weight
    }

    fn values(&mut self, values: &RegisterValues) {
        self.registers += values.len();
        self.detail += values.values().copied().map(number).sum::<u64>();
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::Set(values) | Event::SetFrame(values) => self.values(values),
            Event::Fill { facility, pattern } | Event::FillFrame { facility, pattern } => {
                self.detail += 1 + facility.weight() + number((*pattern).into());
            }
            Event::Compute { op, register } => {
                self.detail += compute_weight(*op) + u64::from(*register);
            }
            Event::Access {
                op,
                register,
                pending,
            } => {
                self.detail += access_weight(*op) + u64::from(*register);
                self.pending(pending);
            }
            Event::EditFrame(_) => self.detail += 1,
            Event::Touch(facility) => self.detail += facility.weight(),
            Event::Interrupt { vector, pending } => {
                self.detail += match vector {
                    Interrupt::Decrementer => 0,
                    Interrupt::External => 1,
                    Interrupt::Doorbell => 2,
                    Interrupt::DataStorage => 3,
                    Interrupt::SystemReset => 4,
                };
                self.pending(pending);
            }
            Event::Syscall { call, via, pending } => {
                self.detail += call.weight() + u64::from(*via == Via::Scv);
                self.pending(pending);
            }
        }
    }

    fn pending(&mut self, pending: &Pending) {
        let parts = [
            pending.switch.is_some(),
            pending.signal.is_some(),
            pending.io_worker,
            pending.ptrace.is_some(),
            pending.softirq,
        ];
        self.pending += parts.into_iter().filter(|&part| part).count();
        if let Some(set) = pending.ptrace.and_then(|ptrace| ptrace.set) {
            self.detail += 1 + set.regset.weight() + u64::from(set.bytes.unwrap_or(0));
        }
        self.detail += match pending.switch {
            Some(Switch::To(task)) => 1 + u64::from(task),
            Some(Switch::Any) | None => 0,
        };
        self.detail += u64::from(pending.signal.unwrap_or(0)) + u64::from(pending.after);
        // By name is shorter than by a number that only one build has.
        self.detail += pending.at.map_or(0, |at| {
            u64::from(at.call) + u64::from(at.past) + u64::from(at.into != Percent(0))
        });
    }
}

/// Short numbers read better than long ones.
fn number(value: u128) -> u64 {
    (u128::BITS - value.leading_zeros()).into()
}

fn compute_weight(op: ComputeOp) -> u64 {
    match op {
        ComputeOp::Fmr | ComputeOp::Vor => 0,
        ComputeOp::Fadd | ComputeOp::Xxlor | ComputeOp::Vaddubs => 1,
        ComputeOp::Fmul => 2,
        ComputeOp::Fdiv | ComputeOp::Xvadddp => 3,
    }
}

fn access_weight(op: AccessOp) -> u64 {
    match op {
        AccessOp::Lfd => 0,
        AccessOp::Stfd => 1,
        AccessOp::Lxvd2x => 2,
        AccessOp::Stxvd2x => 3,
        AccessOp::Lxsdx => 4,
        AccessOp::Stxsdx => 5,
    }
}
