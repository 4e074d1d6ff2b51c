//! What the minimizer tries. A pass lists candidates; the engine refuses those that are not
//! simpler, not valid, or do not reproduce.

use ctxfuzz_scenario::Facility;
use ctxfuzz_scenario::access::AccessOp;
use ctxfuzz_scenario::event::{
    ComputeOp, Event, Interrupt, Pending, RegisterValues, Switch, Syscall, Via,
};
use ctxfuzz_scenario::point::{Percent, PreemptionPoint};
use ctxfuzz_scenario::register::Register;
use ctxfuzz_scenario::scenario::Scenario;

/// A pass: candidates made from the best scenario so far, boldest first.
pub type Pass = fn(&Scenario) -> Vec<Scenario>;

/// All passes but the removal of events, in the order of a round.
pub const ALL: &[Pass] = &[
    drop_tasks,
    drop_rings,
    drop_pending,
    drop_facilities,
    drop_counters,
    drop_registers,
    simplify_events,
    simplify_values,
];

/// The smallest copy that the kernel does with VMX (`VMX_COPY_THRESHOLD` is 3328).
const VMX_COPY: u16 = 3329;

/// One candidate an index, made by changing a copy.
fn each<T>(
    scenario: &Scenario,
    items: impl IntoIterator<Item = T>,
    change: impl Fn(&mut Scenario, T),
) -> Vec<Scenario> {
    items
        .into_iter()
        .map(|item| {
            let mut candidate = scenario.clone();
            change(&mut candidate, item);
            candidate
        })
        .collect()
}

fn drop_tasks(scenario: &Scenario) -> Vec<Scenario> {
    each(
        scenario,
        (0..scenario.stage.tasks.len()).rev(),
        |candidate, gone| {
            candidate.stage.tasks.remove(gone);
            candidate
                .stage
                .io_uring
                .retain(|&task| usize::from(task) != gone);
            for task in &mut candidate.stage.io_uring {
                renumber(task, gone);
            }
            for pending in candidate.events.iter_mut().filter_map(pending_mut) {
                match &mut pending.switch {
                    Some(Switch::To(task)) if usize::from(*task) == gone => {
                        pending.switch = Some(Switch::Any)
                    }
                    Some(Switch::To(task)) => renumber(task, gone),
                    Some(Switch::Any) | None => {}
                }
            }
        },
    )
}

/// Children count on from the stage's tasks, so their numbers move too.
fn renumber(task: &mut u8, gone: usize) {
    if usize::from(*task) > gone {
        *task -= 1;
    }
}

/// Without any ring nothing can make a worker, so what is pending for one goes with the last.
fn drop_rings(scenario: &Scenario) -> Vec<Scenario> {
    each(
        scenario,
        0..scenario.stage.io_uring.len(),
        |candidate, ring| {
            candidate.stage.io_uring.remove(ring);
            let none_left = candidate.stage.io_uring.is_empty();
            for pending in candidate.events.iter_mut().filter_map(pending_mut) {
                pending.io_worker &= !none_left;
            }
        },
    )
}

fn drop_pending(scenario: &Scenario) -> Vec<Scenario> {
    const PARTS: [fn(&mut Pending); 16] = [
        |pending| *pending = Pending::default(),
        |pending| pending.ptrace = None,
        |pending| {
            if let Some(ptrace) = &mut pending.ptrace {
                ptrace.set = None;
            }
        },
        |pending| {
            if let Some(set) = pending.ptrace.as_mut().and_then(|p| p.set.as_mut()) {
                set.bytes = None;
            }
        },
        |pending| pending.signal = None,
        |pending| pending.switch = None,
        |pending| pending.io_worker = false,
        |pending| pending.softirq = false,
        |pending| pending.switch = pending.switch.map(|_| Switch::Any),
        |pending| *pending = pending.at_once(),
        |pending| pending.after /= 2,
        |pending| pending.after = pending.after.saturating_sub(1),
        |pending| with_point(pending, |point| point.call = 1),
        |pending| with_point(pending, |point| point.into = Percent(0)),
        |pending| with_point(pending, |point| point.past /= 2),
        |pending| with_point(pending, |point| point.past = point.past.saturating_sub(1)),
    ];
    let places = (0..scenario.events.len()).flat_map(|event| PARTS.map(|part| (event, part)));
    let mut candidates = each(scenario, places, |candidate, (event, part)| {
        if let Some(pending) = pending_mut(&mut candidate.events[event]) {
            part(pending);
            candidate.events[event].drop_unfit();
        }
    });
    candidates.extend(each(
        scenario,
        0..scenario.events.len(),
        |candidate, event| {
            if let Some(Pending {
                signal: Some(signal),
                ..
            }) = pending_mut(&mut candidate.events[event])
            {
                *signal = (*signal).min(10);
            }
        },
    ));
    candidates
}

