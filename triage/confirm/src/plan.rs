//! What the program does: who does which event, in which handler, what the director is asked for,
//! and where registers are looked at.
//!
//! All of it comes from one run on the model `repaired`, which is right by construction, so the
//! program does not depend on the kernel that it is to be tried on; only where to look between
//! events does.

mod looks;
mod walk;

use ctxfuzz_emulator::arch::{Endian, RegisterFile};
use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_emulator::run::{Runner, RunnerError};
use ctxfuzz_judge::definedness::{Abi, Mask};
use ctxfuzz_judge::inconclusive::Inconclusive;
use ctxfuzz_outcome::outcome::Outcome;
use ctxfuzz_scenario::Facility;
use ctxfuzz_scenario::event::{Event, Interrupt, Pending, Syscall};
use ctxfuzz_scenario::register::Register;
use ctxfuzz_scenario::scenario::{Scenario, TaskStage};
use thiserror::Error;

/// A part of what a task or a handler does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// An event of the scenario, by its index.
    Event(u16),
    /// Registers are stored, to be compared at the end.
    Store {
        /// Where to.
        image: usize,
        /// Which: FPRs, doublewords 1, VRs and the control registers are each stored as a whole.
        what: Stored,
    },
}

/// Kinds of registers that a look in the middle stores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// f0 to f31.
    pub f: bool,
    /// VSR 0 to 31, with doublewords 1.
    pub vs: bool,
    /// v0 to v31.
    pub v: bool,
    /// FPSCR.
    pub fpscr: bool,
    /// VSCR.
    pub vscr: bool,
    /// VRSAVE.
    pub vrsave: bool,
}

/// A handler of SIGUSR1 or SIGUSR2.
#[derive(Clone, Debug)]
pub struct Handler {
    /// The event that it interrupts.
    pub interrupts: Option<u16>,
    /// What it does.
    pub steps: Vec<Step>,
    /// Where the registers in its frame are kept.
    pub frame: usize,
}

/// A task: one process of the program.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its number in the scenario.
    pub number: u8,
    /// How it starts, and the image with the registers that it loads; `None` if another makes it.
    pub staged: Option<(TaskStage, usize)>,
    /// What it does outside handlers.
    pub steps: Vec<Step>,
    /// Its handlers, in the order in which they begin.
    pub handlers: Vec<Handler>,
    /// Where its last registers are stored.
    pub last: usize,
    /// How many SIGFPEs it is sent.
    pub exceptions: u64,
}

impl Task {
    /// What it does in a handler, or outside.
    fn steps_of(&mut self, handler: Option<usize>) -> &mut Vec<Step> {
        match handler.and_then(|handler| self.handlers.get_mut(handler)) {
            Some(handler) => &mut handler.steps,
            None => &mut self.steps,
        }
    }
}

/// What the director does for a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Who is served.
    pub task: u8,
    /// The event that it belongs to; `None` for the preemptions before the first one.
    pub event: Option<u16>,
    /// It comes in the middle of the event, not while the task waits for it.
    pub late: bool,
    /// What comes.
    pub pending: Pending,
    /// How often the task is preempted before it goes on, to bring its counters to a value.
    pub preemptions: u32,
}

/// Registers that are compared.
#[derive(Clone, Debug)]
pub struct Check {
    /// Where, for people.
    pub at: String,
    /// What was found.
    pub image: usize,
    /// What has to be there.
    pub right: RegisterFile,
    /// Which bits of it.
    pub defined: Mask,
    /// In which attempts.
    pub when: When,
}

/// In which attempts a check holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// In all.
    Always,
    /// Where the tasks are disturbed: in a handler, say.
    Disturbed,
    /// Where they are not.
    Control,
}

/// What the program does.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The scenario it is made of.
    pub scenario: Scenario,
    /// By number, those made by others too.
    pub tasks: Vec<Task>,
    /// The child that an event of a task makes.
    pub children: Vec<(u16, u8)>,
    /// In the order in which they are served.
    pub requests: Vec<Request>,
    /// What is compared.
    pub checks: Vec<Check>,
    /// Registers that events load: the event, and their image.
    pub constants: Vec<(u16, usize)>,
    /// How many images there are.
    pub images: usize,
}

