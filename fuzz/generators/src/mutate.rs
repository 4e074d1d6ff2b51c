//! Structure-aware mutations: of the list of events, of one event, of the stage.
//!
//! Built on `mutatis`: candidates are listed and one is chosen, so a session can shrink as well as
//! grow.

use ctxfuzz_scenario::{
    ComputeOp, Event, Facility, FrameEdit, MAX_FILLS, MAX_OPERATIONS, MAX_PLACES, Pending, Percent,
    PreemptionPoint, Register, RegisterValues, Scenario, TaskStage, Via,
};
use mutatis::{Candidates, Mutate, Result, Rng, Session};

use crate::aim::nearby;
use crate::constants::{MAX_EVENTS, MAX_SET, MAX_STAGE_TASKS, SIGNALS};
use crate::generate::{
    below, change_counters, event, fill_in, once_in, one_of, pattern, pending, places, ptrace,
    register, switch, syscall, task, value, vector,
};
use crate::rare::insert_rare;

/// Mutates scenarios, and makes them (`mutatis::Generate`).
#[derive(Clone, Copy, Debug, Default)]
pub struct Mutator;

impl Mutator {
    /// Mutates a scenario once; false if nothing can be done to it (only a shrinking session runs
    /// out). The result is valid if the scenario was. Expectations are dropped, because they no
    /// longer hold, and so are name and description.
    pub fn mutate(&mut self, scenario: &mut Scenario, session: &mut Session) -> bool {
        session.mutate_with(self, scenario).is_ok()
    }
}

type Mutation = fn(&mut Scenario, &mut Rng);

/// Candidates are chosen alike, so a weight is how often one is listed. What adds events and what
/// takes them away weigh about the same: a campaign's scenarios get longer where that shows
/// something new, and not by themselves. Long ones cost their time.
const GROWTH: [(u32, Mutation); 18] = [
    (5, insert),
    (2, insert_rare),
    (1, duplicate),
    (2, swap),
    (1, splice),
    (3, remove_one),
    (2, remove_run),
    (2, replace),
    (5, change_event),
    (5, change_pending),
    (1, add_task),
    (1, remove_task),
    (2, change_uses),
    (3, change_register),
    (1, change_pattern),
    (1, change_reloads),
    (2, change_rings),
    (1, move_event),
];

