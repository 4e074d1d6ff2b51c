//! `ctxfuzz triage --artifacts`: what fuzzing services leave behind becomes findings, the same ones
//! as of a campaign.

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use common::findings::{ALTIVEC, FPU, call_in, findings, known_file, signatures};
use common::json_lines;
use serde_json::{Value, json};

/// What is in a file of the corpus, without a name, as a target would have it.
fn nameless(name: &str) -> String {
    let file = common::project().join("corpus").join(name);
    let text = fs::read_to_string(file).expect("it reads");
    let mut scenario: Value = serde_json::from_str(&text).expect("it is JSON");
    let fields = scenario.as_object_mut().expect("an object");
    fields.remove("name");
    fields.remove("expect");
    scenario.to_string()
}

const LOUD: &str = "differential/address/crash-0123456789abcdef";
const QUIET: &str = "clusterfuzz-testcase-minimized-differential-5255984894509056";

/// A folder as ClusterFuzzLite's, with what may be in one.
fn artifacts(folder: &Path) {
    let place = folder.join("artifacts/differential/address");
    fs::create_dir_all(&place).expect("a folder is made");
    let write = |name: &str, text: &str| {
        let file = folder.join("artifacts").join(name);
        fs::write(file, text).expect("it is written");
    };
    let loud = nameless("io-worker-on-interrupt-return.json");
    write(LOUD, &loud);
    write(&format!("{LOUD}.summary"), "==7== ERROR: libFuzzer");
    write(QUIET, &nameless("getppid.json"));
    write("timeout-77", &loud);
    write("oom-77", "anything");
}

const PAIR: [&str; 8] = [
    "triage",
    "--artifacts",
    "artifacts",
    "--a",
    "clobbering",
    "--b",
    "fixed",
    "--findings",
];

fn triage(folder: &Path, more: &[&str]) -> common::Called {
    call_in(folder, &[&PAIR[..], &["found"], more].concat())
}

#[test]
fn artifacts_become_the_findings_of_a_campaign() {
    let folder = findings();
    artifacts(folder.path());
    let called = triage(folder.path(), &[]);
    assert_eq!(called.status, Some(1), "{}", called.stderr);
    assert_eq!(called.stderr, "");
    let head = format!(
        "artifacts: 1 not shown, 1 shown, 1 out of memory, 1 timeout, 1 beside\n  \
         artifacts/{QUIET}: not shown on these kernels\n  \
         artifacts/{LOUD}: {ALTIVEC}, {FPU}\n  \
         artifacts/oom-77: out of memory of the target: no finding\n  \
         artifacts/timeout-77: timeout of the target: no finding\n\nfound: 2 findings\n"
    );
    assert!(called.stdout.starts_with(&head), "{}", called.stdout);
    let files = |dir: &str| {
        let mut names: Vec<_> = fs::read_dir(folder.path().join(dir))
            .expect("it lists")
            .map(|file| file.expect("it lists").file_name())
            // A campaign goes on, and sees it in other places.
            .filter(|name| !name.as_encoded_bytes().starts_with(b"seen-"))
            .collect();
        names.sort();
        names
    };
    let said = |dir: &str| {
        let file = folder.path().join(dir).join(FPU).join("report.json");
        let text = fs::read_to_string(file).expect("it reads");
        let report: Value = serde_json::from_str(&text).expect("it is JSON");
        let writer = report["explanation"]["causes"][0]["cause"]["last_writer"]["a"].clone();
        (
            report["signature"].clone(),
            report["verdict"].clone(),
            report["a"].clone(),
            writer["source"].clone(),
        )
    };
    assert_eq!(files("found"), files("it's new"));
    assert_eq!(
        files(&format!("found/{FPU}")),
        files(&format!("it's new/{FPU}"))
    );
    assert_eq!(said("found"), said("it's new"));
    let report = folder.path().join("found").join(FPU).join("report.txt");
    let report = fs::read_to_string(report).expect("it reads");
    let by = "found by   ctxfuzz triage --artifacts artifacts --a clobbering --b fixed --findings found\n";
    assert!(report.contains(by), "{report}");
    let scenario = folder.path().join("found").join(FPU).join("scenario.json");
    let scenario = fs::read_to_string(scenario).expect("it reads");
    assert!(
        scenario.contains("\"crash-0123456789abcdef\""),
        "{scenario}"
    );

    // Once more beside the campaign's own: one row a signature, with both places.
    let called = triage(folder.path(), &["it's new", "--json"]);
    assert_eq!(called.status, Some(1), "{}", called.stderr);
    let whole = &json_lines(&called.stdout)[0];
    assert_eq!(signatures(&whole["findings"]), [ALTIVEC, FPU]);
    assert_eq!(whole["findings"][1]["path"], format!("found/{FPU}"));
    assert_eq!(
        whole["findings"][1]["also"][0]["path"],
        format!("it's new/{FPU}")
    );
    let rows = whole["artifacts"]["looked_into"]
        .as_array()
        .expect("a list");
    assert_eq!(rows.len(), 4);
    assert_eq!(rows[1]["shows"], json!([ALTIVEC, FPU]));
    assert_eq!(rows[0]["outcome"], "not shown");
}

