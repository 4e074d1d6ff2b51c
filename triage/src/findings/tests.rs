use std::fs;
use std::path::Path;

use ctxfuzz_scenario::register::Register;
use ctxfuzz_scenario::scenario::{Place, Scenario, Stage, TaskStage, Verdict};
use serde_json::{Value, json};

use super::{Added, Finding, FindingStore, FindingsError, directory_name};
use crate::compare::{Difference, What};

fn scenario(name: &str) -> Scenario {
    let stage = Stage {
        tasks: vec![TaskStage::default()],
        io_uring: vec![],
    };
    Scenario {
        name: Some(name.to_owned()),
        stage,
        ..Scenario::default()
    }
}

fn finding(signature: &str, name: &str, place: Place) -> Finding {
    let what = What::Register(Register::F(0));
    let sighting = Difference {
        task: Some(0),
        place,
        what,
        verdict: Verdict::Live,
        a: 1,
        b: 2,
        frame: None,
    };
    Finding {
        signature: signature.to_owned(),
        verdict: Verdict::Live,
        registers: vec!["f0".to_owned()],
        sightings: vec![sighting],
        scenario: scenario(name),
        minimized: Some(scenario("small")),
        command: "ctxfuzz explain scenario.json".to_owned(),
        reproduce: String::new(),
        report_txt: "f0 holds the FPSCR image\n".to_owned(),
        report_html: "<!DOCTYPE html>".to_owned(),
        report_json: json!({"cause": {"function": "save_fpu"}, "verdict": "overridden"}),
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn the_first_is_kept_whole_and_later_ones_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = FindingStore::open(dir.path().join("made/for/it")).unwrap();
    let signature = "save_fpu.f0-is-fpscr";
    assert!(!store.contains(signature));
    let first = store
        .add(&finding(signature, "first", Place::Register))
        .unwrap();
    let path = store.path(signature);
    assert_eq!(first, Added::New(path.clone()));
    let files = [
        "minimized.json",
        "report.html",
        "report.json",
        "report.txt",
        "scenario.json",
    ];
    assert_eq!(names(&path), files);

    let again = store
        .add(&finding(signature, "second", Place::Register))
        .unwrap();
    assert_eq!(
        again,
        Added::Again {
            path: path.clone(),
            count: 2
        }
    );
    assert_eq!(names(&path), files);
    let kept = Scenario::from_json(
        &fs::read_to_string(path.join("scenario.json")).unwrap(),
        "kept",
    )
    .unwrap();
    assert_eq!(kept, scenario("first"));
    assert_eq!((store.count(signature), store.count("other")), (2, 0));
    // Nothing temporary is left.
    assert_eq!(names(path.parent().unwrap()), [signature]);
}

#[test]
fn the_report_names_the_finding_before_its_details() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = FindingStore::open(dir.path()).unwrap();
    store.add(&finding("x", "first", Place::Child)).unwrap();
    let report: Value =
        serde_json::from_str(&fs::read_to_string(dir.path().join("x/report.json")).unwrap())
            .unwrap();
    assert_eq!(report["signature"], "x");
    assert_eq!(report["verdict"], "live");
    assert_eq!(report["places"], json!(["child"]));
    assert_eq!(report["cause"]["function"], "save_fpu");
}

#[test]
fn a_new_place_leaves_a_scenario_also_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = FindingStore::open(dir.path()).unwrap();
    store.add(&finding("x", "first", Place::Register)).unwrap();
    let mut store = FindingStore::open(dir.path()).unwrap();
    assert_eq!(store.count("x"), 0);
    let again = store.add(&finding("x", "second", Place::Register)).unwrap();
    assert_eq!(
        again,
        Added::Again {
            path: dir.path().join("x"),
            count: 1
        }
    );
    assert!(
        !names(&dir.path().join("x"))
            .iter()
            .any(|name| name.starts_with("seen-"))
    );
    store
        .add(&finding("x", "framed", Place::SignalFrame))
        .unwrap();
    let seen = fs::read_to_string(dir.path().join("x/seen-signal_frame.json")).unwrap();
    assert_eq!(
        Scenario::from_json(&seen, "seen").unwrap(),
        scenario("framed")
    );
}

