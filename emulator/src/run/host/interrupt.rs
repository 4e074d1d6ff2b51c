//! An operation that asks for an interrupt.

use super::{GuestEnd, RunHost, no_operation};
use crate::machine::{Reply, View};

impl RunHost {
    /// Takes the interrupt that the operation r29 points at asks for.
    pub(super) fn interrupt(&mut self, view: &View<'_>) -> Reply {
        let Some(operation) = self.operation(view) else {
            return self.end(no_operation(view));
        };
        let Some(vector) = operation.vector() else {
            let number = operation.arguments[0];
            let what = format!("user code asked for interrupt {number:#x}");
            // The host has compiled this operation itself, unless it is no interrupt.
            return self.end(match operation.is_interrupt() {
                true => GuestEnd::OurFault(what),
                false => GuestEnd::Lost(what),
            });
        };
        let event = operation.event as u16;
        self.platform.interrupt(view, vector, event)
    }
}
