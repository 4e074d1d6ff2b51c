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

/// Nothing is near enough to be meant, so what looks like it is said, and where all are listed.
#[test]
fn a_function_like_none_is_answered_with_those_most_like_it() {
    let (_folder, path) = file("restore_frame_of_signal");
    let called = call(&["check", "--kernel", "fixed", &path]);
    assert_eq!(called.status, Some(2), "{}", called.stdout);
    let told = &called.stderr;
    assert!(!told.contains("did you mean"), "{told}");
    let alike = told
        .split("most like it are `")
        .nth(1)
        .expect("it says some");
    let alike = alike.split("`, and").next().expect("a list");
    let names: Vec<&str> = alike.split("`, `").collect();
    assert_eq!(names.len(), 3, "{told}");
    for name in names {
        let (_folder, path) = file(name);
        let called = call(&["check", "--kernel", "fixed", &path]);
        assert!(
            !called.stderr.contains("has a function"),
            "{}",
            called.stderr
        );
    }
    assert!(told.contains("`ctxfuzz coverage --kernel KERNEL PATH` lists"));
    let listed = call(&["coverage", "--kernel", "fixed", "corpus/getppid.json"]);
    assert!(listed.stdout.contains("sys_getppid"), "{}", listed.stdout);
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
    let ranges = swept["ranges"].as_array().expect("a list");
    let states: Vec<_> = ranges.iter().map(|range| &range["state"]).collect();
    assert_eq!(states, ["silent", "live", "silent"]);
    let last = swept["ranges"][2]["to"].as_u64().map(|last| last + 1);
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

/// The compiler has made it a part of `do_notify_resume`.
#[test]
fn a_function_that_is_a_part_of_its_callers_is_found_by_debug_information() {
    let test = "a_function_that_is_a_part_of_its_callers_is_found_by_debug_information";
    let Some([with, without]) = real_kernels(test, ["fixed-le", "debian"]) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("one.json");
    let text = r#"{"ctxfuzz": 1, "stage": {"tasks": [{}, {}]}, "events": [
        {"syscall": {"call": "kill", "signal": 10,
            "pending": {"switch": 1, "at": {"function": "do_signal"}}}}]}"#;
    fs::write(&path, text).expect("it is written");
    let path = path.display().to_string();
    let found = call(&["check", "--kernel", &with, &path]);
    assert_eq!(found.status, Some(0), "{}", found.stderr);
    assert!(!found.stdout.contains("not "), "{}", found.stdout);
    let swept = call(&["check", "--sweep", "--kernel", &with, &path]);
    assert!(
        swept.stdout.contains("  do_notify_resume+0x"),
        "{}",
        swept.stdout
    );
    let cannot = call(&["check", "--kernel", &without, &path]);
    let said = "not applicable: event 0: switch: this kernel has no function `do_signal`";
    assert!(cannot.stdout.contains(said), "{}", cannot.stdout);
}

/// What `check --findings` keeps of a real kernel has its late work by name, and shows the same.
#[test]
fn findings_on_a_real_kernel_are_kept_by_name() {
    let Some([kernel]) = real_kernels("findings_on_a_real_kernel_are_kept_by_name", ["debian-7.2"])
    else {
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let findings = folder.path().join("found").display().to_string();
    let runs = ["--runs", "700", "--seed", "2", "--findings", &findings];
    let checked = call(&[&["check", "--kernel", &kernel][..], &runs].concat());
    // A run that says nothing is none of this.
    assert!(matches!(checked.status, Some(1 | 2)), "{}", checked.stderr);
    let mut named = 0;
    for entry in fs::read_dir(&findings).expect("it is a folder") {
        let path = entry.expect("it is an entry").path().join("scenario.json");
        let text = fs::read_to_string(&path).expect("it is text");
        named += usize::from(text.contains("\"at\""));
        let path = path.display().to_string();
        assert!(!text.contains("\"after\""), "{path}: {text}");
        let again = call(&["check", "--kernel", &kernel, &path]);
        assert_eq!(again.status, Some(1), "{path}: {}", again.stdout);
    }
    assert!(named > 0);
}

/// Linux's copy with VMX takes no page fault, so nothing comes in one; without that, what another
/// task leaves in v0 to v7 is copied.
#[test]
fn no_work_comes_in_a_page_fault_that_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("one.json");
    let text = r#"{"ctxfuzz": 1, "stage": {"tasks": [{}, {}]}, "events": [
        {"syscall": {"call": "write", "bytes": 4096,
            "pending": {"switch": "any", "at": {"function": "handle_mm_fault"}}}},
        {"touch": "vmx"},
        {"syscall": {"call": "read", "bytes": 4096}}]}"#;
    fs::write(&path, text).expect("it is written");
    let path = path.display().to_string();
    for kernel in ["fixed", "repaired"] {
        let called = call(&["check", "--kernel", kernel, &path]);
        assert_eq!(called.status, Some(0), "{kernel}: {}", called.stdout);
        assert!(called.stdout.contains("not reached"), "{}", called.stdout);
    }
    let called = call(&["check", "--kernel", "fixed+usercopy-faults-enabled", &path]);
    assert_eq!(called.status, Some(1), "{}", called.stdout);
    assert!(!called.stdout.contains("not reached"), "{}", called.stdout);
}
