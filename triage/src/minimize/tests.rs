use std::cell::Cell;

use ctxfuzz_scenario::Facility;
use ctxfuzz_scenario::event::{
    ComputeOp, Event, Interrupt, Pending, RegisterValues, Switch, Syscall, Via,
};
use ctxfuzz_scenario::register::Register;
use ctxfuzz_scenario::scenario::{Scenario, Stage, TaskStage};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::{MinimizeError, Reproduces, Weight, minimize};

fn any_register() -> impl Strategy<Value = Register> {
    let all: Vec<Register> = Register::all().collect();
    prop::sample::select(all)
}

fn any_values(max: usize) -> impl Strategy<Value = RegisterValues> {
    btree_map(
        any_register(),
        any::<u128>().prop_map(|v| v & 0xffff_ffff),
        1..=max,
    )
}

fn any_facility() -> impl Strategy<Value = Facility> {
    prop::sample::select(vec![Facility::Fp, Facility::Vmx, Facility::Vsx])
}

fn any_pending() -> impl Strategy<Value = Pending> {
    let switch = prop_oneof![
        Just(None),
        Just(Some(Switch::Any)),
        (0..8u8).prop_map(|t| Some(Switch::To(t)))
    ];
    let signal = prop::sample::select(vec![None, Some(10), Some(12)]);
    (switch, signal, any::<bool>()).prop_map(|(switch, signal, io_worker)| Pending {
        switch,
        signal,
        io_worker,
        ptrace: None,
        softirq: false,
        after: 0,
        at: None,
    })
}

fn any_call() -> impl Strategy<Value = Syscall> {
    prop_oneof![
        prop::sample::select(vec![
            Syscall::Getppid,
            Syscall::Fork,
            Syscall::Vfork,
            Syscall::FutexWait,
            Syscall::RtSigreturn,
            Syscall::Exit,
            Syscall::Clone { fail: true },
            Syscall::Kill { signal: 12 },
        ]),
        (1..8192u16).prop_map(|bytes| Syscall::Read { bytes }),
        (1..8192u16).prop_map(|bytes| Syscall::Write { bytes }),
    ]
}

fn any_event() -> impl Strategy<Value = Event> {
    let vectors = vec![
        Interrupt::Decrementer,
        Interrupt::External,
        Interrupt::Doorbell,
    ];
    let ops = vec![
        ComputeOp::Fadd,
        ComputeOp::Xvadddp,
        ComputeOp::Vaddubs,
        ComputeOp::Vor,
    ];
    prop_oneof![
        any_values(3).prop_map(Event::Set),
        (any_facility(), any::<u64>())
            .prop_map(|(facility, pattern)| Event::Fill { facility, pattern }),
        (prop::sample::select(ops), 0..32u8)
            .prop_map(|(op, register)| Event::Compute { op, register }),
        any_facility().prop_map(Event::Touch),
        (prop::sample::select(vectors), any_pending())
            .prop_map(|(vector, pending)| Event::Interrupt { vector, pending }),
        (any_call(), any::<bool>(), any_pending()).prop_map(|(call, scv, pending)| {
            Event::Syscall {
                call,
                via: if scv { Via::Scv } else { Via::Sc },
                pending,
            }
        }),
    ]
}

fn any_task() -> impl Strategy<Value = TaskStage> {
    let uses = vec![Facility::Fp, Facility::Vmx, Facility::Vsx];
    (any_values(4), prop::option::of(any::<u64>())).prop_map(move |(registers, pattern)| {
        TaskStage {
            uses: uses.clone(),
            pattern,
            registers,
            ..TaskStage::default()
        }
    })
}

prop_compose! {
    fn any_scenario()(tasks in vec(any_task(), 1..4), events in vec(any_event(), 0..14), ring in any::<bool>())
        -> Scenario {
        let io_uring = if ring { vec![0] } else { vec![] };
        Scenario { stage: Stage { tasks, io_uring }, events, ..Scenario::default() }
    }
}

