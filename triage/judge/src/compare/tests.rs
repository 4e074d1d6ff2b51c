use ctxfuzz_outcome::arch::{RegisterFile, msr};
use ctxfuzz_outcome::capture::{Observable, SIGFPE, SignalFrame};
use ctxfuzz_outcome::outcome::{End, LogEntry, Outcome};
use ctxfuzz_scenario::event::{ComputeOp, Event, Interrupt, Pending, Syscall, Via};
use ctxfuzz_scenario::register::Register;
use ctxfuzz_scenario::scenario::{Scenario, Stage, TaskStage, Verdict};

use super::{Comparison, Standing, What, compare};
use crate::definedness::Abi;
use crate::fixtures::{Told, signal_frame};
use crate::inconclusive::Inconclusive;

fn interrupt() -> Event {
    let pending = Pending {
        io_worker: true,
        ..Pending::default()
    };
    Event::Interrupt {
        vector: Interrupt::Doorbell,
        pending,
    }
}

fn fork() -> Event {
    Event::Syscall {
        call: Syscall::Fork,
        via: Via::Sc,
        pending: Pending::default(),
    }
}

fn scenario(event: Event) -> Scenario {
    let stage = Stage {
        tasks: vec![TaskStage::default()],
        io_uring: vec![0],
    };
    Scenario {
        stage,
        events: vec![event],
        ..Scenario::default()
    }
}

/// Task 0 does event 0; with children if the event is a fork. After that `more` happens, and then
/// all tasks dump zeros.
fn outcome_with(tasks: u8, more: impl FnOnce(&mut Told)) -> Outcome {
    let mut told = Told::nothing();
    told.started(0, None).event(0, 0);
    for child in 1..tasks {
        told.started(child, Some(0));
    }
    more(&mut told);
    for task in 0..tasks {
        told.dumped(task, RegisterFile::default());
    }
    told.outcome
}

fn outcome(tasks: u8) -> Outcome {
    outcome_with(tasks, |_| {})
}

fn poke(outcome: &mut Outcome, task: u8, register: Register, value: u128) {
    let mut captures = outcome.captures.iter_mut();
    let own = captures.find(|c| (c.observable, c.task) == (Observable::Final, Some(task)));
    own.unwrap().registers.set(register, value);
}

/// The task never comes to its end.
fn lose(outcome: &mut Outcome, task: u8) {
    let last = (Observable::Final, Some(task));
    outcome.captures.retain(|c| (c.observable, c.task) != last);
}

fn summary(comparison: &Comparison) -> Vec<String> {
    let words =
        |d: &super::Difference| format!("{:?} {} {} {}", d.task, d.place, d.what, d.verdict);
    comparison.differences.iter().map(words).collect()
}

#[test]
fn equal_outcomes_have_no_difference() {
    let found = compare(&scenario(interrupt()), &outcome(1), &outcome(1));
    assert!(found.comparable() && !found.divergent() && found.differences.is_empty());
    assert!(!found.reported(Abi::Elf) && !found.reported(Abi::Linux));
}

#[test]
fn the_seed_bug_is_live_after_an_interrupt_and_abi_after_a_call() {
    let good = outcome(1);
    let mut bad = good.clone();
    poke(&mut bad, 0, Register::F(0), 0x8200_4000);
    poke(&mut bad, 0, Register::V(0), 1);
    let live = compare(&scenario(interrupt()), &bad, &good);
    assert_eq!(
        summary(&live),
        ["Some(0) register f0 live", "Some(0) register v0 live"]
    );
    assert!(live.reported(Abi::Elf) && live.reported(Abi::Linux));
    let abi = compare(&scenario(fork()), &bad, &good);
    assert_eq!(
        summary(&abi),
        ["Some(0) register f0 abi", "Some(0) register v0 abi"]
    );
    assert!(!abi.reported(Abi::Elf) && abi.reported(Abi::Linux));
}

#[test]
fn a_nonvolatile_register_is_live_also_after_a_call() {
    let good = outcome(2);
    let mut bad = good.clone();
    poke(&mut bad, 1, Register::F(14), 7);
    poke(&mut bad, 0, Register::Vs(14), 7);
    let found = compare(&scenario(fork()), &bad, &good);
    assert_eq!(
        summary(&found),
        ["Some(0) register vs14 abi", "Some(1) child f14 live"]
    );
}

