//! `ctxfuzz triage` on what a real campaign left behind, and the signatures that somebody has reviewed.

mod common;

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use common::{Called, ctxfuzz, json_lines};
use serde_json::{Value, json};
use tempfile::TempDir;

const FPU: &str = "save_fpu.f0-is-fpscr";
const ALTIVEC: &str = "save_altivec.v0-is-vscr";

/// Calls `ctxfuzz` in a folder.
fn call_in(folder: &Path, arguments: &[&str]) -> Called {
    let mut command = ctxfuzz();
    let output = command.current_dir(folder).args(arguments).output();
    let output = output.expect("the program starts");
    Called {
        status: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("stdout is text"),
        stderr: String::from_utf8(output.stderr).expect("stderr is text"),
    }
}

/// A campaign in `it's new/`, a name that a shell must be told with care.
fn campaign(folder: &Path, more: &[&str]) -> Called {
    let arguments = [
        "fuzz",
        "--corpus",
        "corpus",
        "--findings",
        "it's new",
        "--runs",
        "60",
    ];
    call_in(folder, &[&arguments[..], more].concat())
}

/// The findings of a campaign, to copy from.
static FINDINGS: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let called = campaign(folder.path(), &[]);
    assert_eq!(called.status, Some(1), "{}", called.stderr);
    folder
});

/// A copy of the findings that a test may spoil.
fn findings() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (from, to) = (
        FINDINGS.path().join("it's new"),
        folder.path().join("it's new"),
    );
    fs::create_dir(&to).expect("a folder is made");
    for finding in fs::read_dir(from).expect("it lists") {
        let finding = finding.expect("it lists");
        let to = to.join(finding.file_name());
        fs::create_dir(&to).expect("a folder is made");
        for file in fs::read_dir(finding.path()).expect("it lists") {
            let file = file.expect("it lists");
            fs::copy(file.path(), to.join(file.file_name())).expect("a file is copied");
        }
    }
    folder
}

fn signatures(findings: &Value) -> Vec<&str> {
    let findings = findings.as_array().expect("a list").iter();
    findings
        .map(|finding| finding["signature"].as_str().expect("a text"))
        .collect()
}

fn known_file(folder: &Path, known: &Value) {
    fs::write(folder.join("known.json"), known.to_string()).expect("a file is written");
}

/// Words of a command as a shell splits them.
fn shell_words(command: &str) -> Vec<String> {
    let output = std::process::Command::new("sh")
        .args(["-c", &format!("printf '%s\\n' {command}")])
        .output()
        .expect("there is a shell");
    let words = String::from_utf8(output.stdout).expect("it is text");
    words.lines().map(str::to_owned).collect()
}

#[test]
fn a_campaigns_findings_are_listed_and_their_commands_show_them_again() {
    let folder = findings();
    let called = call_in(folder.path(), &["triage", "it's new", "--json"]);
    assert_eq!(called.status, Some(1), "{}", called.stderr);
    let index = &json_lines(&called.stdout)[0];
    assert_eq!(signatures(&index["findings"]), [ALTIVEC, FPU]);
    assert_eq!(index["skipped"], json!([]));
    for finding in index["findings"].as_array().expect("a list") {
        let signature = finding["signature"].as_str().expect("a text");
        for key in ["version", "command", "function", "source"] {
            assert!(finding[key].is_string(), "{key} of {finding}");
        }
        assert_eq!(finding["seed"], 1);
        assert_eq!(finding["a"]["image"].as_str().map(str::len), Some(16));
        assert_ne!(finding["a"]["image"], finding["b"]["image"]);

        // What the index says is what the report says, and it is true.
        let report = format!("it's new/{signature}/report.json");
        let report = fs::read_to_string(folder.path().join(report)).expect("it reads");
        let report: Value = serde_json::from_str(&report).expect("it is JSON");
        assert_eq!(report["reproduce"], finding["reproduce"]);
        let command = finding["reproduce"].as_str().expect("a text");
        let text = format!("it's new/{signature}/report.txt");
        let text = fs::read_to_string(folder.path().join(text)).expect("it reads");
        assert!(text.contains(command), "{text}");
        let words = shell_words(command);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        assert_eq!(words[0], "ctxfuzz");
        let again = call_in(folder.path(), &words[1..]);
        assert_eq!(again.status, Some(1), "{command}: {}", again.stderr);
        assert!(
            again.stdout.contains(&format!(". {signature}  [live]")),
            "{}",
            again.stdout
        );
    }
    let text = call_in(folder.path(), &["triage", "it's new"]);
    assert_eq!(text.status, Some(1));
    assert!(
        text.stdout.starts_with("it's new: 2 findings\n"),
        "{}",
        text.stdout
    );
}

