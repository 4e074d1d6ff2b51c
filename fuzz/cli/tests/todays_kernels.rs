//! Kernels that people run today are as truthful and as quiet as 6.1: every event happens on them,
//! the corpus says what it is about, and random scenarios end. As far as the kernels of `make
//! kernels` are there.

mod common;

use common::{call, json_lines, project};
use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::run::Runner;
use ctxfuzz_emulator::run::outcome::{End, LogEntry};
use ctxfuzz_scenario::Scenario;

/// Versions and page sizes that differ in what the agent has to do; and one of our own builds for
/// each version and byte order.
const KERNELS: [&str; 11] = [
    "debian",
    "debian-6.12",
    "debian-6.12-64k",
    "debian-7.2",
    "debian-7.2-64k",
    "fixed-le",
    "fixed-be",
    "fixed-6.12-le",
    "fixed-7.2-le",
    "fixed-6.12-be",
    "fixed-7.2-be",
];

/// The agent has these of every kernel: that they are not applicable must never come to be for
/// another reason.
const NOT_APPLICABLE: [&str; 7] = [
    "interrupt system_reset",
    "execve",
    "abort",
    "enable_kernel",
    "kvm_run",
    "hibernate",
    "pending softirq",
];

fn each_kernel(test: &str, check: impl Fn(&str)) {
    let mut parts = common::Parts::of(test);
    for name in KERNELS {
        if let Some([kernel]) = parts.next(common::real([name])) {
            check(&kernel);
        }
    }
}

#[test]
fn every_event_happens_or_is_not_applicable() {
    each_kernel("what happens on a kernel", |kernel| {
        let called = call(&["kernels", "--prove", kernel, "--json"]);
        assert_eq!(called.status, Some(0), "{kernel}: {}", called.stdout);
        let told = &json_lines(&called.stdout)[0];
        assert_eq!(told["quiet"]["quiet"], true, "{kernel}");
        let proofs = told["proofs"].as_array().expect("a list");
        let not_applicable: Vec<&str> = proofs
            .iter()
            .filter(|proof| proof["answer"] == "not_applicable")
            .filter_map(|proof| proof["event"].as_str())
            .collect();
        assert_eq!(not_applicable, NOT_APPLICABLE, "{kernel}");
    });
}

#[test]
fn no_file_of_the_corpus_says_nothing() {
    let corpus = project().join("corpus").display().to_string();
    each_kernel("the corpus", |kernel| {
        let called = call(&["check", "--kernel", kernel, "--json", &corpus]);
        for line in json_lines(&called.stdout) {
            assert!(line.get("inconclusive").is_none(), "{kernel}: {line}");
            assert!(line.get("did_not_happen").is_none(), "{kernel}: {line}");
        }
    });
}

/// A budget that is spent by what the boot has left shows in one of six: 100 are enough.
#[test]
fn random_scenarios_end() {
    each_kernel("random scenarios", |kernel| {
        let called = call(&[
            "check", "--kernel", kernel, "--runs", "100", "--seed", "3", "--json",
        ]);
        let summary = &json_lines(&called.stdout)[0];
        assert_eq!(summary["executions"], 100, "{kernel}");
        assert_eq!(summary["inconclusive"], 0, "{kernel}: {summary}");
    });
}

/// On 7.2 a signal can be left undone and be delivered on top of a SIGFPE. What the upper handler
/// computes may raise another one, which must not kill the task.
#[test]
fn an_exception_in_a_handler_on_top_of_a_sigfpe_is_delivered() -> anyhow::Result<()> {
    const NESTED: &str = r#"{"ctxfuzz": 1, "stage": {"tasks": [{}]}, "events": [
        {"syscall": {"call": "fork"}},
        {"syscall": {"call": "prctl", "fpexc": "nonrecoverable", "pending": {"switch": "any",
            "signal": 10, "at": {"function": "sys_prctl", "into": "20%", "past": 15}}}},
        {"syscall": {"call": "getppid", "pending": {"switch": "any"}}},
        {"set": {"fpscr": "0x84000010"}}, {"set": {"fpscr": "0x84000010"}}]}"#;
    let mut parts = common::Parts::of("an exception in a handler on top of a SIGFPE");
    let Some([kernel]) = parts.next(common::real(["debian-7.2"])) else {
        return Ok(());
    };
    let mut runner = Runner::new(&kernel.parse()?, Endian::Little)?;
    let outcome = runner.run(&Scenario::from_json(NESTED, "inline")?);
    assert_eq!(outcome.end, End::Completed);
    let delivered = outcome.log.iter().filter_map(|entry| match entry {
        LogEntry::SignalDelivered { at_entry, .. } => Some(*at_entry),
        _ => None,
    });
    // One on top of a SIGFPE, and one in its handler.
    let delivered: Vec<bool> = delivered.take(2).collect();
    assert_eq!(delivered, [true, false]);
    Ok(())
}
