//! What is found, who can notice it, and how that becomes an exit status.

mod common;

use std::collections::BTreeSet;
use std::fs;

use common::{call, corpus, json_lines};
use serde_json::Value;

const SEED: &str = "corpus/io-worker-on-interrupt-return.json";

fn run(arguments: &[&str]) -> (Option<i32>, Vec<Value>) {
    let mut all = vec!["run", "--json", "--a", "clobbering", "--b", "fixed"];
    all.extend(arguments);
    let called = call(&all);
    assert_eq!(called.stderr, "", "{arguments:?}");
    (called.status, json_lines(&called.stdout))
}

#[test]
fn the_bug_that_started_it_is_live_under_every_policy_and_in_both_byte_orders() {
    for abi in ["elf", "linux"] {
        let (status, reports) = run(&["--abi", abi, SEED]);
        assert_eq!(status, Some(1));
        let endians: Vec<&Value> = reports.iter().map(|report| &report["endian"]).collect();
        assert_eq!(endians, ["le", "be"]);
        for report in &reports {
            assert_eq!(report["verdict"], "live");
            assert_eq!(report["reported"], true);
            assert_eq!(report["a"]["end"], "completed");
            let differences = report["differences"].as_array().expect("a list");
            let registers: BTreeSet<&str> = differences
                .iter()
                .filter_map(|difference| difference["register"].as_str())
                .collect();
            assert_eq!(registers, BTreeSet::from(["f0", "vs0", "v0"]));
            for difference in differences {
                assert_eq!(difference["task"], "0");
                assert_eq!(difference["where"], "register");
                assert_eq!(difference["verdict"], "live");
            }
            assert_eq!(differences[0]["a"], "0x0000000082004000");
            assert_eq!(differences[0]["b"], "0x4142434445464748");
        }
    }
}

#[test]
fn what_only_the_linux_abi_forbids_is_reported_only_to_who_asks() {
    for name in [
        "fork-twice",
        "clone-then-pipe-read",
        "clone-then-futex-wait",
    ] {
        let file = format!("corpus/{name}.json");
        for (abi, expected) in [("elf", 0), ("linux", 1)] {
            let (status, reports) = run(&["--abi", abi, &file]);
            assert_eq!(status, Some(expected), "{name} --abi {abi}");
            for report in reports {
                assert_eq!(report["verdict"], "abi", "{name}");
                assert_eq!(report["divergent"], true);
                assert_eq!(report["reported"], expected == 1);
            }
        }
    }
}

#[test]
fn dead_differences_are_listed_on_demand_and_never_reported() {
    let (status, reports) = run(&["--endian", "le", "--all", SEED]);
    assert_eq!(status, Some(1));
    let verdicts: BTreeSet<&str> = reports[0]["differences"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|difference| difference["verdict"].as_str())
        .collect();
    assert_eq!(verdicts, BTreeSet::from(["live", "dead"]));
}

#[test]
fn a_kernel_does_not_differ_from_itself() {
    let files = corpus();
    let mut arguments = vec!["--a", "clobbering", "--b", "clobbering", "--abi", "linux"];
    arguments.extend(files.iter().map(String::as_str));
    let called = call(&[&["run", "--json"], &arguments[..]].concat());
    assert_eq!(called.status, Some(0), "{}", called.stderr);
    for report in json_lines(&called.stdout) {
        assert_eq!(report["verdict"], "none", "{report}");
    }
}

#[test]
fn a_result_is_the_same_in_a_fresh_process_and_after_others() {
    let files = corpus();
    let names: Vec<&str> = files.iter().map(String::as_str).collect();
    let once = call(&[&["run", "--json", "--all"], &names[..]].concat());
    let again = call(&[&["run", "--json", "--all"], &names[..]].concat());
    assert_eq!(once.stdout, again.stdout);

    let twice = call(&[&["run", "--json", "--all"], &names[..], &names[..]].concat());
    assert_eq!(twice.stdout, format!("{0}{0}", once.stdout));

    let alone = call(&["run", "--json", "--all", names[3]]);
    let lines: Vec<&str> = once.stdout.lines().skip(6).take(2).collect();
    assert_eq!(alone.stdout.lines().collect::<Vec<_>>(), lines);
}

#[test]
fn the_corpus_keeps_its_promises() {
    let files = corpus();
    let names: Vec<&str> = files.iter().map(String::as_str).collect();
    let called = call(&[&["run", "--expect"], &names[..]].concat());
    assert_eq!(called.status, Some(0), "{}", called.stdout);
    let summary = called.stdout.trim_end();
    assert!(
        summary.starts_with(&format!("{} files, ", names.len()))
            && summary.ends_with(", 0 do not")
            && summary.lines().count() == 1,
        "{summary}"
    );

    let called = call(&[&["run", "--expect", "--json"], &names[..]].concat());
    assert_eq!(called.status, Some(0));
    for row in json_lines(&called.stdout) {
        assert_eq!(row["holds"], true, "{row}");
    }
}

