//! What goes through the model's pipe, and what of it an outcome has.

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::run::Runner;
use ctxfuzz_emulator::run::capture::{Details, Observable};
use ctxfuzz_emulator::run::outcome::Outcome;
use ctxfuzz_scenario::scenario::Scenario;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What two tasks that use VMX do on `fixed`; the same in both byte orders.
fn run(events: &str) -> Result<Outcome> {
    let text = format!(
        r#"{{"ctxfuzz": 1, "stage": {{"tasks": [{{"uses": ["vmx"], "pattern": "0x1"}}, {{"uses": ["vmx"], "pattern": "0x2"}}]}}, "events": [{events}]}}"#
    );
    let scenario = Scenario::from_json(&text, "inline")?;
    let [le, be] = Endian::BOTH.map(|endian| -> Result<Outcome> {
        Ok(Runner::new(&"fixed".parse()?, endian)?.run(&scenario))
    });
    let (le, be) = (le?, be?);
    let reads = |outcome: &Outcome| -> Vec<Details> {
        let reads = outcome.captures_of(Observable::Read);
        reads.map(|read| read.details.clone()).collect()
    };
    assert_eq!(reads(&le), reads(&be));
    Ok(le)
}

/// Task, event, bytes that are there and the first of them. Writes begin with 1 and count up to
/// 251.
fn told(outcome: &Outcome) -> Vec<(u8, u16, usize, Option<u8>)> {
    let reads = outcome.captures_of(Observable::Read);
    let told = reads.filter_map(|read| {
        let Details::Data(data) = &read.details else {
            return None;
        };
        let there = data.bytes.iter().filter(|byte| **byte != 0).count();
        Some((read.task?, data.event, there, data.bytes.first().copied()))
    });
    told.collect()
}

#[test]
fn a_read_delivers_what_there_is_and_nothing_else() -> Result {
    let outcome = run(r#"
        {"syscall": {"call": "write", "bytes": 8192}},
        {"syscall": {"call": "read", "bytes": 4096}},
        {"syscall": {"call": "read", "bytes": 8192}}"#)?;
    // 4096 is 16 * 251 + 80.
    let expected = [(0, 1, 4096, Some(1)), (0, 2, 4096, Some(81))];
    assert_eq!(told(&outcome), expected);
    Ok(())
}

/// Who reads while another one is in the middle of a copy gets the next page. The two reads share
/// the memory they go to, so outcomes have neither.
#[test]
fn a_reader_waits_for_one_that_sleeps() -> Result {
    let outcome = run(r#"
        {"syscall": {"call": "write", "bytes": 8192}},
        {"syscall": {"call": "write", "bytes": 4096}},
        {"syscall": {"call": "read", "bytes": 4096, "pending": {"switch": 1, "after": 2}}},
        {"syscall": {"call": "read", "bytes": 4096}},
        {"syscall": {"call": "sched_yield"}},
        {"syscall": {"call": "read", "bytes": 4096}}"#)?;
    // The third page is the second write's.
    assert_eq!(told(&outcome), [(1, 5, 4096, Some(1))]);
    Ok(())
}

/// A read that a signal comes in is over when the handler is entered: with what was there, or, if
/// it slept, with nothing. What the handler reads is its own.
#[test]
fn a_signal_ends_a_read() -> Result {
    let outcome = run(r#"
        {"syscall": {"call": "write", "bytes": 8192}},
        {"syscall": {"call": "read", "bytes": 4096, "pending": {"signal": 10}}},
        {"syscall": {"call": "read", "bytes": 4096}},
        {"syscall": {"call": "rt_sigreturn"}},
        {"syscall": {"call": "read", "bytes": 16, "pending": {"signal": 10}}},
        {"touch": "vmx"}"#)?;
    let expected = [
        (0, 1, 4096, Some(1)),
        (0, 2, 4096, Some(81)),
        (0, 4, 0, Some(0)),
    ];
    assert_eq!(told(&outcome), expected);
    Ok(())
}