fn wanted(scenario: &Scenario, salt: u64) -> bool {
    let forks = |e: &&Event| {
        matches!(
            e,
            Event::Syscall {
                call: Syscall::Fork | Syscall::Vfork,
                ..
            }
        )
    };
    let switches =
        |e: &&Event| matches!(e, Event::Interrupt { pending, .. } if pending.switch.is_some());
    let fp = |t: &&TaskStage| t.uses.contains(&Facility::Fp);
    let (events, tasks) = (&scenario.events, &scenario.stage.tasks);
    match salt % 4 {
        0 => events.iter().filter(forks).count() >= 1,
        1 => events.iter().filter(switches).count() >= 1 && tasks.len() >= 2,
        2 => tasks.iter().filter(fp).count() >= 1 && events.len() >= 2,
        // Neither monotone nor sensible: what the result is does not matter, that it holds and is
        // stable does.
        _ => !(events.len() + tasks.len()).is_multiple_of(3),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn reproduces_and_is_a_fixed_point(scenario in any_scenario(), salt in any::<u64>()) {
        prop_assume!(wanted(&scenario, salt));
        let mut oracle = |candidate: &Scenario| wanted(candidate, salt);
        let once = minimize(&scenario, &mut oracle, 100_000).unwrap();
        prop_assert!(once.fixed_point);
        prop_assert!(wanted(&once.scenario, salt));
        prop_assert!(once.scenario.validate().is_ok());
        prop_assert!(Weight::of(&once.scenario) <= Weight::of(&scenario));
        let twice = minimize(&once.scenario, &mut oracle, 100_000).unwrap();
        prop_assert_eq!(&twice.scenario, &once.scenario);
        prop_assert_eq!(twice.rounds, 1);
    }

    #[test]
    fn keeps_to_its_budget_and_runs_only_valid_scenarios(
        scenario in any_scenario(), salt in any::<u64>(), budget in 1..60usize,
    ) {
        prop_assume!(wanted(&scenario, salt));
        let runs = Cell::new(0);
        let all_valid = Cell::new(true);
        let mut oracle = |candidate: &Scenario| {
            runs.set(runs.get() + 1);
            all_valid.set(all_valid.get() && candidate.validate().is_ok());
            wanted(candidate, salt)
        };
        let found = minimize(&scenario, &mut oracle, budget).unwrap();
        prop_assert!(all_valid.get());
        prop_assert_eq!(found.executions, runs.get());
        prop_assert!(found.executions <= budget);
        prop_assert!(wanted(&found.scenario, salt));
    }
}

fn io_worker() -> Pending {
    Pending {
        io_worker: true,
        ..Pending::default()
    }
}

/// The seed bug among noise: an interrupt that makes a worker, with FPSCR not zero.
#[test]
fn leaves_only_what_the_seed_bug_needs() {
    let noise = |n: u64| Event::Fill {
        facility: Facility::Vsx,
        pattern: n,
    };
    let hit = Event::Interrupt {
        vector: Interrupt::Doorbell,
        pending: Pending {
            switch: Some(Switch::To(2)),
            signal: Some(12),
            io_worker: true,
            ptrace: None,
            softirq: false,
            after: 0,
            at: None,
        },
    };
    let call = Event::Syscall {
        call: Syscall::Write { bytes: 5000 },
        via: Via::Scv,
        pending: io_worker(),
    };
    let registers: RegisterValues = [
        (Register::F(0), 0x1234),
        (Register::Fpscr, 0x8200_4000),
        (Register::V(3), 9),
    ]
    .into();
    let task = TaskStage {
        uses: vec![Facility::Fp, Facility::Vmx],
        pattern: Some(77),
        registers,
        load_fp: Some(255),
        load_vec: None,
    };
    let scenario = Scenario {
        stage: Stage {
            tasks: vec![task.clone(), task.clone(), task],
            io_uring: vec![0, 2],
        },
        events: vec![noise(1), call, noise(2), hit, noise(3), noise(4)],
        ..Scenario::default()
    };
    let mut oracle = |candidate: &Scenario| {
        let first = &candidate.stage.tasks[0];
        candidate.stage.io_uring.contains(&0)
            && first
                .registers
                .get(&Register::Fpscr)
                .is_some_and(|&v| v != 0)
            && candidate
                .events
                .iter()
                .any(|e| matches!(e, Event::Interrupt { pending, .. } if pending.io_worker))
    };
    let found = minimize(&scenario, &mut oracle, 10_000).unwrap();
    let expected = Scenario {
        stage: Stage {
            tasks: vec![TaskStage {
                uses: vec![Facility::Fp],
                pattern: None,
                registers: [(Register::Fpscr, 1)].into(),
                ..TaskStage::default()
            }],
            io_uring: vec![0],
        },
        events: vec![Event::Interrupt {
            vector: Interrupt::Decrementer,
            pending: io_worker(),
        }],
        ..Scenario::default()
    };
    assert_eq!(found.scenario, expected);
    assert!(found.executions < 100, "{} executions", found.executions);
}

#[test]
fn dropping_a_task_renumbers_the_others() {
    let to = |task| Event::Interrupt {
        vector: Interrupt::Decrementer,
        pending: Pending {
            switch: Some(Switch::To(task)),
            ..Pending::default()
        },
    };
    let marked = TaskStage {
        uses: vec![Facility::Vmx],
        ..TaskStage::default()
    };
    let scenario = Scenario {
        stage: Stage {
            tasks: vec![TaskStage::default(), TaskStage::default(), marked],
            io_uring: vec![2],
        },
        events: vec![to(2)],
        ..Scenario::default()
    };
    let mut oracle = |candidate: &Scenario| {
        let Some(Event::Interrupt {
            pending:
                Pending {
                    switch: Some(Switch::To(task)),
                    ..
                },
            ..
        }) = candidate.events.first()
        else {
            return false;
        };
        let stage = &candidate.stage;
        *task > 0
            && stage.io_uring == [*task]
            && stage
                .tasks
                .get(usize::from(*task))
                .is_some_and(|t| !t.uses.is_empty())
    };
    let found = minimize(&scenario, &mut oracle, 1000).unwrap().scenario;
    assert_eq!(found.stage.tasks.len(), 2);
    assert_eq!(found.events, [to(1)]);
}

/// What is told of on the way, in order.
struct Telling(Vec<Scenario>);

impl Reproduces for Telling {
    fn signature_holds(&mut self, candidate: &Scenario) -> bool {
        candidate.events.len() >= 2
    }

    fn simpler(&mut self, found: &Scenario) {
        self.0.push(found.clone());
    }
}

#[test]
fn each_success_is_told_and_the_last_is_the_result() {
    let scenario = Scenario {
        stage: Stage {
            tasks: vec![TaskStage::default()],
            io_uring: vec![],
        },
        events: vec![Event::Touch(Facility::Fp); 9],
        ..Scenario::default()
    };
    let mut telling = Telling(Vec::new());
    let found = minimize(&scenario, &mut telling, 1000).unwrap();
    let weights: Vec<Weight> = telling.0.iter().map(Weight::of).collect();
    assert!(
        weights.len() > 1 && weights.is_sorted_by(|a, b| a > b),
        "{weights:?}"
    );
    assert_eq!(telling.0.last(), Some(&found.scenario));
}

#[test]
fn what_does_not_reproduce_is_an_error() {
    let scenario = Scenario::default();
    assert_eq!(
        minimize(&scenario, &mut |_: &Scenario| false, 10),
        Err(MinimizeError::DoesNotReproduce)
    );
    assert_eq!(
        minimize(&scenario, &mut |_: &Scenario| true, 0),
        Err(MinimizeError::NoBudget)
    );
}
