//! Each rule: a run that had the effect is silent, one that had not is told.

mod handlers;

use ctxfuzz_scenario::scenario::Scenario;

use super::*;
use crate::arch::RegisterFile;
use crate::run::capture::{Capture, Details, Observable, SignalFrame};
use crate::run::outcome::End;

/// A scenario of so many tasks, one ring of task 0, and these events.
fn scenario(tasks: usize, events: &str) -> Scenario {
    let tasks = vec!["{}"; tasks].join(", ");
    let text = format!(
        r#"{{"ctxfuzz": 1, "stage": {{"tasks": [{tasks}], "io_uring": [0]}}, "events": [{events}]}}"#
    );
    Scenario::from_json(&text, "inline").expect("it is a scenario")
}

/// A run that is told step by step.
struct Run {
    ledger: Ledger,
    outcome: Outcome,
}

impl Run {
    fn of(scenario: &Scenario) -> Run {
        let mut ledger = Ledger::default();
        ledger.prepare(scenario);
        let mut run = Run {
            ledger,
            outcome: Outcome::empty(End::Completed),
        };
        run.log(LogEntry::TaskStarted {
            task: 0,
            parent: None,
        });
        run
    }

    fn log(&mut self, entry: LogEntry) {
        self.ledger.logged(&entry, &self.outcome);
        self.outcome.log.push(entry);
    }

    fn event(&mut self, index: u16, task: u8) {
        self.log(LogEntry::Event { index, task });
        let log = self.outcome.log.len();
        self.ledger.begins(index, task, log, 2);
    }

    fn signal(&mut self, task: u8, signal: u8) {
        let frame = SignalFrame {
            msr: 0,
            signal,
            code: 0,
            red_zone: None,
        };
        let registers = RegisterFile::default();
        let capture = Capture::new(Observable::SignalFrame, Some(task), registers);
        let frame = self.outcome.record(capture.with(Details::Frame(frame)));
        self.log(LogEntry::SignalDelivered {
            task,
            frame,
            at_entry: false,
        });
    }

    fn hit(&mut self, watched: Watched, task: Option<u8>) {
        self.ledger.executed(watched, task, self.outcome.log.len());
    }

    fn dumped(&mut self, task: u8) {
        self.log(LogEntry::Dumped { task });
    }

    fn settle(mut self) -> Effects {
        self.ledger.settle(true, &self.outcome, Vec::new())
    }

    fn missing(self) -> Vec<(u16, Effect)> {
        let missing = self.settle().did_not_happen.into_iter();
        missing.map(|one| (one.event, one.effect)).collect()
    }
}

const WORKER: &str = r#"{"interrupt": {"vector": "doorbell", "pending": {"io_worker": true}}}"#;

#[test]
fn a_worker_is_made_after_it_was_asked_for() {
    let scenario = scenario(1, &format!("{WORKER}, {WORKER}"));
    let mut one_of_two = Run::of(&scenario);
    one_of_two.event(0, 0);
    one_of_two.hit(Watched::CreateIoThread, Some(0));
    one_of_two.event(1, 0);
    one_of_two.dumped(0);
    assert_eq!(one_of_two.missing(), [(1, Effect::IoWorker)]);

    let mut both = Run::of(&scenario);
    for event in 0..2 {
        both.event(event, 0);
        both.hit(Watched::CreateIoThread, Some(0));
    }
    both.dumped(0);
    assert_eq!(both.missing(), []);
}

#[test]
fn a_worker_is_owed_by_a_ring_whose_owner_lives() {
    let two = scenario(2, WORKER);
    let mut without_owner = Run::of(&two);
    without_owner.dumped(0);
    without_owner.event(0, 1);
    without_owner.dumped(1);
    assert_eq!(without_owner.missing(), []);
    let mut with_owner = Run::of(&two);
    with_owner.event(0, 1);
    with_owner.dumped(0);
    assert_eq!(with_owner.missing(), [(0, Effect::IoWorker)]);
}

#[test]
fn a_page_is_copied_by_the_task_and_before_it_goes_on() {
    let scenario = scenario(
        2,
        r#"{"interrupt": {"vector": "data_storage"}}, {"touch": "fp"}"#,
    );
    let run = |by: u8, late: bool| {
        let mut run = Run::of(&scenario);
        run.event(0, 0);
        if late {
            run.event(1, 0);
        }
        run.hit(Watched::CopyPage, Some(by));
        run.dumped(0);
        run.missing()
    };
    assert_eq!(run(0, false), []);
    assert_eq!(run(1, false), [(0, Effect::PageCopy)]);
    assert_eq!(run(0, true), [(0, Effect::PageCopy)]);
}