#[test]
fn what_is_skipped_is_trouble_and_hides_nothing() {
    let folder = findings();
    let dir = folder.path().join("it's new");
    let report = dir.join(ALTIVEC).join("report.json");
    let whole = fs::read(&report).expect("it reads");
    fs::write(&report, &whole[..whole.len() / 2]).expect("a file is written");
    fs::write(dir.join("a\x1b[2Jb"), "x").expect("a file is written");
    let called = call_in(folder.path(), &["triage", "it's new", "--json"]);
    assert_eq!(called.status, Some(2));
    let index = &json_lines(&called.stdout)[0];
    assert_eq!(signatures(&index["findings"]), [FPU]);
    assert_eq!(index["skipped"].as_array().map(Vec::len), Some(2));
    let told: Vec<&str> = called.stderr.lines().collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told[0].starts_with("ctxfuzz: it's new/a\\u{1b}[2Jb: skipped: "),
        "{told:?}"
    );
    assert!(
        told[1].contains(&format!("{ALTIVEC}: skipped: report.json:")),
        "{told:?}"
    );
    assert!(!called.stderr.contains('\x1b'));

    let missing = call_in(folder.path(), &["triage", "nowhere"]);
    assert_eq!((missing.status, missing.stdout.as_str()), (Some(2), ""));
    assert!(
        missing
            .stderr
            .starts_with("ctxfuzz: nowhere: cannot list it")
    );
    fs::create_dir(folder.path().join("empty")).expect("a folder is made");
    let empty = call_in(folder.path(), &["triage", "empty"]);
    assert_eq!(
        (empty.status, empty.stdout.as_str()),
        (Some(0), "empty: 0 findings\n")
    );
}

#[test]
fn what_is_known_is_said_but_is_no_finding() {
    let folder = findings();
    let row =
        |signature: &str| json!({"signature": signature, "reason": format!("{signature} is old")});
    known_file(folder.path(), &json!({"known": [row(FPU)]}));
    let one = call_in(
        folder.path(),
        &["triage", "it's new", "--known", "known.json", "--json"],
    );
    assert_eq!(one.status, Some(1));
    let index = &json_lines(&one.stdout)[0];
    assert_eq!(signatures(&index["findings"]), [ALTIVEC]);
    assert_eq!(index["known"][0]["reason"], format!("{FPU} is old"));

    known_file(folder.path(), &json!({"known": [row(FPU), row(ALTIVEC)]}));
    let all = call_in(
        folder.path(),
        &["triage", "it's new", "--known", "known.json"],
    );
    assert_eq!(all.status, Some(0), "{}", all.stdout);
    assert!(
        all.stdout.starts_with("it's new: 0 findings, 2 known\n"),
        "{}",
        all.stdout
    );
}

#[test]
fn a_campaign_counts_what_is_known_and_keeps_the_rest() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    known_file(
        folder.path(),
        &json!({"known": [{"signature": FPU, "reason": "is old"}]}),
    );
    let called = campaign(folder.path(), &["--known", "known.json", "--json"]);
    assert_eq!(called.status, Some(1), "{}", called.stderr);
    let summary = &json_lines(&called.stdout)[0];
    assert_eq!(signatures(&summary["findings"]), [ALTIVEC]);
    assert_eq!(summary["known"][0]["signature"], FPU);
    assert!(
        summary["known"][0]["kinds"]
            .as_u64()
            .is_some_and(|kinds| kinds > 0)
    );
    assert!(!folder.path().join("it's new").join(FPU).exists());

    let rows = [FPU, ALTIVEC].map(|signature| json!({"signature": signature, "reason": "is old"}));
    known_file(folder.path(), &json!({"known": rows}));
    let folder_of_none = folder.path().join("none");
    fs::create_dir(&folder_of_none).expect("a folder is made");
    let called = campaign(&folder_of_none, &["--known", "../known.json"]);
    assert_eq!(called.status, Some(0), "{}", called.stdout);
    assert!(
        called.stdout.contains(&format!("known: {FPU} in ")),
        "{}",
        called.stdout
    );
    assert!(
        called.stdout.ends_with("no findings\n"),
        "{}",
        called.stdout
    );
}

