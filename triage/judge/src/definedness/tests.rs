mod signals;

use ctxfuzz_outcome::capture::Observable::{CoreDump, Guest, SignalFrame, Traced};
use ctxfuzz_outcome::outcome::LogEntry;
use ctxfuzz_scenario::Facility;
use ctxfuzz_scenario::access::AccessOp;
use ctxfuzz_scenario::event::{
    ComputeOp, Event, FrameEdit, Interrupt, Pending, RegisterValues, Switch, Syscall, Via,
};
use ctxfuzz_scenario::ptrace::{Ptrace, SetRegset};
use ctxfuzz_scenario::register::Register::{self, F, Fpscr, V, Vrsave, Vs, Vscr};
use ctxfuzz_scenario::scenario::{Scenario, Stage, TaskStage, Verdict};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{Abi, Definedness, FPSCR_CONTROL, Mask, VSCR_CONTROL, definedness};

const START: LogEntry = LogEntry::TaskStarted {
    task: 0,
    parent: None,
};
const DUMP: LogEntry = LogEntry::Dumped { task: 0 };

fn syscall(call: Syscall) -> Event {
    Event::Syscall {
        call,
        via: Via::Sc,
        pending: Pending::default(),
    }
}

fn set(registers: &[Register]) -> Event {
    Event::Set(
        registers
            .iter()
            .map(|&register| (register, 1))
            .collect::<RegisterValues>(),
    )
}

fn compute(op: ComputeOp, register: u8) -> Event {
    Event::Compute { op, register }
}

fn event(index: u16, task: u8) -> LogEntry {
    LogEntry::Event { index, task }
}

fn scenario(events: Vec<Event>) -> Scenario {
    let stage = Stage {
        tasks: vec![TaskStage::default()],
        io_uring: vec![],
    };
    Scenario {
        stage,
        events,
        ..Scenario::default()
    }
}

/// Task 0 does all the events and dumps.
fn alone(events: Vec<Event>, policy: Abi) -> Mask {
    let mut log = vec![START];
    log.extend((0..events.len()).map(|index| event(index as u16, 0)));
    log.push(DUMP);
    definedness(&scenario(events), &log, policy).task(0)
}

fn elf(events: Vec<Event>) -> Mask {
    alone(events, Abi::Elf)
}

#[test]
fn what_is_abi_at_worst_shows_under_the_linux_abi() {
    for verdict in [Verdict::Live, Verdict::Abi] {
        assert!(Abi::that_shows(verdict).reports(verdict), "{verdict}");
    }
    assert_eq!(Abi::that_shows(Verdict::Dead), Abi::Elf);
}

#[test]
fn an_interrupt_changes_nothing() {
    let interrupt = Event::Interrupt {
        vector: Interrupt::Doorbell,
        pending: Pending {
            switch: Some(Switch::Any),
            io_worker: true,
            ..Pending::NONE
        },
    };
    assert_eq!(
        elf(vec![interrupt, Event::Touch(Facility::Vsx)]),
        Mask::EVERYTHING
    );
}

#[test]
fn a_system_call_leaves_what_a_function_call_leaves() {
    let mask = elf(vec![syscall(Syscall::Getppid)]);
    let defined: Vec<Register> = Register::all().filter(|&r| !mask.lacks(r)).collect();
    let expected: Vec<Register> = (14..32)
        .map(F)
        .chain((20..32).map(V))
        .chain([Vrsave])
        .collect();
    assert_eq!(defined, expected);
    assert_eq!(mask.bits(Fpscr), FPSCR_CONTROL.into());
    assert_eq!(mask.bits(Vscr), VSCR_CONTROL.into());
    assert_eq!(
        alone(vec![syscall(Syscall::Getppid)], Abi::Linux),
        Mask::EVERYTHING
    );
}

