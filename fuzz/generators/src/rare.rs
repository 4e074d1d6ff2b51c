//! What random scenarios do not have, because it ends a task or needs several events in a row to do
//! anything: mutations insert it.

use std::ops::Range;

use ctxfuzz_scenario::{
    AccessOp, Call, ComputeOp, Event, Facility, FpExceptions, FrameEdit, Pending, Register,
    RegisterValues, Scenario, Syscall, Via,
};
use mutatis::{Candidates, Mutate, Result, Rng, Session};

use crate::arguments::{Arguments, Flags};
use crate::constants::{FPSCR_ENABLED, MAX_EVENTS, SIGNALS};
use crate::generate::{
    below, once_in, one_of, pattern, pending, places, random_scenario, switch, values,
};
use crate::mutate::{bound, replace};

/// A random scenario with one to three runs of rare events in it; it depends on the seed alone.
pub fn rare_scenario(seed: u64) -> Scenario {
    let mut scenario = random_scenario(seed);
    // There is one candidate, so this changes it.
    let _ = Session::new()
        .seed(seed)
        .mutate_with(&mut Rare, &mut scenario);
    scenario
}

/// What a campaign begins with: a random scenario, and for every fourth seed one that has rare
/// events too.
pub fn any_scenario(seed: u64) -> Scenario {
    match seed % 4 {
        0 => rare_scenario(seed),
        _ => random_scenario(seed),
    }
}

/// Bytes of copies that use VMX.
const LARGE: [u16; 3] = [3329, 4096, 8192];

struct Rare;

impl Mutate<Scenario> for Rare {
    fn mutate(&mut self, candidates: &mut Candidates<'_>, scenario: &mut Scenario) -> Result<()> {
        candidates.mutation(|context| {
            for _ in 0..1 + below(context.rng(), 3) {
                insert_rare(scenario, context.rng());
            }
            bound(scenario);
            Ok(())
        })
    }
}

/// Inserts what random scenarios do not have: a new program, a core dump, a swapped context, FP
/// exceptions.
pub(crate) fn insert_rare(scenario: &mut Scenario, rng: &mut Rng) {
    let run = rare(rng);
    if once_in(rng, 3) {
        wrap_counters(scenario, rng);
    }
    if scenario.events.len() + run.len() <= MAX_EVENTS {
        let at = below(rng, scenario.events.len() + 1);
        scenario.events.splice(at..at, run);
    } else {
        replace(scenario, rng);
    }
}

/// Has the reload counters of some tasks wrapped: what is given up stays in memory, which is what
/// several rare events need to do anything.
fn wrap_counters(scenario: &mut Scenario, rng: &mut Rng) {
    for task in &mut scenario.stage.tasks {
        if task.reloads(Facility::Fp) && !once_in(rng, 3) {
            task.load_fp = Some(0);
        }
        if task.reloads(Facility::Vmx) && once_in(rng, 3) {
            task.load_vec = Some(0);
        }
    }
}

/// A few events, in this order.
/// A run of events, or an event, that is no rare call.
type Run = fn(&mut Rng) -> Vec<Event>;

/// What is inserted beside the rare calls, and the numbers that stand for it. The numbers in
/// between are those of the calls ([`CallFacts::rare`](ctxfuzz_scenario::CallFacts::rare)).
const RUNS: [(Range<usize>, Run); 8] = [
    (0..1, |rng| vec![edit_of_frame(rng)]),
    (1..2, handler_that_edits),
    (4..6, fp_exception),
    (9..10, |rng| vec![interrupted_copy(rng)]),
    (10..12, |rng| vec![misaligned(rng)]),
    (14..16, fp_exceptions_off),
    (16..17, copy_that_sleeps),
    (18..20, handler_that_edits),
];

fn rare(rng: &mut Rng) -> Vec<Event> {
    let number = below(rng, numbers().map(|range| range.end).max().unwrap_or(1));
    if let Some((_, run)) = RUNS.iter().find(|(range, _)| range.contains(&number)) {
        return run(rng);
    }
    let mut calls = Call::ALL.iter().copied();
    match calls.find(|call| call.facts().rare.contains(&number)) {
        Some(call) => vec![rare_call(rng, call)],
        None => Vec::new(),
    }
}

