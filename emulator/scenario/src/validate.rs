//! What makes a scenario valid beyond its types: the same rules for files, generators and programs.

use crate::calls::Call;
use crate::error::ScenarioError;
use crate::event::{Event, MAX_PLACES, Pending, RegisterValues, Switch, Syscall};
use crate::facility::Facility;
use crate::json::names::listed;
use crate::point::{MAX_CALL, PreemptionPoint};
use crate::ptrace::SetRegset;
use crate::register::Register;
use crate::scenario::{
    Abis, Expect, MAX_EVENTS, MAX_FILLS, MAX_OPERATIONS, MAX_TASKS, Place, Scenario, Stage,
    TaskStage, Verdict,
};

impl Scenario {
    /// Checks every rule; the error names the first field that breaks one (and no file: see
    /// [`Scenario::from_json`]).
    pub fn validate(&self) -> Result<(), ScenarioError> {
        if let Some(name) = &self.name {
            check_name(name)?;
        }
        check_stage(&self.stage)?;
        check_events(&self.events)?;
        for (index, row) in self.expect.iter().enumerate() {
            check_expect(row, &format!("expect[{index}]"))?;
        }
        Ok(())
    }
}

fn wrong<T>(field: impl Into<String>, message: impl Into<String>) -> Result<T, ScenarioError> {
    Err(ScenarioError::of_field(field, message))
}

/// Names are file names too.
fn check_name(name: &str) -> Result<(), ScenarioError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let first = name
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_alphanumeric());
    if first && name.len() <= 80 && name.bytes().all(allowed) {
        Ok(())
    } else {
        wrong(
            "name",
            "expected 1 to 80 letters, digits, `.`, `_` or `-`, with a letter or digit first",
        )
    }
}

fn check_stage(stage: &Stage) -> Result<(), ScenarioError> {
    match stage.tasks.len() {
        0 => return wrong("stage.tasks", format!("no task: expected 1 to {MAX_TASKS}")),
        1..=MAX_TASKS => {}
        count => {
            return wrong(
                format!("stage.tasks[{MAX_TASKS}]"),
                format!("{count} tasks: expected 1 to {MAX_TASKS}"),
            );
        }
    }
    for (index, task) in stage.tasks.iter().enumerate() {
        check_task(task, &format!("stage.tasks[{index}]"))?;
    }
    for (index, &owner) in stage.io_uring.iter().enumerate() {
        let field = format!("stage.io_uring[{index}]");
        if usize::from(owner) >= stage.tasks.len() {
            return wrong(
                field,
                format!(
                    "no task {owner}: the stage has {}, counted from 0",
                    stage.tasks.len()
                ),
            );
        }
        if stage.io_uring[..index].contains(&owner) {
            return wrong(
                field,
                format!("task {owner} owns a ring already: a task has at most one"),
            );
        }
    }
    Ok(())
}

fn check_task(task: &TaskStage, field: &str) -> Result<(), ScenarioError> {
    for (index, facility) in task.uses.iter().enumerate() {
        if task.uses[..index].contains(facility) {
            return wrong(
                format!("{field}.uses[{index}]"),
                format!("duplicate facility `{facility}`"),
            );
        }
    }
    for register in task.registers.keys() {
        if !task.has(*register) {
            let needed: Vec<&str> = register
                .facilities()
                .iter()
                .map(|facility| facility.name())
                .collect();
            return wrong(
                format!("{field}.registers.{register}"),
                format!(
                    "the task does not use this register's facility: add {} to `uses`",
                    needed.join(" or ")
                ),
            );
        }
    }
    for (name, counter, facility) in [
        ("load_fp", task.load_fp, Facility::Fp),
        ("load_vec", task.load_vec, Facility::Vmx),
    ] {
        if counter.is_some() && !task.reloads(facility) {
            return wrong(
                format!("{field}.{name}"),
                format!("the task does not reload this facility: add {facility} or vsx to `uses`"),
            );
        }
    }
    check_widths(&task.registers, &format!("{field}.registers"))
}

fn check_widths(values: &RegisterValues, field: &str) -> Result<(), ScenarioError> {
    for (register, &value) in values {
        if value & !register.mask() != 0 {
            let message = format!(
                "value {value:#x} is too wide: {register} has {} bits",
                register.bits()
            );
            return wrong(format!("{field}.{register}"), message);
        }
    }
    Ok(())
}

fn check_events(events: &[Event]) -> Result<(), ScenarioError> {
    if events.len() > MAX_EVENTS {
        return wrong(
            format!("events[{MAX_EVENTS}]"),
            format!("{} events: expected at most {MAX_EVENTS}", events.len()),
        );
    }
    let mut operations = 0;
    let mut fills = 0;
    for (index, event) in events.iter().enumerate() {
        check_event(event, &format!("events[{index}]"))?;
        operations += event.operations();
        fills += usize::from(event.takes_an_image());
        if operations > MAX_OPERATIONS {
            let message = format!(
                "the events up to here set more registers than the {MAX_OPERATIONS} operations of a run allow"
            );
            return wrong(format!("events[{index}]"), message);
        }
        if fills > MAX_FILLS {
            return wrong(
                format!("events[{index}]"),
                format!(
                    "more than {MAX_FILLS} events that fill registers or write them into a frame"
                ),
            );
        }
    }
    Ok(())
}