#[test]
fn what_kernels_do_not_show_or_is_known_is_said_and_is_no_finding() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    artifacts(folder.path());
    let silent = [
        "triage",
        "--artifacts",
        "artifacts",
        "--a",
        "fixed",
        "--b",
        "repaired",
    ];
    let called = call_in(
        folder.path(),
        &[&silent[..], &["--findings", "none"]].concat(),
    );
    assert_eq!(called.status, Some(0), "{}{}", called.stdout, called.stderr);
    assert!(
        called.stdout.starts_with("artifacts: 2 not shown, "),
        "{}",
        called.stdout
    );
    assert!(
        called.stdout.ends_with("\nnone: 0 findings\n"),
        "{}",
        called.stdout
    );

    let rows = [FPU, ALTIVEC].map(|signature| json!({"signature": signature, "reason": "is old"}));
    known_file(folder.path(), &json!({"known": rows}));
    let called = triage(folder.path(), &["--known", "known.json"]);
    assert_eq!(called.status, Some(0), "{}", called.stdout);
    let line = format!("artifacts/{LOUD}: {ALTIVEC} (known), {FPU} (known)\n");
    assert!(called.stdout.contains(&line), "{}", called.stdout);
    assert!(
        called.stdout.ends_with("\nfound: 0 findings\n"),
        "{}",
        called.stdout
    );
}

fn of_one(folder: &Path, artifacts: &str, kernel: &str, findings: &str) -> common::Called {
    let here = ["triage", "--artifacts", artifacts, "--kernel", kernel];
    call_in(folder, &[&here[..], &["--findings", findings]].concat())
}

#[test]
fn one_kernel_is_enough_to_sort_artifacts_by_cause() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    artifacts(folder.path());
    let called = of_one(folder.path(), "artifacts", "clobbering", "kept");
    assert_eq!(called.status, Some(1), "{}", called.stderr);
    let shown = format!("artifacts/{LOUD}: {ALTIVEC}, {FPU}\n");
    assert!(called.stdout.contains(&shown), "{}", called.stdout);
    assert!(
        called.stdout.contains("\nkept: 2 findings\n"),
        "{}",
        called.stdout
    );
    let report = folder.path().join("kept").join(FPU).join("report.json");
    let report: Value =
        serde_json::from_str(&fs::read_to_string(report).expect("it reads")).expect("it is JSON");
    assert_eq!(report["a"]["kernel"], "clobbering");
    assert!(report.get("b").is_none());
    // It is what `check --findings` would keep: another kernel can be held to it.
    let again = |kernel| {
        let arguments = ["check", "--endian", "le", "--kernel", kernel, "kept"];
        call_in(folder.path(), &arguments).status
    };
    assert_eq!((again("clobbering"), again("repaired")), (Some(1), Some(0)));
    let called = of_one(folder.path(), "artifacts", "repaired", "none");
    assert_eq!(called.status, Some(0), "{}", called.stdout);
    assert!(
        called.stdout.starts_with("artifacts: 2 not shown, "),
        "{}",
        called.stdout
    );
    let none = fs::read_dir(folder.path().join("none")).expect("it lists");
    assert_eq!(none.count(), 0);
}

