//! A minimizer that is stopped, even killed, has left its best scenario, and goes on from it; two
//! do not write the same file.

mod common;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use common::{call, json_lines};
use ctxfuzz_scenario::Scenario;
use serde_json::{Value, json};

/// What the scenarios here show.
const SIGNATURES: [&str; 2] = ["save_altivec.v0-is-vscr", "save_fpu.f0-is-fpscr"];

/// The bug that started it among noise, and where the smaller scenario goes.
fn noisy(folder: &Path) -> (PathBuf, PathBuf) {
    let text = fs::read_to_string(common::project().join("corpus/io-worker-then-signal.json"));
    let mut scenario: Value =
        serde_json::from_str(&text.expect("the corpus reads")).expect("it is JSON");
    let events = scenario["events"].as_array_mut().expect("a list");
    for facility in ["fp", "vmx", "vsx", "fp", "vmx", "vsx"] {
        events.insert(0, json!({"touch": facility}));
        events.push(json!({"touch": facility}));
    }
    let big = folder.join("big.json");
    fs::write(&big, scenario.to_string()).expect("it is written");
    (big, folder.join("small.json"))
}

fn minimize(big: &Path, small: &Path, more: &[&str]) -> common::Called {
    let [big, small] = [big, small].map(|path| path.to_str().expect("it is text"));
    call(&[&["minimize", big, "-o", small, "--json"], more].concat())
}

fn events(path: &Path) -> usize {
    Scenario::load(path).expect("it is a scenario").events.len()
}

fn signatures(path: &Path) -> Value {
    let path = path.to_str().expect("it is text");
    json_lines(&call(&["run", "--json", "--endian", "le", path]).stdout).remove(0)["signatures"]
        .take()
}

#[test]
fn what_a_budget_leaves_is_gone_on_from() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (big, small) = noisy(folder.path());
    let report = |called: common::Called| {
        assert_eq!(called.status, Some(0), "{}", called.stderr);
        json_lines(&called.stdout).remove(0)
    };
    let mut left = Vec::new();
    let mut done = false;
    while !done && left.len() < 50 {
        let report = report(minimize(&big, &small, &["--resume", "--budget", "8"]));
        done = report["fixed_point"] == true;
        left.push(events(&small));
        assert_eq!(report["signatures"], json!(SIGNATURES));
    }
    assert!(done && left.len() > 2, "{left:?}");
    assert!(left.is_sorted_by(|a, b| a >= b), "{left:?}");
    let resumed = fs::read_to_string(&small).expect("it reads");
    // Without being told to go on it begins anew, and comes to the same.
    let anew = report(minimize(&big, &small, &[]));
    assert!(anew["executions"].as_u64() > Some(8), "{anew}");
    assert_eq!(fs::read_to_string(&small).expect("it reads"), resumed);
}

#[test]
fn one_that_is_killed_has_left_its_best_and_the_next_goes_on() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (big, small) = noisy(folder.path());
    let mut child = Command::new(env!("CARGO_BIN_EXE_ctxfuzz"))
        .arg("minimize")
        .args([&big, Path::new("-o"), &small])
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    while !small.exists() && child.try_wait().expect("it can be asked").is_none() {
        sleep(Duration::from_millis(1));
    }
    // SIGKILL.
    child.kill().expect("it is killed");
    child.wait().expect("it ends");
    let reached = events(&small);
    assert!(reached < events(&big));
    assert_eq!(signatures(&small), json!(SIGNATURES));

    let called = minimize(&big, &small, &["--resume"]);
    assert_eq!(called.status, Some(0), "{}", called.stderr);
    assert_eq!(events(&small), 1);
    assert_eq!(signatures(&small), json!(SIGNATURES));
    let lock = folder.path().join(".small.json.lock");
    assert!(!lock.exists(), "nor does the lock of a dead process stay");
}

