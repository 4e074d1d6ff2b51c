//! The oracle on the model: random scenarios, with whatever garbage a kernel may find.

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::run::Runner;
use ctxfuzz_generators::random_scenario;
use ctxfuzz_scenario::scenario::Verdict;
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