#[test]
fn a_replay_reports_nothing_if_all_of_it_is_known() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let scenario = common::project().join("corpus/io-worker-on-interrupt-return.json");
    let scenario = scenario.to_str().expect("it is text");
    let run = |signatures: &[&str], more: &[&str]| {
        let rows = signatures
            .iter()
            .map(|signature| json!({"signature": signature, "reason": "is old"}));
        known_file(folder.path(), &json!({"known": rows.collect::<Vec<_>>()}));
        let arguments = ["run", "--endian", "le", "--known", "known.json", scenario];
        call_in(folder.path(), &[&arguments[..], more].concat())
    };
    let half = run(&[FPU], &["--json"]);
    assert_eq!(half.status, Some(1), "{}", half.stderr);
    let line = &json_lines(&half.stdout)[0];
    assert_eq!(
        (&line["reported"], &line["known"][0]["signature"]),
        (&json!(true), &json!(FPU))
    );
    let all = run(&[FPU, ALTIVEC], &["--json"]);
    assert_eq!(all.status, Some(0));
    let line = &json_lines(&all.stdout)[0];
    assert_eq!(
        (&line["reported"], &line["divergent"]),
        (&json!(false), &json!(true))
    );
    let text = run(&[FPU, ALTIVEC], &[]).stdout;
    assert!(
        text.contains(&format!("  known: {FPU}: is old\n")),
        "{text}"
    );
    assert!(
        text.contains("  all of it is known: not reported\n"),
        "{text}"
    );
    assert_eq!(run(&["something.else"], &[]).status, Some(1));
}

/// A folder of findings with one that tries to be markup, one that is known, one that is truncated, and the files that `triage` makes of it.
fn reported_as(option: &str) -> (String, Option<i32>) {
    let folder = findings();
    let dir = folder.path().join("it's new");
    let evil = dir.join("evil");
    fs::create_dir(&evil).expect("a folder is made");
    let text = "\"></a>]]><script>alert(1)</script>&\u{1}\u{fffe}\u{202e}";
    let kernel = json!({"kernel": text, "image": text});
    let report = json!({
        "signature": "evil", "verdict": "live", "registers": [text], "places": [text], "command": text, "version": text, "endian": "le",
        "a": kernel, "b": kernel,
        "explanation": {"causes": [{"signature": "evil", "cause": {"function": text, "last_writer": {"a": {"source": format!("/{text}:7")}}}}]},
    });
    fs::write(evil.join("report.json"), report.to_string()).expect("a file is written");
    fs::copy(
        dir.join(FPU).join("scenario.json"),
        evil.join("scenario.json"),
    )
    .expect("a file is copied");
    fs::create_dir(dir.join("cut")).expect("a folder is made");
    fs::write(dir.join("cut/report.json"), "{").expect("a file is written");
    known_file(
        folder.path(),
        &json!({"known": [{"signature": FPU, "reason": "<is old>"}]}),
    );
    let arguments = ["triage", "it's new", "--known", "known.json", option, "out"];
    let called = call_in(folder.path(), &arguments);
    let written = fs::read_to_string(folder.path().join("out"));
    (written.expect("it is written"), called.status)
}

/// The schema of SARIF 2.1.0 as the crate `serde-sarif` has it: it is not ours to copy.
fn sarif_schema() -> Value {
    let output = std::process::Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--manifest-path",
        ])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .expect("cargo runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    let packages = metadata["packages"].as_array().expect("a list");
    let package = packages
        .iter()
        .find(|package| package["name"] == "serde-sarif");
    let manifest = package.expect("it is a dependency")["manifest_path"].as_str();
    let schema = Path::new(manifest.expect("a path")).with_file_name("src/schema.json");
    let schema = fs::read_to_string(schema).expect("the crate has the schema");
    let mut schema: Value = serde_json::from_str(&schema).expect("it is JSON");
    // The published pattern has a bracket too many. No log of ours has a language.
    for object in ["run", "toolComponent"] {
        schema["definitions"][object]["properties"]["language"] = json!(false);
    }
    schema
}

