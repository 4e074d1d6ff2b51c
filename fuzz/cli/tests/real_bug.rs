//! The bug and its repair in real kernels, from snapshots, through the program as people use it.
//!
//! Needs kernels in `CTXFUZZ_KERNELS` (default `target/kernels`, where `make kernels` puts them)
//! and qemu-system-ppc64; says so when it has nothing to do.

mod common;

use common::{Parts, call, json_lines, real, real_kernels};
use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_emulator::run::Runner;
use ctxfuzz_scenario::scenario::Scenario;
use serde_json::Value;

const SCENARIO: &str = "corpus/io-worker-on-interrupt-return.json";

/// A kernel with the bug, the same without.
const PAIRS: [[&str; 2]; 9] = [
    ["clobbering-le", "fixed-le"],
    ["clobbering-be", "fixed-be"],
    ["debian-clobbering", "debian"],
    ["clobbering-6.12-le", "fixed-6.12-le"],
    ["clobbering-6.12-be", "fixed-6.12-be"],
    ["debian-6.12-clobbering", "debian-6.12"],
    ["clobbering-7.2-le", "fixed-7.2-le"],
    ["clobbering-7.2-be", "fixed-7.2-be"],
    ["debian-7.2-clobbering", "debian-7.2"],
];

/// The pairs that are there.
fn pairs(test: &str) -> Vec<[String; 2]> {
    let mut parts = Parts::of(test);
    PAIRS
        .into_iter()
        .filter_map(|names| parts.next(real(names)))
        .collect()
}

/// The one line of JSON that a call prints, which ends with this status.
fn object(arguments: &[&str], status: i32) -> Value {
    let called = call(arguments);
    assert_eq!(
        called.status,
        Some(status),
        "{arguments:?}: {}",
        called.stderr
    );
    let mut lines = json_lines(&called.stdout);
    assert_eq!(lines.len(), 1, "{arguments:?}");
    lines.remove(0)
}

/// The registers of these rows that somebody can notice.
fn live(rows: &Value) -> Vec<&str> {
    rows.as_array()
        .expect("a list")
        .iter()
        .filter(|row| row["verdict"] == "live")
        .map(|row| row["register"].as_str().expect("a register"))
        .collect()
}

#[test]
fn the_bug_is_seen_in_a_pair_of_kernels() {
    for [a, b] in pairs("the_bug_is_seen_in_a_pair_of_kernels") {
        let found = object(&["run", "--json", "--a", &a, "--b", &b, SCENARIO], 1);
        assert_eq!(found["verdict"], "live", "{a}");
        assert_eq!(live(&found["differences"]), ["f0", "vs0", "v0"], "{a}");
        let signatures = ["save_altivec.v0-is-vscr", "save_fpu.f0-is-fpscr"];
        assert_eq!(found["signatures"], Value::from(&signatures[..]), "{a}");
    }
}

/// What kernels do wrong by themselves, in every version or in some (docs/kernels.md).
const OWN: [&str; 7] = [
    "corpus/fp-exceptions-off-in-child.json",
    "corpus/fpexc-preempted.json",
    "corpus/preempted-at-end-of-sigreturn.json",
    "corpus/preempted-in-copy-of-sigreturn.json",
    "corpus/preempted-in-signal-delivery.json",
    "corpus/preempted-in-sigreturn.json",
    "corpus/signal-during-task-work.json",
];

#[test]
fn the_bug_is_seen_in_one_kernel() {
    for [a, b] in pairs("the_bug_is_seen_in_one_kernel") {
        let found = object(&["check", "--json", "--kernel", &a, SCENARIO], 1);
        assert_eq!(found["verdict"], "live", "{a}");
        assert_eq!(live(&found["violations"]), ["f0", "vs0", "v0"], "{a}");
        let found = object(&["check", "--json", "--kernel", &b, OWN[0]], 1);
        assert_eq!(found["violations"][1]["where"], "siginfo", "{b}");
        let corpus = common::corpus();
        let others = corpus.iter().map(String::as_str);
        let mut arguments = vec!["check", "--kernel", &b];
        arguments.extend(others.filter(|file| !OWN.contains(file)));
        let called = call(&arguments);
        assert_eq!(called.status, Some(0), "{b}: {}", called.stdout);
    }
}

