//! What a search finds, and what it must not call found.

use ctxfuzz_emulator::kernel::defects;
use ctxfuzz_triage::compare::What;
use ctxfuzz_triage::inconclusive::Inconclusive;

use super::*;

const WITNESS: &str = include_str!("../../../../corpus/io-worker-on-interrupt-return.json");

fn found(target: &Target<'_>) -> Search {
    search(target, &AtomicBool::new(false)).unwrap()
}

fn of(id: &str, one_kernel: bool, runs: u64) -> Target<'static> {
    let defect = defects::find(id).unwrap();
    Target {
        seed: 3,
        runs,
        ..Target::of(defect, one_kernel).unwrap()
    }
}

#[test]
fn a_defect_is_met_at_the_same_execution_every_time_and_a_control_never() {
    for (one_kernel, feedback) in [(false, true), (true, true), (true, false)] {
        let search = |id: &str, runs| {
            found(&Target {
                feedback,
                ..of(id, one_kernel, runs)
            })
        };
        let first = search("save-fpu-clobbers-f0", 1_000);
        assert_eq!(first.found, Some(first.executions));
        let again = search("save-fpu-clobbers-f0", 1_000);
        assert_eq!((again.found, again.scenario), (first.found, first.scenario));
        let none = search("restore-math-declines", 300);
        assert_eq!((none.found, none.executions), (None, 300));
        assert_eq!(none.scenario, None);
    }
}

#[test]
fn without_coverage_each_scenario_is_a_new_one() {
    let target = Target {
        feedback: false,
        ..of("save-fpu-clobbers-f0", true, 1_000)
    };
    let found = found(&target);
    let aim = aim::at(&[&target.kernels.names()[0]], target.endian).unwrap();
    let index = found.found.unwrap() - 1;
    assert_eq!(found.scenario, Some(aim::random(&aim, target.seed, index)));
}

#[test]
fn what_the_kernel_without_the_bug_shows_too_is_not_found() {
    let search = |without: Option<&str>| {
        let target = Target {
            kernels: Kernels::One("clobbering".parse().unwrap()),
            without: without.map(|name| name.parse().unwrap()),
            ..of("save-fpu-clobbers-f0", true, 300)
        };
        found(&target).found
    };
    assert!(search(None).is_some());
    assert!(search(Some("fixed")).is_some());
    assert_eq!(search(Some("clobbering")), None);
}

#[test]
fn a_violation_counts_if_a_whole_run_without_the_bug_has_none_there() {
    let scenario = Scenario::from_json(WITNESS, "the corpus").unwrap();
    let run = |kernel: &str| {
        let kernels = Kernels::One(kernel.parse().unwrap());
        let mut machines = Machines::new(&kernels, Endian::Little).unwrap();
        machines.run(&scenario).comparison
    };
    let (with, without) = (run("clobbering"), run("fixed"));
    let counts = |without: &Comparison| only_with(&with, without, Abi::Elf);
    assert!(counts(&without) && !counts(&with));
    assert!(!only_with(&without, &with, Abi::Elf), "it shows nothing");
    let says_nothing = without.clone().inconclusive(Inconclusive::NotObserved);
    assert!(!counts(&says_nothing));

    let of_other_value = |comparison: &Comparison| {
        let mut other = comparison.clone();
        other.differences.iter_mut().for_each(|d| d.a ^= 1);
        other
    };
    assert!(!counts(&of_other_value(&with)), "only where it is counts");
    let mut elsewhere = with.clone();
    elsewhere
        .differences
        .iter_mut()
        .for_each(|d| d.frame = Some(77));
    assert!(counts(&elsewhere));
    elsewhere.differences[0].place = Place::End;
    assert!(!counts(&elsewhere), "it broke off");
}

#[test]
fn only_what_a_campaign_would_keep_counts() {
    let scenario = Scenario::from_json(WITNESS, "the corpus").unwrap();
    let (target, stop) = (of("save-fpu-clobbers-f0", true, 1), AtomicBool::new(false));
    let mut hunt = Hunt::new(&target, &stop).unwrap();
    let ran = hunt.machines.run(&scenario);
    let mut is_it = |ran: &Ran| hunt.is_it(&scenario, ran).unwrap();
    assert!(is_it(&ran));
    assert!(!is_it(&ran), "this kind was seen already");

    // In a place that is new.
    let mut once = ran.clone();
    once.comparison.differences[0].task = Some(0);
    once.comparison.differences[0].what = What::Gpr(14);
    assert!(!is_it(&once), "a fresh machine does not show it");
}
