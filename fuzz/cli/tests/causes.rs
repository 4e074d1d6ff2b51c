//! `explain` and `minimize` on the bug that started it; `show` on what they are given.

mod common;

use std::fs;

use common::{call, json_lines};

const SEED: &str = "corpus/io-worker-on-interrupt-return.json";

/// The way from the interrupt to the clobbered register, outermost first.
const CHAIN: [&str; 14] = [
    "interrupt_return_srr_user",
    "interrupt_exit_user_prepare",
    "interrupt_exit_user_prepare_main",
    "do_notify_resume",
    "get_signal",
    "task_work_run",
    "create_worker_cb",
    "create_io_worker",
    "copy_process",
    "dup_task_struct",
    "arch_dup_task_struct",
    "flush_all_to_thread",
    "save_all",
    "save_fpu",
];

/// The names of functions that a text has with an offset, in order.
fn functions(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| line.trim().split_once("+0x"))
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn the_cause_is_explained_down_to_the_instruction() {
    for endian in ["le", "be"] {
        let called = call(&[
            "explain",
            SEED,
            "--a",
            "clobbering",
            "--b",
            "fixed",
            "--endian",
            endian,
        ]);
        assert_eq!(called.status, Some(1), "{}", called.stderr);
        assert_eq!(called.stderr, "");
        let text = &called.stdout;
        let chain = text
            .split_once("Call chain")
            .and_then(|(_, rest)| rest.split_once("\n\n"))
            .map(|(chain, _)| chain)
            .expect("there is a call chain");
        let mut called_by = functions(chain).into_iter();
        for function in CHAIN {
            assert!(
                called_by.any(|name| name == function),
                "{endian}: {function} is missing, or out of order, in\n{chain}"
            );
        }
        assert_eq!(called_by.next(), None, "the chain ends inside save_fpu");
        let writer = text
            .split_once("Last writer of f0:")
            .map(|(_, rest)| rest.trim_start())
            .and_then(|rest| rest.lines().next())
            .expect("there is a last writer");
        assert!(writer.contains("mffs f0 at save_fpu+0x"), "{writer}");
    }
}

#[test]
fn signatures_name_the_cause_everywhere_the_same() {
    let expected = ["save_altivec.v0-is-vscr", "save_fpu.f0-is-fpscr"];
    let called = call(&["run", "--json", SEED]);
    for report in json_lines(&called.stdout) {
        assert_eq!(report["signatures"], serde_json::json!(expected));
    }
    let called = call(&["explain", "--json", "--endian", "both", SEED]);
    let reports = json_lines(&called.stdout);
    assert_eq!(reports.len(), 2);
    for report in reports {
        for signature in expected {
            assert!(report.to_string().contains(signature), "{signature}");
        }
    }
}

#[test]
fn explaining_silence_is_silence() {
    for (abi, expected) in [("elf", 0), ("linux", 1)] {
        let called = call(&["explain", "corpus/fork-twice.json", "--abi", abi]);
        assert_eq!(called.status, Some(expected), "{abi}");
    }
    let called = call(&["explain", "corpus/getppid.json"]);
    assert_eq!(called.status, Some(0), "{}", called.stderr);
}

#[test]
fn a_minimized_scenario_keeps_causes_and_verdict() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (big, small, again) = (path("big.json"), path("small.json"), path("again.json"));
    // A fork has the same cause but another verdict: the minimizer may not slide from one to the
    // other.
    let text = fs::read_to_string(common::project().join("corpus/io-worker-then-signal.json"))
        .expect("the corpus reads");
    let mut scenario: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    let events = scenario["events"].as_array_mut().expect("a list");
    events.insert(0, serde_json::json!({"touch": "fp"}));
    events.push(serde_json::json!({"syscall": {"call": "fork"}}));
    fs::write(&big, scenario.to_string()).expect("it is written");

    let called = call(&["minimize", &big, "-o", &small, "--endian", "both", "--json"]);
    assert_eq!(called.status, Some(0), "{}", called.stderr);
    let report = json_lines(&called.stdout).remove(0);
    assert_eq!(report["events_before"], 6);
    assert_eq!(report["events_after"], 1);
    assert_eq!(report["fixed_point"], true);

    let files = fs::read_dir(folder.path()).expect("it lists").count();
    assert_eq!(files, 2, "no temporary file stays");
    let called = call(&["run", "--json", &small]);
    assert_eq!(called.status, Some(1));
    for run in json_lines(&called.stdout) {
        assert_eq!(run["verdict"], "live");
        assert_eq!(run["signatures"], report["signatures"]);
    }

    let called = call(&["minimize", &small, "-o", &again, "--endian", "both"]);
    assert!(called.stdout.contains("1 -> 1 events"), "{}", called.stdout);
    let read = |path: &str| fs::read_to_string(path).expect("it reads");
    assert_eq!(read(&small), read(&again));
}

#[test]
fn a_scenario_is_shown_with_who_does_what() {
    let called = call(&["show", "corpus/io-worker-then-signal.json"]);
    assert_eq!(called.status, Some(0));
    for line in [
        "    1  task 0  decrementer interrupt, with SIGUSR1 pending",
        "       task 0 enters its signal handler",
        "    f0     = 0x4142434445464748",
    ] {
        assert!(
            called.stdout.lines().any(|shown| shown == line),
            "{line}\n{}",
            called.stdout
        );
    }
    assert!(called.stdout.lines().all(|line| line.chars().count() <= 78));

    let called = call(&["show", "--json", "corpus/fork-twice.json"]);
    let report = json_lines(&called.stdout).remove(0);
    assert_eq!(report["end"], "completed");
    assert_eq!(report["events"][1]["text"], "fork");
    assert_eq!(report["events"][1]["task"], 0);
}
