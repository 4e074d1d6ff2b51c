//! A run that is cut off says who spent it: the function and the task that the blocks say, wherever
//! the budget ends.

use std::collections::BTreeMap;

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::machine::Options;
use ctxfuzz_emulator::run::Runner;
use ctxfuzz_emulator::run::outcome::{End, Outcome, Spent};
use ctxfuzz_scenario::scenario::Scenario;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// More than it takes to start the model.
const BUDGET: u64 = 20_000;

/// Task 1 does what comes after this, or task 0.
const SWITCH: &str = r#"{"interrupt": {"vector": "doorbell", "pending": {"switch": 1}}}"#;
const NO_SWITCH: &str = r#"{"touch": "fp"}"#;

fn scenario(events: &str) -> Result<Scenario> {
    let text = format!(
        r#"{{"ctxfuzz": 1, "stage": {{"tasks": [{{"uses": ["fp"], "pattern": "0x11"}}, {{"uses": ["vmx"], "pattern": "0x22"}}]}},
        "events": [{events}]}}"#
    );
    Ok(Scenario::from_json(&text, "inline")?)
}

/// The outcome within [`BUDGET`], and of how many of a hundred blocks each function of the kernel
/// had.
fn run(endian: Endian, scenario: &Scenario) -> Result<(Outcome, BTreeMap<String, u64>)> {
    let options = Options {
        budget: BUDGET,
        collect_blocks: true,
        ..Options::default()
    };
    let mut runner = Runner::with_options(&"fixed".parse()?, endian, options)?;
    // Nothing of what ran before is left.
    runner.run(&copies(SWITCH)?);
    runner.run(&copies(NO_SWITCH)?);
    let outcome = runner.run(scenario);
    let again = Runner::with_options(&"fixed".parse()?, endian, options)?.run(scenario);
    assert_eq!(again.spent, outcome.spent, "the same on any machine");
    let symbols = runner.symbols()?;
    let mut blocks: BTreeMap<String, u64> = BTreeMap::new();
    for ((pc, _), times) in runner.kernel_blocks() {
        if let Some(function) = symbols.function_at(*pc) {
            *blocks.entry(function.name.to_string()).or_default() += times;
        }
    }
    let all = runner.blocks();
    blocks
        .values_mut()
        .for_each(|times| *times = 100 * *times / all);
    Ok((outcome, blocks))
}

/// Copies that go through the same function all the time, each of them in this task.
fn copies(first: &str) -> Result<Scenario> {
    let copy = r#"{"syscall": {"call": "write", "bytes": 3000}}, {"syscall": {"call": "read", "bytes": 3000}}"#;
    let all = vec![copy; 120];
    scenario(&[vec![first], all].concat().join(","))
}

#[test]
fn a_run_that_is_cut_off_names_the_function_and_the_task() -> Result {
    for endian in Endian::BOTH {
        for (first, task) in [(NO_SWITCH, "task 0"), (SWITCH, "task 1")] {
            let (outcome, percent) = run(endian, &copies(first)?)?;
            assert_eq!(outcome.end, End::Budget);
            let spent = outcome.spent.ok_or("nothing was said")?;
            let most = percent.iter().max_by_key(|(_, percent)| **percent);
            let (function, percent) = most.ok_or("no blocks")?;
            assert_eq!((&spent.function, spent.task.as_str()), (function, task));
            assert!(u64::from(spent.in_function).abs_diff(*percent) < 8);
            assert!(spent.in_task > 90 && spent.in_task >= spent.in_function);
            assert_eq!(spent.blocks, BUDGET);
        }
    }
    Ok(())
}

#[test]
fn a_run_that_comes_to_its_end_says_nothing() -> Result {
    let (outcome, _) = run(Endian::Big, &scenario(r#"{"touch": "fp"}"#)?)?;
    assert_eq!(
        (outcome.end, outcome.spent),
        (End::Completed, None::<Spent>)
    );
    Ok(())
}
