//! The tracer of a run, from the host's side: when it is to stop a task, and what it has read.

use ctxfuzz_scenario::event::Pending;

use super::RunHost;
use crate::machine::{Reply, View};
use crate::run::capture::{Capture, Observable};
use crate::run::outcome::LogEntry;
use crate::run::ptrace;

impl RunHost {
    /// There is one tracer. A task that it waits for may still be on its way: in a page fault that
    /// had to sleep, or in user mode, where a kernel that was interrupted behind its exit loop goes
    /// first. What the tracer was told counts there until it was done, whatever the task does
    /// before, and nobody else is traced meanwhile.
    pub(super) fn send_tracer(
        &mut self,
        view: &View<'_>,
        task: u8,
        event: u16,
        pending: &mut Pending,
    ) {
        let waits = self
            .tracee
            .is_some_and(|(tracee, _)| match self.platform.stops_late() {
                true => !self.outcome.has_dumped(tracee),
                false => tracee != task,
            });
        if waits {
            self.platform.tracer_is_busy(event, pending);
            pending.ptrace = None;
            return;
        }
        self.tracee = pending.ptrace.map(|_| (task, event));
        if let Some(ptrace) = &pending.ptrace {
            ptrace::write(view, ptrace);
        }
    }

    /// A tracer has read the registers of the task that it was to stop.
    pub(super) fn traced(&mut self, view: &View<'_>) -> Reply {
        if let Some((task, event)) = self.tracee.take() {
            let read = Capture::new(Observable::Traced, Some(task), ptrace::read(view));
            let view = self.outcome.record(read);
            self.log(LogEntry::Traced { task, event, view });
        }
        Reply::CONTINUE
    }
}
