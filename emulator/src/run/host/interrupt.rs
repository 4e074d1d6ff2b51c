//! An operation that asks for an interrupt.

use super::{GuestEnd, RunHost, no_operation};
use crate::machine::{Reply, Vector, View};
use crate::run::user;

impl RunHost {
    /// Takes the interrupt that the operation r29 points at asks for.
    pub(super) fn interrupt(&mut self, view: &View<'_>) -> Reply {
        let Some(operation) = view.map.physical(view.gpr(29)) else {
            return self.end(no_operation(view));
        };
        let (kind, _) = user::operation_head(view.memory, operation);
        let vector = match view.memory.read_u64(operation + 8) {
            0x500 => Vector::External,
            0x900 => Vector::Decrementer,
            0xa00 => Vector::Doorbell,
            0x300 => Vector::DataStorage,
            0x100 => Vector::SystemReset,
            other => {
                let what = format!("user code asked for interrupt {other:#x}");
                // The host has compiled this operation itself, unless r29 is not at an interrupt.
                return self.end(match user::is_interrupt(kind) {
                    true => GuestEnd::OurFault(what),
                    false => GuestEnd::Lost(what),
                });
            }
        };
        if let (Vector::DataStorage, Some(agent)) = (vector, &mut self.agent) {
            return agent.store_fault(view);
        }
        if let (Vector::SystemReset, Some(agent)) = (vector, &mut self.agent) {
            return agent.system_reset(view);
        }
        match &self.agent {
            Some(agent) if agent.has_request() => Reply::InterruptAndTimer(vector),
            _ => Reply::Interrupt(vector),
        }
    }
}
