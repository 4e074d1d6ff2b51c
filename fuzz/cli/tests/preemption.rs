//! Work that comes in the middle of a system call, on real kernels, through the program as people
//! use it: what 6.1 does when it is preempted in a signal.
//!
//! Needs kernels in `CTXFUZZ_KERNELS` (default `target/kernels`, where `make kernels` puts them)
//! and qemu-system-ppc64; says so when it has nothing to do.

mod common;

use std::fs;
use std::ops::Range;

use common::{Parts, call, json_lines, project, real, real_kernels};
use serde_json::{Value, json};

/// What `check` says of a scenario when its late work comes at one preemption point after the
/// other, and its exit status. `late`: what is pending has this field, to be given each value.
fn reports(
    kernel: &str,
    mut scenario: Value,
    late: &str,
    values: &[Value],
) -> (Vec<Value>, Option<i32>) {
    scenario["expect"] = Value::Array(Vec::new());
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (index, value) in values.iter().enumerate() {
        for event in scenario["events"].as_array_mut().expect("a list") {
            if let Some(field) = event.pointer_mut(&format!("/syscall/pending/{late}")) {
                *field = value.clone();
            }
        }
        let path = folder.path().join(format!("{index:04}.json"));
        fs::write(path, scenario.to_string()).expect("it is written");
    }
    let path = folder.path().display().to_string();
    let called = call(&["check", "--kernel", kernel, "--json", &path]);
    let reports = json_lines(&called.stdout);
    assert_eq!(reports.len(), values.len(), "{}", called.stderr);
    (reports, called.status)
}

fn points(points: Range<u16>, step: usize) -> Vec<Value> {
    points.step_by(step).map(Value::from).collect()
}

fn witness(name: &str) -> Value {
    let path = project().join(format!("corpus/{name}.json"));
    let text = fs::read_to_string(path).expect("it is in the corpus");
    serde_json::from_str(&text).expect("it is JSON")
}

/// The violations of a witness as it is in the corpus.
fn violations(kernel: &str, name: &str) -> Vec<Value> {
    let path = project().join(format!("corpus/{name}.json"));
    let called = call(&[
        "check",
        "--kernel",
        kernel,
        "--json",
        &path.display().to_string(),
    ]);
    let reports = json_lines(&called.stdout);
    let [report] = reports.as_slice() else {
        panic!("{name}: {reports:?}");
    };
    assert_eq!(report["end"], "completed", "{report}");
    let found = report["violations"].as_array().expect("a list").clone();
    let status = if found.is_empty() { 0 } else { 1 };
    assert_eq!(called.status, Some(status), "{kernel}");
    found
}

/// The same file, whose preemption points have names, shows it on kernels of different versions,
/// compilers and byte orders.
#[test]
fn a_preemptible_kernel_loses_registers_in_rt_sigreturn() {
    let mut parts = Parts::of("a_preemptible_kernel_loses_registers_in_rt_sigreturn");
    for name in [
        "fixed-le",
        "fixed-be",
        "fixed-6.12-le",
        "fixed-7.2-le",
        "debian-7.2",
    ] {
        let Some([kernel]) = parts.next(real([name])) else {
            continue;
        };
        let found = violations(&kernel, "preempted-in-sigreturn");
        let live = |register: &str| {
            found
                .iter()
                .any(|v| v["verdict"] == "live" && v["register"] == register && v["event"] == 4)
        };
        // f14 is among those that every C caller relies on.
        assert!(live("f14") && live("fpscr"), "{name}: {found:?}");
        let found = violations(&kernel, "preempted-in-signal-delivery");
        assert!(!found.is_empty(), "{name}");
        for violation in found {
            assert_eq!(
                (
                    violation["register"].as_str(),
                    violation["verdict"].as_str()
                ),
                (Some("fpscr"), Some("live")),
                "{name}"
            );
        }
    }
}

#[test]
fn kernels_that_are_repaired_or_not_preemptible_keep_them() {
    let mut parts = Parts::of("kernels_that_are_repaired_or_not_preemptible_keep_them");
    for name in ["repaired-le", "repaired-7.2-le", "debian"] {
        let Some([kernel]) = parts.next(real([name])) else {
            continue;
        };
        for name in ["preempted-in-sigreturn", "preempted-in-signal-delivery"] {
            assert_eq!(
                violations(&kernel, name),
                Vec::<Value>::new(),
                "{kernel}, {name}"
            );
        }
        // Nor anywhere else in the function.
        let at = |percent| json!({"function": "__unsafe_restore_sigcontext", "into": format!("{percent}%")});
        let everywhere: Vec<Value> = (1..100).step_by(7).map(at).collect();
        let witness = witness("preempted-in-sigreturn");
        let (reports, status) = reports(&kernel, witness, "at", &everywhere);
        assert!(
            reports
                .iter()
                .all(|report| report["violations"] == json!([])),
            "{kernel}"
        );
        assert_eq!(status, Some(0), "{kernel}");
    }
}