#[test]
fn the_cause_has_its_call_chain() {
    // Outermost first. Compilers inline some of what lies between.
    const WAY_OUT: [&str; 3] = [
        "interrupt_return_srr_user",
        "interrupt_exit_user_prepare_main",
        "do_notify_resume",
    ];
    // With generic entry (7.2) the interrupt's handler handles what is pending before it returns.
    const GENERIC_WAY_OUT: [&str; 3] = [
        "timer_interrupt",
        "irqentry_exit",
        "arch_do_signal_or_restart",
    ];
    const CHAIN: [&str; 6] = [
        "get_signal",
        "task_work_run",
        "create_worker_cb",
        "create_io_worker",
        "copy_process",
        "save_fpu",
    ];
    for [a, b] in pairs("the_cause_has_its_call_chain") {
        let report = object(&["explain", "--json", "--a", &a, "--b", &b, SCENARIO], 1);
        let causes = report["causes"].as_array().expect("a list");
        let functions: Vec<&Value> = causes.iter().map(|c| &c["cause"]["function"]).collect();
        assert_eq!(functions, ["save_fpu", "save_altivec"], "{a}");
        let name: KernelName = a.parse().expect("a kernel");
        let snapshot = name.snapshot().expect("it is real").expect("it boots");
        let mut symbols = snapshot.symbols.iter();
        let generic = symbols.any(|symbol| symbol.name == "arch_do_signal_or_restart");
        let way_out = if generic { GENERIC_WAY_OUT } else { WAY_OUT };
        let trace = &causes[0]["cause"]["last_writer"]["a"]["trace"];
        let trace = trace.as_array().expect("a list").iter().rev();
        let mut calls = trace.map(|place| place.as_str().expect("text"));
        for function in way_out.into_iter().chain(CHAIN) {
            let is_it = |place: &str| place.split(['+', ' ']).next() == Some(function);
            assert!(
                calls.any(is_it),
                "{a}: no {function}, or not there: {report}"
            );
        }
    }
}

#[test]
fn a_kernel_does_not_differ_from_itself() {
    for [_, kernel] in pairs("a_kernel_does_not_differ_from_itself") {
        let mut arguments = vec!["run", "--json", "--a", &kernel, "--b", &kernel];
        let corpus = common::corpus();
        arguments.extend(corpus.iter().map(String::as_str));
        let called = call(&arguments);
        assert_eq!(called.status, Some(0), "{}{}", called.stdout, called.stderr);
        let lines = json_lines(&called.stdout);
        assert_eq!(lines.len(), corpus.len());
        assert!(lines.iter().all(|line| line["verdict"] == "none"));
    }
}

#[test]
fn a_run_does_not_depend_on_those_before_it() {
    for [kernel, _] in pairs("a_run_does_not_depend_on_those_before_it") {
        let name: KernelName = kernel.parse().expect("a kernel");
        let endian = name.endian().expect("it is real").expect("it boots");
        let mut runner = Runner::new(&name, endian).expect("it starts");
        runner.observe();
        let read = |file: &str| Scenario::load(&common::project().join(file)).expect("it reads");
        let scenario = read(SCENARIO);
        let first = runner.run(&scenario);
        assert!(!first.observations.is_empty());
        let others = common::corpus();
        for other in others.iter().cycle().take(9) {
            let differs = runner.run(&read(other)) != first;
            assert_eq!(differs, other != SCENARIO, "{other}");
            assert_eq!(runner.run(&scenario), first, "{kernel}: after {other}");
        }
        let mut fresh = Runner::new(&name, endian).expect("it starts");
        fresh.observe();
        assert_eq!(fresh.run(&scenario), first, "{kernel}: on a fresh machine");
    }
}

#[test]
fn what_a_kernel_cannot_be_made_to_do_is_named_and_the_rest_runs() {
    let test = "what_a_kernel_cannot_be_made_to_do_is_named_and_the_rest_runs";
    let Some([kernel]) = real_kernels(test, ["fixed-le"]) else {
        return;
    };
    let fault = r#"{"interrupt": {"vector": "data_storage"}}"#;
    let guest = r#"{"syscall": {"call": "kvm_run"}}"#;
    for (event, times, expected) in [
        (fault, 64, None),
        (fault, 65, Some("event 64")),
        (guest, 1, Some("no guests")),
    ] {
        let events = vec![event; times].join(",");
        let text = format!(
            r#"{{"ctxfuzz": 1, "stage": {{"tasks": [{{"uses": ["vmx"]}}]}}, "events": [{events}]}}"#
        );
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("x.json").display().to_string();
        std::fs::write(&path, text).expect("it is written");
        let called = call(&["run", "--a", &kernel, "--b", &kernel, &path]);
        assert_eq!(called.status, Some(0), "{}", called.stderr);
        assert!(called.stdout.contains("completed"), "{}", called.stdout);
        match expected {
            None => assert_eq!(called.stderr, ""),
            Some(expected) => assert!(called.stderr.contains(expected), "{}", called.stderr),
        }
    }
}

#[test]
fn byte_orders_that_do_not_go_together_are_refused() {
    let test = "byte_orders_that_do_not_go_together_are_refused";
    let Some([le, be]) = real_kernels(test, ["fixed-le", "fixed-be"]) else {
        return;
    };
    for (arguments, expected) in [
        (
            vec!["run", SCENARIO, "--a", &le, "--b", &be],
            "have different byte orders",
        ),
        (
            vec!["run", SCENARIO, "--a", &le, "--b", &le, "--endian", "be"],
            "is a le kernel",
        ),
        (
            vec!["check", SCENARIO, "--kernel", &be, "--endian", "le"],
            "is a be kernel",
        ),
    ] {
        let called = call(&arguments);
        assert_eq!(called.status, Some(2), "{arguments:?}");
        assert_eq!(called.stdout, "", "{arguments:?}");
        assert_eq!(called.stderr.lines().count(), 1, "{}", called.stderr);
        assert!(called.stderr.contains(expected), "{}", called.stderr);
    }
}