#[test]
fn sarif_is_valid_and_has_a_result_a_signature() {
    let (written, status) = reported_as("--sarif");
    assert_eq!(status, Some(2));
    let log: Value = serde_json::from_str(&written).expect("it is JSON");
    let schema = jsonschema::validator_for(&sarif_schema()).expect("it is a schema");
    let errors: Vec<String> = schema
        .iter_errors(&log)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let mut wrong = log.clone();
    wrong["runs"][0]["results"][0]["level"] = json!("terrible");
    assert!(!schema.is_valid(&wrong), "the schema refuses what is wrong");
    serde_json::from_value::<serde_sarif::sarif::Sarif>(log.clone()).expect("others read it");

    let run = &log["runs"][0];
    let results = run["results"].as_array().expect("a list");
    let ids: Vec<&Value> = results.iter().map(|result| &result["ruleId"]).collect();
    assert_eq!(ids, ["evil", ALTIVEC, FPU]);
    let place = &results[2]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "kernel/fpu.S");
    assert!(
        place["region"]["startLine"]
            .as_u64()
            .is_some_and(|line| line > 1)
    );
    assert_eq!(results[2]["suppressions"][0]["justification"], "<is old>");
    assert_eq!(results[1]["suppressions"], json!([]));
    let uri = results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].as_str();
    assert!(
        uri.is_some_and(|uri| uri.starts_with("file:///%22%3E") && !uri.contains('<')),
        "{uri:?}"
    );
    let told = &run["invocations"][0];
    assert_eq!(told["executionSuccessful"], false);
    assert_eq!(
        told["toolExecutionNotifications"].as_array().map(Vec::len),
        Some(1)
    );
}

#[test]
fn junit_has_a_test_case_a_signature() {
    let (written, status) = reported_as("--junit");
    assert_eq!(status, Some(2));
    let document = roxmltree::Document::parse(&written).expect("it is XML");
    let root = document.root_element();
    assert!(root.has_tag_name("testsuites"));
    let counts = |node: roxmltree::Node<'_, '_>| {
        ["tests", "failures", "errors"].map(|count| node.attribute(count).map(str::to_owned))
    };
    let suite = root.first_element_child().expect("a suite");
    assert!(suite.has_tag_name("testsuite"));
    for node in [root, suite] {
        assert_eq!(
            counts(node),
            ["4", "2", "1"].map(|count| Some(count.to_owned()))
        );
    }
    let mut cases = Vec::new();
    for case in suite
        .children()
        .filter(|node| node.has_tag_name("testcase"))
    {
        let what = case
            .first_element_child()
            .expect("none of them is a success");
        assert!(case.attribute("classname").is_some());
        cases.push((
            case.attribute("name").unwrap_or_default(),
            what.tag_name().name(),
        ));
        if what.has_tag_name("failure") {
            let said = what.text().unwrap_or_default();
            assert!(said.contains("show again: ctxfuzz explain --a "), "{said}");
            assert_eq!(what.attribute("type"), Some("live"));
        }
    }
    assert_eq!(
        cases,
        [
            ("evil", "failure"),
            (ALTIVEC, "failure"),
            (FPU, "skipped"),
            ("cut", "error")
        ]
    );
    assert!(!written.contains("<script") && !written.contains('\u{1}'));
}

#[test]
fn outputs_that_cannot_be_written_are_trouble() {
    let folder = findings();
    for option in ["--sarif", "--junit"] {
        let called = call_in(folder.path(), &["triage", "it's new", option, "no/where"]);
        assert_eq!((called.status, called.stdout.as_str()), (Some(2), ""));
        assert!(
            called
                .stderr
                .starts_with("ctxfuzz: no/where: cannot write it"),
            "{}",
            called.stderr
        );
    }
}

#[test]
fn a_bad_file_of_known_signatures_is_trouble() {
    let folder = findings();
    let scenario = common::project().join("corpus/io-worker-on-interrupt-return.json");
    let scenario = scenario.to_str().expect("it is text");
    fs::write(
        folder.path().join("bad.json"),
        "{\"known\": [\n  {\"signature\": \"a.b\"}\n]}",
    )
    .expect("it is written");
    for command in [
        &["triage", "it's new"][..],
        &["run", scenario],
        &["fuzz", "--runs", "1"],
    ] {
        let called = call_in(folder.path(), &[command, &["--known", "bad.json"]].concat());
        assert_eq!(called.status, Some(2));
        assert_eq!(
            called.stderr,
            "ctxfuzz: bad.json:2:22: known[0]: missing field `reason`\n"
        );
        assert_eq!(called.stdout, "");
        let called = call_in(
            folder.path(),
            &[command, &["--known", "none.json"]].concat(),
        );
        assert_eq!(called.status, Some(2));
        assert!(
            called
                .stderr
                .starts_with("ctxfuzz: none.json: cannot read it"),
            "{}",
            called.stderr
        );
    }
    assert!(!folder.path().join("corpus").exists() && !folder.path().join("findings").exists());
}
