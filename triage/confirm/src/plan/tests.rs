use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_judge::definedness::Abi;
use ctxfuzz_scenario::register::Register;
use ctxfuzz_scenario::scenario::Scenario;

use super::{Check, Plan, PlanError, Step, When, plan};

fn planned(text: &str, kernels: &[&str]) -> Result<Plan, PlanError> {
    let scenario = Scenario::from_json(text, "inline").expect("a scenario");
    let kernels: Vec<_> = kernels
        .iter()
        .map(|name| name.parse().expect("a kernel"))
        .collect();
    plan(&scenario, Endian::Little, Abi::Elf, &kernels)
}

const SIGRETURN: &str = r#"{"ctxfuzz": 1, "stage": {"tasks": [{"uses": ["fp"], "pattern": "0x1"},
    {"uses": ["vmx"], "pattern": "0x2", "load_vec": 3}]}, "events": [
    {"interrupt": {"vector": "decrementer", "pending": {"signal": 10}}},
    {"set": {"f14": "0x7"}},
    {"interrupt": {"vector": "decrementer", "pending": {"switch": 1}}},
    {"interrupt": {"vector": "decrementer", "pending": {"switch": 0}}},
    {"syscall": {"call": "rt_sigreturn", "pending": {"switch": 1, "after": 1}}}]}"#;

#[test]
fn each_task_and_handler_has_the_events_that_it_does() -> Result<(), PlanError> {
    let plan = planned(SIGRETURN, &[])?;
    let events = |steps: &[Step]| -> Vec<u16> {
        let events = steps.iter().filter_map(|step| match step {
            Step::Event(event) => Some(*event),
            Step::Store { .. } => None,
        });
        events.collect()
    };
    assert_eq!(events(&plan.tasks[0].steps), [0]);
    assert_eq!(events(&plan.tasks[0].handlers[0].steps), [1, 2, 4]);
    assert_eq!(plan.tasks[0].handlers[0].interrupts, Some(0));
    assert_eq!(events(&plan.tasks[1].steps), [3]);
    // Preemptions first; only the way back comes late.
    let requests = plan.requests.iter();
    let requests: Vec<_> = requests
        .map(|it| (it.task, it.event, it.late, it.preemptions))
        .collect();
    let expected = [
        (1, None, false, 2),
        (0, Some(0), false, 0),
        (0, Some(2), false, 0),
        (1, Some(3), false, 0),
        (0, Some(4), true, 0),
    ];
    assert_eq!(requests, expected);
    assert!(plan.has_late_return());
    Ok(())
}

/// What a task has not loaded, a C library may have used.
#[test]
fn only_what_a_task_has_loaded_is_compared() -> Result<(), PlanError> {
    let plan = planned(SIGRETURN, &[])?;
    let at = |place: &str| plan.checks.iter().find(|check| check.at == place);
    let first = at("task 0, at its end").expect("a check");
    assert_eq!(first.when, When::Always);
    assert!(!first.defined.lacks(Register::F(14)));
    assert!(first.defined.lacks(Register::V(20)));
    // The handler's f14 does not come back.
    assert_ne!(first.right.get(Register::F(14)), 7);
    let second = at("task 1, at its end").expect("a check");
    assert!(!second.defined.lacks(Register::V(20)));
    assert!(second.defined.lacks(Register::F(14)));
    let frame = at("task 0, in the frame of handler 0").expect("a check");
    assert_eq!(frame.when, When::Disturbed);
    Ok(())
}

/// What a handler writes into its frame is compared at the end; outside a handler there is no
/// frame, and the program does nothing.
#[test]
fn what_is_written_into_a_frame_is_compared_and_written_in_handlers_only() -> Result<(), PlanError>
{
    let plan = planned(
        r#"{"ctxfuzz": 1, "stage": {"tasks": [{}]}, "events": [
            {"set_frame": {"f2": "0x1"}}, {"syscall": {"call": "kill", "signal": 10}},
            {"set_frame": {"f14": "0x7"}}, {"fill_frame": {"facility": "vmx", "pattern": "0x5"}},
            {"syscall": {"call": "rt_sigreturn"}}, {"edit_frame": "drop_vmx"}]}"#,
        &[],
    )?;
    let task = &plan.tasks[0];
    let events = |steps: &[Step]| {
        steps
            .iter()
            .filter(|it| matches!(it, Step::Event(_)))
            .count()
    };
    assert_eq!(
        (events(&task.steps), events(&task.handlers[0].steps)),
        (1, 3)
    );
    let end = |check: &&Check| check.at == "task 0, at its end" && check.when == When::Disturbed;
    let end = plan.checks.iter().find(end).expect("a check");
    assert_eq!(end.right.get(Register::F(14)), 7);
    for register in [Register::F(14), Register::V(31), Register::Vscr] {
        assert!(!end.defined.lacks(register), "{register}");
    }
    assert!(end.defined.lacks(Register::F(15)));
    Ok(())
}

/// Events that are all that is tried are not done by the control.
#[test]
fn a_control_without_anything_to_leave_out_does_no_events() -> Result<(), PlanError> {
    let plan = planned(
        r#"{"ctxfuzz": 1, "stage": {"tasks": [{"uses": ["fp"], "pattern": "0x1"}]},
            "events": [{"set": {"f14": "0x7"}}, {"syscall": {"call": "fork"}}]}"#,
        &[],
    )?;
    assert!(!plan.is_disturbed());
    let whens: Vec<When> = plan.checks.iter().map(|check| check.when).collect();
    assert_eq!(whens, [When::Disturbed, When::Disturbed, When::Control]);
    let right: Vec<u128> = plan
        .checks
        .iter()
        .map(|it| it.right.get(Register::F(14)))
        .collect();
    assert_eq!((right[0], right[1]), (7, 7));
    assert_ne!(right[2], 7);
    Ok(())
}

/// Where a kernel is seen to be wrong between events, and only there, the program looks.
#[test]
fn a_violation_between_events_is_a_look() -> Result<(), PlanError> {
    const DELIVERY: &str = include_str!("../../../../corpus/preempted-in-signal-delivery.json");
    let looks = |plan: &Plan| {
        let at = plan.checks.iter().map(|check| check.at.clone());
        at.filter(|at| at.contains("at the start of handler"))
            .count()
    };
    assert_eq!(looks(&planned(DELIVERY, &[])?), 0);
    assert_eq!(looks(&planned(DELIVERY, &["repaired"])?), 0);
    assert!(looks(&planned(DELIVERY, &["fixed"])?) > 0);
    Ok(())
}

#[test]
fn what_no_program_can_do_is_refused_with_the_event() {
    let refused = |event: &str| {
        let text = format!(
            r#"{{"ctxfuzz": 1, "stage": {{"tasks": [{{"uses": ["fp"]}}]}}, "events": [
                {{"touch": "fp"}}, {event}]}}"#
        );
        planned(&text, &[])
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    let error = refused(r#"{"interrupt": {"vector": "system_reset"}}"#);
    assert!(error.is_err_and(|it| it.starts_with("event 1: a program cannot do that under QEMU")));
    assert!(refused(r#"{"syscall": {"call": "execve"}}"#).is_err());
    assert!(refused(r#"{"access": {"op": "lfd", "register": 1}}"#).is_err());
    assert_eq!(refused(r#"{"syscall": {"call": "getppid"}}"#), Ok(()));
}