#[test]
fn a_row_that_does_not_hold_is_named() {
    let text = fs::read_to_string(common::project().join(SEED)).expect("the seed reads");
    let mut scenario: Value = serde_json::from_str(&text).expect("it is JSON");
    scenario["expect"][0]["differences"][2]["register"] = "v1".into();
    scenario["expect"][0]["endian"] = "be".into();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("wrong.json");
    fs::write(&path, scenario.to_string()).expect("it is written");
    let path = path.display().to_string();

    let called = call(&["run", "--expect", &path]);
    assert_eq!(called.status, Some(1));
    let lines: Vec<&str> = called.stdout.lines().collect();
    let broken = format!(
        "{path}: expect[0] (clobbering against fixed, be): missing: live difference in v1 of task 0; \
         not expected: live difference in v0 of task 0"
    );
    let rows = scenario["expect"].as_array().map_or(0, Vec::len);
    let summary = format!("1 file, {} rows hold, 1 does not", rows - 1);
    assert_eq!(lines, [broken, summary]);

    let called = call(&["run", "--expect", "--json", &path]);
    assert_eq!(called.status, Some(1));
    let broken: Vec<Value> = json_lines(&called.stdout)
        .into_iter()
        .filter(|row| row["holds"] == false)
        .collect();
    assert_eq!(broken.len(), 1);
    assert_eq!(broken[0]["row"], 0);
    assert_eq!(broken[0]["endian"], "be");
}

#[test]
fn the_self_test_passes_and_names_every_defect() {
    let called = call(&["selftest"]);
    assert_eq!(called.status, Some(0), "{}", called.stdout);
    let report = call(&["selftest", "--json"]);
    let report = json_lines(&report.stdout).remove(0);
    assert_eq!(report["passed"], true);
    let kernels = json_lines(&call(&["kernels", "--json"]).stdout).remove(0);
    let checks = report["checks"].to_string();
    for kernel in kernels["kernels"].as_array().expect("a list") {
        let name = kernel["name"].as_str().expect("a name");
        if let Some(defect) = name.strip_prefix("fixed+") {
            assert!(checks.contains(defect), "{defect} is not in the self-test");
        }
    }
}

#[test]
fn kernels_differ_in_their_images() {
    let kernels = json_lines(&call(&["kernels", "--json"]).stdout).remove(0);
    let kernels = kernels["kernels"].as_array().expect("a list");
    let name = |kernel: &Value| kernel["name"].as_str().expect("a name").to_owned();
    for endian in ["le", "be"] {
        let here: Vec<&Value> = kernels
            .iter()
            .filter(|kernel| endian == "le" || !name(kernel).starts_with("fixed+le-"))
            .collect();
        let hashes: BTreeSet<String> = here
            .iter()
            .map(|kernel| kernel["hash"][endian].to_string())
            .collect();
        assert_eq!(hashes.len(), here.len(), "{endian}");
    }
    let text = call(&["kernels"]);
    assert_eq!(text.status, Some(0));
    let defects = call(&["defects"]);
    assert_eq!(defects.status, Some(0));
    for kernel in kernels {
        let name = name(kernel);
        match name.strip_prefix("fixed+") {
            Some(defect) => assert!(defects.stdout.contains(defect), "{defect}"),
            None => assert!(text.stdout.contains(&name), "{name}"),
        }
    }
}

#[test]
fn defects_are_explained_and_unknown_ones_refused() {
    let called = call(&["defects", "le-fpr-offset", "repair-vrsave-in-fork"]);
    assert_eq!(called.status, Some(0));
    for words in [
        "only      le",
        "witness   corpus/signal-handler.json",
        "task 0 signal_frame f0-f31 vs0-vs31 (live)",
        "--a fixed --b fixed+repair-vrsave-in-fork",
        "6.1.192",
    ] {
        let text = called.stdout.replace("\n            ", " ");
        assert!(text.contains(words), "{words}\n{}", called.stdout);
    }
    assert!(called.stdout.lines().all(|line| line.chars().count() <= 78));
    let unknown = call(&["defects", "le-fpr"]);
    assert_eq!(unknown.status, Some(2));
    assert_eq!(
        unknown.stderr,
        "ctxfuzz: unknown defect `le-fpr`: `ctxfuzz defects` lists them\n"
    );
}
