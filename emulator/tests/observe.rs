//! Observations: registers are found wherever the kernel has put them, and looking changes nothing.

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::run::Runner;
use ctxfuzz_emulator::run::observe::{Observation, Point};
use ctxfuzz_emulator::run::outcome::Outcome;
use ctxfuzz_scenario::register::Register;
use ctxfuzz_scenario::scenario::Scenario;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

const FP: u64 = 0x2000;
const ALL: u64 = 0x0280_2000;

fn scenario(tasks: &str, events: &str) -> Result<Scenario> {
    let text =
        format!(r#"{{"ctxfuzz": 1, "stage": {{"tasks": [{tasks}]}}, "events": [{events}]}}"#);
    Ok(Scenario::from_json(&text, "inline")?)
}

fn observed(kernel: &str, endian: Endian, scenario: &Scenario) -> Result<Outcome> {
    let mut runner = Runner::new(&kernel.parse()?, endian)?;
    runner.observe();
    Ok(runner.run(scenario))
}

/// The first look at an operation of an event, and the next at the same task.
fn around(outcome: &Outcome, event: u16) -> Result<(&Observation, &Observation)> {
    let at = outcome
        .observations
        .iter()
        .position(|o| matches!(o.point, Point::Operation { event: Some(e), .. } if e == event))
        .ok_or("no such event")?;
    let before = &outcome.observations[at];
    let after = outcome.observations[at + 1..]
        .iter()
        .find(|o| o.task == before.task)
        .ok_or("it was the last")?;
    Ok((before, after))
}

const BUSY: (&str, &str) = (
    r#"{"uses": ["fp", "vmx", "vsx"], "pattern": "0x11", "registers": {"fpscr": "0x582004000", "vscr": "0x10001", "vrsave": "0xff"}},
       {"uses": ["vsx"], "pattern": "0x22"}"#,
    r#"{"interrupt": {"vector": "doorbell", "pending": {"switch": 1}}},
       {"fill": {"facility": "vsx", "pattern": "0x5a"}},
       {"syscall": {"call": "sched_yield"}},
       {"interrupt": {"vector": "external", "pending": {"signal": 10}}},
       {"set": {"f3": "0x7", "v4": "0x9"}},
       {"syscall": {"call": "rt_sigreturn"}},
       {"syscall": {"call": "fork"}}"#,
);

#[test]
fn looking_changes_nothing() -> Result {
    let busy = scenario(BUSY.0, BUSY.1)?;
    for endian in Endian::BOTH {
        let seen = observed("fixed", endian, &busy)?;
        let unseen = Runner::new(&"fixed".parse()?, endian)?.run(&busy);
        assert!(unseen.observations.is_empty());
        assert!(seen.observations.len() > 12);
        let blind = Outcome {
            observations: Vec::new(),
            ..seen
        };
        assert_eq!(blind, unseen);
    }
    Ok(())
}

/// The same registers, whether the kernel has made them live again or left them in `thread_struct`.
#[test]
fn registers_are_found_in_the_processor_and_in_memory() -> Result {
    let busy = scenario(BUSY.0, BUSY.1)?;
    for endian in Endian::BOTH {
        for (kernel, facilities) in [("fixed", ALL), ("fixed+restore-math-declines", 0)] {
            let outcome = observed(kernel, endian, &busy)?;
            let (before, after) = around(&outcome, 0)?;
            assert_eq!((before.facilities, after.facilities), (ALL, facilities));
            assert_eq!(before.registers, after.registers, "{kernel} {endian:?}");
            assert_eq!(before.registers.fpscr, 0x5_8200_4000);
            assert_eq!(before.registers.vscr, 0x1_0001);
            assert_eq!(before.registers.vrsave, 0xff);
        }
    }
    Ok(())
}

/// A task with FP on and VMX off: one half is in the processor, the other, never used, in memory.
#[test]
fn each_facility_is_looked_for_by_itself() -> Result {
    let fp = scenario(
        r#"{"uses": ["fp"], "pattern": "0x33"}, {"uses": ["vsx"], "pattern": "0x22"}"#,
        r#"{"interrupt": {"vector": "doorbell", "pending": {"switch": 1}}},
           {"interrupt": {"vector": "doorbell", "pending": {"switch": 0}}},
           {"touch": "fp"}"#,
    )?;
    for endian in Endian::BOTH {
        let outcome = observed("fixed", endian, &fp)?;
        let (before, after) = around(&outcome, 0)?;
        assert_eq!((before.facilities, after.facilities), (FP, FP));
        assert_eq!(before.registers, after.registers);
        assert_eq!(before.registers.get(Register::V(0)), 0, "not task 1's");
        assert_ne!(before.registers.get(Register::F(0)), 0);
    }
    Ok(())
}

#[test]
fn what_user_code_writes_is_told() -> Result {
    use Register::{F, Fpscr, V, Vrsave, Vs, Vscr};
    let events = r#"{"set": {"f3": "0x7"}}, {"set": {"f4": "0x7", "vs4": "0x8"}}, {"set": {"vs5": "0x7"}}, {"set": {"v6": "0x9"}},
        {"set": {"fpscr": "0x1"}}, {"set": {"vscr": "0x1"}}, {"set": {"vrsave": "0x1"}}, {"touch": "vsx"},
        {"compute": {"op": "fadd", "register": 1}}, {"compute": {"op": "fmr", "register": 2}}, {"compute": {"op": "xxlor", "register": 3}},
        {"compute": {"op": "xvadddp", "register": 4}}, {"compute": {"op": "vaddubs", "register": 5}}, {"compute": {"op": "vor", "register": 6}},
        {"syscall": {"call": "getppid"}}"#;
    let expected: [&[Register]; 15] = [
        &[F(3), Vs(3)],
        &[F(4), Vs(4)],
        &[Vs(5)],
        &[V(6)],
        &[Fpscr],
        &[Vscr],
        &[Vrsave],
        &[],
        &[F(1), Vs(1), Fpscr],
        &[F(2), Vs(2)],
        &[F(3), Vs(3)],
        &[F(4), Vs(4), Fpscr],
        &[V(5), Vscr],
        &[V(6)],
        &[],
    ];
    let scenario = scenario(
        r#"{"uses": ["fp", "vmx", "vsx"], "pattern": "0x11"}"#,
        events,
    )?;
    for endian in Endian::BOTH {
        let outcome = observed("fixed", endian, &scenario)?;
        for (event, writes) in expected.iter().enumerate() {
            let (before, after) = around(&outcome, event as u16)?;
            assert_eq!(before.writes, *writes, "event {event}");
            let changed: Vec<Register> = Register::all()
                .filter(|&r| before.registers.get(r) != after.registers.get(r))
                .collect();
            assert!(
                changed.iter().all(|r| writes.contains(r)),
                "event {event}: {changed:?}"
            );
        }
    }
    Ok(())
}

#[test]
fn fills_and_first_loads_write_their_facilities() -> Result {
    for (facility, fp, vmx) in [
        ("fp", true, false),
        ("vmx", false, true),
        ("vsx", true, true),
    ] {
        let tasks = format!(r#"{{"uses": ["{facility}"], "pattern": "0x11"}}"#);
        let fill = format!(r#"{{"fill": {{"facility": "{facility}", "pattern": "0x5a"}}}}"#);
        let outcome = observed("fixed", Endian::Little, &scenario(&tasks, &fill)?)?;
        let (filled, _) = around(&outcome, 0)?;
        let start = &outcome.observations[0];
        assert_eq!(start.point, Point::Started);
        for look in [filled, start] {
            assert_eq!(look.writes.contains(&Register::F(31)), fp);
            assert_eq!(look.writes.contains(&Register::Vs(0)), fp);
            assert_eq!(look.writes.contains(&Register::V(31)), vmx);
        }
        let control = [Register::Fpscr, Register::Vscr, Register::Vrsave];
        let loaded = control.map(|r| start.writes.contains(&r));
        assert_eq!(loaded, [fp, vmx && !fp, vmx]);
        assert!(control.iter().all(|r| !filled.writes.contains(r)));
    }
    Ok(())
}

/// Two signals before the task runs again: the frame of the second one is that of a handler which
/// has not begun.
#[test]
fn a_handler_that_interrupts_the_start_of_another_is_told() -> Result {
    let twice = r#"{"interrupt": {"vector": "doorbell", "pending": {"signal": 10}}},
        {"syscall": {"call": "kill", "signal": 10, "pending": {"signal": 12}}},
        {"syscall": {"call": "rt_sigreturn"}}, {"syscall": {"call": "rt_sigreturn"}}, {"syscall": {"call": "rt_sigreturn"}},
        {"syscall": {"call": "kill", "signal": 10, "pending": {"signal": 12}}}"#;
    for endian in Endian::BOTH {
        let outcome = observed("fixed", endian, &scenario(r#"{"uses": ["fp"]}"#, twice)?)?;
        let entries: Vec<bool> = outcome
            .observations
            .iter()
            .filter_map(|o| match o.point {
                Point::Handler { at_entry } => Some(at_entry),
                _ => None,
            })
            .collect();
        // 10; then 12 alone, because 10 is blocked; 10 once more; at last 10 and 12 at once.
        assert_eq!(entries, [false, false, false, true, false]);
    }
    Ok(())
}
