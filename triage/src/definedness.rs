//! Which registers a task may rely on, as a pure function of the scenario and of who did what.
//!
//! `docs/oracles.md` states the rules with their reasons; the functions here are in its order. Where a rule needs something the log
//! does not say, the result has fewer defined bits than the truth, so that a doubt never becomes a report.
//! Not responsible for values: no register's contents are looked at.

mod exceptions;
mod mask;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use ctxfuzz_emulator::kernel::defects::{Defect, Severity};
use ctxfuzz_emulator::run::outcome::LogEntry;
use ctxfuzz_scenario::access::{self, AccessOp};
use ctxfuzz_scenario::event::{ComputeOp, Event, Facility, FrameEdit, RegisterValues, Syscall};
use ctxfuzz_scenario::ptrace::SetRegset;
use ctxfuzz_scenario::register::Register;
use ctxfuzz_scenario::scenario::{Scenario, Verdict};

pub use exceptions::fp_exception;
use exceptions::{enables_exceptions, is_arithmetic, knows_operands};
pub use mask::{FPSCR_CONTROL, Mask, VSCR_CONTROL};

/// What user code may expect of a system call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Abi {
    /// A system call is made through a C function: volatile registers do not survive it.
    #[default]
    Elf,
    /// Documentation/powerpc/syscall64-abi.rst: all FP and vector state survives a system call.
    Linux,
}

impl Abi {
    /// The policy to look for a defect with: under the ELF ABI one that is `abi` at worst would not be met at all.
    pub fn that_shows(defect: &Defect) -> Self {
        match defect.severity {
            Severity::Live | Severity::Harmless => Abi::Elf,
            Severity::Abi => Abi::Linux,
        }
    }

    /// Whether a user who asked for this policy wants to hear of the verdict.
    pub fn reports(self, verdict: Verdict) -> bool {
        match self {
            Abi::Elf => verdict == Verdict::Live,
            Abi::Linux => verdict >= Verdict::Abi,
        }
    }
}

/// The masks at the points where state is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Definedness {
    tasks: BTreeMap<u8, Mask>,
    frames: BTreeMap<u16, Mask>,
    traced: BTreeMap<u16, Mask>,
    cores: BTreeMap<u16, Mask>,
}

impl Definedness {
    /// The mask of a task's final registers (at the end of the log, for a task that never dumped them).
    pub fn task(&self, task: u8) -> Mask {
        self.tasks.get(&task).copied().unwrap_or(Mask::NOTHING)
    }

    /// The mask of the registers stored in a signal frame, by the frame's index in the outcome.
    pub fn frame(&self, frame: u16) -> Mask {
        self.frames.get(&frame).copied().unwrap_or(Mask::NOTHING)
    }

    /// The mask of what a tracer read, by its index in the outcome.
    pub fn traced(&self, view: u16) -> Mask {
        self.traced.get(&view).copied().unwrap_or(Mask::NOTHING)
    }
}

impl Definedness {
    /// The mask of what a core dump has, by its index in the outcome.
    pub fn core(&self, core: u16) -> Mask {
        self.cores.get(&core).copied().unwrap_or(Mask::NOTHING)
    }
}

/// Follows the log and tells what was defined where it was looked at.
pub fn definedness(scenario: &Scenario, log: &[LogEntry], policy: Abi) -> Definedness {
    let mut walk = Walk::new(scenario, log, policy);
    for entry in log {
        walk.step(entry);
    }
    for (task, state) in walk.tasks {
        walk.found.tasks.entry(task).or_insert(state.now);
    }
    walk.found
}

/// One task while the log is followed.
#[derive(Clone, Debug)]
struct Task {
    now: Mask,
    /// Masks that `rt_sigreturn` brings back, innermost handler last.
    interrupted: Vec<Mask>,
    /// What a child of each of its forks starts with.
    forks: Vec<Heritage>,
    /// Facilities that it has used for certain, VSX as all three.
    used: BTreeSet<Facility>,
}

impl Task {
    fn new(now: Mask, interrupted: Vec<Mask>, used: BTreeSet<Facility>) -> Self {
        Task {
            now,
            interrupted,
            forks: Vec::new(),
            used,
        }
    }
}

