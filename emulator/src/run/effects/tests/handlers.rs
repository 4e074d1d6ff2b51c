//! What is owed to tasks in signal handlers, and by them.

use super::*;

/// The mask of a handler is inherited, its frame is not: nothing ever unblocks the signal in the
/// child.
#[test]
fn a_child_of_a_handler_never_gets_the_handlers_signal() {
    let scenario = scenario(
        1,
        r#"{"syscall": {"call": "kill", "signal": 10}}, {"syscall": {"call": "fork"}},
           {"syscall": {"call": "kill", "signal": 10}}, {"syscall": {"call": "kill", "signal": 12}}"#,
    );
    let mut run = Run::of(&scenario);
    run.event(0, 0);
    run.signal(0, 10);
    run.log(LogEntry::Event { index: 1, task: 0 });
    run.ledger.begins(1, 0, run.outcome.log.len(), 1);
    run.log(LogEntry::TaskStarted {
        task: 1,
        parent: Some(0),
    });
    run.event(2, 1);
    run.event(3, 1);
    run.dumped(1);
    run.dumped(0);
    assert_eq!(run.missing(), [(3, Effect::Signal)]);
}

/// Of two signals that come at once the first one's handler runs second, if at all.
#[test]
fn a_task_that_ends_in_a_handler_owes_no_other_signal() {
    let scenario = scenario(
        1,
        r#"{"syscall": {"call": "kill", "signal": 12, "pending": {"signal": 10}}}, {"syscall": {"call": "exit"}}"#,
    );
    for (exits, expected) in [(true, vec![]), (false, vec![(0, Effect::Signal)])] {
        let mut run = Run::of(&scenario);
        run.event(0, 0);
        run.signal(0, 12);
        if exits {
            run.event(1, 0);
        }
        run.dumped(0);
        assert_eq!(run.missing(), expected);
    }
}

/// Of two signals that come at once both are blocked before the first handler is entered, and a
/// child that is made in it has that mask for good.
#[test]
fn a_child_of_a_handler_may_have_blocked_a_signal_whose_handler_is_yet_to_be_entered() {
    let both = r#"{"syscall": {"call": "kill", "signal": 12, "pending": {"signal": 10}}}"#;
    let one = r#"{"syscall": {"call": "kill", "signal": 10}}"#;
    let then = r#"{"syscall": {"call": "vfork"}},
        {"interrupt": {"vector": "doorbell", "pending": {"signal": 12}}}"#;
    for (first, expected) in [(both, vec![]), (one, vec![(2, Effect::Signal)])] {
        let mut run = Run::of(&scenario(1, &format!("{first}, {then}")));
        run.event(0, 0);
        run.signal(0, 10);
        run.event(1, 0);
        run.log(LogEntry::TaskStarted {
            task: 2,
            parent: Some(0),
        });
        run.event(2, 2);
        run.dumped(2);
        if expected.is_empty() {
            run.signal(0, 12);
        }
        run.dumped(0);
        assert_eq!(run.missing(), expected, "{first}");
    }
}

/// A `vfork` that a signal interrupts is made when the handler has returned, without an event.
#[test]
fn a_task_that_returns_from_a_handler_may_sleep() {
    let vfork = r#"{"syscall": {"call": "vfork", "pending": {"signal": 10}}}"#;
    let switch = r#"{"interrupt": {"vector": "doorbell", "pending": {"switch": 0}}}"#;
    for (returns, expected) in [(true, vec![]), (false, vec![(1, Effect::Switch)])] {
        let mut run = Run::of(&scenario(2, &format!("{vfork}, {switch}")));
        run.log(LogEntry::TaskStarted {
            task: 1,
            parent: None,
        });
        run.event(0, 0);
        run.signal(0, 10);
        if returns {
            run.log(LogEntry::SigReturned { task: 0 });
        }
        run.event(1, 1);
        run.dumped(1);
        run.dumped(0);
        assert_eq!(run.missing(), expected, "{returns}");
    }
}

/// The task that is to run next may do nothing in user code but leave its handler.
#[test]
fn a_task_that_leaves_its_handler_has_come_to_user_code() {
    let vfork = r#"{"syscall": {"call": "vfork", "pending": {"signal": 10}}}"#;
    let prctl = r#"{"syscall": {"call": "prctl", "fpexc": "precise"}}"#;
    let switch = r#"{"interrupt": {"vector": "doorbell", "pending": {"switch": 0}}}"#;
    for (returns, expected) in [(true, vec![]), (false, vec![(2, Effect::Switch)])] {
        let mut run = Run::of(&scenario(2, &format!("{vfork}, {prctl}, {switch}")));
        run.log(LogEntry::TaskStarted {
            task: 1,
            parent: None,
        });
        run.event(0, 0);
        run.signal(0, 10);
        run.event(1, 0);
        run.event(2, 1);
        if returns {
            run.log(LogEntry::SigReturned { task: 0 });
        }
        run.log(LogEntry::TaskStarted {
            task: 2,
            parent: Some(0),
        });
        run.dumped(2);
        run.dumped(1);
        run.dumped(0);
        assert_eq!(run.missing(), expected, "{returns}");
    }
}
