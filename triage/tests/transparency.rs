//! The oracle on the model: random scenarios, with whatever garbage a kernel may find.

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::functions::Functions;
use ctxfuzz_emulator::run::Runner;
use ctxfuzz_generators::random_scenario;
use ctxfuzz_scenario::scenario::{Scenario, Verdict};
use ctxfuzz_triage::transparency::{When, judge};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Registers that the task has never used are zero and not what another user of the processor left
/// there.
#[test]
fn a_good_kernel_is_silent_whatever_was_in_the_machine_before() -> Result {
    for endian in Endian::BOTH {
        let mut runner = Runner::new(&"repaired".parse()?, endian)?;
        runner.observe();
        runner.dirty(0x5eed);
        for seed in 0..300 {
            let scenario = random_scenario(seed);
            let judgement = judge(&scenario, &runner.run(&scenario));
            assert_eq!(judgement.inconclusive, None, "seed {seed}");
            assert!(
                judgement.verdict <= Verdict::Dead,
                "seed {seed} ({}): {:?}",
                endian.name(),
                judgement.violations
            );
        }
    }
    Ok(())
}

/// What is found does not depend on what ran before.
#[test]
fn a_used_machine_finds_what_a_fresh_one_finds() -> Result {
    let kernel = "clobbering+giveup-keeps-fp-bit".parse()?;
    let mut used = Runner::new(&kernel, Endian::Little)?;
    used.observe();
    let mut loud = 0;
    for seed in 0..40 {
        let scenario = random_scenario(seed);
        let mut fresh = Runner::new(&kernel, Endian::Little)?;
        fresh.observe();
        let judgement = judge(&scenario, &used.run(&scenario));
        assert_eq!(judgement, judge(&scenario, &fresh.run(&scenario)));
        loud += usize::from(judgement.verdict > Verdict::Dead);
    }
    assert!(loud > 5, "{loud} of 40");
    Ok(())
}

/// The first bug needs a save whose registers stay live: on the way out of an interrupt or a call,
/// and never where a facility is loaded.
#[test]
fn violations_name_the_event_that_entered_the_kernel() -> Result {
    let mut runner = Runner::new(&"clobbering".parse()?, Endian::Big)?;
    runner.observe();
    let (mut at_events, mut at_loads) = (0, 0);
    for seed in 0..300 {
        let scenario = random_scenario(seed);
        for violation in judge(&scenario, &runner.run(&scenario)).violations {
            let When::Event(index) = violation.when else {
                continue;
            };
            match scenario.events[usize::from(index)].pending() {
                Some(_) => at_events += 1,
                None => at_loads += 1,
            }
        }
    }
    assert!(at_events > 100 && at_loads == 0, "{at_events}, {at_loads}");
    Ok(())
}

/// Events in which late work comes, each after what it needs.
const LATE: [(&str, &str); 6] = [
    (
        r#"{"syscall": {"call": "write", "bytes": 8192}},"#,
        r#""syscall": {"call": "read", "bytes": 8192, "#,
    ),
    ("", r#""syscall": {"call": "write", "bytes": 8192, "#),
    (
        r#"{"syscall": {"call": "kill", "signal": 10}}, {"fill": {"facility": "vsx", "pattern": "0x3"}},"#,
        r#""syscall": {"call": "rt_sigreturn", "#,
    ),
    ("", r#""syscall": {"call": "fork", "#),
    ("", r#""access": {"op": "lxvd2x", "register": 40, "#),
    ("", r#""interrupt": {"vector": "data_storage", "#),
];

fn late(before: &str, event: &str, function: &str, call: u16) -> Result<Scenario> {
    let text = format!(
        r#"{{"ctxfuzz": 1, "stage": {{"io_uring": [0], "tasks": [
            {{"uses": ["fp", "vmx", "vsx"], "pattern": "0x1", "registers": {{"fpscr": "0x82004000"}}}},
            {{"uses": ["fp", "vmx", "vsx"], "pattern": "0x2", "registers": {{"vscr": "0x10001"}}}}]}},
        "events": [{before} {{{event}"pending": {{"switch": 1, "io_worker": true, "softirq": true,
            "at": {{"function": "{function}", "call": {call}}}}}}}}},
            {{"interrupt": {{"vector": "decrementer", "pending": {{"switch": "any"}}}}}}]}}"#
    );
    Ok(Scenario::from_json(&text, function)?)
}

/// Work may come in whatever function: those of the model that count its preemption points are no
/// exception. Returns where it harms somebody, and how often it came where it was to come.
fn harmed(kernel: &str, endian: Endian) -> Result<(Vec<String>, usize)> {
    let mut runner = Runner::new(&kernel.parse()?, endian)?;
    runner.observe();
    let (mut harmed, mut reached) = (Vec::new(), 0);
    for (before, event) in LATE {
        for function in Functions::of_the_model().names() {
            for call in 1..=3 {
                let scenario = late(before, event, function, call)?;
                let outcome = runner.run(&scenario);
                let judgement = judge(&scenario, &outcome);
                assert_eq!(judgement.inconclusive, None, "{event}{function} {call}");
                reached += usize::from(judgement.effects.not_reached.is_empty());
                if judgement.verdict > Verdict::Dead {
                    harmed.push(format!("{event}{function} {call}"));
                }
            }
        }
    }
    Ok((harmed, reached))
}

#[test]
fn late_work_in_any_function_of_a_good_kernel_harms_nobody() -> Result {
    for endian in Endian::BOTH {
        let (harmed, reached) = harmed("repaired", endian)?;
        assert_eq!(harmed, [""; 0], "{}", endian.name());
        assert!(reached > 200, "{reached}");
    }
    let (harmed, _) = harmed("repaired+usercopy-faults-enabled", Endian::Little)?;
    assert!(!harmed.is_empty());
    Ok(())
}