/// Of the scenarios that a campaign on these two kernels keeps: how many there are, how many have
/// late work by name, and how many by a number of preemption points.
fn late_work(a: &str, b: &str) -> [usize; 3] {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (corpus, findings) = (path("corpus"), path("findings"));
    let kernels = ["--a", a, "--b", b, "--runs", "300"];
    let folders = ["--corpus", &corpus, "--findings", &findings, "--json"];
    let called = call(&[&["fuzz"][..], &kernels, &folders].concat());
    assert_eq!(called.status, Some(0), "{}", called.stderr);
    let kept = format!("{corpus}/found");
    let mut counts = [0; 3];
    for entry in fs::read_dir(&kept).expect("it has kept scenarios") {
        let scenario = fs::read_to_string(entry.expect("it lists").path()).expect("it reads");
        let has = [
            true,
            scenario.contains(r#""at""#),
            scenario.contains(r#""after""#),
        ];
        for (count, has) in counts.iter_mut().zip(has) {
            *count += usize::from(has);
        }
    }
    counts
}

/// The same number is another place in each of two kernels with different code, and what differs
/// then is nobody's fault. A name is the same place.
#[test]
fn kernels_with_other_code_have_late_work_by_name_alone() {
    let test = "kernels_with_other_code_have_late_work_by_name_alone";
    if let Some([kernel, other]) = real_kernels(test, ["fixed-le", "fixed-size-le"]) {
        let [_, _, counted] = late_work(&kernel, &kernel);
        assert!(counted > 0);
        let [all, named, counted] = late_work(&kernel, &other);
        assert!(named * 3 >= all, "{named} of {all}");
        assert_eq!(counted, 0);
    }
}

/// docs/findings/signal-during-task-work.md. Where the task work is, is up to the compiler, so it
/// is looked for; everywhere else nothing happens.
#[test]
fn a_signal_during_task_work_ends_the_task() {
    let Some([kernel]) = real_kernels("a_signal_during_task_work_ends_the_task", ["fixed-le"])
    else {
        return;
    };
    let read = |pending: Value| json!({"syscall": {"call": "read", "bytes": 8192, "via": "scv", "pending": pending}});
    let scenario = json!({
        "ctxfuzz": 1,
        "stage": {"tasks": [{}], "io_uring": [0]},
        "events": [
            read(json!({"io_worker": true, "signal": 10, "after": 1})),
            read(json!({"signal": 12, "after": 1})),
        ],
    });
    let (reports, status) = reports(&kernel, scenario, "after", &points(0..2000, 150));
    let ends: Vec<&str> = reports.iter().filter_map(|r| r["end"].as_str()).collect();
    let ended = ends.iter().filter(|end| **end == "kernel-fault").count();
    let completed = ends.iter().filter(|end| **end == "completed").count();
    assert!(ended > 0 && completed > 0, "{ends:?}");
    assert_eq!(ended + completed, reports.len(), "{ends:?}");
    assert_eq!(status, Some(1));
}

/// A fork that is preempted has the lock that a page fault needs, so the task with the fault does
/// not stop at once, and the other one goes on.
#[test]
fn a_tracer_that_has_to_wait_is_not_mistaken_in_the_task() {
    let Some([kernel]) = real_kernels(
        "a_tracer_that_has_to_wait_is_not_mistaken_in_the_task",
        ["fixed-le"],
    ) else {
        return;
    };
    let set = json!({"regset": "fp", "pattern": "0x7"});
    let scenario = json!({
        "ctxfuzz": 1,
        "stage": {"tasks": [{"uses": ["fp"], "pattern": "0x1"}, {"uses": ["fp"], "pattern": "0x2"}]},
        "events": [
            {"syscall": {"call": "fork", "pending": {"switch": 1, "after": 1}}},
            {"interrupt": {"vector": "data_storage", "pending": {"ptrace": {"set": set}}}},
        ],
    });
    let (reports, status) = reports(&kernel, scenario, "after", &points(1..4090, 60));
    for report in reports {
        assert_eq!(report["end"], "completed", "{report}");
        assert_eq!(report["violations"], json!([]), "{report}");
    }
    assert_eq!(status, Some(0));
}