#[test]
fn the_signal_that_was_sent_is_delivered_to_whom_it_was_sent() {
    let scenario = scenario(2, r#"{"syscall": {"call": "kill", "signal": 12}}"#);
    let run = |task: u8, signal: u8| {
        let mut run = Run::of(&scenario);
        run.event(0, 0);
        run.signal(task, signal);
        run.dumped(0);
        run.missing()
    };
    assert_eq!(run(0, 12), []);
    assert_eq!(run(0, 10), [(0, Effect::Signal)]);
    assert_eq!(run(1, 12), [(0, Effect::Signal)]);
}

#[test]
fn the_next_task_runs_before_the_interrupted_one() {
    let to_1 = r#"{"interrupt": {"vector": "decrementer", "pending": {"switch": 1}}}"#;
    let any = r#"{"interrupt": {"vector": "decrementer", "pending": {"switch": "any"}}}"#;
    for (event, expected) in [(to_1, vec![(0, Effect::Switch)]), (any, vec![])] {
        let mut third_runs = Run::of(&scenario(3, event));
        third_runs.event(0, 0);
        third_runs.log(LogEntry::TaskStarted {
            task: 2,
            parent: None,
        });
        third_runs.dumped(0);
        assert_eq!(third_runs.missing(), expected);

        let mut nobody_does = Run::of(&scenario(3, event));
        nobody_does.event(0, 0);
        nobody_does.dumped(0);
        assert_eq!(nobody_does.missing(), [(0, Effect::Switch)]);
    }
}

/// A task that sleeps, or does not exist, cannot run next.
#[test]
fn a_switch_is_owed_by_those_who_can_run() {
    let scenario = scenario(
        2,
        r#"{"syscall": {"call": "futex_wait"}},
           {"interrupt": {"vector": "decrementer", "pending": {"switch": "any"}}}"#,
    );
    let mut run = Run::of(&scenario);
    run.event(0, 0);
    run.log(LogEntry::TaskStarted {
        task: 1,
        parent: None,
    });
    run.event(1, 1);
    run.dumped(1);
    run.dumped(0);
    assert_eq!(run.missing(), []);
}

#[test]
fn a_child_runs_unless_the_call_is_to_fail_or_there_is_no_room() {
    let fork = r#"{"syscall": {"call": "fork"}}"#;
    let fails = r#"{"syscall": {"call": "clone", "fail": true}}"#;
    for (call, blocks, expected) in [
        (fork, 1, vec![(0, Effect::Child)]),
        (fork, MAX_TASKS, vec![]),
        (fails, 1, vec![]),
    ] {
        let mut run = Run::of(&scenario(1, call));
        run.log(LogEntry::Event { index: 0, task: 0 });
        run.ledger.begins(0, 0, 2, blocks);
        run.dumped(0);
        assert_eq!(run.missing(), expected, "{call} with {blocks} tasks");
    }
}

#[test]
fn what_is_not_applicable_did_not_fail_to_happen() {
    let part = |event| NotApplicable {
        event,
        effect: Effect::IoWorker,
        what: "a test says so".into(),
    };
    for (event, expected) in [(0, 0), (1, 1)] {
        let mut run = Run::of(&scenario(1, WORKER));
        run.event(0, 0);
        run.dumped(0);
        let effects = run.ledger.settle(true, &run.outcome, vec![part(event)]);
        assert_eq!(effects.did_not_happen.len(), expected);
    }
}

/// A fork, or a write that waits, may be given up for a signal.
#[test]
fn an_interrupted_call_owes_nothing_more() {
    for call in [
        r#"{"syscall": {"call": "fork"}}"#,
        r#"{"syscall": {"call": "write", "bytes": 8192}}"#,
    ] {
        let mut run = Run::of(&scenario(1, call));
        run.event(0, 0);
        run.signal(0, 10);
        run.dumped(0);
        assert_eq!(run.missing(), []);
        let mut alone = Run::of(&scenario(1, call));
        alone.event(0, 0);
        alone.dumped(0);
        assert_eq!(alone.missing().len(), 1, "{call}");
    }
}

/// A run that was cut off has not had its effects yet.
#[test]
fn a_run_that_was_cut_off_owes_nothing() {
    let mut run = Run::of(&scenario(1, WORKER));
    run.event(0, 0);
    let effects = run.ledger.settle(false, &run.outcome, Vec::new());
    assert_eq!(effects.did_not_happen, []);
}

#[test]
fn needs_are_met_by_what_was_seen_or_is_not_applicable() {
    let mut scenario = scenario(1, WORKER);
    scenario.needs = vec![Effect::IoWorker, Effect::Sleep];
    let mut run = Run::of(&scenario);
    run.event(0, 0);
    run.hit(Watched::CreateIoThread, Some(0));
    run.dumped(0);
    let mut effects = run.settle();
    let unmet: Vec<Effect> = effects.unmet(&scenario).collect();
    assert_eq!(unmet, [Effect::Sleep]);
    assert!(!effects.are_complete(&scenario));
    effects.not_applicable.push(NotApplicable {
        event: 0,
        effect: Effect::Sleep,
        what: "a test says so".into(),
    });
    assert!(effects.are_complete(&scenario));
}

/// Only a task that is in a call that sleeps shows a sleep: the kernel's own threads sleep all the
/// time.
#[test]
fn a_sleep_is_that_of_a_task_in_such_a_call() {
    let scenario = scenario(
        1,
        r#"{"syscall": {"call": "getppid"}}, {"syscall": {"call": "futex_wait"}}"#,
    );
    for (events, expected) in [(1, false), (2, true)] {
        let mut run = Run::of(&scenario);
        for event in 0..events {
            run.event(event, 0);
        }
        run.hit(Watched::Sleeps, Some(0));
        run.hit(Watched::Sleeps, None);
        run.dumped(0);
        assert_eq!(run.settle().seen.contains(&Effect::Sleep), expected);
    }
}

/// A worker is not created while a signal is pending; what is asked for until it is tried again is
/// one request with that.
#[test]
fn a_worker_that_waits_for_a_signal_takes_the_next_requests_with_it() {
    let with_signal =
        r#"{"interrupt": {"vector": "doorbell", "pending": {"io_worker": true, "signal": 10}}}"#;
    for (first, expected) in [(with_signal, vec![]), (WORKER, vec![(1, Effect::IoWorker)])] {
        let mut run = Run::of(&scenario(1, &format!("{first}, {WORKER}")));
        run.event(0, 0);
        run.hit(Watched::CreateIoThread, Some(0));
        run.signal(0, 10);
        run.event(1, 0);
        run.dumped(0);
        assert_eq!(run.missing(), expected);
    }
}

#[test]
fn a_task_that_yields_lets_another_run_if_there_is_one() {
    let call = r#"{"syscall": {"call": "sched_yield"}}"#;
    for (tasks, expected) in [(1, vec![]), (2, vec![(0, Effect::Switch)])] {
        let mut run = Run::of(&scenario(tasks, call));
        run.event(0, 0);
        run.dumped(0);
        assert_eq!(run.missing(), expected);
    }
}

/// An owner that is preempted in `exit` has not shown its registers late: its ring is gone with it.
#[test]
fn a_ring_whose_owner_is_on_its_way_out_owes_nothing() {
    let last = r#"{"syscall": {"call": "execve"}}"#;
    let other = r#"{"syscall": {"call": "getppid"}}"#;
    for (call, expected) in [(last, vec![]), (other, vec![(1, Effect::IoWorker)])] {
        let mut run = Run::of(&scenario(2, &format!("{call}, {WORKER}")));
        run.event(0, 0);
        run.event(1, 1);
        run.dumped(1);
        run.log(LogEntry::Execed { task: 0 });
        run.dumped(0);
        let missing = run.missing();
        let workers: Vec<_> = missing
            .into_iter()
            .filter(|m| m.1 == Effect::IoWorker)
            .collect();
        assert_eq!(workers, expected);
    }
}

/// The task may be asleep by then.
#[test]
fn late_work_of_a_call_that_sleeps_is_not_owed() {
    let read = |after: u16| {
        format!(
            r#"{{"syscall": {{"call": "read", "bytes": 16, "pending": {{"signal": 10, "after": {after}}}}}}}"#
        )
    };
    for (after, expected) in [(0, vec![(0, Effect::Signal)]), (2, vec![])] {
        let mut run = Run::of(&scenario(1, &read(after)));
        run.event(0, 0);
        run.dumped(0);
        assert_eq!(run.missing(), expected);
    }
}

/// The owner of a ring is interrupted while it makes a worker, and another task asks for one.
#[test]
fn a_worker_that_is_asked_for_while_one_is_made_may_be_one_with_it() {
    let scenario = scenario(2, &format!("{WORKER}, {WORKER}"));
    for (comes_back, expected) in [(false, vec![]), (true, vec![(1, Effect::IoWorker)])] {
        let mut run = Run::of(&scenario);
        run.event(0, 0);
        run.hit(Watched::CreateIoThread, Some(0));
        run.log(LogEntry::TaskStarted {
            task: 1,
            parent: None,
        });
        if comes_back {
            run.log(LogEntry::ContextSaved { task: 0, frame: 0 });
        }
        run.event(1, 1);
        run.dumped(1);
        run.dumped(0);
        assert_eq!(run.missing(), expected, "{comes_back}");
    }
}

/// It came when the task was in user code again.
#[test]
fn a_switch_whose_place_was_not_reached_need_not_be_one() {
    let doorbell = r#"{"interrupt": {"vector": "doorbell",
        "pending": {"switch": 1, "at": {"function": "restore_math"}}}}"#;
    for (reached, expected) in [(false, vec![]), (true, vec![(0, Effect::Switch)])] {
        let mut run = Run::of(&scenario(2, doorbell));
        run.event(0, 0);
        if !reached {
            run.ledger.not_reached(0);
        }
        run.dumped(0);
        run.dumped(1);
        let effects = run.settle();
        assert!(!effects.seen.contains(&Effect::Switch));
        let missing = effects.did_not_happen.iter();
        let missing: Vec<_> = missing.map(|one| (one.event, one.effect)).collect();
        assert_eq!(missing, expected, "{reached}");
    }
}