#[test]
fn calls_that_do_not_return_change_nothing() {
    assert_eq!(elf(vec![syscall(Syscall::RtSigreturn)]), Mask::EVERYTHING);
    assert_eq!(elf(vec![syscall(Syscall::Exit)]), Mask::EVERYTHING);
    assert_ne!(
        elf(vec![syscall(Syscall::Clone { fail: true })]),
        Mask::EVERYTHING
    );
}

#[test]
fn writing_defines() {
    let call = || syscall(Syscall::Fork);
    let mask = elf(vec![call(), set(&[F(0), V(1), Fpscr])]);
    assert!([F(0), Vs(0), V(1), Fpscr].iter().all(|&r| !mask.lacks(r)));
    assert!([F(1), Vs(1), V(0), Vscr].iter().all(|&r| mask.lacks(r)));
    let half = elf(vec![call(), set(&[Vs(0)])]);
    assert!(!half.lacks(Vs(0)) && half.lacks(F(0)));

    let fill = |facility| {
        elf(vec![
            call(),
            Event::Fill {
                facility,
                pattern: 1,
            },
        ])
    };
    let fp = fill(Facility::Fp);
    assert!(!fp.lacks(F(3)) && !fp.lacks(Vs(3)) && fp.lacks(V(3)) && fp.lacks(Fpscr));
    let vmx = fill(Facility::Vmx);
    assert!(vmx.lacks(F(3)) && vmx.lacks(Vs(3)) && !vmx.lacks(V(3)) && vmx.lacks(Vscr));
    let vsx = fill(Facility::Vsx);
    assert!(!vsx.lacks(F(3)) && !vsx.lacks(Vs(3)) && !vsx.lacks(V(3)));
}

#[test]
fn computing_spreads_what_is_undefined() {
    use ComputeOp::*;
    let after = |known: &[Register], op, register| {
        elf(vec![
            syscall(Syscall::Getppid),
            set(known),
            compute(op, register),
        ])
    };
    // Both sources known: the result is, and the status that only the call spoilt stays spoilt.
    assert!(!after(&[F(1), F(2)], Fmul, 1).lacks(F(1)));
    assert!(!after(&[F(1), F(2), Fpscr], Fdiv, 1).lacks(Fpscr));
    // One unknown source.
    let bad = after(&[F(1), Fpscr], Fadd, 1);
    assert!(bad.lacks(F(1)) && bad.lacks(Vs(1)) && bad.bits(Fpscr) == FPSCR_CONTROL.into());
    // 31 is followed by 0.
    assert!(after(&[F(31)], Fadd, 31).lacks(F(31)));
    assert!(!after(&[F(31), F(0)], Fadd, 31).lacks(F(31)));
    // fmr takes the next register and nothing else, and raises no exception.
    let moved = after(&[F(2), Fpscr], Fmr, 1);
    assert!(!moved.lacks(F(1)) && !moved.lacks(Vs(1)) && !moved.lacks(Fpscr));
    let moved = after(&[F(1), Fpscr], Fmr, 1);
    assert!(moved.lacks(F(1)) && !moved.lacks(Vs(1)) && !moved.lacks(Fpscr));
}

#[test]
fn vsx_and_vmx_operations() {
    use ComputeOp::*;
    let after = |known: &[Register], op, register| {
        elf(vec![
            syscall(Syscall::Getppid),
            set(known),
            compute(op, register),
        ])
    };
    // xxlor goes half by half; xvadddp can be suppressed as a whole.
    let halves = after(&[F(1), Vs(1), F(2), Vs(2), Vs(3)], Xxlor, 2);
    assert!(halves.lacks(F(2)) && !halves.lacks(Vs(2)));
    let whole = after(&[F(1), Vs(1), F(2), Vs(2), Vs(3), Fpscr], Xvadddp, 2);
    assert!(whole.lacks(F(2)) && whole.lacks(Vs(2)) && whole.lacks(Fpscr));
    let known = after(&[F(1), Vs(1), F(2), Vs(2), Fpscr], Xvadddp, 1);
    assert!(!known.lacks(F(1)) && !known.lacks(Vs(1)) && !known.lacks(Fpscr));

    let sum = after(&[V(1), Vscr], Vaddubs, 1);
    assert!(sum.lacks(V(1)) && sum.bits(Vscr) == VSCR_CONTROL.into());
    let sum = after(&[V(1), V(2), Vscr], Vaddubs, 1);
    assert!(!sum.lacks(V(1)) && !sum.lacks(Vscr));
    let or = after(&[V(1), Vscr], Vor, 1);
    assert!(or.lacks(V(1)) && !or.lacks(Vscr));
}

