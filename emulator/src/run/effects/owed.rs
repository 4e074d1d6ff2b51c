//! What an event owes, and how it shows that it was paid.
//!
//! The rules owe nothing in doubt: an effect counts as owed only where no kernel that is right
//! could do without it.

use ctxfuzz_scenario::effect::Effect;
use ctxfuzz_scenario::event::{Event, Interrupt, Pending, Switch, Syscall};

use super::super::outcome::{LogEntry, Outcome};
use super::{Hit, Watched};

/// The largest part of a page that is not copied with VMX, and a page: a write longer than both
/// together has a piece that is.
const ALWAYS_VMX: u16 = 4095 + 3328;

/// An event as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    call: Option<Syscall>,
    interrupt: Option<Interrupt>,
    access: bool,
    pending: Pending,
}

/// An effect that an event owes, and since when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owed {
    pub(super) event: u16,
    pub(super) task: u8,
    pub(super) effect: Effect,
    pub(super) detail: Detail,
    /// Entries of the log when the event began.
    pub(super) log: usize,
}

/// What is known of an effect beyond its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// Nothing.
    None,
    /// Which signal.
    Signal(u8),
    /// Which task runs next; `None` for any other.
    Next(Option<u8>),
}

impl Asked {
    pub(super) fn of(event: &Event) -> Asked {
        Asked {
            call: match event {
                Event::Syscall { call, .. } => Some(*call),
                _ => None,
            },
            interrupt: match event {
                Event::Interrupt { vector, .. } => Some(*vector),
                _ => None,
            },
            access: matches!(event, Event::Access { .. }),
            pending: event.pending().copied().unwrap_or_default(),
        }
    }

    /// The signals that are sent to the task.
    pub(super) fn signals(&self) -> impl Iterator<Item = u8> + use<> {
        let killed = match self.call {
            Some(Syscall::Kill { signal }) => Some(signal),
            _ => None,
        };
        self.pending.signal.into_iter().chain(killed)
    }

    pub(super) fn makes_task(&self) -> bool {
        matches!(
            self.call,
            Some(Syscall::Fork | Syscall::Vfork | Syscall::Clone { .. })
        )
    }

    pub(super) fn returns_from_handler(&self) -> bool {
        self.call == Some(Syscall::RtSigreturn)
    }

    /// Whether the task does not come back from it as it was.
    pub(super) fn ends_program(&self) -> bool {
        self.call.is_some_and(|call| call.facts().ends_program)
    }

    /// Whether the creation of a worker may fail for a signal: it is tried again when no task can
    /// run, and requests that come before that are one with it.
    pub(super) fn delays_worker(&self) -> bool {
        let signal =
            self.pending.signal.is_some() || matches!(self.call, Some(Syscall::Kill { .. }));
        self.pending.io_worker && signal
    }

    /// Whether the task may sleep or yield in it, or wait for a child, so that nobody knows when it
    /// is in user code again.
    pub(super) fn may_sleep(&self) -> bool {
        let sleeps = self.call.is_some_and(|call| call.facts().sleeps);
        sleeps || self.makes_task() || self.ends_program()
    }

    /// What it owes. `ready`: other tasks that can run; `ring`: whether a ring is there whose owner
    /// lives.
    pub(super) fn owes(&self, ready: &[u8], ring: bool) -> Vec<(Effect, Detail)> {
        let mut owed = Vec::new();
        self.own_effects(&mut owed);
        // What comes late may find the task asleep, and somebody else interrupted.
        let asleep = self.pending.is_late() && self.may_sleep();
        if self.ends_program() || asleep {
            return owed;
        }
        let pending = &self.pending;
        if pending.io_worker && ring {
            owed.push((Effect::IoWorker, Detail::None));
        }
        if let Some(signal) = pending.signal {
            owed.push((Effect::Signal, Detail::Signal(signal)));
        }
        if pending.ptrace.is_some() {
            owed.push((Effect::Ptrace, Detail::None));
        }
        // In a call that sleeps by itself others run anyway, and who is next by then is not known
        // here.
        let next = match pending.switch {
            Some(Switch::To(task)) => Some(task),
            _ => None,
        };
        let can_switch = next.map_or(!ready.is_empty(), |task| ready.contains(&task));
        let yields = self.call == Some(Syscall::SchedYield) && pending.is_none();
        let asked = pending.switch.is_some() && !self.may_sleep();
        if can_switch && (yields || asked) {
            owed.push((Effect::Switch, Detail::Next(next)));
        }
        owed
    }

