//! Random scenarios, and the random parts that mutations insert.
//!
//! The weights come from the structure of the paths: saves of every kind (worker creation, fork,
//! signal, switch, in-kernel VMX) crossed with every way into the kernel and every facility set,
//! and another task that overwrites registers in between. No sequence is written down.

use ctxfuzz_scenario::{
    Call, ComputeOp, Event, Facility, Interrupt, MAX_PLACES, Pending, Ptrace, Register,
    RegisterValues, Scenario, SetRegset, Stage, Switch, Syscall, TaskStage, Via,
};
use mutatis::{Context, Generate, Rng, Session};

use crate::arguments::{Arguments, Flags};
use crate::constants::{
    BYTES, COUNTERS, DOUBLEWORDS, FACILITY_SETS, FPSCR, MAX_SET, MAX_STAGE_TASKS, SIGNALS, VRSAVE,
    VSCR,
};
use crate::mutate::Mutator;

/// Most events of a scenario made from nothing: short ones run fast, and mutation makes the good
/// ones longer.
const MAX_FRESH_EVENTS: usize = 12;

/// A valid scenario that depends on the seed alone.
pub fn random_scenario(seed: u64) -> Scenario {
    // The generator has no error of its own to report.
    Session::new()
        .seed(seed)
        .generate_with(&mut Mutator)
        .unwrap_or_else(|_| minimal())
}

impl Generate<Scenario> for Mutator {
    fn generate(&mut self, context: &mut Context) -> mutatis::Result<Scenario> {
        Ok(scenario(context.rng()))
    }
}

fn minimal() -> Scenario {
    Scenario {
        stage: Stage {
            tasks: vec![TaskStage::default()],
            io_uring: Vec::new(),
        },
        ..Scenario::default()
    }
}

/// A number below `count`, which is not 0.
pub(crate) fn below(rng: &mut Rng, count: usize) -> usize {
    rng.gen_index(count).unwrap_or(0)
}

pub(crate) fn one_of<T: Copy>(rng: &mut Rng, choices: &[T]) -> T {
    choices[below(rng, choices.len())]
}

/// True once in so many times.
pub(crate) fn once_in(rng: &mut Rng, times: usize) -> bool {
    below(rng, times) == 0
}

fn scenario(rng: &mut Rng) -> Scenario {
    // Two tasks are the usual case: one under test, one that overwrites registers.
    let count = one_of(rng, &[1, 2, 2, 2, 3, MAX_STAGE_TASKS]);
    let tasks: Vec<TaskStage> = (0..count).map(|_| task(rng)).collect();
    let io_uring = (0..count as u8).filter(|_| !once_in(rng, 3)).collect();
    let events = (0..=below(rng, MAX_FRESH_EVENTS))
        .map(|_| event(rng, count))
        .collect();
    Scenario {
        stage: Stage { tasks, io_uring },
        events,
        ..Scenario::default()
    }
}

pub(crate) fn task(rng: &mut Rng) -> TaskStage {
    let uses = one_of(rng, &FACILITY_SETS).to_vec();
    let mut task = TaskStage {
        uses,
        pattern: Some(pattern(rng)),
        ..TaskStage::default()
    };
    fill_in(&mut task, rng);
    if once_in(rng, 3) {
        change_counters(&mut task, rng);
    }
    task
}

/// Sets a reload counter, or lets it be.
pub(crate) fn change_counters(task: &mut TaskStage, rng: &mut Rng) {
    let counter = (!once_in(rng, 4)).then(|| one_of(rng, &COUNTERS));
    let vmx = once_in(rng, 2);
    if vmx && task.reloads(Facility::Vmx) {
        task.load_vec = counter;
    } else if task.reloads(Facility::Fp) {
        task.load_fp = counter;
    }
}

/// Gives the task a value for every register that must be recognisable and that its facilities
/// allow.
pub(crate) fn fill_in(task: &mut TaskStage, rng: &mut Rng) {
    let special = [
        Register::F(0),
        Register::Vs(0),
        Register::V(0),
        Register::Fpscr,
        Register::Vscr,
    ];
    for register in special {
        if task.has(register) && !task.registers.contains_key(&register) {
            let value = distinct(rng, register);
            task.registers.insert(register, value);
        }
    }
}