fn with_point(pending: &mut Pending, change: fn(&mut PreemptionPoint)) {
    if let Some(point) = &mut pending.at {
        change(point);
    }
}

fn pending_mut(event: &mut Event) -> Option<&mut Pending> {
    event.pending_mut()
}

fn drop_facilities(scenario: &Scenario) -> Vec<Scenario> {
    let tasks = scenario.stage.tasks.iter().enumerate();
    let places =
        tasks.flat_map(|(task, stage)| (0..stage.uses.len()).map(move |facility| (task, facility)));
    each(scenario, places, |candidate, (task, facility)| {
        candidate.stage.tasks[task].uses.remove(facility);
        candidate.stage.tasks[task].drop_unused();
    })
}

/// Reload counters, one at a time.
fn drop_counters(scenario: &Scenario) -> Vec<Scenario> {
    let tasks = || 0..scenario.stage.tasks.len();
    let mut candidates = each(scenario, tasks(), |candidate, task| {
        candidate.stage.tasks[task].load_fp = None
    });
    candidates.extend(each(scenario, tasks(), |candidate, task| {
        candidate.stage.tasks[task].load_vec = None
    }));
    candidates
}

/// Registers all at once, then one at a time: of a task at the start, and of a `set`.
fn drop_registers(scenario: &Scenario) -> Vec<Scenario> {
    let tasks = 0..scenario.stage.tasks.len();
    let mut candidates = each(scenario, tasks, |candidate, task| {
        candidate.stage.tasks[task].registers.clear()
    });
    candidates.extend(each(
        scenario,
        value_places(scenario),
        |candidate, (place, register)| {
            if let Some(values) = values_mut(candidate, place) {
                values.remove(&register);
            }
        },
    ));
    candidates
}

/// Where register values are written down.
#[derive(Clone, Copy)]
enum Place {
    Task(usize),
    Event(usize),
}

fn value_places(scenario: &Scenario) -> Vec<(Place, Register)> {
    let mut places = Vec::new();
    for (task, stage) in scenario.stage.tasks.iter().enumerate() {
        places.extend(
            stage
                .registers
                .keys()
                .map(|&register| (Place::Task(task), register)),
        );
    }
    for (index, event) in scenario.events.iter().enumerate() {
        if let Event::Set(values) | Event::SetFrame(values) = event {
            places.extend(
                values
                    .keys()
                    .map(|&register| (Place::Event(index), register)),
            );
        }
    }
    places
}

fn values_mut(scenario: &mut Scenario, place: Place) -> Option<&mut RegisterValues> {
    match place {
        Place::Task(task) => scenario
            .stage
            .tasks
            .get_mut(task)
            .map(|stage| &mut stage.registers),
        Place::Event(event) => match scenario.events.get_mut(event) {
            Some(Event::Set(values) | Event::SetFrame(values)) => Some(values),
            _ => None,
        },
    }
}

fn simplify_values(scenario: &Scenario) -> Vec<Scenario> {
    let values = value_places(scenario)
        .into_iter()
        .flat_map(|place| [0, 1].map(|value| (place, value)));
    let mut candidates = each(scenario, values, |candidate, ((place, register), value)| {
        if let Some(values) = values_mut(candidate, place) {
            values.insert(register, value);
        }
    });
    for seed in [None, Some(0), Some(1)] {
        let tasks = 0..scenario.stage.tasks.len();
        candidates.extend(each(scenario, tasks, |candidate, task| {
            candidate.stage.tasks[task].pattern = seed
        }));
    }
    candidates
}