/// The numbers that stand for something, in no order.
fn numbers() -> impl Iterator<Item = Range<usize>> {
    let runs = RUNS.iter().map(|(range, _)| range.clone());
    runs.chain(Call::ALL.iter().map(|call| call.facts().rare.clone()))
}

fn rare_call(rng: &mut Rng, call: Call) -> Event {
    let (flags, bytes) = (Flags::OnceIn(call.facts().rare_flags), &LARGE[..]);
    let call = call.draw(&mut Arguments { rng, flags, bytes });
    syscall(rng, call)
}

fn syscall(rng: &mut Rng, call: Syscall) -> Event {
    let mut work = Pending::NONE;
    if once_in(rng, 2) {
        work = pending(rng, 2);
        work.softirq = once_in(rng, 4);
        if once_in(rng, 2) {
            work.switch = Some(switch(rng, 2));
        }
        work.after = if once_in(rng, 2) {
            soon(rng)
        } else {
            places(rng, &work)
        };
    }
    let mut event = Event::Syscall {
        call,
        via: one_of(rng, Via::ALL),
        pending: work,
    };
    event.drop_unfit();
    event
}

/// How late something comes that is to come in the middle of a call: what such calls do to
/// registers is done within few places.
fn soon(rng: &mut Rng) -> u16 {
    1 + below(rng, 12) as u16
}

/// A load or store, and any of the registers that it can have; the first ones are those that other
/// code borrows.
pub(crate) fn access(rng: &mut Rng) -> (AccessOp, u8) {
    let op = one_of(rng, AccessOp::ALL);
    let register = match below(rng, 3) {
        0 => one_of(rng, &[0, 32]),
        _ => below(rng, 64) as u8,
    };
    (op, register % (op.last() + 1))
}

fn misaligned(rng: &mut Rng) -> Event {
    let (op, register) = access(rng);
    let mut work = Pending::NONE;
    if once_in(rng, 2) {
        work = pending(rng, 2);
        work.after = places(rng, &work);
    }
    Event::Access {
        op,
        register,
        pending: work,
    }
}

/// A softirq comes while the kernel gives up VMX, or copies with it.
fn interrupted_copy(rng: &mut Rng) -> Event {
    let bytes = one_of(rng, &LARGE);
    let mut work = Pending {
        softirq: true,
        ..Pending::NONE
    };
    work.after = places(rng, &work);
    Event::Syscall {
        call: one_of(rng, &[Syscall::Read { bytes }, Syscall::Write { bytes }]),
        via: one_of(rng, Via::ALL),
        pending: work,
    }
}

/// Data go through the pipe. In the middle of one of the copies another task runs, and uses VMX.
fn copy_that_sleeps(rng: &mut Rng) -> Vec<Event> {
    let (bytes, pattern) = (one_of(rng, &LARGE), pattern(rng));
    let mut run = vec![
        plain(Syscall::Write { bytes }),
        plain(Syscall::Read { bytes }),
    ];
    let interrupted = usize::from(!once_in(rng, 3));
    if let Event::Syscall { via, pending, .. } = &mut run[interrupted] {
        *via = one_of(rng, Via::ALL);
        pending.switch = Some(switch(rng, 2));
        pending.after = soon(rng);
    }
    let facility = Facility::Vmx;
    let meanwhile = [
        Event::Fill { facility, pattern },
        plain(Syscall::SchedYield),
    ];
    run.splice(interrupted + 1..interrupted + 1, meanwhile);
    run
}

/// A handler's whole life, as far as it matters here. What it does to the registers, other
/// mutations add.
fn handler_that_edits(rng: &mut Rng) -> Vec<Event> {
    let signal = one_of(rng, &SIGNALS);
    vec![
        syscall(rng, Syscall::Kill { signal }),
        edit_of_frame(rng),
        syscall(rng, Syscall::RtSigreturn),
    ]
}

