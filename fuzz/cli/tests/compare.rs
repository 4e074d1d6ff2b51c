//! `compare`: what a patch changes, and what it was meant to change.

mod common;

use std::fs;

use common::{call, json_lines, project};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

#[test]
fn unexpected_changes_count_and_expected_ones_are_said() -> Result {
    let folder = tempfile::tempdir()?;
    let findings = folder.path().join("findings").display().to_string();
    let compare = |more: &[&str]| {
        let fixed = [
            "compare",
            "fixed",
            "clobbering",
            "--json",
            "--runs",
            "300",
            "--endian",
            "le",
            "--findings",
            &findings,
        ];
        call(&[&fixed[..], more].concat())
    };
    let called = compare(&[]);
    assert_eq!(called.status, Some(1), "{}", called.stderr);
    let said = &json_lines(&called.stdout)[0];
    assert_eq!(said["changed"], true);
    let signatures: Vec<&str> = said["findings"]
        .as_array()
        .ok_or("a list")?
        .iter()
        .filter_map(|f| f["signature"].as_str())
        .collect();
    assert_eq!(
        signatures,
        ["save_fpu.f0-is-fpscr", "save_altivec.v0-is-vscr"]
    );

    let expected = folder.path().join("expected.json");
    let row = |signature: &&str| {
        format!(r#"{{"signature": "{signature}", "reason": "it is the point of the patch"}}"#)
    };
    let mut rows: Vec<String> = signatures.iter().map(row).collect();
    rows.push(row(&"save_fpu.vsrs-changed"));
    fs::write(&expected, format!(r#"{{"known": [{}]}}"#, rows.join(", ")))?;
    let called = compare(&["--expected", &expected.display().to_string()]);
    assert_eq!(called.status, Some(0), "{}", called.stderr);
    let said = &json_lines(&called.stdout)[0];
    assert!(
        said["changed"] == false && said["known"].as_array().map(Vec::len) == Some(2),
        "{said}"
    );
    // It is no failure that a patch does less, but it must be heard of.
    assert_eq!(
        said["not_seen"],
        serde_json::json!(["save_fpu.vsrs-changed"])
    );
    assert_eq!(said["compared"], 300);
    Ok(())
}

#[test]
fn the_corpus_is_left_alone() -> Result {
    let folder = tempfile::tempdir()?;
    let corpus = folder.path().join("corpus");
    fs::create_dir(&corpus)?;
    fs::copy(
        project().join("corpus/getppid.json"),
        corpus.join("getppid.json"),
    )?;
    let called = call(&[
        "compare",
        "repaired",
        "repaired+giveup-zeroes-registers",
        "--runs",
        "400",
        "--corpus",
        &corpus.display().to_string(),
        "--findings",
        &folder.path().join("f").display().to_string(),
    ]);
    assert_eq!(called.status, Some(0), "{}{}", called.stdout, called.stderr);
    assert_eq!(
        called
            .stdout
            .matches("no outcome changes that anybody can see")
            .count(),
        2
    );
    let names: Vec<_> = fs::read_dir(&corpus)?
        .map(|e| e.map(|e| e.file_name()))
        .collect::<std::io::Result<_>>()?;
    assert_eq!(names, ["getppid.json"]);
    Ok(())
}

#[test]
fn fewer_runs_than_the_corpus_has_scenarios_are_refused() {
    let called = call(&["compare", "fixed", "clobbering", "--runs", "3"]);
    assert_eq!(called.status, Some(2));
    assert!(
        called.stderr.contains("--runs 3: the corpus has "),
        "{}",
        called.stderr
    );
}
