//! Pending work that comes in a function of the kernel that the scenario names: on the model.

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::run::Runner;
use ctxfuzz_emulator::run::outcome::{End, LogEntry, Outcome};
use ctxfuzz_scenario::Scenario;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A run of `event`, with another task that can run, and one more event.
fn run(event: &str) -> Result<Outcome> {
    let text = format!(
        r#"{{"ctxfuzz": 1, "stage": {{"tasks": [{{"uses": ["vmx"]}}, {{}}]}},
            "events": [{event}, {{"syscall": {{"call": "getppid"}}}}]}}"#
    );
    let scenario = Scenario::from_json(&text, "inline")?;
    let outcome = Runner::new(&"fixed".parse()?, Endian::Little)?.run(&scenario);
    assert_eq!(outcome.end, End::Completed, "{event}");
    Ok(outcome)
}

fn call(call: &str, at: &str) -> Result<Outcome> {
    run(&format!(
        r#"{{"syscall": {{"call": "{call}", "pending": {{"switch": 1, "at": {at}}}}}}}"#
    ))
}

/// Whether the other task had the second event.
fn switched(outcome: &Outcome) -> bool {
    outcome.log.contains(&LogEntry::Event { index: 1, task: 1 })
}

#[test]
fn work_comes_in_the_function_that_is_named() -> Result {
    for at in [
        r#"{"function": "copy_process"}"#,
        r#"{"function": "arch_dup_task_struct"}"#,
        r#"{"function": "copy_process", "into": "50%"}"#,
        r#"{"function": "copy_process.isra.0", "past": 1}"#,
        r#"{"function": "system_call_exception"}"#,
    ] {
        let outcome = call("fork", at)?;
        assert!(switched(&outcome), "{at}");
        assert!(outcome.effects.not_reached.is_empty(), "{at}");
        assert!(outcome.effects.not_applicable.is_empty(), "{at}");
    }
    Ok(())
}

#[test]
fn a_place_that_the_kernel_does_not_come_to_is_not_reached() -> Result {
    for (name, at) in [
        ("getppid", r#"{"function": "copy_process"}"#),
        ("fork", r#"{"function": "copy_process", "call": 2}"#),
        ("fork", r#"{"function": "copy_process", "past": 4095}"#),
    ] {
        let outcome = call(name, at)?;
        assert!(switched(&outcome), "{at}: it comes in the end");
        assert!(outcome.effects.not_reached.contains(&0), "{at}");
    }
    Ok(())
}

#[test]
fn a_function_that_the_kernel_does_not_have_is_not_applicable() -> Result {
    let outcome = call("fork", r#"{"function": "no_such_function"}"#)?;
    assert!(!switched(&outcome));
    assert!(outcome.effects.not_reached.is_empty());
    let said: Vec<String> = outcome
        .effects
        .not_applicable
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(
        matches!(said.as_slice(), [one] if one.contains("no function `no_such_function`")),
        "{said:?}"
    );
    Ok(())
}

#[test]
fn interrupts_have_places_too() -> Result {
    let interrupt = |vector: &str, function: &str| {
        run(&format!(
            r#"{{"interrupt": {{"vector": "{vector}", "pending": {{"switch": 1, "at": {{"function": "{function}"}}}}}}}}"#
        ))
    };
    let reached = |outcome: &Outcome| outcome.effects.not_reached.is_empty();
    for (vector, function) in [
        ("data_storage", "copypage_power7"),
        ("data_storage", "do_page_fault"),
    ] {
        let outcome = interrupt(vector, function)?;
        assert!(
            switched(&outcome) && reached(&outcome),
            "{vector}, {function}"
        );
    }
    // It comes when the interrupt's handler has run.
    let outcome = interrupt("doorbell", "copypage_power7")?;
    assert!(switched(&outcome) && !reached(&outcome));
    Ok(())
}
