//! Kernels that people run today are as truthful and as quiet as 6.1: every event happens on them,
//! the corpus says what it is about, and random scenarios end. As far as the kernels of `make
//! kernels` are there.

mod common;

use common::{call, json_lines, project};

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