/// What a fork hands to the child.
#[derive(Clone, Debug)]
struct Heritage {
    mask: Mask,
    interrupted: Vec<Mask>,
    used: BTreeSet<Facility>,
}

/// Follows a log step by step, for those who look at registers on the way.
pub struct Walk<'a> {
    scenario: &'a Scenario,
    policy: Abi,
    /// Whether FP exceptions may be enabled.
    traps: bool,
    family: Family,
    tasks: BTreeMap<u8, Task>,
    found: Definedness,
}

impl<'a> Walk<'a> {
    /// At the start of `log`, whose entries are to be given to [`Walk::step`] in order.
    pub fn new(scenario: &'a Scenario, log: &[LogEntry], policy: Abi) -> Self {
        Walk {
            scenario,
            policy,
            traps: enables_exceptions(scenario),
            family: Family::of(scenario, log),
            tasks: BTreeMap::new(),
            found: Definedness::default(),
        }
    }

    /// What the task may rely on now.
    pub fn now(&self, task: u8) -> Mask {
        self.tasks.get(&task).map_or(Mask::NOTHING, |task| task.now)
    }

    /// What the code may rely on that the task's innermost handler has interrupted.
    pub fn interrupted(&self, task: u8) -> Mask {
        let task = self.tasks.get(&task);
        task.and_then(|task| task.interrupted.last())
            .copied()
            .unwrap_or(Mask::NOTHING)
    }

    /// Takes the next entry of the log.
    pub fn step(&mut self, entry: &LogEntry) {
        match *entry {
            LogEntry::TaskStarted { task, parent } => {
                let started = match parent {
                    None => self.staged(task),
                    Some(parent) => self.born(task, parent),
                };
                self.tasks.insert(task, started);
            }
            LogEntry::Event { index, task } => {
                if let Some(event) = self.scenario.events.get(usize::from(index)) {
                    let (policy, traps) = (self.policy, self.traps);
                    self.task(task).does(event, policy, traps);
                }
            }
            LogEntry::SignalDelivered { task, frame } => {
                let state = self.task(task);
                let interrupted = state.now;
                state.interrupted.push(interrupted);
                state.now = interrupted.in_handler();
                self.found.frames.insert(frame, interrupted);
            }
            LogEntry::SigReturned { task } => {
                let state = self.task(task);
                state.now = state.interrupted.pop().unwrap_or(Mask::NOTHING);
            }
            LogEntry::Traced { task, event, view } => {
                let state = self.task(task);
                let now = state.now;
                self.found.traced.insert(view, now);
                let event = self.scenario.events.get(usize::from(event));
                let ptrace = event.and_then(Event::pending).and_then(|p| p.ptrace);
                if let Some(set) = ptrace.and_then(|ptrace| ptrace.set) {
                    self.task(task).is_written(&set);
                }
                if let Some(Event::Access { op, register, .. }) = event {
                    self.task(task).loads_again(*op, *register, &now);
                }
            }
            LogEntry::Execed { task } => {
                let state = self.task(task);
                state.now = Mask::EVERYTHING;
                state.interrupted.clear();
                state.used.clear();
            }
            LogEntry::CoreDumped { task, core } => {
                let now = self.task(task).now;
                self.found.cores.insert(core, now);
            }
            // A guest's registers are its own.
            LogEntry::GuestLeft { .. } => {}
            LogEntry::ContextSaved { task, frame } => {
                let now = self.task(task).now;
                self.found.frames.insert(frame, now);
            }
            LogEntry::Dumped { task } => {
                let now = self.task(task).now;
                self.found.tasks.insert(task, now);
            }
        }
    }

    fn task(&mut self, task: u8) -> &mut Task {
        self.tasks
            .entry(task)
            .or_insert_with(|| Task::new(Mask::EVERYTHING, Vec::new(), BTreeSet::new()))
    }

    /// A task of the stage at its start.
    fn staged(&self, task: u8) -> Task {
        let stage = self.scenario.stage.tasks.get(usize::from(task));
        let uses = stage.map_or(&[][..], |stage| &stage.uses);
        let mut task = Task::new(Mask::EVERYTHING, Vec::new(), BTreeSet::new());
        uses.iter().for_each(|facility| task.uses(*facility));
        task
    }