fn family(log: &[LogEntry], events: Vec<Event>, policy: Abi) -> Definedness {
    definedness(&scenario(events), log, policy)
}

fn child(task: u8) -> [LogEntry; 2] {
    [
        LogEntry::TaskStarted {
            task,
            parent: Some(0),
        },
        LogEntry::Dumped { task },
    ]
}

#[test]
fn a_child_has_what_its_parent_had_at_the_fork() {
    let events = vec![syscall(Syscall::Fork), set(&[F(0)])];
    let [born, dumped] = child(1);
    // The parent writes f0 before the child runs.
    let log = [START, event(0, 0), event(1, 0), born, dumped, DUMP];
    let found = family(&log, events.clone(), Abi::Elf);
    assert!(found.task(1).lacks(F(0)) && !found.task(0).lacks(F(0)) && !found.task(1).lacks(F(14)));
    assert_eq!(family(&log, events, Abi::Linux).task(1), Mask::EVERYTHING);
}

#[test]
fn each_child_has_its_own_fork_unless_one_failed() {
    // f14 is undefined at the first fork and defined at the second.
    let spoil = || compute(ComputeOp::Fmr, 31);
    let events = |second| {
        vec![
            syscall(Syscall::Getppid),
            spoil(),
            syscall(Syscall::Fork),
            set(&[F(31)]),
            syscall(second),
        ]
    };
    let mut log = vec![START];
    log.extend((0..5).map(|index| event(index, 0)));
    log.extend(child(2));
    log.extend(child(1));
    let found = family(&log, events(Syscall::Vfork), Abi::Elf);
    assert!(found.task(1).lacks(F(31)) && !found.task(2).lacks(F(31)));
    // With fewer children than forks it is not known whose is whose: neither may rely on it.
    let mut log = log[..6].to_vec();
    log.extend(child(1));
    assert!(
        family(&log, events(Syscall::Vfork), Abi::Elf)
            .task(1)
            .lacks(F(31))
    );
    // A clone that fails is known to make none.
    assert!(
        family(&log, events(Syscall::Clone { fail: true }), Abi::Elf)
            .task(1)
            .lacks(F(31))
    );
}

#[test]
fn a_child_of_an_unknown_fork_relies_only_on_what_all_forks_had() {
    // f31 is defined at the first fork only.
    let fork = || syscall(Syscall::Fork);
    let events = vec![fork(), compute(ComputeOp::Fmr, 31), fork(), set(&[F(31)])];
    let mut log = vec![START];
    log.extend((0..4).map(|index| event(index, 0)));
    log.extend(child(1));
    let one = family(&log, events.clone(), Abi::Elf).task(1);
    assert!(one.lacks(F(31)) && !one.lacks(F(30)));
    log.extend(child(2));
    let both = family(&log, events, Abi::Elf);
    assert!(!both.task(1).lacks(F(31)) && both.task(2).lacks(F(31)));
}

fn any_event() -> impl Strategy<Value = Event> {
    let calls = vec![
        Syscall::Getppid,
        Syscall::Fork,
        Syscall::Clone { fail: true },
        Syscall::RtSigreturn,
        Syscall::Exit,
    ];
    let registers: Vec<Register> = Register::all().collect();
    let ops = ComputeOp::ALL.to_vec();
    prop_oneof![
        prop::sample::select(calls).prop_map(syscall),
        vec(prop::sample::select(registers), 1..5).prop_map(|r| set(&r)),
        prop::sample::select(Facility::ALL.to_vec()).prop_map(|facility| Event::Fill {
            facility,
            pattern: 1
        }),
        (prop::sample::select(ops), any::<u8>()).prop_map(|(op, register)| compute(op, register)),
    ]
}