/// Why there is no program.
#[derive(Debug, Error)]
pub enum PlanError {
    /// No program can do it, or not yet.
    #[error("event {event}: a program cannot do that under QEMU: {why}")]
    Unsupported {
        /// Index into the scenario's events.
        event: usize,
        /// What, and why.
        why: &'static str,
    },
    /// The stage has something that no program can set.
    #[error("task {task}: a program cannot do that: {why}")]
    Stage {
        /// Which task.
        task: usize,
        /// What.
        why: &'static str,
    },
    /// The model did not come to the end.
    #[error("the model `repaired`, which says what is right, does not: {0}")]
    Model(Inconclusive),
    /// There is too much to keep.
    #[error("the program would need {0} sets of registers, and has room for {MOST_IMAGES}")]
    TooLong(usize),
    /// A kernel cannot be run.
    #[error(transparent)]
    Runner(#[from] RunnerError),
}

/// How many sets of registers the program's memory has room for.
pub const MOST_IMAGES: usize = 200;

/// Plans the program. `looked_at` are kernels on which violations between events are looked for, so
/// that the program looks there too.
pub fn plan(
    scenario: &Scenario,
    endian: Endian,
    abi: Abi,
    looked_at: &[KernelName],
) -> Result<Plan, PlanError> {
    supported(scenario)?;
    let (scenario, outcome) = right(scenario, endian)?;
    let mut plan = walk::walk(&scenario, &outcome, abi);
    let mut found = Vec::new();
    for kernel in looked_at {
        found.extend(looks::violated(&scenario, endian, abi, kernel)?);
    }
    looks::add(&mut plan, &outcome, abi, &found);
    match plan.images {
        images if images > MOST_IMAGES => Err(PlanError::TooLong(images)),
        _ => Ok(plan),
    }
}

/// The run that says what is right. Work at a place that the model does not have comes at the
/// start of its event there.
fn right(scenario: &Scenario, endian: Endian) -> Result<(Scenario, Outcome), PlanError> {
    let repaired: KernelName = "repaired"
        .parse()
        .map_err(|_| PlanError::Model(Inconclusive::NotApplicable))?;
    let mut runner = Runner::new(&repaired, endian)?;
    runner.observe();
    runner.direct();
    let mut tried = scenario.clone();
    let mut outcome = runner.run(&tried);
    if !outcome.effects.not_applicable.is_empty() {
        for event in &mut tried.events {
            if let Some(pending) = event.pending_mut() {
                pending.at = None;
                pending.after = 0;
            }
        }
        outcome = runner.run(&tried);
    }
    match Inconclusive::of_end(None, &outcome) {
        Some(why) => Err(PlanError::Model(why)),
        None => Ok((scenario.clone(), outcome)),
    }
}

fn supported(scenario: &Scenario) -> Result<(), PlanError> {
    for (task, stage) in scenario.stage.tasks.iter().enumerate() {
        let (fp, vec) = (stage.load_fp.unwrap_or(1), stage.load_vec.unwrap_or(1));
        let both = stage.load_fp.is_some() && stage.load_vec.is_some();
        if both && fp != vec {
            let why = "its counters load_fp and load_vec differ, and preemptions count both up";
            return Err(PlanError::Stage { task, why });
        }
    }
    for (event, what) in scenario.events.iter().enumerate() {
        if let Some(why) = unsupported(what) {
            return Err(PlanError::Unsupported { event, why });
        }
    }
    Ok(())
}

fn unsupported(event: &Event) -> Option<&'static str> {
    let pending = event.pending().copied().unwrap_or(Pending::NONE);
    if pending.softirq {
        return Some("a device whose softirq uses VMX");
    }
    if pending.ptrace.is_some() {
        return Some("a tracer (not written yet)");
    }
    match event {
        Event::Access { .. } => Some("QEMU does misaligned accesses itself, without an interrupt"),
        Event::Interrupt {
            vector: Interrupt::SystemReset,
            ..
        } => Some("a system reset interrupt comes from the hypervisor"),
        Event::Syscall { call, .. } => match call {
            Syscall::EnableKernel { .. } => Some("no system call of Linux"),
            Syscall::KvmRun { .. } => Some("a guest in the guest"),
            Syscall::Hibernate => Some("the machine has no disk"),
            Syscall::Execve => Some("another program (not written yet)"),
            Syscall::Abort => Some("a core dump (not written yet)"),
            _ => None,
        },
        _ => None,
    }
}

impl Plan {
    /// Whether a disturbance comes in the middle of some event.
    pub fn is_late(&self) -> bool {
        self.requests.iter().any(|request| request.late)
    }

    /// Whether something comes that the control can leave out. If not, the events themselves are
    /// what is tried, and the control does none.
    pub fn is_disturbed(&self) -> bool {
        let mut requests = self.requests.iter();
        requests.any(|request| {
            request.late || request.pending.signal.is_some() || request.pending.io_worker
        })
    }

    /// Whether a disturbance comes while a handler returns.
    pub fn has_late_return(&self) -> bool {
        let mut requests = self.requests.iter();
        requests.any(|request| request.late && self.is_sigreturn(request.event))
    }

    /// Whether it comes while this handler returns.
    pub fn is_late_return(&self, handler: &Handler) -> bool {
        handler.steps.iter().any(|step| match step {
            Step::Event(event) => {
                let request = self.request(*event);
                let late = request.is_some_and(|(_, request)| request.late);
                late && self.is_sigreturn(Some(*event))
            }
            Step::Store { .. } => false,
        })
    }

    /// Whether an event is `rt_sigreturn`.
    pub fn is_sigreturn(&self, event: Option<u16>) -> bool {
        let event = event.and_then(|event| self.scenario.events.get(usize::from(event)));
        matches!(
            event,
            Some(Event::Syscall {
                call: Syscall::RtSigreturn,
                ..
            })
        )
    }

    /// Whether a task needs an io_uring ring.
    pub fn has_ring(&self) -> bool {
        self.requests
            .iter()
            .any(|request| request.pending.io_worker)
    }

    /// Whether some task has VSX registers of its own.
    pub fn uses_vsx(&self) -> bool {
        let staged = self.scenario.stage.tasks.iter();
        let mut uses = staged.flat_map(|task| &task.uses);
        let sets = |event: &Event| match event {
            Event::Set(values) | Event::SetFrame(values) => {
                values.keys().any(|r| matches!(r, Register::Vs(_)))
            }
            Event::Fill { facility, .. } | Event::FillFrame { facility, .. } => {
                *facility == Facility::Vsx
            }
            _ => false,
        };
        uses.any(|facility| *facility == Facility::Vsx) || self.scenario.events.iter().any(sets)
    }

    /// The number of the request for what is pending at an event of a task, from 1.
    pub fn request(&self, event: u16) -> Option<(usize, &Request)> {
        let mut numbered = (1..).zip(&self.requests);
        numbered.find(|(_, request)| request.event == Some(event))
    }

    fn task_mut(&mut self, number: u8) -> Option<&mut Task> {
        self.tasks.iter_mut().find(|task| task.number == number)
    }

    fn image(&mut self) -> usize {
        self.images += 1;
        self.images - 1
    }
}

#[cfg(test)]
mod tests;