fn check_event(event: &Event, field: &str) -> Result<(), ScenarioError> {
    match event {
        Event::Set(values) | Event::SetFrame(values) if values.is_empty() => wrong(
            format!("{field}.{}", event.key()),
            "no register: expected at least one, like {\"f0\": \"0x1\"}",
        ),
        Event::Set(values) | Event::SetFrame(values) => {
            check_widths(values, &format!("{field}.{}", event.key()))
        }
        Event::Compute { register, .. } if *register > 31 => wrong(
            format!("{field}.compute.register"),
            format!("no register {register}: expected 0 to 31"),
        ),
        Event::Access { op, register, .. } if *register > op.last() => wrong(
            format!("{field}.access.register"),
            format!(
                "no register {register}: expected 0 to {} with {op}",
                op.last()
            ),
        ),
        Event::Access { pending, .. } => {
            let field = format!("{field}.access.pending");
            check_pending(pending, &field)?;
            check_ptrace(event, pending, &field)
        }
        Event::Fill { .. }
        | Event::Compute { .. }
        | Event::Touch(_)
        | Event::EditFrame(_)
        | Event::FillFrame { .. } => Ok(()),
        Event::Interrupt { vector, pending } => {
            let field = format!("{field}.interrupt.pending");
            if !vector.does_pending_work() && !pending.is_none() {
                return wrong(
                    field,
                    "a system reset interrupt returns without doing what is pending: expected nothing",
                );
            }
            if pending.after != 0 {
                return wrong(
                    format!("{field}.after"),
                    "what is pending at an interrupt comes with it: expected no `after`, which goes with system calls and accesses, or `at` instead",
                );
            }
            check_pending(pending, &field)?;
            check_ptrace(event, pending, &field)
        }
        Event::Syscall { call, pending, .. } => {
            match call {
                Syscall::Read { bytes } | Syscall::Write { bytes }
                    if !(1..=8192).contains(bytes) =>
                {
                    return wrong(
                        format!("{field}.syscall.bytes"),
                        format!("{bytes} bytes: expected 1 to 8192"),
                    );
                }
                Syscall::Kill { signal } => {
                    check_signal(*signal, &format!("{field}.syscall.signal"))?
                }
                _ => {}
            }
            let field = format!("{field}.syscall.pending");
            check_pending(pending, &field)?;
            check_ptrace(event, pending, &field)
        }
    }
}

fn check_signal(signal: u8, field: &str) -> Result<(), ScenarioError> {
    match signal {
        10 | 12 => Ok(()),
        _ => wrong(
            field,
            format!("signal {signal}: expected 10 (SIGUSR1) or 12 (SIGUSR2)"),
        ),
    }
}

fn check_pending(pending: &Pending, field: &str) -> Result<(), ScenarioError> {
    if let Some(signal) = pending.signal {
        check_signal(signal, &format!("{field}.signal"))?;
    }
    check_late(pending, field)?;
    match pending.switch {
        // Children count on from the stage's tasks, so any index below the limit can come to exist.
        Some(Switch::To(task)) if usize::from(task) >= MAX_TASKS => wrong(
            format!("{field}.switch"),
            format!("no task {task}: expected \"any\" or 0 to {}", MAX_TASKS - 1),
        ),
        _ => Ok(()),
    }
}

fn check_ptrace(event: &Event, pending: &Pending, field: &str) -> Result<(), ScenarioError> {
    let Some(ptrace) = pending.ptrace else {
        return Ok(());
    };
    let field = format!("{field}.ptrace");
    if !event.can_be_traced() {
        let calls = Call::ALL.iter().filter(|call| !call.can_be_traced());
        let names: Vec<&str> = calls.map(|call| call.name()).collect();
        return wrong(
            field,
            format!(
                "others run before the task can stop, or it is another program then: expected no `ptrace` with {}",
                listed(&names, "and")
            ),
        );
    }
    if pending.switch.is_some() || pending.is_late() {
        return wrong(
            field,
            "the task stops at once, and whoever is next runs: expected none of `switch`, `after` and `at` beside it",
        );
    }
    let Some(set) = ptrace.set else {
        return Ok(());
    };
    let (regset, element, size) = (
        set.regset,
        SetRegset::element(set.regset),
        SetRegset::size(set.regset),
    );
    if set.is_empty() || set.len() > size || !set.len().is_multiple_of(element) {
        return wrong(
            format!("{field}.set.bytes"),
            format!(
                "{} bytes: expected a multiple of {element} up to {size}, as {regset} has",
                set.len()
            ),
        );
    }
    Ok(())
}