/// What a handler does to its frame: to its MSR, or to registers, of a facility perhaps that the
/// task has not used.
fn edit_of_frame(rng: &mut Rng) -> Event {
    match below(rng, 3) {
        0 => Event::EditFrame(one_of(rng, FrameEdit::ALL)),
        1 => Event::FillFrame {
            facility: one_of(rng, Facility::ALL),
            pattern: pattern(rng),
        },
        _ => Event::SetFrame(values(rng)),
    }
}

/// Enabled exceptions, perhaps delivered, and a computation that has one of several: invalid, zero
/// divide, overflow, underflow, inexact.
fn fp_exception(rng: &mut Rng) -> Vec<Event> {
    const OPERANDS: [(u64, u64); 5] = [
        (0, 0),
        (0x3ff0_0000_0000_0000, 0),
        (0x7fef_ffff_ffff_ffff, 0x0010_0000_0000_0000),
        (0x0010_0000_0000_0000, 0x7fef_ffff_ffff_ffff),
        (0x3ff0_0000_0000_0000, 0x4008_0000_0000_0000),
    ];
    let (dividend, divisor) = one_of(rng, &OPERANDS);
    let register = below(rng, 32) as u8;
    let set: RegisterValues = [
        (Register::Fpscr, one_of(rng, &FPSCR_ENABLED).into()),
        (Register::F(register), dividend.into()),
        (Register::F((register + 1) % 32), divisor.into()),
    ]
    .into();
    let mut run = vec![
        Event::Set(set),
        Event::Compute {
            op: ComputeOp::Fdiv,
            register,
        },
    ];
    if !once_in(rng, 3) {
        let at = below(rng, 2);
        run.insert(at, rare_call(rng, Call::Prctl));
    }
    run
}

/// A task asks for FP exceptions, loses its registers for a while or makes a child, wants no
/// exceptions any more, and causes one.
fn fp_exceptions_off(rng: &mut Rng) -> Vec<Event> {
    let modes = [
        FpExceptions::Nonrecoverable,
        FpExceptions::Async,
        FpExceptions::Precise,
    ];
    let fpexc = one_of(rng, &modes);
    let mut run = vec![syscall(rng, Syscall::Prctl { fpexc })];
    if once_in(rng, 2) {
        run.push(plain(Syscall::Fork));
    }
    if !once_in(rng, 3) {
        run.extend([plain(Syscall::SchedYield), plain(Syscall::SchedYield)]);
    }
    run.push(plain(Syscall::Prctl {
        fpexc: FpExceptions::Disabled,
    }));
    run.extend(fp_exception(rng));
    run
}

fn plain(call: Syscall) -> Event {
    Event::Syscall {
        call,
        via: Via::Sc,
        pending: Pending::NONE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_stands_for_one_thing() {
        let mut taken: Vec<usize> = numbers().flatten().collect();
        taken.sort_unstable();
        assert_eq!(taken, (0..taken.len()).collect::<Vec<usize>>());
    }

    #[test]
    fn rare_scenarios_are_valid_have_what_others_lack_and_depend_on_the_seed_alone() {
        let is_rare = |event: &Event| match event {
            _ if event.pending().is_some_and(|work| work.softirq) => true,
            Event::Access { .. } => true,
            event if event.edits_frame() => true,
            Event::Syscall { call, .. } => {
                let flags = matches!(call, Syscall::KvmRun { pr: true });
                flags || call.facts().common == 0
            }
            Event::Set(values) => values
                .get(&Register::Fpscr)
                .is_some_and(|fpscr| fpscr & 0xf8 != 0),
            _ => false,
        };
        for seed in 0..5_000 {
            let scenario = rare_scenario(seed);
            assert_eq!(scenario.validate(), Ok(()), "seed {seed}");
            assert_eq!(scenario, rare_scenario(seed));
            let random = random_scenario(seed);
            // Of some runs each event is ordinary.
            let longer = scenario.events.len() > random.events.len();
            assert!(longer || scenario.events.iter().any(is_rare), "seed {seed}");
            assert!(!random.events.iter().any(is_rare), "seed {seed}");
        }
    }
}