    /// A child begins with what its parent had when the fork was made, not with what the parent has now.
    fn born(&self, child: u8, parent: u8) -> Task {
        let forks = self.tasks.get(&parent).map_or(&[][..], |task| &task.forks);
        if let Some(heritage) = self
            .family
            .fork_of(child, parent)
            .and_then(|nth| forks.get(nth))
        {
            return Task::new(
                heritage.mask,
                heritage.interrupted.clone(),
                heritage.used.clone(),
            );
        }
        let common = forks
            .iter()
            .map(|heritage| heritage.mask)
            .reduce(|a, b| a.and(&b));
        Task::new(common.unwrap_or(Mask::NOTHING), Vec::new(), BTreeSet::new())
    }
}

/// Which children each task has, and how often it forked: enough to tell which fork made which child.
struct Family {
    children: BTreeMap<u8, Vec<u8>>,
    forks: BTreeMap<u8, usize>,
}

impl Family {
    fn of(scenario: &Scenario, log: &[LogEntry]) -> Self {
        let mut family = Family {
            children: BTreeMap::new(),
            forks: BTreeMap::new(),
        };
        for entry in log {
            match *entry {
                LogEntry::TaskStarted {
                    task,
                    parent: Some(parent),
                } => {
                    family.children.entry(parent).or_default().push(task);
                }
                LogEntry::Event { index, task } => {
                    let event = scenario.events.get(usize::from(index));
                    if event.is_some_and(makes_a_child) {
                        *family.forks.entry(task).or_default() += 1;
                    }
                }
                _ => {}
            }
        }
        // Indices are handed out when the fork is made, so they tell the order of the forks even if the children start in another.
        for children in family.children.values_mut() {
            children.sort_unstable();
        }
        family
    }

    /// The number of the parent's fork that made the child; `None` when some fork made none, because it is then not known which.
    fn fork_of(&self, child: u8, parent: u8) -> Option<usize> {
        let children = self.children.get(&parent)?;
        let forks = self.forks.get(&parent).copied().unwrap_or(0);
        if children.len() != forks {
            return None;
        }
        children.iter().position(|&other| other == child)
    }
}

fn makes_a_child(event: &Event) -> bool {
    matches!(
        event,
        Event::Syscall {
            call: Syscall::Fork | Syscall::Vfork | Syscall::Clone { fail: false },
            ..
        }
    )
}

impl Task {
    fn uses(&mut self, facility: Facility) {
        self.used.insert(facility);
        if facility == Facility::Vsx {
            self.used.extend([Facility::Fp, Facility::Vmx]);
        }
    }

    /// A tracer writes. What it writes of a facility that the task has not used yet is in no signal frame: it may be lost on the way back from a handler,
    /// or outlive the handler that it was meant for.
    fn is_written(&mut self, set: &SetRegset) {
        let known = set.regset == Facility::Fp || self.used.contains(&set.regset);
        for register in set.registers() {
            self.now.put(register, known);
            for interrupted in self.interrupted.iter_mut().filter(|_| !known) {
                interrupted.put(register, false);
            }
            // A fork that a signal or the tracer itself interrupted is made again later: its child may be born before or after this.
            for fork in &mut self.forks {
                fork.mask.put(register, false);
            }
        }
    }

    /// User code loads again what an access has stored before the tracer came.
    fn loads_again(&mut self, op: AccessOp, register: u8, stored: &Mask) {
        let registers = access::vsr(register).into_iter();
        for register in registers.filter(|register| !op.is_load() && stored.lacks(*register)) {
            self.now.put(register, false);
        }
    }