/// What a host leaves in FPSCR is not told from what the guest wrote itself.
#[test]
fn what_has_no_cause_is_kept_by_its_kind() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let name = "kvm-pr-run.json";
    fs::write(folder.path().join(name), nameless(name)).expect("it is written");
    let called = of_one(folder.path(), name, "fixed+fpscr-not-restored", "kept");
    assert_eq!(called.status, Some(1), "{}", called.stderr);
    let key = "live.vcpu.syscall.fpscr";
    assert!(
        called.stdout.contains(&format!("{name}: {key}\n")),
        "{}",
        called.stdout
    );
    let report = folder.path().join("kept").join(key).join("report.txt");
    let report = fs::read_to_string(report).expect("it is kept");
    assert!(report.starts_with(&format!("{key} (live)\n")), "{report}");
    let silent = of_one(folder.path(), name, "fixed", "none");
    assert_eq!(silent.status, Some(0), "{}", silent.stdout);
}

#[test]
fn what_is_no_artifact_is_named_and_hides_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    artifacts(folder.path());
    let place = folder.path().join("artifacts");
    let far = folder.path().join("far");
    fs::write(&far, nameless("io-worker-on-interrupt-return.json")).expect("it is written");
    symlink(&far, place.join("crash-link")).expect("it is linked");
    fs::write(place.join("crash-\x1b[2J"), b"\xff\xfe").expect("it is written");
    fs::write(place.join("crash-cut"), "{\"ctxfuzz\": 1, ").expect("it is written");
    let made = std::process::Command::new("mkfifo")
        .arg(place.join("crash-pipe"))
        .status();
    assert!(made.is_ok_and(|status| status.success()));
    let called = triage(folder.path(), &["--json"]);
    assert_eq!(called.status, Some(2), "{}", called.stderr);
    let whole = &json_lines(&called.stdout)[0];
    assert_eq!(signatures(&whole["findings"]), [ALTIVEC, FPU]);
    let said: Vec<&str> = called.stderr.lines().collect();
    let expected = [
        (
            "crash-\\u{1b}[2J: skipped: is no scenario: ",
            "is not UTF-8 text",
        ),
        ("crash-cut: skipped: is no scenario: ", "EOF"),
        (
            "crash-link: skipped: ",
            "is a symbolic link, which is not followed",
        ),
        ("crash-pipe: skipped: ", "is neither a file nor a directory"),
    ];
    assert_eq!(said.len(), expected.len(), "{said:#?}");
    for (line, (start, reason)) in said.iter().zip(expected) {
        assert!(
            line.starts_with(&format!("ctxfuzz: artifacts/{start}")),
            "{line}"
        );
        assert!(line.contains(reason), "{line}");
    }
    assert_eq!(whole["skipped"].as_array().map(Vec::len), Some(4));
}

#[test]
fn what_must_be_named_is_asked_for() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    artifacts(folder.path());
    for (arguments, expected) in [
        (&["--artifacts", "artifacts"][..], "--findings <DIR>"),
        (
            &["--artifacts", "artifacts", "--findings", "x"],
            "expected the kernels to run them on: --a and --b, or --kernel",
        ),
        (
            &[
                "--artifacts",
                "artifacts",
                "--findings",
                "x",
                "--a",
                "fixed",
            ],
            "--b <KERNEL>",
        ),
        (
            &[
                "--artifacts",
                "artifacts",
                "--findings",
                "x",
                "--kernel",
                "fixed",
                "--endian",
                "both",
            ],
            "expected --endian le or --endian be",
        ),
        (
            &[
                "--artifacts",
                "none",
                "--findings",
                "x",
                "--kernel",
                "fixed",
            ],
            "none: cannot look at it",
        ),
        (&["--a", "fixed", "--b", "fixed", "x"], "--artifacts <PATH>"),
        (&[], "DIR"),
    ] {
        let called = call_in(folder.path(), &[&["triage"], arguments].concat());
        assert_eq!(
            (called.status, called.stdout.as_str()),
            (Some(2), ""),
            "{arguments:?}"
        );
        assert!(called.stderr.contains(expected), "{}", called.stderr);
    }
    assert!(!folder.path().join("x").exists());
}