fn simplify_events(scenario: &Scenario) -> Vec<Scenario> {
    let events = scenario.events.iter().enumerate();
    let places = events
        .flat_map(|(index, event)| simpler(event).into_iter().map(move |event| (index, event)));
    each(scenario, places, |candidate, (index, event)| {
        candidate.events[index] = event;
        candidate.events[index].drop_unfit();
    })
}

fn simpler(event: &Event) -> Vec<Event> {
    match *event {
        Event::Set(_) | Event::SetFrame(_) => Vec::new(),
        Event::Fill { facility, pattern } => {
            let mut simpler = vec![Event::Touch(facility)];
            for facility in [Facility::Fp, Facility::Vmx, facility] {
                simpler.extend([0, 1, pattern].map(|pattern| Event::Fill { facility, pattern }));
            }
            simpler
        }
        Event::Compute { op, register } => {
            let ops = [
                ComputeOp::Fmr,
                ComputeOp::Vor,
                ComputeOp::Fadd,
                ComputeOp::Xxlor,
                op,
            ];
            ops.into_iter()
                .flat_map(|op| [0, register].map(|register| Event::Compute { op, register }))
                .collect()
        }
        Event::Access {
            op,
            register,
            pending,
        } => simpler_accesses(op, register)
            .map(|(op, register)| Event::Access {
                op,
                register,
                pending,
            })
            .collect(),
        Event::EditFrame(_) => Vec::new(),
        Event::FillFrame { facility, pattern } => [Facility::Fp, Facility::Vmx, facility]
            .into_iter()
            .flat_map(|facility| {
                [0, 1, pattern].map(|pattern| Event::FillFrame { facility, pattern })
            })
            .collect(),
        Event::Touch(_) => [Facility::Fp, Facility::Vmx].map(Event::Touch).into(),
        Event::Interrupt { pending, .. } => [Interrupt::Decrementer, Interrupt::External]
            .map(|vector| Event::Interrupt { vector, pending })
            .into(),
        Event::Syscall { call, via, pending } => {
            let calls = simpler_calls(call).into_iter().chain([call]);
            calls
                .flat_map(|call| [Via::Sc, via].map(|via| Event::Syscall { call, via, pending }))
                .collect()
        }
    }
}

/// Others that go with a register of the same kind.
fn simpler_accesses(op: AccessOp, register: u8) -> impl Iterator<Item = (AccessOp, u8)> {
    let ops = [AccessOp::Lfd, AccessOp::Stfd, AccessOp::Lxvd2x, op];
    ops.into_iter()
        .flat_map(move |op| [0, register % 32, 32, register].map(|register| (op, register)))
        .filter(|(op, register)| *register <= op.last())
}

fn simpler_calls(call: Syscall) -> Vec<Syscall> {
    let mut calls = vec![Syscall::Getppid, Syscall::SchedYield];
    match call {
        Syscall::Clone { fail } => {
            calls.extend([Syscall::Fork, Syscall::Vfork]);
            calls.extend(fail.then_some(Syscall::Clone { fail: false }));
        }
        Syscall::Vfork => calls.push(Syscall::Fork),
        Syscall::KvmRun { pr: true } => calls.push(Syscall::KvmRun { pr: false }),
        Syscall::Swapcontext { .. } => calls.push(Syscall::Swapcontext {
            small: false,
            misaligned: false,
        }),
        Syscall::EnableKernel { .. } => calls.extend(
            [Facility::Fp, Facility::Vmx].map(|facility| Syscall::EnableKernel { facility }),
        ),
        Syscall::Kill { .. } => calls.push(Syscall::Kill { signal: 10 }),
        Syscall::Read { bytes } => calls.extend(fewer(bytes).map(|bytes| Syscall::Read { bytes })),
        Syscall::Write { bytes } => {
            calls.extend(fewer(bytes).map(|bytes| Syscall::Write { bytes }))
        }
        _ => {}
    }
    calls
}

fn fewer(bytes: u16) -> impl Iterator<Item = u16> {
    [1, VMX_COPY, bytes / 2]
        .into_iter()
        .filter(move |&fewer| 0 < fewer && fewer < bytes)
}