    /// What it owes without what is pending.
    fn own_effects(&self, owed: &mut Vec<(Effect, Detail)>) {
        let effect = match (self.call, self.interrupt) {
            (Some(Syscall::Kill { signal }), _) => {
                owed.push((Effect::Signal, Detail::Signal(signal)));
                return;
            }
            (Some(Syscall::Fork | Syscall::Vfork | Syscall::Clone { fail: false }), _) => {
                Effect::Child
            }
            (Some(Syscall::Write { bytes }), _) if bytes >= ALWAYS_VMX => Effect::VmxCopy,
            (Some(call), _) => match super::of_call(call) {
                Some(effect) => effect,
                None => return,
            },
            (_, Some(Interrupt::DataStorage)) => Effect::PageCopy,
            (_, Some(Interrupt::SystemReset)) => Effect::SystemReset,
            _ if self.access => Effect::Alignment,
            _ => return,
        };
        owed.push((effect, Detail::None));
    }
}

impl Owed {
    /// Whether it was seen.
    pub(super) fn happened(&self, outcome: &Outcome, hits: &[Hit]) -> bool {
        let log = &outcome.log[..];
        let later = log.get(self.log..).unwrap_or_default();
        let hit = |wanted: &[Watched], own: bool| {
            hits.iter().any(|hit| {
                let in_time = hit.log >= self.log && (!own || hit.log <= self.back(log));
                in_time && wanted.contains(&hit.watched) && (!own || hit.task == Some(self.task))
            })
        };
        match self.effect {
            // A request that is made while another one waits is one with it, and the ring may be
            // another task's.
            Effect::IoWorker => {
                let created = hit(&[Watched::CreateIoThread], false);
                created || self.is_under_way(hits, log) || self.execs(later)
            }
            Effect::PageCopy => hit(&[Watched::CopyPage, Watched::EnterVmxUsercopy], true),
            // A signal interrupts a write that waits for room, with what it has written.
            Effect::VmxCopy => hit(&[Watched::EnterVmxUsercopy], true) || self.interrupted(log),
            Effect::Alignment => hit(&[Watched::FixAlignment], true),
            Effect::SystemReset => hit(&[Watched::SystemReset], false),
            Effect::KernelUse => hit(&[Watched::EnableKernel], true),
            Effect::Hibernation => hit(&[Watched::Hibernate], true),
            Effect::Softirq => hit(&[Watched::NetRxAction], false),
            Effect::Signal => self.delivered(later, outcome) || self.execs(later),
            Effect::Switch => self.switched(later),
            Effect::Ptrace => later.iter().any(|entry| {
                matches!(entry, LogEntry::Traced { task, event, .. }
                    if (*task, *event) == (self.task, self.event))
            }),
            // A fork that a signal interrupts is made after the handler, from which the task need
            // not come back.
            Effect::Child => {
                let child = |entry: &LogEntry| matches!(entry, LogEntry::TaskStarted { parent, .. } if *parent == Some(self.task));
                later.iter().any(child) || self.interrupted(log)
            }
            Effect::Exec => self.execs(later),
            Effect::CoreDump | Effect::Guest => later.iter().any(|entry| {
                matches!(entry, LogEntry::Captured { task, observable, .. }
                    if *task == self.task && observable.effect() == Some(self.effect))
            }),
            Effect::Sleep => true,
        }
    }

