//! With a harness that runs nothing.

use super::*;

/// Counts an edge for each number of events, and ends after so many executions.
struct Lengths {
    left: usize,
    seen: Vec<String>,
    started_with: usize,
    kept: usize,
}

impl Harness for Lengths {
    fn execute(&mut self, scenario: &Scenario, coverage: &mut [u8]) -> ControlFlow<()> {
        assert!(coverage.iter().all(|&hits| hits == 0));
        let Some(left) = self.left.checked_sub(1) else {
            return ControlFlow::Break(());
        };
        self.left = left;
        self.seen.push(scenario.to_json());
        coverage[scenario.events.len()] = 1;
        ControlFlow::Continue(())
    }

    fn start_with(&mut self, count: usize) {
        self.started_with = count;
    }

    fn keep(&mut self, _: &Scenario) {
        self.kept += 1;
    }
}

fn fuzz(seed: u64, executions: usize, feedback: bool) -> Lengths {
    fuzz_with(seed, executions, feedback, true)
}

fn fuzz_with(seed: u64, executions: usize, feedback: bool, delays: bool) -> Lengths {
    let mut harness = Lengths {
        left: executions,
        seen: Vec::new(),
        started_with: 0,
        kept: 0,
    };
    let plan = Plan {
        seed,
        aim: ctxfuzz_generators::Aim::default(),
        initial: (0..3).map(ctxfuzz_generators::random_scenario).collect(),
        map_size: 128,
        feedback,
        delays,
    };
    assert!(run(plan, &mut harness).is_ok());
    harness
}

/// The first three are what they are: whoever makes the plan sees to them.
#[test]
fn work_comes_late_only_where_that_means_the_same_on_both_sides() {
    for (delays, expected) in [(true, true), (false, false)] {
        let harness = fuzz_with(1, 500, true, delays);
        let late = harness.seen[3..].iter().any(|s| s.contains(r#""after""#));
        assert_eq!(late, expected);
    }
}

#[test]
fn the_seed_decides_everything() {
    let (one, again, other) = (fuzz(1, 500, true), fuzz(1, 500, true), fuzz(2, 500, true));
    assert_eq!(one.seen, again.seen);
    assert_ne!(one.seen, other.seen);
    assert_eq!(one.seen.len(), 500);
}

#[test]
fn new_coverage_is_kept_and_only_with_feedback() {
    let with = fuzz(1, 3000, true);
    assert_eq!(with.started_with, 3);
    assert!(with.kept > 20, "{}", with.kept);
    assert_eq!(fuzz(1, 3000, false).kept, 0);
}

#[test]
fn it_can_end_at_once() {
    for executions in 0..5 {
        assert_eq!(fuzz(1, executions, true).seen.len(), executions);
    }
}
