//! Tasks that sleep: what they wait for, and whose sleep ends when no task can run (the idle rule,
//! docs/internals.md, section 5).

use ctxfuzz_scenario::event::Syscall;
use ctxfuzz_scenario::scenario::MAX_TASKS;

use super::{Agent, at};
use crate::machine::pseries::Timer;
use crate::machine::{Reply, View};
use crate::run::abi::numbers;
use crate::run::platform::Idle;

/// Times that the reaper may find nothing to do, with a timer tick in between, before the run is
/// given up.
const PATIENCE: u32 = 8;
/// Times that one task's sleep may be ended before it is back in user mode. Others that sleep in
/// the same place may be first.
const WAKES: u32 = 8 * MAX_TASKS as u32;

numbers! {
    /// What the reaper does when nobody can run.
    pub(in crate::run) mod idle: u64 {
        WAKE_FUTEX = 1,
        FEED_PIPE = 2,
        DRAIN_PIPE = 3,
    }
}

/// What the reaper can do to end a sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waits {
    Futex,
    PipeReader,
    PipeWriter,
}

impl Waits {
    fn action(self) -> u64 {
        match self {
            Waits::Futex => idle::WAKE_FUTEX,
            Waits::PipeReader => idle::FEED_PIPE,
            Waits::PipeWriter => idle::DRAIN_PIPE,
        }
    }
}

impl Agent {
    pub(super) fn note_sleep(&mut self, task: usize, call: Option<Syscall>) {
        self.clock += 1;
        let waits = match call {
            Some(Syscall::FutexWait) => Some(Waits::Futex),
            Some(Syscall::Read { .. }) => Some(Waits::PipeReader),
            Some(Syscall::Write { .. }) => Some(Waits::PipeWriter),
            _ => None,
        };
        self.tasks[task % MAX_TASKS].waits = waits.map(|waits| (self.clock, waits));
    }

    /// Has the longest sleep among the living tasks ended, as by a time-out.
    pub fn wake_longest_sleeper(&mut self, view: &View<'_>) -> Idle {
        let longest = self
            .tasks
            .iter_mut()
            .enumerate()
            .filter(|(_, task)| !task.gone)
            .filter_map(|(index, task)| Some((index, task.waits?, task)))
            .min_by_key(|(_, (since, _), _)| *since);
        if let Some((index, (_, waits), task)) = longest {
            task.woken += 1;
            if task.woken > WAKES {
                return Idle::Lost(format!(
                    "task {index} does not come back from a system call in which it can only sleep: the kernel has ended it"
                ));
            }
            Self::put(view, at::IDLE_ACTION, waits.action());
            return Idle::GoesOn {
                reply: Reply::timer(None),
                woken: true,
            };
        }
        self.fruitless += 1;
        if self.fruitless > PATIENCE {
            let what = "no task can run, and none sleeps in a way that can be ended";
            return Idle::Lost(what.into());
        }
        Self::put(view, at::IDLE_ACTION, 0);
        Idle::GoesOn {
            reply: Reply::timer(Some(Timer::Soon)),
            woken: false,
        }
    }
}