/// A seed of register values: never zero, and no two alike but by chance.
pub(crate) fn pattern(rng: &mut Rng) -> u64 {
    rng.gen_u64() | 1
}

/// A value with no zero half, which is no FPSCR or VSCR image: those have a zero half or a small
/// high half.
fn distinct(rng: &mut Rng, register: Register) -> u128 {
    match register {
        Register::Fpscr | Register::Vscr | Register::Vrsave => value(rng, register),
        _ => {
            let spread = 0x4100_0000_4200_0000_4300_0000_4400_0000;
            (rng.gen_u128() | spread) & register.mask()
        }
    }
}

/// A value worth having in a register: mostly distinct, sometimes one that is special.
pub(crate) fn value(rng: &mut Rng, register: Register) -> u128 {
    match register {
        Register::Fpscr => one_of(rng, &FPSCR).into(),
        Register::Vscr => one_of(rng, &VSCR).into(),
        Register::Vrsave => one_of(rng, &VRSAVE).into(),
        _ if once_in(rng, 3) => {
            let high = u128::from(one_of(rng, &DOUBLEWORDS));
            let low = u128::from(one_of(rng, &DOUBLEWORDS));
            (high << 64 | low) & register.mask()
        }
        _ => distinct(rng, register),
    }
}

/// A register; register 0 of each file is the one kernels use as scratch.
pub(crate) fn register(rng: &mut Rng) -> Register {
    let number = if once_in(rng, 2) {
        0
    } else {
        below(rng, 32) as u8
    };
    match below(rng, 10) {
        0..=3 => Register::F(number),
        4..=5 => Register::Vs(number),
        6..=7 => Register::V(number),
        8 => Register::Fpscr,
        _ => {
            let others: Vec<Register> = Register::control().skip(1).collect();
            one_of(rng, &others)
        }
    }
}

pub(crate) fn event(rng: &mut Rng, tasks: usize) -> Event {
    let mut event = untraced(rng, tasks);
    if let Some(pending) = event.pending_mut()
        && once_in(rng, 12)
    {
        pending.ptrace = Some(ptrace(rng));
    }
    event.drop_unfit();
    event
}

fn untraced(rng: &mut Rng, tasks: usize) -> Event {
    match below(rng, 20) {
        0..=7 => Event::Interrupt {
            vector: vector(rng),
            pending: pending(rng, tasks),
        },
        8..=12 => {
            let mut pending = if once_in(rng, 2) {
                Pending::NONE
            } else {
                pending(rng, tasks)
            };
            pending.after = places(rng, &pending);
            Event::Syscall {
                call: syscall(rng),
                via: one_of(rng, Via::ALL),
                pending,
            }
        }
        13..=14 => Event::Set(values(rng)),
        // A fill by whoever runs is what overwrites the registers of the task that does not.
        15..=16 => Event::Fill {
            facility: one_of(rng, Facility::ALL),
            pattern: pattern(rng),
        },
        17..=18 => Event::Touch(one_of(rng, Facility::ALL)),
        _ => Event::Compute {
            op: one_of(rng, ComputeOp::ALL),
            register: below(rng, 32) as u8,
        },
    }
}

pub(crate) fn values(rng: &mut Rng) -> RegisterValues {
    let count = 1 + below(rng, MAX_SET.min(3));
    (0..count)
        .map(|_| {
            let register = register(rng);
            (register, value(rng, register))
        })
        .collect()
}

pub(crate) fn vector(rng: &mut Rng) -> Interrupt {
    if once_in(rng, 16) {
        return Interrupt::SystemReset;
    }
    one_of(
        rng,
        &[
            Interrupt::Decrementer,
            Interrupt::External,
            Interrupt::Doorbell,
            Interrupt::DataStorage,
        ],
    )
}

pub(crate) fn pending(rng: &mut Rng, tasks: usize) -> Pending {
    let switch = once_in(rng, 3).then(|| switch(rng, tasks));
    let signal = once_in(rng, 5).then(|| one_of(rng, &SIGNALS));
    Pending {
        io_worker: once_in(rng, 3),
        switch,
        signal,
        ptrace: None,
        softirq: false,
        after: 0,
        at: None,
    }
}

