//! Results are valid, bounded and repeatable, and shrinking comes to an end.

use ctxfuzz_scenario::{Call, Syscall};
use proptest::prelude::*;

use super::*;
use crate::generate::random_scenario;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// 500 seeds of 200 mutations: 100,000.
    #[test]
    fn results_are_valid_bounded_and_repeatable(seed in any::<u64>()) {
        let mut scenario = random_scenario(seed);
        let mut again = scenario.clone();
        let (mut session, mut session_again) = (Session::new().seed(seed), Session::new().seed(seed));
        for step in 0..200 {
            prop_assert!(Mutator.mutate(&mut scenario, &mut session));
            prop_assert_eq!(scenario.validate(), Ok(()), "step {}", step);
            prop_assert!(scenario.events.len() <= MAX_EVENTS && scenario.stage.tasks.len() <= MAX_STAGE_TASKS);
            Mutator.mutate(&mut again, &mut session_again);
        }
        prop_assert_eq!(scenario, again);
    }

    /// Bytes of a foreign engine are scenarios too.
    #[test]
    fn decoded_scenarios_stay_valid(bytes in proptest::collection::vec(any::<u8>(), 1..600), seed in any::<u64>()) {
        if let Ok(mut scenario) = Scenario::from_bytes(&bytes, "bytes") {
            let mut session = Session::new().seed(seed);
            for _ in 0..50 {
                Mutator.mutate(&mut scenario, &mut session);
                prop_assert_eq!(scenario.validate(), Ok(()));
            }
        }
    }

    #[test]
    fn shrinking_ends_with_nothing_left(seed in any::<u64>()) {
        let mut scenario = random_scenario(seed);
        let mut session = Session::new().seed(seed).shrink(true);
        let mut steps = 0;
        while Mutator.mutate(&mut scenario, &mut session) {
            prop_assert_eq!(scenario.validate(), Ok(()));
            steps += 1;
            prop_assert!(steps < 500);
        }
        prop_assert!(scenario.events.is_empty() && scenario.stage.tasks.len() == 1);
    }
}

#[test]
fn limits_hold_for_scenarios_at_the_language_limits() {
    let set: RegisterValues = Register::all().map(|register| (register, 1)).collect();
    let mut events = vec![Event::Set(set); 7];
    events.extend((0..32).map(|seed| Event::Fill {
        facility: Facility::Vsx,
        pattern: seed,
    }));
    let original = Scenario {
        stage: ctxfuzz_scenario::Stage {
            tasks: vec![TaskStage::default(); 8],
            io_uring: vec![7],
        },
        events,
        ..Scenario::default()
    };
    assert_eq!(original.validate(), Ok(()));
    for seed in 0..2_000 {
        let mut scenario = original.clone();
        let mut session = Session::new().seed(seed);
        for _ in 0..20 {
            Mutator.mutate(&mut scenario, &mut session);
            assert_eq!(scenario.validate(), Ok(()), "seed {seed}");
        }
    }
}

/// From one plain scenario every kind of event and of pending work is reached.
#[test]
fn mutations_reach_the_whole_language() {
    let mut scenario = random_scenario(1);
    let mut session = Session::new().seed(7);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..20_000 {
        Mutator.mutate(&mut scenario, &mut session);
        for event in &scenario.events {
            seen.insert(match event {
                Event::Set(_) => "set".to_owned(),
                Event::Fill { facility, .. } => format!("fill {facility}"),
                Event::Compute { op, .. } => format!("compute {op}"),
                Event::Touch(facility) => format!("touch {facility}"),
                Event::EditFrame(edit) => format!("edit {edit}"),
                Event::FillFrame { facility, .. } => format!("fill frame {facility}"),
                Event::SetFrame(_) => "set frame".to_owned(),
                Event::Access { op, .. } => format!("access {op}"),
                Event::Interrupt { vector, pending } => format!("{vector} {}", pending.io_worker),
                Event::Syscall {
                    call: Syscall::Clone { fail },
                    ..
                } => format!("clone {fail}"),
                Event::Syscall {
                    call: Syscall::Prctl { fpexc },
                    ..
                } => format!("prctl {fpexc}"),
                Event::Syscall {
                    call: Syscall::Swapcontext { small, misaligned },
                    ..
                } => format!("swapcontext {small} {misaligned}"),
                Event::Syscall {
                    call: Syscall::KvmRun { pr },
                    ..
                } => format!("kvm_run {pr}"),
                Event::Syscall { call, via, .. } => format!("{} {via}", call.name()),
            });
        }
    }
    // All but `clone`, `prctl`, `swapcontext` and `kvm_run`, through `sc` and `scv`.
    let other_calls = (Call::ALL.len() - 4) * 2;
    assert_eq!(
        seen.len(),
        1 + 3 + 8 + 3 + (4 + 3 + 1) + 6 + (4 * 2 + 1) + 2 + 4 + 4 + 2 + other_calls,
        "{seen:?}"
    );
}