fn any_entry() -> impl Strategy<Value = LogEntry> {
    let task = 0..9u8;
    prop_oneof![
        (task.clone(), prop::option::of(0..9u8))
            .prop_map(|(task, parent)| LogEntry::TaskStarted { task, parent }),
        (0..25u16, task.clone()).prop_map(|(index, task)| event(index, task)),
        (0..25u16, task.clone()).prop_map(|(index, task)| event(index, task)),
        (0..25u16, task.clone()).prop_map(|(index, task)| event(index, task)),
        (task.clone(), 0..4u16, proptest::bool::ANY).prop_map(|(task, frame, at_entry)| {
            LogEntry::SignalDelivered {
                task,
                frame,
                at_entry,
            }
        }),
        task.clone().prop_map(|task| LogEntry::SigReturned { task }),
        task.prop_map(|task| LogEntry::Dumped { task }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    /// Any log, also one no kernel makes, has an answer; and what is live under ELF is live under
    /// Linux.
    #[test]
    fn elf_never_defines_more_than_linux(events in vec(any_event(), 0..20), log in vec(any_entry(), 0..60)) {
        let scenario = scenario(events);
        let elf = definedness(&scenario, &log, Abi::Elf);
        let linux = definedness(&scenario, &log, Abi::Linux);
        for task in 0..9 {
            prop_assert_eq!(elf.task(task).and(&linux.task(task)), elf.task(task));
        }
        for frame in 0..4 {
            prop_assert_eq!(elf.mask(SignalFrame, frame).and(&linux.mask(SignalFrame, frame)), elf.mask(SignalFrame, frame));
        }
    }
}

/// The emulator does not withhold results as an enabled exception should, so they count for
/// nothing; without enables they count.
#[test]
fn results_are_undefined_where_exceptions_are_enabled() {
    let enabling = |fpscr: u128| {
        let mut values = RegisterValues::new();
        values.insert(Register::Fpscr, fpscr);
        Event::Set(values)
    };
    for op in [ComputeOp::Fadd, ComputeOp::Fdiv, ComputeOp::Xvadddp] {
        let quiet = elf(vec![enabling(0x1), compute(op, 3)]);
        assert!(!quiet.lacks(Register::F(3)));
        let trapping = elf(vec![enabling(0x10), compute(op, 3)]);
        assert!(trapping.lacks(Register::F(3)) && trapping.lacks(Register::Vs(3)));
        assert!(!trapping.lacks(Register::F(4)));
    }
    assert!(!elf(vec![enabling(0x10), compute(ComputeOp::Fmr, 3)]).lacks(Register::F(3)));
}

/// An interrupt with a tracer on its way out.
fn traced(set: Option<SetRegset>) -> Event {
    let pending = Pending {
        ptrace: Some(Ptrace { set }),
        ..Pending::NONE
    };
    Event::Interrupt {
        vector: Interrupt::Doorbell,
        pending,
    }
}

/// What the kernel hands over of a task is as defined as the task's registers. What is a guest's is
/// not the task's.
#[test]
fn what_is_handed_over_is_as_defined_as_the_task() {
    let handed_over = |observable| LogEntry::Captured {
        task: 0,
        observable,
        number: 0,
    };
    let events = vec![syscall(Syscall::Getppid), set(&[F(0)])];
    let log = [
        START,
        event(0, 0),
        handed_over(CoreDump),
        event(1, 0),
        handed_over(Guest),
        DUMP,
    ];
    let found = definedness(&scenario(events), &log, Abi::Elf);
    let core = found.mask(CoreDump, 0);
    assert!(core.lacks(F(0)) && !core.lacks(F(14)));
    assert!(!found.task(0).lacks(F(0)), "the core dump came before");
    assert_eq!(found.mask(Guest, 0), Mask::NOTHING);
}

/// Task 0 of `uses` is stopped at each of the events, by a tracer that writes a VMX register set,
/// and dumps.
fn written(uses: Vec<Facility>, before: Vec<LogEntry>, after: Vec<LogEntry>) -> Definedness {
    let set = SetRegset {
        regset: Facility::Vmx,
        pattern: 1,
        bytes: Some(32),
    };
    let mut scenario = scenario(vec![traced(Some(set)), syscall(Syscall::Fork)]);
    scenario.stage.tasks[0].uses = uses;
    let stop = LogEntry::Traced {
        task: 0,
        event: 0,
        view: 0,
    };
    let mut log = vec![START];
    log.extend(before);
    log.extend([event(0, 0), stop]);
    log.extend(after);
    log.push(DUMP);
    definedness(&scenario, &log, Abi::Elf)
}

#[test]
fn what_a_tracer_writes_is_defined_if_the_task_has_used_the_facility() {
    let call = || vec![event(1, 0)];
    let user = written(vec![Facility::Vmx], call(), vec![]);
    assert!(
        user.mask(Traced, 0).lacks(V(0)),
        "the stop comes before the write"
    );
    assert!(!user.task(0).lacks(V(0)) && !user.task(0).lacks(V(1)));
    assert!(user.task(0).lacks(V(2)), "it was a short one");
    assert!(
        written(vec![Facility::Fp], vec![], vec![])
            .task(0)
            .lacks(V(0))
    );
    assert!(
        !written(vec![Facility::Vsx], vec![], vec![])
            .task(0)
            .lacks(V(0))
    );
}

#[test]
fn a_child_of_an_unfinished_fork_relies_on_nothing_a_tracer_wrote() {
    let born = || {
        vec![LogEntry::TaskStarted {
            task: 1,
            parent: Some(0),
        }]
    };
    let child = written(vec![Facility::Vmx], vec![event(1, 0)], born()).task(1);
    assert!(child.lacks(V(0)) && !child.lacks(V(20)));
}

fn access(op: AccessOp, pending: Pending) -> Event {
    Event::Access {
        op,
        register: 5,
        pending,
    }
}

/// A load defines what it loads, but not what `lfd` leaves to the kernel. What a store brings back
/// is as defined as it was.
#[test]
fn an_access_defines_what_it_loads() {
    let after = |op| {
        let mask = elf(vec![syscall(Syscall::Getppid), access(op, Pending::NONE)]);
        [!mask.lacks(F(5)), !mask.lacks(Vs(5))]
    };
    assert_eq!(after(AccessOp::Lxvd2x), [true, true]);
    assert_eq!(after(AccessOp::Lfd), [true, false]);
    assert_eq!(after(AccessOp::Stxvd2x), [false, false]);
    assert!(elf(vec![access(AccessOp::Lfd, Pending::NONE)]).lacks(Vs(5)));
}

/// What a tracer writes over a register that a store has stored does not stay.
#[test]
fn a_store_brings_back_what_a_tracer_wrote_over() {
    let set = SetRegset {
        regset: Facility::Fp,
        pattern: 3,
        bytes: None,
    };
    let pending = Pending {
        ptrace: Some(Ptrace { set: Some(set) }),
        ..Pending::NONE
    };
    let events = vec![
        syscall(Syscall::Getppid),
        access(AccessOp::Stxvd2x, pending),
    ];
    let stop = LogEntry::Traced {
        task: 0,
        event: 1,
        view: 0,
    };
    let log = [START, event(0, 0), event(1, 0), stop, DUMP];
    let mask = definedness(&scenario(events), &log, Abi::Elf).task(0);
    assert!(mask.lacks(F(5)) && !mask.lacks(F(6)));
}
