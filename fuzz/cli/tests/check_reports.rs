//! `ctxfuzz check` for continuous integration: without a kernel it holds a corpus to its own rows
//! and to the sound kernel, and what it did goes into JUnit XML and SARIF.

mod common;

use std::fs;
use std::path::Path;

use common::findings::call_in;
use common::schemas::{assert_junit, check_junit, sarif_schema};
use common::{Called, json_lines, project, real_kernels};
use serde_json::{Value, json};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Copies a scenario of the corpus, with something done to it.
fn scenario(folder: &Path, name: &str, change: impl FnOnce(&mut Value)) -> Result {
    let file = format!("{name}.json");
    let text = fs::read_to_string(project().join("corpus").join(&file))?;
    let mut value: Value = serde_json::from_str(&text)?;
    change(&mut value);
    fs::create_dir_all(folder.join("corpus"))?;
    fs::write(folder.join("corpus").join(file), value.to_string())?;
    Ok(())
}

/// Calls `check` with both reports; they are `j` and `s`.
fn check(folder: &Path, more: &[&str]) -> Called {
    let fixed = ["check", "--junit", "j", "--sarif", "s"];
    call_in(folder, &[&fixed[..], more].concat())
}

/// The log, which its schema allows.
fn sarif(folder: &Path) -> Result<Value> {
    let log: Value = serde_json::from_str(&fs::read_to_string(folder.join("s"))?)?;
    let schema = jsonschema::validator_for(&sarif_schema())?;
    let errors: Vec<String> = schema.iter_errors(&log).map(|e| e.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    Ok(log)
}

/// Class, name and result of each test case.
fn cases(folder: &Path) -> Result<Vec<[String; 3]>> {
    let xml = fs::read_to_string(folder.join("j"))?;
    assert_junit(&xml);
    let document = roxmltree::Document::parse(&xml)?;
    let cases = document
        .descendants()
        .filter(|n| n.has_tag_name("testcase"));
    Ok(cases
        .map(|case| {
            let text = |name: &str| case.attribute(name).unwrap_or_default().to_owned();
            let result = case.first_element_child();
            let result = result.map_or("", |result| result.tag_name().name());
            [text("classname"), text("name"), result.to_owned()]
        })
        .collect())
}

fn case(class: &str, name: &str, result: &str) -> [String; 3] {
    [class, name, result].map(str::to_owned)
}

#[test]
fn a_corpus_whose_rows_hold_is_all_good() -> Result {
    let folder = tempfile::tempdir()?;
    scenario(folder.path(), "getppid", |_| {})?;
    let called = check(folder.path(), &["corpus"]);
    assert_eq!(called.status, Some(0), "{}{}", called.stdout, called.stderr);
    let last = called.stdout.lines().last().unwrap_or_default();
    assert!(last.contains("rows hold, 0 do not"), "{}", called.stdout);
    let cases = cases(folder.path())?;
    assert!(
        cases.contains(&case("repaired", "getppid (be)", "")),
        "{cases:?}"
    );
    let rows = cases.iter().filter(|case| case[0].contains(" against "));
    assert!(rows.count() > 1, "{cases:?}");
    assert!(cases.iter().all(|case| case[2].is_empty()), "{cases:?}");
    let log = sarif(folder.path())?;
    assert_eq!(log["runs"][0]["results"], json!([]));
    assert_eq!(
        log["runs"][0]["invocations"][0]["executionSuccessful"],
        true
    );
    // With --endian half of it is left.
    let one = check(folder.path(), &["corpus", "--endian", "le", "--json"]);
    assert_eq!(one.status, Some(0), "{}", one.stderr);
    let lines = json_lines(&one.stdout);
    assert!(lines.len() > 1 && lines.iter().all(|line| line["endian"] == "le"));
    Ok(())
}

#[test]
fn a_row_that_does_not_hold_is_a_failure_at_its_file() -> Result {
    let folder = tempfile::tempdir()?;
    scenario(folder.path(), "fork-twice", |value| {
        let row = &mut value["expect"][0];
        row["verdict"] = json!("none");
        row["differences"] = json!([]);
    })?;
    let called = check(folder.path(), &["corpus", "--endian", "le"]);
    assert_eq!(called.status, Some(1), "{}{}", called.stdout, called.stderr);
    let cases = cases(folder.path())?;
    let row = case(
        "clobbering against fixed",
        "fork-twice expect[0] (le)",
        "failure",
    );
    assert!(cases.contains(&row), "{cases:?}");
    let log = sarif(folder.path())?;
    let result = &log["runs"][0]["results"][0];
    assert_eq!(result["ruleId"], "expectation");
    let place = &result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert_eq!(place, "corpus/fork-twice.json");
    let message = &result["message"]["text"];
    assert_eq!(
        message,
        "fork-twice expect[0] (le), clobbering against fixed: the verdict is abi, expected none"
    );
    Ok(())
}

#[test]
fn a_kernel_that_harms_registers_is_a_failure_for_each_kind() -> Result {
    let folder = tempfile::tempdir()?;
    scenario(folder.path(), "io-worker-on-interrupt-return", |value| {
        // What a name may have is for the format to say; a report must survive any file name.
        value["about"] = json!("<script>\u{1}");
    })?;
    let from = folder
        .path()
        .join("corpus/io-worker-on-interrupt-return.json");
    let odd = folder.path().join("corpus/<&\u{1}>.json");
    let text = fs::read_to_string(&from)?.replace(r#""name":"io-worker-on-interrupt-return","#, "");
    fs::write(&odd, text)?;
    fs::remove_file(&from)?;
    let called = check(
        folder.path(),
        &["--kernel", "clobbering", "--endian", "le", "corpus"],
    );
    assert_eq!(called.status, Some(1), "{}{}", called.stdout, called.stderr);
    // One kernel: nobody asked for rows.
    assert!(!called.stdout.contains("rows hold"), "{}", called.stdout);
    let name = r"corpus/<&\u{1}>.json (le)";
    assert_eq!(cases(folder.path())?, [case("clobbering", name, "failure")]);
    let log = sarif(folder.path())?;
    let results = log["runs"][0]["results"].as_array().ok_or("a list")?;
    let rules: Vec<_> = results
        .iter()
        .filter_map(|r| r["ruleId"].as_str())
        .collect();
    assert_eq!(
        rules,
        ["live.register.interrupt.vsr0", "live.register.interrupt.v0"]
    );
    let place = &results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert_eq!(place, "corpus/%3C%26%01%3E.json");
    // With the rows too, which still hold: they are about other kernels.
    let both = check(
        folder.path(),
        &[
            "--kernel",
            "clobbering",
            "--expect",
            "--endian",
            "le",
            "corpus",
        ],
    );
    assert_eq!(both.status, Some(1), "{}", both.stderr);
    assert!(both.stdout.contains("0 do not"), "{}", both.stdout);
    Ok(())
}

#[test]
fn a_file_without_rows_is_trouble_and_an_error() -> Result {
    let folder = tempfile::tempdir()?;
    scenario(folder.path(), "getppid", |value| {
        value.as_object_mut().map(|object| object.remove("expect"));
    })?;
    let called = check(folder.path(), &["corpus", "--endian", "be"]);
    assert_eq!(called.status, Some(2), "{}", called.stdout);
    assert!(
        called.stderr.contains("has no `expect` rows"),
        "{}",
        called.stderr
    );
    let expected = [
        case("repaired", "getppid (be)", ""),
        case("expectation", "getppid", "error"),
    ];
    assert_eq!(cases(folder.path())?, expected);
    let log = sarif(folder.path())?;
    assert_eq!(
        log["runs"][0]["invocations"][0]["executionSuccessful"],
        false
    );
    Ok(())
}

#[test]
fn random_scenarios_are_reported_too() -> Result {
    let folder = tempfile::tempdir()?;
    let called = check(
        folder.path(),
        &["--kernel", "clobbering", "--endian", "le", "--runs", "60"],
    );
    assert_eq!(called.status, Some(1), "{}", called.stderr);
    let found = cases(folder.path())?;
    assert!(!found.is_empty() && found.iter().all(|case| case[2] == "failure"));
    assert_eq!(
        sarif(folder.path())?["runs"][0]["results"]
            .as_array()
            .map(Vec::len),
        Some(found.len())
    );
    let called = check(
        folder.path(),
        &["--kernel", "repaired", "--endian", "le", "--runs", "20"],
    );
    assert_eq!(called.status, Some(0), "{}", called.stderr);
    let good = case("repaired, random scenarios", "20 executions, seed 1", "");
    assert_eq!(cases(folder.path())?, [good]);
    Ok(())
}

#[test]
fn bad_arguments_are_refused_before_anything_runs() -> Result {
    let folder = tempfile::tempdir()?;
    scenario(folder.path(), "getppid", |_| {})?;
    for (arguments, expected) in [
        (&["--runs", "3"][..], "--kernel"),
        (
            &["corpus", "--junit", "none/j"],
            "there is no directory none",
        ),
        (&["corpus", "--sarif", "corpus"], "is a directory"),
    ] {
        let called = call_in(folder.path(), &[&["check"], arguments].concat());
        assert_eq!(called.status, Some(2), "{arguments:?}");
        assert!(
            called.stdout.is_empty() && called.stderr.contains(expected),
            "{}",
            called.stderr
        );
    }
    scenario(folder.path(), "getppid", |value| {
        value["expect"][0]["a"] = json!("fixd");
    })?;
    let called = check(folder.path(), &["corpus"]);
    assert_eq!(called.status, Some(2));
    assert!(
        called.stderr.contains("getppid.json: expect[0].a: "),
        "{}",
        called.stderr
    );
    Ok(())
}

/// A real kernel is no guest's host here.
#[test]
fn what_a_kernel_cannot_do_is_skipped_and_not_good() -> Result {
    let test = "what_a_kernel_cannot_do_is_skipped_and_not_good";
    let Some([kernel]) = real_kernels(test, ["debian"]) else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    for name in ["kvm-run", "getppid"] {
        scenario(folder.path(), name, |_| {})?;
    }
    let called = check(folder.path(), &["--kernel", &kernel, "corpus"]);
    assert_eq!(called.status, Some(0), "{}{}", called.stdout, called.stderr);
    let cases = cases(folder.path())?;
    let results: Vec<&str> = cases.iter().map(|case| case[2].as_str()).collect();
    assert_eq!(results, ["", "skipped"], "{cases:?}");
    let written = fs::read_to_string(folder.path().join("j"))?;
    assert!(written.contains("not applicable: guest"), "{written}");
    Ok(())
}

#[test]
fn the_check_of_junit_refuses_what_is_wrong() {
    let good = r#"<testsuites name="n" tests="1" failures="0" errors="0"><testsuite name="n" tests="1" failures="0" errors="0"><testcase name="a" classname="b"/></testsuite></testsuites>"#;
    assert_eq!(check_junit(good), Ok(()));
    for (from, to) in [
        (r#"tests="1""#, r#"tests="2""#),
        (r#" classname="b""#, ""),
        (
            r#"<testcase name="a" classname="b"/>"#,
            r#"<testcase name="a" classname="b"><failure type="x"/></testcase>"#,
        ),
        // These two only the schema knows.
        (r#" classname="b""#, r#" classname="b" colour="red""#),
        (r#"<testcase "#, r#"<properties/><testcase "#),
        ("testcase", "case"),
        ("</testsuites>", ""),
    ] {
        assert!(check_junit(&good.replace(from, to)).is_err(), "{to}");
    }
}