    fn does(&mut self, event: &Event, policy: Abi, traps: bool) {
        if let Some(facility) = used_by(event) {
            self.uses(facility);
        }
        match event {
            Event::Set(values) => set(&mut self.now, values),
            Event::Fill { facility, .. } => fill(&mut self.now, *facility),
            Event::Compute { op, register } => {
                compute(&mut self.now, *op, *register);
                if traps && is_arithmetic(*op) {
                    lose_result(&mut self.now, *register % 32);
                }
            }
            // A store changes nothing that was defined, and defines nothing: what it leaves out may keep its value or lose it.
            Event::Access { op, register, .. } => {
                for (register, defined) in op.defines(*register) {
                    self.now.put(register, defined);
                }
            }
            Event::Touch(_) | Event::Interrupt { .. } => {}
            // What is left out of a frame is zero after the return, but for VSCR: whether it is depends on whether the kernel holds that VMX was used.
            Event::EditFrame(edit) => {
                if let (FrameEdit::DropVmx, Some(interrupted)) = (edit, self.interrupted.last_mut())
                {
                    interrupted.put(Register::Vscr, false);
                }
            }
            Event::Syscall { call, .. } => {
                // `rt_sigreturn` acts when the log says `SigReturned`; `exit` comes after the registers were dumped.
                let returns = !matches!(call, Syscall::RtSigreturn | Syscall::Exit);
                if returns && policy == Abi::Elf {
                    self.now.lose_volatile();
                }
                if makes_a_child(event) {
                    let interrupted = self.interrupted.clone();
                    self.forks.push(Heritage {
                        mask: self.now,
                        interrupted,
                        used: self.used.clone(),
                    });
                }
            }
        }
    }
}

/// The facility whose instructions an event runs for certain. `set` is left out: which ones it runs depends on the registers, and to know less is safe.
fn used_by(event: &Event) -> Option<Facility> {
    match event {
        Event::Fill { facility, .. } | Event::Touch(facility) => Some(*facility),
        Event::Access { op, .. } if op.is_load() => Some(op.facility()),
        Event::Compute { op, .. } => Some(match op {
            ComputeOp::Fadd | ComputeOp::Fmul | ComputeOp::Fdiv | ComputeOp::Fmr => Facility::Fp,
            ComputeOp::Xxlor | ComputeOp::Xvadddp => Facility::Vsx,
            ComputeOp::Vaddubs | ComputeOp::Vor => Facility::Vmx,
        }),
        _ => None,
    }
}

/// Writing defines. `lfd` also writes doubleword 1 of its VSR: zero as ISA 3.1 says.
fn set(mask: &mut Mask, values: &RegisterValues) {
    for &register in values.keys() {
        mask.put(register, true);
        if let Register::F(n) = register {
            mask.put(Register::Vs(n), true);
        }
    }
}

/// A fill writes the data registers of a facility; FPSCR, VSCR and VRSAVE stay.
fn fill(mask: &mut Mask, facility: Facility) {
    for n in 0..32 {
        if facility != Facility::Vmx {
            mask.put(Register::F(n), true);
            mask.put(Register::Vs(n), true);
        }
        if facility != Facility::Fp {
            mask.put(Register::V(n), true);
        }
    }
}

/// Computing on something undefined gives something undefined.
fn compute(mask: &mut Mask, op: ComputeOp, register: u8) {
    let target = register % 32;
    let other = (target + 1) % 32;
    match op {
        ComputeOp::Fadd | ComputeOp::Fmul | ComputeOp::Fdiv => arithmetic(mask, op, target),
        ComputeOp::Xvadddp => arithmetic(mask, op, target),
        ComputeOp::Fmr => {
            let known = !mask.lacks(Register::F(other));
            mask.put(Register::F(target), known);
            mask.put(Register::Vs(target), true);
        }
        ComputeOp::Xxlor => {
            spread(mask, Register::F(target), Register::F(other));
            spread(mask, Register::Vs(target), Register::Vs(other));
        }
        ComputeOp::Vor => {
            spread(mask, Register::V(target), Register::V(other));
        }
        ComputeOp::Vaddubs => {
            if spread(mask, Register::V(target), Register::V(other)) {
                mask.lose_saturation();
            }
        }
    }
}

/// FP arithmetic. An enabled exception suppresses the whole result, so anything unknown among the inputs (FPSCR's control bits are
/// inputs) makes both doublewords unknown; and a known result still leaves doubleword 1 as it was, because it may not have been written.
fn arithmetic(mask: &mut Mask, op: ComputeOp, target: u8) {
    if !knows_operands(mask, op, target) {
        lose_result(mask, target);
    }
}

fn lose_result(mask: &mut Mask, target: u8) {
    mask.put(Register::F(target), false);
    mask.put(Register::Vs(target), false);
    mask.lose_fp_status();
}

/// `target <- target op other`, bit by bit; tells whether the target is undefined now.
fn spread(mask: &mut Mask, target: Register, other: Register) -> bool {
    let unknown = mask.lacks(target) || mask.lacks(other);
    if unknown {
        mask.put(target, false);
    }
    unknown
}