#[test]
fn two_processes_can_share_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let mut fast = FindingStore::open(dir.path()).unwrap();
    let mut slow = FindingStore::open(dir.path()).unwrap();
    assert!(matches!(
        fast.add(&finding("x", "fast", Place::Register)),
        Ok(Added::New(_))
    ));
    let late = slow.add(&finding("x", "slow", Place::Child)).unwrap();
    assert_eq!(
        late,
        Added::Again {
            path: dir.path().join("x"),
            count: 1
        }
    );
    assert!(dir.path().join("x/seen-child.json").is_file());
    let kept = fs::read_to_string(dir.path().join("x/scenario.json")).unwrap();
    assert_eq!(
        Scenario::from_json(&kept, "kept").unwrap(),
        scenario("fast")
    );
    assert_eq!(names(dir.path()), ["x"]);
}

#[test]
fn what_an_interrupted_run_left_is_not_a_finding() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join(".x.1.1")).unwrap();
    fs::write(dir.path().join("README"), "mine").unwrap();
    let mut store = FindingStore::open(dir.path()).unwrap();
    assert!(!store.contains("README"));
    assert!(matches!(
        store.add(&finding("x", "first", Place::Register)),
        Ok(Added::New(_))
    ));
}

#[test]
fn a_failed_write_leaves_nothing_and_can_be_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = FindingStore::open(dir.path()).unwrap();
    // Somebody else's file in the way of the rename.
    fs::write(dir.path().join("x"), "in the way").unwrap();
    let error = store
        .add(&finding("x", "first", Place::Register))
        .unwrap_err();
    assert!(
        error.to_string().starts_with("cannot put in place `"),
        "{error}"
    );
    assert_eq!(names(dir.path()), ["x"]);
    fs::remove_file(dir.path().join("x")).unwrap();
    assert!(matches!(
        store.add(&finding("x", "first", Place::Register)),
        Ok(Added::New(_))
    ));
}

#[test]
fn bad_directories_are_told_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = FindingStore::open(&file).unwrap_err();
    assert!(matches!(error, FindingsError::NotADirectory(_)));
    assert!(
        error.to_string().ends_with("file`: not a directory"),
        "{error}"
    );
    let error = FindingStore::open(file.join("below")).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("cannot create the findings directory `"),
        "{error}"
    );
}

#[test]
fn directory_names_are_safe_and_distinct() {
    assert_eq!(
        directory_name("save_fpu.f0-is-fpscr"),
        "save_fpu.f0-is-fpscr"
    );
    let long = "x".repeat(5000);
    let hostile = [
        "../../etc/passwd",
        "a/b",
        "a-b",
        "a\\b",
        ".",
        "..",
        "",
        "-rf",
        ".x",
        "é",
        "a\0b",
        &long,
    ];
    let names: std::collections::BTreeSet<String> =
        hostile.iter().map(|s| directory_name(s)).collect();
    assert_eq!(names.len(), hostile.len());
    for name in names {
        assert!(
            name.len() < 128 && name.is_ascii() && !name.contains(['/', '\\', '\0']),
            "{name}"
        );
        assert!(
            name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_'),
            "{name}"
        );
    }
}

#[test]
fn a_stronger_finding_takes_the_place_of_a_weaker_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = FindingStore::open(dir.path()).unwrap();
    let signature = "save_fpu.f0-is-fpscr";
    store
        .add(&finding(signature, "weak", Place::Child))
        .unwrap();
    let strong = finding(signature, "strong", Place::Register);
    let path = store.replace(&strong).unwrap();
    let kept = Scenario::load(&path.join("scenario.json")).unwrap();
    assert_eq!(kept.name.as_deref(), Some("strong"));
    assert_eq!(names(dir.path()), [signature], "nothing else is left");
    // Where there is none yet it is simply kept.
    store
        .replace(&finding("other.vsrs-changed", "x", Place::Register))
        .unwrap();
    assert_eq!(names(dir.path()).len(), 2);
}

#[test]
fn only_one_makes_a_finding_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let [one, other] = [(); 2].map(|()| FindingStore::open(dir.path()).unwrap());
    let claim = one.claim("save_fpu.f0-is-fpscr");
    assert!(claim.is_some());
    assert!(other.claim("save_fpu.f0-is-fpscr").is_none());
    assert!(other.claim("save_altivec.v0-is-vscr").is_some());
    drop(claim);
    assert!(other.claim("save_fpu.f0-is-fpscr").is_some());
    assert!(names(dir.path()).is_empty());
}