fn check_late(pending: &Pending, field: &str) -> Result<(), ScenarioError> {
    let word = match pending.at {
        Some(_) => "at",
        None => "after",
    };
    let field = format!("{field}.{word}");
    if pending.after > MAX_PLACES {
        let message = format!("{} places: expected 0 to {MAX_PLACES}", pending.after);
        return wrong(field, message);
    }
    if pending
        .at
        .is_some_and(|point| !(1..=MAX_CALL).contains(&point.call))
    {
        return wrong(field, format!("no such call: expected 1 to {MAX_CALL}"));
    }
    let too_far = |point: PreemptionPoint| point.into.0 > 99 || point.past > MAX_PLACES;
    if pending.at.is_some_and(too_far) {
        return wrong(
            field,
            format!("no such place: expected 0% to 99%, and 0 to {MAX_PLACES} places from there"),
        );
    }
    if pending.at.is_some() && pending.after != 0 {
        return wrong(
            field,
            "the work comes once: expected `after` or `at`, not both",
        );
    }
    if pending.is_late() && pending.at_once().is_none() {
        return wrong(
            field,
            "nothing is pending that could be late: expected `io_worker`, `softirq`, `switch` or `signal` beside it",
        );
    }
    Ok(())
}

fn check_expect(row: &Expect, field: &str) -> Result<(), ScenarioError> {
    for (side, kernel) in [("a", &row.a), ("b", &row.b)] {
        if kernel.trim().is_empty() {
            return wrong(
                format!("{field}.{side}"),
                "no kernel: expected a name like `fixed`",
            );
        }
    }
    let worst = row
        .differences
        .iter()
        .map(|difference| difference.verdict)
        .max()
        .unwrap_or_default();
    for (index, difference) in row.differences.iter().enumerate() {
        let field = format!("{field}.differences[{index}]");
        if usize::from(difference.task) >= MAX_TASKS {
            return wrong(
                format!("{field}.task"),
                format!(
                    "no task {}: expected 0 to {}",
                    difference.task,
                    MAX_TASKS - 1
                ),
            );
        }
        match (difference.place, difference.register) {
            (Place::End, Some(_)) => {
                return wrong(
                    format!("{field}.register"),
                    "how a run ended has no register",
                );
            }
            (place, None) if place.needs_register() => {
                return wrong(
                    field,
                    format!("missing field `register`: `{place}` needs one"),
                );
            }
            _ => {}
        }
        if difference.verdict < Verdict::Abi {
            return wrong(
                format!("{field}.verdict"),
                "only differences that are not dead are listed: expected abi or live",
            );
        }
        if row.differences[..index].contains(difference) {
            return wrong(field, "this difference is listed twice");
        }
    }
    if worst >= Verdict::Abi && row.verdict != worst
        || worst < Verdict::Abi && row.verdict >= Verdict::Abi
    {
        let listed = if row.differences.is_empty() {
            "no difference is listed".to_owned()
        } else {
            format!("they are {worst}")
        };
        return wrong(
            format!("{field}.verdict"),
            format!(
                "`{}` does not agree with `differences`: {listed}",
                row.verdict
            ),
        );
    }
    check_reported(row, field)
}

/// What is reported follows from the verdict and the ABI policy.
fn check_reported(row: &Expect, field: &str) -> Result<(), ScenarioError> {
    let expected = match (row.verdict, row.abi) {
        (Verdict::Live, _) | (Verdict::Abi, Abis::Linux) => true,
        (Verdict::Abi, Abis::Both) => {
            return wrong(
                format!("{field}.abi"),
                "verdict `abi` is reported under linux and not under elf: write a row for each",
            );
        }
        (Verdict::Abi, Abis::Elf) | (Verdict::Dead | Verdict::None, _) => false,
    };
    if row.reported == expected {
        Ok(())
    } else {
        let (verdict, abi) = (row.verdict, row.abi);
        wrong(
            format!("{field}.reported"),
            format!("verdict `{verdict}` under `{abi}` means {expected}"),
        )
    }
}

impl TaskStage {
    /// Whether the task has used the facility before its first event.
    pub fn uses(&self, facility: Facility) -> bool {
        self.uses.contains(&facility)
    }

    /// Whether the register belongs to a facility that the task has used.
    pub fn has(&self, register: Register) -> bool {
        register
            .facilities()
            .iter()
            .any(|&facility| self.uses(facility))
    }

    /// Whether the kernel counts reloads of this facility (FP or VMX) for the task. VSX is both.
    pub fn reloads(&self, facility: Facility) -> bool {
        self.uses(facility) || self.uses(Facility::Vsx)
    }

    /// Drops the registers and counters of facilities that are not in `uses`.
    pub fn drop_unused(&mut self) {
        let uses = self.uses.clone();
        let used = |facility: &Facility| uses.contains(facility);
        self.registers
            .retain(|register, _| register.facilities().iter().any(used));
        self.load_fp = self.load_fp.filter(|_| self.reloads(Facility::Fp));
        self.load_vec = self.load_vec.filter(|_| self.reloads(Facility::Vmx));
    }
}