impl Mutate<Scenario> for Mutator {
    fn mutate(&mut self, candidates: &mut Candidates<'_>, scenario: &mut Scenario) -> Result<()> {
        if candidates.shrink() {
            return shrink(candidates, scenario);
        }
        for (weight, mutation) in GROWTH {
            candidates.mutation_group(weight, |context, _| {
                mutation(scenario, context.rng());
                bound(scenario);
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// Every mutation that only takes something away.
fn shrink(candidates: &mut Candidates<'_>, scenario: &mut Scenario) -> Result<()> {
    for index in 0..scenario.events.len() {
        candidates.mutation(|_| {
            scenario.events.remove(index);
            bound(scenario);
            Ok(())
        })?;
        if scenario.events[index]
            .pending()
            .is_some_and(|pending| !pending.is_none())
        {
            candidates.mutation(|_| {
                if let Some(pending) = pending_of(&mut scenario.events[index]) {
                    *pending = Pending::NONE;
                }
                bound(scenario);
                Ok(())
            })?;
        }
    }
    if scenario.stage.tasks.len() > 1 {
        candidates.mutation(|_| {
            drop_last_task(scenario);
            bound(scenario);
            Ok(())
        })?;
    }
    for index in 0..scenario.stage.io_uring.len() {
        candidates.mutation(|_| {
            scenario.stage.io_uring.remove(index);
            bound(scenario);
            Ok(())
        })?;
    }
    Ok(())
}

/// Brings a scenario back within its limits, and drops what was said of it before.
pub(crate) fn bound(scenario: &mut Scenario) {
    scenario.name = None;
    scenario.about = None;
    scenario.needs.clear();
    scenario.expect.clear();
    scenario.events.truncate(MAX_EVENTS);
    let (mut operations, mut fills) = (0, 0);
    scenario.events.iter_mut().for_each(Event::drop_unfit);
    scenario.events.retain(|event| {
        operations += event.operations();
        fills += usize::from(event.takes_an_image());
        operations <= MAX_OPERATIONS && (fills <= MAX_FILLS || !event.takes_an_image())
    });
}

/// Has no work come after a number of preemption points, nor in the middle of a function. Where two
/// kernels have different code, such a place in the one is none in the other.
pub fn drop_delays(scenario: &mut Scenario) {
    scenario.events.iter_mut().for_each(drop_delay);
}

/// As [`drop_delays`], but the first place in the middle of a function stays, without the points
/// that are counted from there: for those who try what the kernels do at other places of it.
pub fn drop_other_delays(scenario: &mut Scenario) {
    let mut kept = false;
    for event in &mut scenario.events {
        let into = event.pending().and_then(|pending| pending.at);
        let into = into.map_or(Percent(0), |point| point.into);
        drop_delay(event);
        if into != Percent(0)
            && !kept
            && let Some(pending) = event.pending_mut()
            && let Some(point) = &mut pending.at
        {
            point.into = into;
            kept = true;
        }
    }
}

/// Whether a place is in the middle of a function.
pub fn is_inside(point: PreemptionPoint) -> bool {
    (point.into, point.past) != (Percent(0), 0)
}

fn drop_delay(event: &mut Event) {
    if let Some(work) = pending_of(event) {
        work.after = 0;
        work.at = work.at.map(|point| PreemptionPoint {
            into: Percent(0),
            past: 0,
            ..point
        });
    }
}

fn insert(scenario: &mut Scenario, rng: &mut Rng) {
    if scenario.events.len() < MAX_EVENTS {
        let at = below(rng, scenario.events.len() + 1);
        scenario
            .events
            .insert(at, event(rng, scenario.stage.tasks.len()));
    } else {
        replace(scenario, rng);
    }
}

/// Index of an event; where there is none, one is made.
fn some_event(scenario: &mut Scenario, rng: &mut Rng) -> usize {
    if scenario.events.is_empty() {
        scenario.events.push(event(rng, scenario.stage.tasks.len()));
    }
    below(rng, scenario.events.len())
}

fn duplicate(scenario: &mut Scenario, rng: &mut Rng) {
    let index = some_event(scenario, rng);
    let at = below(rng, scenario.events.len() + 1);
    scenario.events.insert(at, scenario.events[index].clone());
}

fn swap(scenario: &mut Scenario, rng: &mut Rng) {
    let (one, other) = (some_event(scenario, rng), some_event(scenario, rng));
    scenario.events.swap(one, other);
}

fn move_event(scenario: &mut Scenario, rng: &mut Rng) {
    let from = some_event(scenario, rng);
    let event = scenario.events.remove(from);
    let to = below(rng, scenario.events.len() + 1);
    scenario.events.insert(to, event);
}

/// Copies a run of events to another place: what happened once happens again, later.
fn splice(scenario: &mut Scenario, rng: &mut Rng) {
    let from = some_event(scenario, rng);
    let length = 1 + below(rng, (scenario.events.len() - from).min(8));
    let run = scenario.events[from..from + length].to_vec();
    let at = below(rng, scenario.events.len() + 1);
    scenario.events.splice(at..at, run);
}

fn remove_one(scenario: &mut Scenario, rng: &mut Rng) {
    let index = some_event(scenario, rng);
    scenario.events.remove(index);
}

/// Takes out a run of events, as long as one that [`splice`] copies.
fn remove_run(scenario: &mut Scenario, rng: &mut Rng) {
    let from = some_event(scenario, rng);
    let length = 1 + below(rng, (scenario.events.len() - from).min(8));
    scenario.events.drain(from..from + length);
}

pub(crate) fn replace(scenario: &mut Scenario, rng: &mut Rng) {
    let index = some_event(scenario, rng);
    scenario.events[index] = event(rng, scenario.stage.tasks.len());
}

/// Changes one thing about one event.
fn change_event(scenario: &mut Scenario, rng: &mut Rng) {
    let index = some_event(scenario, rng);
    match &mut scenario.events[index] {
        Event::Set(values) | Event::SetFrame(values) => change_values(values, rng),
        Event::Fill {
            facility,
            pattern: seed,
        }
        | Event::FillFrame {
            facility,
            pattern: seed,
        } => {
            if once_in(rng, 2) {
                *facility = one_of(rng, Facility::ALL);
            } else {
                *seed = pattern(rng);
            }
        }
        Event::Compute { op, register } => {
            if once_in(rng, 2) {
                *op = one_of(rng, ComputeOp::ALL);
            } else {
                *register = below(rng, 32) as u8;
            }
        }
        Event::Touch(facility) => *facility = one_of(rng, Facility::ALL),
        Event::Access { op, register, .. } => {
            let changed = crate::rare::access(rng);
            if once_in(rng, 2) && changed.0.last() >= *register {
                *op = changed.0;
            } else {
                *register = changed.1.min(op.last());
            }
        }
        Event::EditFrame(edit) => *edit = one_of(rng, FrameEdit::ALL),
        Event::Interrupt { vector: which, .. } => *which = vector(rng),
        Event::Syscall { call, via, .. } => {
            if once_in(rng, 3) {
                *via = if *via == Via::Sc { Via::Scv } else { Via::Sc };
            } else {
                *call = syscall(rng);
            }
        }
    }
}

fn change_values(values: &mut RegisterValues, rng: &mut Rng) {
    let named: Vec<Register> = values.keys().copied().collect();
    if values.len() < MAX_SET && once_in(rng, 2) {
        let register = register(rng);
        values.insert(register, value(rng, register));
    } else if values.len() > 1 && once_in(rng, 3) {
        values.remove(&one_of(rng, &named));
    } else if !named.is_empty() {
        let register = one_of(rng, &named);
        values.insert(register, value(rng, register));
    }
}

fn pending_of(event: &mut Event) -> Option<&mut Pending> {
    event.pending_mut()
}

/// Changes what is pending at one entry to the kernel.
fn change_pending(scenario: &mut Scenario, rng: &mut Rng) {
    let tasks = scenario.stage.tasks.len();
    let entries: Vec<usize> = (0..scenario.events.len())
        .filter(|&index| scenario.events[index].pending().is_some())
        .collect();
    if entries.is_empty() {
        return insert(scenario, rng);
    }
    let index = one_of(rng, &entries);
    let late = scenario.events[index].can_be_late();
    let Some(work) = pending_of(&mut scenario.events[index]) else {
        return;
    };
    match below(rng, if late { 8 } else { 6 }) {
        5 => work.softirq = !work.softirq,
        6 | 7 => match &mut work.at {
            Some(point) => nearby(rng, point),
            None => work.after = later(rng, work),
        },
        0 => work.io_worker = !work.io_worker,
        1 => {
            work.switch = if work.switch.is_some() && once_in(rng, 2) {
                None
            } else {
                Some(switch(rng, tasks))
            }
        }
        2 => {
            work.signal = if work.signal.is_some() {
                None
            } else {
                Some(one_of(rng, &SIGNALS))
            }
        }
        3 => {
            work.ptrace = if work.ptrace.is_some() {
                None
            } else {
                Some(ptrace(rng))
            }
        }
        _ => *work = pending(rng, tasks),
    }
}

/// Another place for something that comes late: often one close by, as the places of a path lie
/// side by side.
fn later(rng: &mut Rng, work: &Pending) -> u16 {
    match (work.after, below(rng, 4)) {
        (0, _) | (_, 0 | 1) => places(rng, work),
        (after, 2) => (after + 1 + below(rng, 3) as u16).min(MAX_PLACES),
        (after, _) => after.saturating_sub(1 + below(rng, 3) as u16),
    }
}

fn add_task(scenario: &mut Scenario, rng: &mut Rng) {
    if scenario.stage.tasks.len() < MAX_STAGE_TASKS {
        scenario.stage.tasks.push(task(rng));
    } else {
        change_register(scenario, rng);
    }
}

fn remove_task(scenario: &mut Scenario, rng: &mut Rng) {
    if scenario.stage.tasks.len() > 1 {
        drop_last_task(scenario);
    } else {
        add_task(scenario, rng);
    }
}

/// The last, so that the numbers of the others stay what they are.
fn drop_last_task(scenario: &mut Scenario) {
    scenario.stage.tasks.pop();
    let left = scenario.stage.tasks.len();
    scenario
        .stage
        .io_uring
        .retain(|&owner| usize::from(owner) < left);
}

fn some_task<'a>(scenario: &'a mut Scenario, rng: &mut Rng) -> &'a mut TaskStage {
    if scenario.stage.tasks.is_empty() {
        scenario.stage.tasks.push(task(rng));
    }
    let index = below(rng, scenario.stage.tasks.len());
    &mut scenario.stage.tasks[index]
}

/// Adds or takes away a facility that a task has used.
fn change_uses(scenario: &mut Scenario, rng: &mut Rng) {
    let facility = one_of(rng, Facility::ALL);
    let task = some_task(scenario, rng);
    if task.uses(facility) {
        task.uses.retain(|&used| used != facility);
        task.drop_unused();
    } else {
        task.uses.push(facility);
        task.uses.sort_unstable();
    }
    fill_in(task, rng);
}

fn change_register(scenario: &mut Scenario, rng: &mut Rng) {
    let register = register(rng);
    let value = value(rng, register);
    let task = some_task(scenario, rng);
    if task.has(register) {
        task.registers.insert(register, value);
    } else {
        change_uses(scenario, rng);
    }
}

fn change_reloads(scenario: &mut Scenario, rng: &mut Rng) {
    change_counters(some_task(scenario, rng), rng);
}

fn change_pattern(scenario: &mut Scenario, rng: &mut Rng) {
    let seed = pattern(rng);
    some_task(scenario, rng).pattern = Some(seed);
}

/// Gives a task a ring, or takes it away.
fn change_rings(scenario: &mut Scenario, rng: &mut Rng) {
    let owner = below(rng, scenario.stage.tasks.len().max(1)) as u8;
    let rings = &mut scenario.stage.io_uring;
    if rings.contains(&owner) {
        rings.retain(|&other| other != owner);
    } else if usize::from(owner) < scenario.stage.tasks.len() {
        rings.push(owner);
        rings.sort_unstable();
    }
}

#[cfg(test)]
mod tests;
