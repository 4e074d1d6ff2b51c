//! `ctxfuzz triage` on what a real campaign left behind, and the signatures that somebody has
//! reviewed.

mod common;

use std::fs;

use common::findings::{ALTIVEC, FPU, call_in, campaign, findings, known_file, signatures};
use common::json_lines;
use serde_json::{Value, json};

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
        assert!(
            text.contains(&format!(
                "\n\nshow again {command}\nfound by   ctxfuzz fuzz"
            )),
            "{text}"
        );
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
fn several_directories_have_one_row_a_signature() {
    let folder = findings();
    let other = folder.path().join("other");
    fs::create_dir(&other).expect("a folder is made");
    fs::create_dir(other.join(FPU)).expect("a folder is made");
    for file in ["report.json", "scenario.json"] {
        let from = folder.path().join("it's new").join(FPU).join(file);
        fs::copy(from, other.join(FPU).join(file)).expect("it is copied");
    }
    let called = call_in(folder.path(), &["triage", "it's new", "other"]);
    assert_eq!(called.status, Some(1), "{}", called.stderr);
    let head = "it's new, other: 2 findings\n";
    assert!(called.stdout.starts_with(head), "{}", called.stdout);
    let line = format!("    also in other/{FPU}\n");
    assert_eq!(called.stdout.matches(&line).count(), 1);
    fs::write(other.join("README"), "x").expect("it is written");
    let called = call_in(
        folder.path(),
        &[
            "triage",
            "it's new",
            "other",
            "--html",
            "index.html",
            "--json",
        ],
    );
    assert_eq!(called.status, Some(2));
    assert_eq!(
        called.stderr,
        "ctxfuzz: other/README: skipped: is not a directory: expected a finding's\n"
    );
    let index = &json_lines(&called.stdout)[0];
    assert_eq!(signatures(&index["findings"]), [ALTIVEC, FPU]);
    assert_eq!(index["skipped"][0]["path"], "other/README");
    let page = fs::read_to_string(folder.path().join("index.html")).expect("it reads");
    assert!(
        page.contains(&format!("<code>other/{FPU}</code>")),
        "{page}"
    );

    let missing = call_in(folder.path(), &["triage", "it's new", "nowhere"]);
    assert_eq!((missing.status, missing.stdout.as_str()), (Some(2), ""));
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
