//! Functions of the kernel that scenarios name for their pending work, through the program as
//! people use it: bad names, and names that another kernel has.

mod common;

use std::fs;

use common::{call, json_lines, real_kernels};

/// A scenario whose work comes in this function, in a file of its own.
fn file(function: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("one.json");
    let text = format!(
        r#"{{"ctxfuzz": 1, "stage": {{"tasks": [{{}}, {{}}]}}, "events": [
            {{"touch": "fp"}},
            {{"syscall": {{"call": "fork", "pending": {{"switch": 1, "at": {{"function": "{function}"}}}}}}}}]}}"#
    );
    fs::write(&path, text).expect("it is written");
    let path = path.display().to_string();
    (folder, path)
}

#[test]
fn a_function_that_nobody_knows_is_a_mistake() {
    let (_folder, path) = file("copy_thraed");
    let output = format!("{path}.min");
    let pair = ["--a", "clobbering", "--b", "fixed"];
    for command in [
        vec!["check", "--kernel", "fixed", &path],
        vec!["coverage", "--kernel", "fixed", &path],
        [&["run", &path][..], &pair].concat(),
        [&["explain", &path][..], &pair].concat(),
        [&["minimize", &path, "-o", &output][..], &pair].concat(),
    ] {
        let called = call(&command);
        assert_eq!(called.status, Some(2), "{command:?}: {}", called.stderr);
        assert_eq!(called.stdout, "", "{command:?}");
        let said = format!(
            "{path}: events[1].syscall.pending.at.function: no kernel here has a function \
             `copy_thraed`; did you mean `copy_thread`?"
        );
        assert!(
            called.stderr.contains(&said),
            "{command:?}: {}",
            called.stderr
        );
    }
}

/// The model has it; Linux makes it a part of its callers, or has no such thing.
#[test]
fn a_function_of_other_kernels_is_not_applicable() {
    let test = "a_function_of_other_kernels_is_not_applicable";
    let Some([kernel]) = real_kernels(test, ["debian"]) else {
        return;
    };
    let (_folder, path) = file("kvmppc_handle_pagefault");
    let called = call(&["check", "--kernel", &kernel, &path]);
    assert_eq!(called.status, Some(0), "{}", called.stderr);
    let said = "not applicable: event 1: switch: this kernel has no function";
    assert!(called.stdout.contains(said), "{}", called.stdout);
}

#[test]
fn a_sweep_tells_where_what_happens() {
    let file = "corpus/preempted-in-sigreturn.json";
    let sweep = |kernel: &str, more: &[&str]| {
        let command = [
            "check", "--sweep", "--endian", "le", "--kernel", kernel, file,
        ];
        call(&[&command[..], more].concat())
    };
    let called = sweep("fixed", &["--json"]);
    assert_eq!(called.status, Some(1), "{}", called.stderr);
    let lines = json_lines(&called.stdout);
    let [swept] = lines.as_slice() else {
        panic!("{lines:?}");
    };
    assert_eq!(swept["at"]["function"], "__unsafe_restore_sigcontext");
    let places = swept["places"].as_array().expect("a list");
    let states: Vec<_> = places.iter().map(|place| &place["state"]).collect();
    assert_eq!(states, ["silent", "live", "silent"]);
    let last = swept["places"][2]["to"].as_u64().map(|last| last + 1);
    assert_eq!(last, swept["points"].as_u64());

    let called = sweep("repaired", &[]);
    assert_eq!(called.status, Some(0), "{}", called.stdout);
    assert!(
        called.stdout.contains("  0-6       silent\n"),
        "{}",
        called.stdout
    );
}

#[test]
fn a_sweep_of_what_is_not_late_is_bad_input() {
    let called = call(&[
        "check",
        "--sweep",
        "--kernel",
        "fixed",
        "corpus/signal.json",
    ]);
    assert_eq!(called.status, Some(2));
    assert!(
        called.stderr.contains("no work comes late"),
        "{}",
        called.stderr
    );
}

#[test]
fn a_function_that_there_is_is_none_of_both() {
    let (_folder, path) = file("copy_thread");
    let called = call(&["check", "--kernel", "fixed", "--endian", "le", &path]);
    assert_eq!(called.status, Some(0), "{}", called.stderr);
    assert!(
        !called.stdout.contains("not applicable"),
        "{}",
        called.stdout
    );
}