#[test]
fn control_bits_survive_a_call_and_status_bits_do_not() {
    let good = outcome(1);
    for (value, verdict) in [
        (0x8200_4000, Verdict::Abi),
        (0x8200_4001, Verdict::Live),
        (1 << 32, Verdict::Live),
    ] {
        let mut bad = good.clone();
        poke(&mut bad, 0, Register::Fpscr, value);
        assert_eq!(
            compare(&scenario(fork()), &bad, &good).verdict,
            verdict,
            "{value:#x}"
        );
    }
}

/// One difference a read, whatever follows the first byte. Reads of different events cannot be
/// compared.
#[test]
fn what_was_read_is_live_and_told_by_its_first_quadword() {
    let reads = |event, data: &[u8]| {
        outcome_with(1, |told| {
            told.read(0, event, data.to_vec());
        })
    };
    let good: Vec<u8> = (1..=40).collect();
    let mut bad = good.clone();
    bad[35] = 99;
    bad[37] = 98;
    let found = compare(&scenario(interrupt()), &reads(0, &bad), &reads(0, &good));
    assert_eq!(summary(&found), ["Some(0) memory data live"]);
    let [difference] = &found.differences[..] else {
        panic!("{found:?}")
    };
    assert_eq!(
        (difference.a, difference.b, difference.frame),
        (
            0x2122_2363_2562_2728 << 64,
            0x2122_2324_2526_2728 << 64,
            Some(0)
        )
    );
    let apart = compare(&scenario(interrupt()), &reads(1, &bad), &reads(0, &good));
    assert_eq!(summary(&apart), [""; 0]);
}

#[test]
fn ends() {
    let scenario = scenario(interrupt());
    let good = outcome(1);
    let ended = Outcome::empty;
    for end in [End::KernelFault("x".into()), End::Hang] {
        let bad = ended(end);
        for found in [
            compare(&scenario, &bad, &good),
            compare(&scenario, &good, &bad),
        ] {
            assert_eq!(summary(&found), ["Some(0) end end live"]);
            assert!(found.comparable());
        }
        assert!(!compare(&scenario, &bad, &bad.clone()).divergent());
    }
    for end in [End::EmulatorFault("x".into()), End::Budget] {
        let bad = ended(end);
        for found in [
            compare(&scenario, &bad, &good),
            compare(&scenario, &ended(End::Hang), &bad),
        ] {
            assert!(matches!(found.standing, Standing::Inconclusive(_)));
            assert!(!found.divergent() && found.differences.is_empty());
        }
    }
}

fn reason(comparison: &Comparison) -> String {
    let reason = comparison.reason();
    reason.map_or_else(String::new, ToString::to_string)
}

#[test]
fn different_schedules_are_no_divergence() {
    let scenario = scenario(fork());
    let good = outcome(2);
    let mut other = good.clone();
    other.log.swap(1, 2);
    poke(&mut other, 0, Register::F(20), 7);
    let found = compare(&scenario, &other, &good);
    assert_eq!(
        reason(&found),
        "schedules differ: on A task 1 started, on B task 0 did event 0"
    );
    assert!(found.differences.is_empty() && found.verdict == Verdict::None);
    let mut lost = good.clone();
    lose(&mut lost, 1);
    assert_eq!(
        reason(&compare(&scenario, &lost, &good)),
        "not the same tasks reached their end: on A 0, on B 0 1"
    );
    let mut longer = good.clone();
    longer.log.insert(2, LogEntry::Execed { task: 1 });
    assert_eq!(
        reason(&compare(&scenario, &longer, &good)),
        "schedules differ after event 0 of task 0: on A task 1 became a new program, on B task 1 started"
    );
    let mut shorter = good.clone();
    shorter.log.truncate(2);
    assert_eq!(
        reason(&compare(&scenario, &good, &shorter)),
        "schedules differ after event 0 of task 0: on A task 1 started, on B nothing more happened"
    );
    // The order of dumps alone is not a schedule.
    let mut dumps = good.clone();
    dumps.log.swap(3, 4);
    assert!(compare(&scenario, &dumps, &good).comparable());
}

fn framed(msr: u64, registers: RegisterFile) -> Outcome {
    outcome_with(1, |told| {
        told.frame(0, signal_frame(msr), registers)
            .delivered(0, false);
    })
}

