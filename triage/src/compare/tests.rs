use ctxfuzz_emulator::arch::{RegisterFile, msr};
use ctxfuzz_emulator::run::effects::Effects;
use ctxfuzz_emulator::run::outcome::{End, LogEntry, Outcome, Read, SignalFrame, ThreadImage};
use ctxfuzz_scenario::event::{ComputeOp, Event, Interrupt, Pending, Syscall, Via};
use ctxfuzz_scenario::register::Register;
use ctxfuzz_scenario::scenario::{Scenario, Stage, TaskStage, Verdict};

use super::{Comparison, Standing, What, compare};
use crate::definedness::Abi;
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

/// Task 0 does event 0; with a child if the event is a fork.
fn outcome(tasks: u8) -> Outcome {
    let mut log = vec![
        LogEntry::TaskStarted {
            task: 0,
            parent: None,
        },
        LogEntry::Event { index: 0, task: 0 },
    ];
    log.extend((1..tasks).map(|task| LogEntry::TaskStarted {
        task,
        parent: Some(0),
    }));
    log.extend((0..tasks).map(|task| LogEntry::Dumped { task }));
    Outcome {
        end: End::Completed,
        spent: None,
        log,
        tasks: (0..tasks).map(|_| Some(RegisterFile::default())).collect(),
        gprs: (0..tasks).map(|_| Some([0; 12])).collect(),
        cores: Vec::new(),
        vcpus: Vec::new(),
        frames: Vec::new(),
        traced: Vec::new(),
        reads: Vec::new(),
        images: Vec::new(),
        observations: Vec::new(),
        effects: Effects::default(),
    }
}

fn poke(outcome: &mut Outcome, task: usize, register: Register, value: u128) {
    outcome.tasks[task].as_mut().unwrap().set(register, value);
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

/// One difference a read, whatever follows the first byte. Reads of different events cannot be compared.
#[test]
fn what_was_read_is_live_and_told_by_its_first_quadword() {
    let reads = |event, data: &[u8]| Outcome {
        reads: vec![Read {
            task: 0,
            event,
            log: 1,
            data: data.to_vec(),
        }],
        ..outcome(1)
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
    let ended = |end: End| Outcome {
        end,
        log: Vec::new(),
        tasks: Vec::new(),
        ..outcome(1)
    };
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
    lost.tasks[1] = None;
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
    let mut outcome = outcome(1);
    outcome.log.insert(
        2,
        LogEntry::SignalDelivered {
            task: 0,
            frame: 0,
            at_entry: false,
        },
    );
    outcome.frames.push(SignalFrame {
        task: 0,
        msr,
        signal: 10,
        code: 0,
        red_zone: None,
        registers,
    });
    outcome
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
    let mut outcome = outcome(2);
    outcome.tasks[1] = None;
    outcome.images.push(ThreadImage {
        task,
        msr,
        registers: file(Register::F(20), value),
    });
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
    let mut a = outcome(2);
    let b = {
        let mut b = outcome(2);
        let image = |task| ThreadImage {
            task,
            msr: 0,
            registers: RegisterFile::default(),
        };
        b.images = vec![image(None), image(Some(0))];
        b
    };
    a.images = b.images.clone();
    for image in &mut a.images {
        image.registers.set(Register::V(1), 1);
    }
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
        for file in outcome.tasks.iter_mut().flatten() {
            file.vrsave = vrsave;
        }
        outcome
    };
    let verdict = |a, b| compare(&scenario, &with(a), &with(b)).verdict;
    assert_eq!(verdict(0, u32::MAX), Verdict::Dead);
    assert_eq!(verdict(u32::MAX, 0), Verdict::Dead);
    assert_eq!(verdict(0, 1), Verdict::Live);
    assert_eq!(verdict(u32::MAX, 1), Verdict::Live);
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

/// A guest's registers are its own: what its hypervisor loses of them is live whatever the task may rely on.
#[test]
fn a_guest_s_registers_are_live_after_any_call() {
    let left = |vscr| {
        let mut outcome = outcome(1);
        let mut guest = RegisterFile::default();
        guest.set(Register::Vscr, vscr);
        outcome.vcpus.push(guest);
        outcome
            .log
            .insert(2, LogEntry::GuestLeft { task: 0, vcpu: 0 });
        outcome
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

/// Whether a SIGFPE comes is up to what the task computes with. What it may not rely on it may not blame.
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
        let mut silent = outcome(1);
        silent.log.truncate(1);
        let events = scenario.events.len() as u16;
        silent
            .log
            .extend((0..events).map(|index| LogEntry::Event { index, task: 0 }));
        let mut loud = silent.clone();
        loud.log.push(LogEntry::SignalDelivered {
            task: 0,
            frame: 0,
            at_entry: false,
        });
        loud.frames.push(SignalFrame {
            task: 0,
            msr: 0,
            signal: 8,
            code: 3,
            red_zone: None,
            registers: RegisterFile::default(),
        });
        silent.log.push(LogEntry::Dumped { task: 0 });
        summary(&compare(&scenario, &loud, &silent))
    };
    assert_eq!(raised(vec![]), ["Some(0) siginfo si_code live"]);
    assert_eq!(raised(vec![fork()]), ["Some(0) siginfo si_code abi"]);
    let set = Event::Set([(Register::F(0), 1), (Register::F(1), 0)].into());
    assert_eq!(raised(vec![fork(), set]), ["Some(0) siginfo si_code live"]);
}
