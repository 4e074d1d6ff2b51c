//! Looks between events: where ctxfuzz saw a violation, the program looks too.

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_emulator::run::{Runner, RunnerError};
use ctxfuzz_judge::compare::What;
use ctxfuzz_judge::definedness::{Abi, Mask, Walk};
use ctxfuzz_judge::transparency;
use ctxfuzz_outcome::capture::SIGFPE;
use ctxfuzz_outcome::observe::{Observation, Point};
use ctxfuzz_outcome::outcome::{LogEntry, Outcome};
use ctxfuzz_scenario::register::Register;
use ctxfuzz_scenario::scenario::{Place, Scenario};

use super::{Check, Plan, Step, Stored, When};

/// A point of a task's way that every run of the scenario has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum At {
    /// A child's start.
    Started,
    /// Before an event.
    Before(u16),
    /// The start of a handler of SIGUSR1 or SIGUSR2: the task's n-th.
    Handler(usize),
}

/// A register that was wrong at a point.
#[derive(Clone, Debug)]
pub(super) struct Violated {
    task: u8,
    at: At,
    register: Register,
}

/// Where a look was taken.
fn place(outcome: &Outcome, index: usize) -> Option<(u8, At)> {
    let look = outcome.observations.get(index)?;
    let at = match look.point {
        Point::Started => At::Started,
        Point::Operation {
            event: Some(event), ..
        } => At::Before(event),
        Point::Handler { .. } if handles_usr(outcome, look) => {
            let before = outcome.observations[..index].iter();
            let before = before.filter(|other| other.task == look.task);
            At::Handler(before.filter(|other| handles_usr(outcome, other)).count())
        }
        _ => return None,
    };
    Some((look.task, at))
}

fn handles_usr(outcome: &Outcome, look: &Observation) -> bool {
    match outcome.log.get(look.log) {
        Some(LogEntry::SignalDelivered { frame, .. }) => {
            let frame = outcome.signal_frame(*frame);
            frame.is_some_and(|(_, beside)| beside.signal != SIGFPE)
        }
        _ => false,
    }
}

/// What is violated between events on a kernel, and reported.
pub(super) fn violated(
    scenario: &Scenario,
    endian: Endian,
    abi: Abi,
    kernel: &KernelName,
) -> Result<Vec<Violated>, RunnerError> {
    let mut runner = Runner::new(kernel, endian)?;
    runner.observe();
    let outcome = runner.run(scenario);
    let seen = transparency::looks(scenario, &outcome);
    let found = seen.into_iter().filter_map(|seen| {
        let violation = seen.violation;
        let What::Register(register) = violation.what else {
            return None;
        };
        let between = matches!(violation.place, Place::Register | Place::Child);
        let (task, at) = place(&outcome, seen.observation)?;
        let wanted = between && abi.reports(violation.verdict);
        wanted.then_some(Violated { task, at, register })
    });
    Ok(found.collect())
}

/// Has the program look at those points.
pub(super) fn add(plan: &mut Plan, outcome: &Outcome, abi: Abi, found: &[Violated]) {
    let mut points: Vec<(u8, At)> = found.iter().map(|one| (one.task, one.at)).collect();
    points.sort_unstable();
    points.dedup();
    for (task, at) in points {
        let here = found.iter().filter(|one| (one.task, one.at) == (task, at));
        let what = stored(here.map(|one| one.register));
        let mut looks = 0..outcome.observations.len();
        let right = looks.find(|index| place(outcome, *index) == Some((task, at)));
        let Some(right) = right.map(|index| &outcome.observations[index]) else {
            continue;
        };
        let defined = defined(&plan.scenario, outcome, abi, right).and(&only(what));
        let (image, words) = (plan.images, insert(plan, task, at, what));
        if let Some(words) = words {
            plan.images += 1;
            plan.checks.push(Check {
                at: format!("task {task}, {words}"),
                image,
                right: right.registers.clone(),
                defined,
                when: When::Disturbed,
            });
        }
    }
}

fn stored(registers: impl Iterator<Item = Register>) -> Stored {
    let mut what = Stored::default();
    for register in registers {
        match register {
            Register::F(_) => what.f = true,
            Register::Vs(_) => what.vs = true,
            Register::V(_) => what.v = true,
            Register::Fpscr => what.fpscr = true,
            Register::Vscr => what.vscr = true,
            Register::Vrsave => what.vrsave = true,
        }
    }
    what
}

/// The registers that are stored.
fn only(what: Stored) -> Mask {
    let mut mask = Mask::NOTHING;
    for n in 0..32 {
        mask.put(Register::F(n), what.f);
        mask.put(Register::Vs(n), what.vs);
        mask.put(Register::V(n), what.v);
    }
    mask.put(Register::Fpscr, what.fpscr);
    mask.put(Register::Vscr, what.vscr);
    mask.put(Register::Vrsave, what.vrsave);
    mask
}

fn defined(scenario: &Scenario, outcome: &Outcome, abi: Abi, look: &Observation) -> Mask {
    let mut walk = Walk::new(scenario, &outcome.log, abi);
    // A child has what its birth leaves defined.
    let born = usize::from(look.point == Point::Started);
    for entry in outcome.log.iter().take(look.log + born) {
        walk.step(entry);
    }
    let now = walk.now(look.task);
    match look.point {
        Point::Handler { .. } => now.in_handler(),
        _ => now,
    }
}

/// Where that is, in words; `None` if the program does not come there.
fn insert(plan: &mut Plan, task: u8, at: At, what: Stored) -> Option<String> {
    let store = Step::Store {
        image: plan.images,
        what,
    };
    let doer = plan.task_mut(task)?;
    match at {
        At::Started if doer.staged.is_some() => None,
        At::Started => {
            doer.steps.insert(0, store);
            Some("at its start".to_owned())
        }
        At::Handler(number) => {
            doer.handlers.get_mut(number)?.steps.insert(0, store);
            Some(format!("at the start of handler {number}"))
        }
        At::Before(event) => {
            let handlers = doer.handlers.iter_mut().map(|handler| &mut handler.steps);
            let mut all = std::iter::once(&mut doer.steps).chain(handlers);
            let event_is = |step: &Step| *step == Step::Event(event);
            let (steps, place) = all.find_map(|steps| {
                let place = steps.iter().position(event_is)?;
                Some((steps, place))
            })?;
            steps.insert(place, store);
            Some(format!("before event {event}"))
        }
    }
}