fn file(register: Register, value: u128) -> RegisterFile {
    let mut file = RegisterFile::default();
    file.set(register, value);
    file
}

#[test]
fn frames_are_judged_by_what_was_defined_at_delivery() {
    let good = framed(msr::VEC, RegisterFile::default());
    let bad = framed(msr::VEC, file(Register::F(0), 7));
    assert_eq!(
        summary(&compare(&scenario(interrupt()), &bad, &good)),
        ["Some(0) signal_frame f0 live"]
    );
    assert_eq!(
        summary(&compare(&scenario(fork()), &bad, &good)),
        ["Some(0) signal_frame f0 abi"]
    );
    let found = compare(&scenario(interrupt()), &bad, &good);
    assert_eq!(found.differences[0].frame, Some(0));
}

#[test]
fn an_area_that_only_one_frame_has() {
    let scenario = scenario(interrupt());
    // Left out although it held something: sigreturn makes zero of it.
    let full = framed(msr::VEC, file(Register::V(5), 7));
    let lost = framed(0, RegisterFile::default());
    assert_eq!(
        summary(&compare(&scenario, &lost, &full)),
        ["Some(0) signal_frame msr live"]
    );
    // Left out because there was nothing in it.
    let empty = framed(msr::VEC, RegisterFile::default());
    assert_eq!(
        summary(&compare(&scenario, &lost, &empty)),
        ["Some(0) signal_frame msr dead"]
    );
    // In neither frame: whatever is there is not the frame's.
    let junk = framed(0, file(Register::Vs(5), 7));
    assert!(compare(&scenario, &junk, &lost).differences.is_empty());
    let vsx = |value| framed(msr::VEC | msr::VSX, file(Register::Vs(5), value));
    assert_eq!(
        summary(&compare(&scenario, &vsx(1), &vsx(2))),
        ["Some(0) signal_frame vs5 live"]
    );
}

fn imaged(task: Option<u8>, msr: u64, value: u128) -> Outcome {
    let mut outcome = outcome_with(2, |told| {
        told.image(task, msr, file(Register::F(20), value));
    });
    lose(&mut outcome, 1);
    outcome
}

#[test]
fn images_matter_only_where_nothing_else_shows_them() {
    let scenario = scenario(fork());
    let verdict =
        |task, msr| compare(&scenario, &imaged(task, msr, 1), &imaged(task, msr, 2)).verdict;
    assert_eq!(
        verdict(Some(0), 0),
        Verdict::Dead,
        "task 0 shows its registers itself"
    );
    assert_eq!(
        verdict(Some(1), msr::FP),
        Verdict::Dead,
        "the processor has them"
    );
    assert_eq!(verdict(None, 0), Verdict::Dead, "a kernel thread");
    assert_eq!(verdict(Some(1), 0), Verdict::Live);
}

#[test]
fn differences_come_by_task_place_and_register() {
    let with_images = |v1| {
        outcome_with(2, |told| {
            for task in [None, Some(0)] {
                told.image(task, 0, file(Register::V(1), v1));
            }
        })
    };
    let (mut a, b) = (with_images(1), with_images(0));
    poke(&mut a, 1, Register::F(3), 1);
    poke(&mut a, 0, Register::Vrsave, 1);
    poke(&mut a, 0, Register::V(30), 1);
    let found = compare(&scenario(fork()), &a, &b);
    assert_eq!(
        summary(&found),
        [
            "Some(0) register v30 live",
            "Some(0) register vrsave live",
            "Some(0) thread_struct v1 dead",
            "Some(1) child f3 abi",
            "None thread_struct v1 dead",
        ]
    );
    assert_eq!(found.visible().count(), 3);
    assert_eq!(found.differences[0].what, What::Register(Register::V(30)));
}

#[test]
fn vrsave_zero_and_all_ones_are_the_same_but_no_other_pair_is() {
    let scenario = scenario(interrupt());
    let with = |vrsave| {
        let mut outcome = outcome(1);
        poke(&mut outcome, 0, Register::Vrsave, vrsave);
        outcome
    };
    let verdict = |a, b| compare(&scenario, &with(a), &with(b)).verdict;
    let ones = u32::MAX.into();
    assert_eq!(verdict(0, ones), Verdict::Dead);
    assert_eq!(verdict(ones, 0), Verdict::Dead);
    assert_eq!(verdict(0, 1), Verdict::Live);
    assert_eq!(verdict(ones, 1), Verdict::Live);
}