#[test]
fn two_do_not_write_the_same_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (big, small) = noisy(folder.path());
    let lock = File::create(folder.path().join(".small.json.lock")).expect("it is made");
    lock.lock().expect("it is locked");
    let called = minimize(&big, &small, &[]);
    assert_eq!(called.status, Some(2));
    let said = "small.json: another ctxfuzz is writing it\n";
    assert!(called.stderr.ends_with(said), "{}", called.stderr);
    assert!(!small.exists());
    drop(lock);
    assert_eq!(minimize(&big, &small, &["--budget", "1"]).status, Some(0));
}

#[test]
fn another_scenario_is_not_gone_on_from() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (big, small) = noisy(folder.path());
    let other = common::project().join("corpus/getppid.json");
    fs::copy(&other, &small).expect("it is copied");
    let called = minimize(&big, &small, &["--resume"]);
    assert_eq!(called.status, Some(2));
    let said = "so it cannot be gone on from: leave out --resume to write it anew\n";
    assert!(called.stderr.ends_with(said), "{}", called.stderr);
    let [before, after] = [&other, &small].map(|path| fs::read(path).expect("it reads"));
    assert_eq!(before, after);
}

/// The kinds that `check` says of a scenario.
fn kinds(kernel: &str, path: &Path) -> Value {
    let path = path.to_str().expect("it is text");
    let called = call(&[
        "check", "--kernel", kernel, "--endian", "le", "--json", path,
    ]);
    let report = json_lines(&called.stdout).remove(0);
    json!([report["verdict"], report["violations"][0]["register"]])
}

/// The signatures of what `explain` says of it.
fn causes(kernel: &str, path: &Path) -> Vec<Value> {
    let path = path.to_str().expect("it is text");
    let called = call(&["explain", "--kernel", kernel, "--json", path]);
    let report = json_lines(&called.stdout).remove(0);
    let causes = report["causes"].as_array().expect("a list").iter();
    let mut signatures: Vec<Value> = causes.map(|cause| cause["signature"].clone()).collect();
    signatures.sort_by_key(Value::to_string);
    signatures.dedup();
    signatures
}

#[test]
fn one_kernel_is_enough() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (_, small) = noisy(folder.path());
    let big = common::project().join("corpus/preempted-in-sigreturn.json");
    let called = minimize(&big, &small, &["--kernel", "fixed"]);
    assert_eq!(called.status, Some(0), "{}", called.stderr);
    let report = json_lines(&called.stdout).remove(0);
    assert_eq!(report["fixed_point"], true);
    assert!(events(&small) < events(&big), "{report}");
    let signatures = report["signatures"].as_array().expect("a list");
    assert!(!signatures.is_empty(), "{report}");
    // One register is enough to show a cause; which one it was says nothing.
    assert_eq!(*signatures, ["restore_math.msr-facility"], "{report}");
    assert_eq!(causes("fixed", &big), *signatures);
    assert_eq!(causes("fixed", &small), *signatures);
    assert_eq!(kinds("fixed", &small)[0], "live");
    // Again, nothing can be taken out of it.
    let again = folder.path().join("again.json");
    let called = minimize(&small, &again, &["--kernel", "fixed"]);
    assert_eq!(called.status, Some(0), "{}", called.stderr);
    let read = |path: &Path| fs::read_to_string(path).expect("it reads");
    assert_eq!(read(&small), read(&again));
}

#[test]
fn what_one_kernel_does_not_show_is_not_minimized() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (_, small) = noisy(folder.path());
    let corpus = common::project().join("corpus");
    for (file, more, wanted) in [
        (
            "preempted-in-sigreturn.json",
            vec!["--kernel", "repaired"],
            "nothing to minimize: repaired (le) does nothing that somebody can see",
        ),
        (
            "preempted-in-sigreturn.json",
            vec!["--kernel", "fixed", "--a", "clobbering"],
            "cannot be used with",
        ),
        (
            "preempted-in-sigreturn.json",
            vec!["--kernel", "fixd"],
            "did you mean `fixed`?",
        ),
    ] {
        let called = minimize(&corpus.join(file), &small, &more);
        assert_eq!(called.status, Some(2), "{more:?}: {}", called.stdout);
        assert!(
            called.stderr.contains(wanted),
            "{more:?}: {}",
            called.stderr
        );
        assert!(!small.exists(), "{more:?}");
    }
}