/// What a tracer does.
pub(crate) fn ptrace(rng: &mut Rng) -> Ptrace {
    let set = once_in(rng, 2).then(|| {
        let regset = one_of(rng, Facility::ALL);
        let element = SetRegset::element(regset);
        let registers = usize::from(SetRegset::size(regset) / element);
        SetRegset {
            regset,
            pattern: pattern(rng),
            bytes: once_in(rng, 3).then(|| (1 + below(rng, registers)) as u16 * element),
        }
    });
    Ptrace { set }
}

/// How late something comes during a system call: mostly not at all, and otherwise anything from
/// the first step to the last of a long one.
pub(crate) fn places(rng: &mut Rng, pending: &Pending) -> u16 {
    if pending.at_once().is_none() || once_in(rng, 2) {
        return 0;
    }
    let bits = 1 + below(rng, MAX_PLACES.ilog2() as usize + 1);
    below(rng, 1 << bits).min(MAX_PLACES.into()) as u16
}

pub(crate) fn switch(rng: &mut Rng, tasks: usize) -> Switch {
    // One more than there are: a child, if there is one.
    if once_in(rng, 3) {
        Switch::Any
    } else {
        Switch::To(below(rng, tasks + 1).min(7) as u8)
    }
}

/// A call that random scenarios have, as often against the others as the table of calls says.
pub(crate) fn syscall(rng: &mut Rng) -> Syscall {
    let shares = || {
        Call::numbered().flat_map(|call| {
            let facts = call.facts();
            [
                (call, facts.common, false),
                (call, facts.common_with_flags, true),
            ]
        })
    };
    let mut number = below(rng, shares().map(|(_, share, _)| share).sum());
    for (call, share, flags) in shares() {
        match number.checked_sub(share) {
            // Sizes on both sides of what kernels decide by.
            None => {
                let (flags, bytes) = (Flags::All(flags), &BYTES[..]);
                return call.draw(&mut Arguments { rng, flags, bytes });
            }
            Some(rest) => number = rest,
        }
    }
    Syscall::Getppid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_are_valid_and_depend_on_the_seed_alone() {
        for seed in 0..20_000 {
            let scenario = random_scenario(seed);
            assert_eq!(scenario.validate(), Ok(()), "seed {seed}");
            assert_eq!(scenario, random_scenario(seed));
        }
    }

    #[test]
    fn scratch_registers_are_recognisable() {
        for seed in 0..2_000 {
            for task in random_scenario(seed).stage.tasks {
                if task.has(Register::F(0)) {
                    let (f0, fpscr) = (
                        task.registers[&Register::F(0)],
                        task.registers[&Register::Fpscr],
                    );
                    assert!(f0 >> 32 != 0 && f0 as u32 != 0 && fpscr != 0 && f0 != fpscr);
                }
                if task.uses(Facility::Vmx) {
                    let (v0, vscr) = (
                        task.registers[&Register::V(0)],
                        task.registers[&Register::Vscr],
                    );
                    assert!(v0 >> 64 != 0 && v0 as u64 != 0 && vscr != 0 && v0 != vscr);
                }
            }
        }
    }

    /// What the first bugs need comes up by itself: a worker created on the interrupt return of a
    /// task that has live registers and owns a ring, without and with a signal at a later
    /// interrupt. Task 0 runs first, so the first event is its own.
    #[test]
    fn the_first_bugs_are_in_reach_of_the_generator() {
        let scenarios: Vec<Scenario> = (0..2_000).map(random_scenario).collect();
        let reached = |register: Register, signal_later: bool| {
            let hits = scenarios.iter().filter(|scenario| {
                let worker = matches!(&scenario.events[0], Event::Interrupt { pending, .. } if pending.io_worker && pending.signal.is_none());
                let signal = scenario.events[1..]
                    .iter()
                    .any(|event| matches!(event, Event::Interrupt { pending, .. } if pending.signal.is_some()));
                worker
                    && scenario.stage.tasks[0].has(register)
                    && scenario.stage.io_uring.contains(&0)
                    && (signal || !signal_later)
            });
            hits.count()
        };
        for register in [Register::F(0), Register::V(0)] {
            let (alone, with_signal) = (reached(register, false), reached(register, true));
            assert!(
                alone > 50 && with_signal > 10,
                "{register}: {alone} and {with_signal} of 2000"
            );
        }
    }
}
