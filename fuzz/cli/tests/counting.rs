//! `.ci/tests`: a test that could not run here is counted as skipped, and not as passed.

mod common;

use std::process::Command;

use common::Parts;

const LOG: &str = "\
running 3 tests
test one ... ok
ctxfuzz: x/y: skipped: is no scenario
test two ... ok
test three ... ok

test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s

running 2 tests
test four ... ok
test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s
";

/// What it says of a log, and whether all is well.
fn counted(log: &str) -> (String, bool) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("log");
    std::fs::write(&file, log).expect("it is written");
    let mut command = Command::new(common::project().join(".ci/tests"));
    let output = command.arg(file).output().expect("it runs");
    let said = String::from_utf8(output.stdout).expect("it is text");
    (said, output.status.success())
}

fn says(log: &str, expected: &str, well: bool) {
    assert_eq!(counted(log), (format!("{expected}\n"), well), "{log}");
}

#[test]
fn what_ran_has_passed() {
    says(LOG, "5 passed, 0 failed, 0 skipped", true);
}

#[test]
fn what_did_not_run_has_not_passed() {
    let skipped = "skipped: real kernels: there is no QEMU\n";
    let log = format!("{skipped}{LOG}{skipped}");
    says(&log, "3 passed, 0 failed, 2 skipped", true);
    // As with one thread.
    let log = format!("{LOG}test four ... {skipped}ok\n");
    says(&log, "4 passed, 0 failed, 1 skipped", true);
    let log = format!("{LOG}skipped in part: real kernels: there is no fixed-be\n");
    let expected = "5 passed, 0 failed, 0 skipped, and parts of others: 1";
    says(&log, expected, true);
}

#[test]
fn a_failure_and_a_run_without_tests_are_no_success() {
    let log = format!("{LOG}test result: FAILED. 1 passed; 2 failed; 0 ignored\n");
    says(&log, "6 passed, 2 failed, 0 skipped", false);
    says("", "0 passed, 0 failed, 0 skipped", false);
    let skipped = "skipped: all: why\ntest result: ok. 1 passed; 0 failed; 0 ignored\n";
    says(skipped, "0 passed, 0 failed, 1 skipped", false);
}

#[test]
fn what_a_test_said_that_failed_is_repeated_before_the_count() {
    let failures = "failures:\n\n---- five stdout ----\nleft: 1\n\nfailures:\n    five\n\n\
                    test result: FAILED. 1 passed; 1 failed; 0 ignored\n";
    let indented: String = failures.lines().map(|line| format!("  {line}\n")).collect();
    let expected = format!("{indented}11 passed, 1 failed, 0 skipped");
    let log = format!("{LOG}{failures}{LOG}");
    says(&log, &expected, false);
    // `.ci/run` counts what `make test` printed, with this in it.
    says(&format!("{log}{indented}"), &expected, false);
    let long = (0..100)
        .map(|line| format!("line {line}\n"))
        .collect::<String>();
    let (said, well) = counted(&format!(
        "failures:\n{long}test result: FAILED. 0 passed; 1 failed\n"
    ));
    assert!(
        !well && said.starts_with("  line 41\n") && said.lines().count() == 61,
        "{said}"
    );
}

/// What a test says that has these parts, `true` if what they need is there.
fn said(parts: &[bool]) -> String {
    let mut test = Parts::of("a test");
    for there in parts {
        let _ = test.next(there.then_some(()).ok_or("why".to_owned()));
    }
    let lines = test.lines().concat();
    // It must not say it here: this test runs.
    std::mem::forget(test);
    lines
}

#[test]
fn a_test_of_which_nothing_ran_is_skipped_once() {
    let says_so = |parts: &[bool], expected: &str| {
        says(&format!("{LOG}{}", said(parts)), expected, true);
    };
    says_so(&[true, true], "5 passed, 0 failed, 0 skipped");
    says_so(&[false, false], "4 passed, 0 failed, 1 skipped");
    says_so(&[], "4 passed, 0 failed, 1 skipped");
    let expected = "5 passed, 0 failed, 0 skipped, and parts of others: 2";
    says_so(&[false, true, false], expected);
}
