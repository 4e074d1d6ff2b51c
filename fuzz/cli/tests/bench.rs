//! `ctxfuzz bench`: what one kernel shows of the bugs that it has.

mod common;

use std::fs;
use std::path::Path;

use common::{Called, call};
use serde_json::Value;

/// `bench detection`, with its state in a folder.
fn detection(folder: &Path, more: &[&str]) -> Called {
    let state = folder.join("state.json");
    let state = state.to_str().expect("it is text");
    call(&[&["bench", "detection", "--state", state], more].concat())
}

fn searches(folder: &Path) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("state.json")).expect("it is there");
    let state: Value = serde_json::from_str(&text).expect("it is JSON");
    state["searches"].as_array().expect("a list").clone()
}

#[test]
fn a_bug_is_met_with_one_kernel_with_coverage_and_without() {
    let folder = tempfile::tempdir().expect("a folder");
    let defect = ["--seeds", "2", "--defect", "save-fpu-clobbers-f0"];
    let pair = detection(folder.path(), &defect);
    assert_eq!(pair.status, Some(0), "{}", pair.stderr);
    assert!(!pair.stdout.contains("## With one kernel"));
    detection(folder.path(), &[&defect[..], &["--one-kernel"]].concat());
    let more = ["--one-kernel", "--no-feedback"];
    let page = detection(folder.path(), &[&defect[..], &more].concat()).stdout;
    let (_, one) = page
        .split_once("## With one kernel")
        .expect("it has a table");
    let mut rows = one.lines();
    let row = rows.find(|line| line.starts_with("| `save-fpu-clobbers-f0` |"));
    let row = row.expect("it has a row");
    assert_eq!(row.matches("| 2 of 2 |").count(), 3, "{row}");
    assert!(one.contains("\n| one kernel | 1 | 1 | 1 | 0 | 4 | "));
    assert_eq!(searches(folder.path()).len(), 6);
}

#[test]
fn one_command_does_the_whole_page() {
    let folder = tempfile::tempdir().expect("a folder");
    let defect = ["--seeds", "1", "--defect", "vscr-not-restored"];
    let all = [&defect[..], &["--all", "--corpus", "corpus"]].concat();
    let page = detection(folder.path(), &all).stdout;
    let ways: Vec<[bool; 3]> = searches(folder.path())
        .iter()
        .map(|search| ["corpus", "one_kernel", "no_feedback"].map(|way| search[way] == true))
        .collect();
    let [from_nothing, corpus] = [[false; 3], [true, false, false]];
    let [one, random] = [[false, true, false], [false, true, true]];
    assert_eq!(ways, [from_nothing, corpus, one, random]);
    assert!(!page.contains("| `vscr-not-restored` | not run"), "{page}");
    let without_corpus = detection(folder.path(), &["--all"]);
    assert_eq!(without_corpus.status, Some(2));
}

#[test]
fn sittings_are_put_together_in_one_page() {
    let folder = tempfile::tempdir().expect("a folder");
    let (one, other) = (folder.path().join("one"), folder.path().join("other"));
    for (folder, defect) in [(&one, "vscr-not-restored"), (&other, "le-fpr-offset")] {
        fs::create_dir(folder).expect("it is made");
        let defect = ["--one-kernel", "--seeds", "1", "--defect", defect];
        assert_eq!(detection(folder, &defect).status, Some(0));
    }
    let also = other.join("state.json");
    let also = also.to_str().expect("it is text");
    let page = detection(&one, &["--page", "--also", also]);
    assert_eq!(page.status, Some(0), "{}", page.stderr);
    assert!(page.stdout.contains("| one kernel | 2 | 2 | 2 | 0 | 4 | "));
    assert_eq!(searches(&one).len(), 2, "nothing was run");
    let gone = detection(&one, &["--page", "--also", "no/such.json"]);
    assert_eq!(gone.status, Some(2));
}

#[test]
fn any_kernel_is_searched_and_what_it_does_without_its_bug_is_no_finding() {
    let folder = tempfile::tempdir().expect("a folder");
    let search = |more: &[&str]| {
        let called = detection(
            folder.path(),
            &[&["--seeds", "1", "--runs", "200"], more].concat(),
        );
        assert_eq!(called.status, Some(0), "{}", called.stderr);
        called.stdout
    };
    let kernel = ["--kernel", "fixed+save-fpu-clobbers-f0"];
    for without in [&[][..], &["--without", "fixed"]] {
        let found = search(&[&kernel[..], without].concat());
        assert!(found.contains("| `save_fpu.f0-is-fpscr` |"), "{found}");
        assert!(found.contains("\nFound 1 of 1; "), "{found}");
    }
    for silent in [
        ["--kernel", "repaired+restore-math-declines"].to_vec(),
        [&kernel[..], &["--without", "fixed+save-fpu-clobbers-f0"]].concat(),
    ] {
        let none = search(&silent);
        assert!(none.contains("| 1 | not in 200 |  |"), "{none}");
    }
    assert_eq!(searches(folder.path()).len(), 4);
}

#[test]
fn what_belongs_to_one_kernel_is_refused_with_two() {
    let folder = tempfile::tempdir().expect("a folder");
    for (arguments, said) in [
        (&["--no-feedback"][..], "--one-kernel"),
        (&["--without", "fixed"], "--kernel"),
        (&["--one-kernel", "--kernel", "fixed"], "cannot be used"),
        (
            &["--kernel", "fixed", "--defect", "le-fpr-offset"],
            "cannot be used",
        ),
        (
            &["--defect", "restore-math-declines"],
            "is a negative control",
        ),
        (
            &["--kernel", "fixed+vscr-not-restord"],
            "did you mean `vscr-not-restored`?",
        ),
    ] {
        let called = detection(folder.path(), arguments);
        assert_eq!(called.status, Some(2), "{arguments:?}");
        assert!(called.stderr.contains(said), "{}", called.stderr);
    }
    let left = fs::read_dir(folder.path()).expect("it lists").count();
    assert_eq!(left, 0, "nothing was written");
}

#[test]
fn findings_of_two_kernels_are_explained_from_one() {
    let triage = |more: &[&str]| {
        let few = ["bench", "triage", "--findings", "2", "--minimize", "0"];
        let called = call(&[&few, more].concat());
        assert_eq!(called.status, Some(0), "{}", called.stderr);
        called.stdout
    };
    let defects = ["save-fpu-clobbers-f0", "le-repair-vscr-word"];
    let defects = defects.map(|id| ["--defect", id]).concat();
    let page = triage(&[&["--one-kernel"], &defects[..]].concat());
    let (pair, one) = page
        .split_once("## With one kernel")
        .expect("it has a table");
    let seen = "\n| `save-fpu-clobbers-f0` | le | 2 | 2 | 2 | 2 | 2 | 2 | 2 / 2 / 2 |  |\n";
    assert!(one.contains(seen), "{one}");
    let silent = "\n| `le-repair-vscr-word` | le | 2 | 0 (cannot be seen: no rule ";
    assert!(one.contains(silent), "{one}");
    assert!(one.contains("\n| 4 (all) | 2 (50.0 %) |"), "{one}");
    let without = triage(&defects[2..]);
    assert!(!without.contains("## With one kernel"));
    let row = |page: &str| {
        let mut rows = page.lines();
        let row = rows.find(|line| line.starts_with("| `le-repair-vscr-word` | le |"));
        row.expect("it has a row").to_owned()
    };
    assert_eq!(row(&without), row(pair));
}