    /// Whether a worker's creation had begun and may not have ended: whoever was at it had not come
    /// to user code since.
    fn is_under_way(&self, hits: &[Hit], log: &[LogEntry]) -> bool {
        let mut begun = hits
            .iter()
            .filter(|hit| hit.watched == Watched::CreateIoThread);
        begun.any(|hit| {
            let since = log.get(hit.log..self.log).unwrap_or_default();
            let came_back = |task| since.iter().any(|entry| user_entry(entry) == Some(task));
            hit.log < self.log && hit.task.is_some_and(|task| !came_back(task))
        })
    }

    /// How long the log was when the task next made an entry in it.
    fn back(&self, log: &[LogEntry]) -> usize {
        let later = log.iter().enumerate().skip(self.log);
        let mut own = later.filter(|(_, entry)| user_entry(entry) == Some(self.task));
        own.next().map_or(log.len(), |(at, _)| at)
    }

    /// Whether a signal came before the call was over.
    fn interrupted(&self, log: &[LogEntry]) -> bool {
        let back = log.get(self.back(log));
        matches!(back, Some(LogEntry::SignalDelivered { .. }))
    }

    /// Whether the task becomes a new program: what was pending may be dropped with the old one.
    fn execs(&self, later: &[LogEntry]) -> bool {
        let own =
            |entry: &LogEntry| matches!(entry, LogEntry::Execed { task } if *task == self.task);
        later.iter().any(own)
    }

    fn delivered(&self, later: &[LogEntry], outcome: &Outcome) -> bool {
        later.iter().any(|entry| match entry {
            LogEntry::SignalDelivered { task, frame, .. } if *task == self.task => {
                let frame = outcome.signal_frame(*frame);
                frame.map(|(_, frame)| Detail::Signal(frame.signal)) == Some(self.detail)
            }
            _ => false,
        })
    }

    /// Whether the one who was to run next came to user code before this task did again.
    fn switched(&self, later: &[LogEntry]) -> bool {
        let next = match self.detail {
            Detail::Next(next) => next,
            _ => None,
        };
        let mut users = later.iter().filter_map(|entry| match entry {
            // Its own may be that of the event; another task has come to the end of its handler.
            LogEntry::SigReturned { task } if *task != self.task => Some(*task),
            _ => user_entry(entry),
        });
        let first = users.find(|task| *task == self.task || next.is_none_or(|next| next == *task));
        first.is_some_and(|task| task != self.task)
    }
}

/// The task that was in user code when an entry was made.
fn user_entry(entry: &LogEntry) -> Option<u8> {
    match entry {
        // Made by the kernel, or by a tracer; or made between an event and its system call.
        LogEntry::Captured { .. } | LogEntry::Traced { .. } | LogEntry::SigReturned { .. } => None,
        LogEntry::TaskStarted { .. }
        | LogEntry::Event { .. }
        | LogEntry::SignalDelivered { .. }
        | LogEntry::Execed { .. }
        | LogEntry::ContextSaved { .. }
        | LogEntry::Dumped { .. } => Some(entry.task()),
    }
}

impl Detail {
    /// How an effect shows, for people.
    pub(super) fn sign(self, effect: Effect) -> &'static str {
        match effect {
            Effect::IoWorker => "no io_uring worker was created (create_io_thread did not run)",
            Effect::PageCopy => {
                "no page was copied with VMX (neither copypage_power7 nor enter_vmx_usercopy ran)"
            }
            Effect::VmxCopy => "nothing was copied with VMX (enter_vmx_usercopy did not run)",
            Effect::Signal => "the signal's handler was not entered",
            Effect::Switch => "no other task ran before this one went on",
            Effect::Ptrace => "the tracer did not stop the task",
            Effect::Sleep => "the task did not sleep",
            Effect::Child => "no child of the task ran",
            Effect::Exec => "no new program was started",
            Effect::CoreDump => "no core dump was written",
            Effect::Guest => "no guest was left",
            Effect::Alignment => "the access was not emulated (fix_alignment did not run)",
            Effect::KernelUse => "the kernel did not use the facility",
            Effect::Softirq => "the softirq did not run",
            Effect::SystemReset => "no system reset interrupt was taken",
            Effect::Hibernation => "the machine was not suspended",
        }
    }
}