#[test]
fn nothing_is_concluded_from_what_says_nothing() {
    let (a, mut b) = (outcome(1), outcome(1));
    poke(&mut b, 0, Register::F(3), 1);
    let found = compare(&scenario(interrupt()), &a, &b);
    assert!(found.reported(Abi::Elf) && !found.differences.is_empty());

    let found = found.inconclusive(Inconclusive::NotApplicable);
    assert!(!found.comparable() && !found.divergent() && !found.reported(Abi::Linux));
    assert_eq!(found.reason(), Some(&Inconclusive::NotApplicable));
    assert_eq!((found.differences.len(), found.verdict), (0, Verdict::None));
    assert_eq!(found.end_a, End::Completed, "how they ended is still known");
}

/// A guest's registers are its own: what its hypervisor loses of them is live whatever the task may
/// rely on.
#[test]
fn a_guest_s_registers_are_live_after_any_call() {
    let left = |vscr| {
        outcome_with(1, |told| {
            told.captured(0, Observable::Guest, file(Register::Vscr, vscr));
        })
    };
    let run = Event::Syscall {
        call: Syscall::KvmRun { pr: true },
        via: Via::Sc,
        pending: Pending::NONE,
    };
    let scenario = scenario(run);
    let found = compare(&scenario, &left(1), &left(0));
    assert_eq!(summary(&found), ["Some(0) vcpu vscr live"]);
    assert!(!compare(&scenario, &left(1), &left(1)).divergent());
    assert!(!compare(&scenario, &left(1), &outcome(1)).comparable());
}

/// A core dump is as visible as the registers of the task that is gone. Two core dumps are told
/// apart by their tasks.
#[test]
fn core_dumps_are_judged_by_what_was_defined() {
    let dumped = |value: u128| {
        outcome_with(1, |told| {
            told.captured(0, Observable::CoreDump, file(Register::F(0), value));
        })
    };
    let interrupted = compare(&scenario(interrupt()), &dumped(1), &dumped(2));
    assert_eq!(summary(&interrupted), ["Some(0) core f0 live"]);
    assert_eq!(interrupted.differences[0].frame, None);
    let forked = compare(&scenario(fork()), &dumped(1), &dumped(2));
    assert_eq!(summary(&forked), ["Some(0) core f0 abi"]);
}

/// Tasks that come to their ends in another order are compared task by task.
#[test]
fn final_registers_are_compared_by_task_and_not_by_time() {
    let ends = |order: [u8; 2]| {
        let mut told = Told::nothing();
        told.started(0, None).event(0, 0).started(1, Some(0));
        for task in order {
            told.dumped(task, file(Register::F(20), task.into()));
        }
        told.outcome
    };
    let found = compare(&scenario(fork()), &ends([0, 1]), &ends([1, 0]));
    assert!(found.comparable() && found.differences.is_empty());
}

/// Whether a SIGFPE comes is up to what the task computes with. What it may not rely on it may not
/// blame.
#[test]
fn a_lone_fp_exception_is_as_visible_as_its_operands() {
    let divide = Event::Compute {
        op: ComputeOp::Fdiv,
        register: 0,
    };
    let raised = |before: Vec<Event>| {
        let mut scenario = scenario(interrupt());
        scenario.events = before;
        scenario.events.push(divide.clone());
        let mut silent = Told::nothing();
        silent.started(0, None);
        for index in 0..scenario.events.len() as u16 {
            silent.event(0, index);
        }
        let mut loud = silent.clone();
        let exception = SignalFrame {
            signal: SIGFPE,
            code: 3,
            ..signal_frame(0)
        };
        loud.frame(0, exception, RegisterFile::default())
            .delivered(0, false);
        silent.dumped(0, RegisterFile::default());
        let (loud, silent) = (loud.outcome, silent.outcome);
        summary(&compare(&scenario, &loud, &silent))
    };
    assert_eq!(raised(vec![]), ["Some(0) siginfo si_code live"]);
    assert_eq!(raised(vec![fork()]), ["Some(0) siginfo si_code abi"]);
    let set = Event::Set([(Register::F(0), 1), (Register::F(1), 0)].into());
    assert_eq!(raised(vec![fork(), set]), ["Some(0) siginfo si_code live"]);
}
