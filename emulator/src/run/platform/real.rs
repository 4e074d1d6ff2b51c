//! A real kernel: its agent's director does what other CPUs and devices do (`agent`).

use ctxfuzz_scenario::event::Pending;
use ctxfuzz_scenario::scenario::Scenario;

use super::agent::{self, Agent, CopiedPages};
use super::points::Points;
use super::{Idle, Platform, Quiet, quiet};
use crate::kernel::functions::Functions;
use crate::kernel::image::RealLayout;
use crate::machine::address::AddressMap;
use crate::machine::memory::Memory;
use crate::machine::samples::Sample;
use crate::machine::{Reply, Vector, View};
use crate::run::call::UserCall;
use crate::run::effects::NotApplicable;
use crate::run::images::KnownTask;
use crate::run::user::{Compiled, Operation};

/// A task of a kernel whose `comm` was not found.
const NAMELESS: &str = "a task of the kernel";
/// `comm` of the agent, which is /init, and of every task that it makes.
const AGENT: &str = "init";

/// A kernel of Linux in its snapshot.
pub struct Real {
    layout: RealLayout,
    agent: Agent,
    points: Points,
}

impl Real {
    /// A kernel that copies these pages with VMX when a task first stores to them.
    pub fn new(layout: RealLayout, functions: Functions, pages: CopiedPages) -> Self {
        Real {
            layout,
            agent: Agent::new(pages),
            points: Points::new(functions),
        }
    }
}

impl Platform for Real {
    fn prepare(&mut self, scenario: &Scenario) {
        self.agent.prepare(scenario);
        self.points.prepare();
    }

    fn starts_in_a_task(&self) -> bool {
        true
    }

    /// The machine puts all memory back.
    fn reset(&self, _: &Memory, _: &AddressMap) {}

    fn poison(&self, _: &Memory, _: u64) {}

    fn set_stage(&self, memory: &Memory, map: &AddressMap, compiled: &Compiled) {
        if let Some(pa) = map.physical(agent::TASKS) {
            memory.write_u64(pa, compiled.tasks);
        }
    }

    /// A run starts in a task, whose VRSAVE is in the register, used or not.
    fn first_vrsave(&self, own: u64, _: u64) -> u32 {
        own as u32
    }

    fn task_calls(&mut self, view: &View<'_>, task: u8, call: UserCall) {
        let current = view.load(self.layout.current);
        self.agent.task_calls(view, task, call, current);
    }

    fn forks(&mut self, task: u8, child: usize) {
        self.agent.forks(task, child);
    }

    fn dumped(&mut self, task: u8) {
        self.agent.gone(task);
    }

    fn ends_with_the_last_dump(&self) -> bool {
        true
    }

    fn idle(&mut self, view: &View<'_>) -> Idle {
        // A control block that a failed call did not hand back belongs to nobody: no task starts in
        // it, and the last dump does not end the run.
        if self.agent.all_gone() {
            return Idle::AllDone;
        }
        self.agent.wake_longest_sleeper(view)
    }

    fn make_pending(
        &mut self,
        view: &View<'_>,
        task: u8,
        operation: &Operation,
        pending: &Pending,
    ) -> Reply {
        let (pending, timer) = self.points.find(operation.event as u16, pending);
        let reply = self.agent.make_pending(view, task, operation, &pending);
        match timer {
            Some(timer) if self.agent.has_request() && !operation.is_interrupt() => {
                reply.with_timer(timer)
            }
            _ => reply,
        }
    }

    fn stops_late(&self) -> bool {
        true
    }

    fn tracer_is_busy(&mut self, event: u16, pending: &Pending) {
        self.agent.director_is_busy(event, pending);
    }

    fn interrupt(&mut self, view: &View<'_>, vector: Vector, event: u16) -> Reply {
        let reply = match vector {
            Vector::DataStorage => self.agent.store_fault(view, event),
            Vector::SystemReset => return self.agent.system_reset(event),
            _ if self.agent.has_request() => Reply::interrupt_and_timer(vector),
            _ => Reply::interrupt(vector),
        };
        match self.agent.has_request() {
            true => self.points.late(reply),
            false => reply,
        }
    }

    /// It makes no host calls.
    fn made_by_our_kernel(&self, _: u64) -> bool {
        false
    }

    fn task_at(&self, _: &View<'_>, address: u64) -> Option<u8> {
        self.agent.task_at(address)
    }

    fn known_tasks(&self, _: &Memory, _: &AddressMap) -> Vec<KnownTask> {
        self.agent.tasks()
    }

    fn task_name(&self, sample: &Sample, _: &Memory, _: &AddressMap) -> String {
        if sample.who == self.layout.director {
            return "director".to_owned();
        }
        let task = self.agent.task_at(sample.who);
        let comm = self.layout.comm.map(|_| comm(&sample.detail));
        match (task, comm) {
            // The memory of one that has ended may be another's.
            (Some(index), Some(comm)) if comm == AGENT => format!("task {index}"),
            (_, Some(comm)) => comm,
            (Some(index), None) => format!("task {index}"),
            (None, None) => NAMELESS.to_owned(),
        }
    }

    /// Its name.
    fn task_detail(&self) -> u64 {
        self.layout.comm.unwrap_or(0)
    }

    fn not_applicable(&self) -> Vec<NotApplicable> {
        let (agent, points) = (self.agent.not_applicable(), self.points.not_applicable());
        agent.chain(points).cloned().collect()
    }

    fn quiet(&self, memory: &Memory, map: &AddressMap) -> Option<Quiet> {
        quiet::read(memory, map)
    }
}

/// A name as the kernel keeps it. A program may have written anything there.
fn comm(bytes: &[u8]) -> String {
    let name = bytes.iter().take_while(|&&byte| byte != 0);
    name.map(|&byte| match byte {
        b' '..=b'~' => char::from(byte),
        _ => '?',
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_can_be_printed_up_to_its_end() {
        assert_eq!(comm(b"kworker/0:1\0\x01abc"), "kworker/0:1");
        assert_eq!(comm(b"a\x1b[2Jb\xff\0"), "a?[2Jb?");
        assert_eq!(comm(b"sixteen_letters!"), "sixteen_letters!");
    }
}
