//! One kernel is enough: for a campaign, and for what is made of its findings.

mod common;

use std::fs;
use std::path::Path;

use common::findings::call_in;
use common::{Called, json_lines};
use serde_json::Value;

const SHOWS: &str = "corpus/io-worker-on-interrupt-return.json";
const HARMLESS: &str = "corpus/getppid.json";

/// In the last event nothing is copied with VMX, where the write was to do that.
const SAYS_NOTHING: &str = r#"{"ctxfuzz": 1, "stage": {"tasks": [{}, {}], "io_uring": [0]}, "events": [
    {"syscall": {"call": "read", "bytes": 4096}}, {"syscall": {"call": "write", "bytes": 3328}},
    {"syscall": {"call": "write", "bytes": 3328}}, {"syscall": {"call": "write", "bytes": 8192}},
    {"syscall": {"call": "vfork"}}, {"syscall": {"call": "write", "bytes": 3328}},
    {"syscall": {"call": "write", "bytes": 8192, "pending": {"io_worker": true}}}]}"#;

fn call(arguments: &[&str]) -> Called {
    common::call(arguments)
}

fn explain(kernel: &str, more: &[&str]) -> Called {
    call(&[&["explain", "--kernel", kernel, "--endian", "le"], more].concat())
}

fn fuzz(folder: &Path, kernels: &[&str], more: &[&str]) -> Called {
    let here = ["fuzz", "--corpus", "corpus", "--findings", "findings"];
    call_in(folder, &[&here, kernels, more].concat())
}

#[test]
fn a_scenario_is_explained_on_one_kernel() {
    let shows = explain("clobbering", &[SHOWS]);
    assert_eq!(shows.status, Some(1), "{}", shows.stderr);
    let command = format!("explain --kernel clobbering --endian le --abi linux {SHOWS}");
    assert!(
        shows.stdout.ends_with(&format!("{command}\n")),
        "{}",
        shows.stdout
    );
    assert!(shows.stdout.contains("f0") && shows.stdout.contains("0x4142434445464748"));
    assert!(shows.stdout.contains(", kernel image "), "{}", shows.stdout);

    for (kernel, scenario) in [("clobbering", HARMLESS), ("repaired", SHOWS)] {
        let silent = explain(kernel, &[scenario]);
        assert_eq!(silent.status, Some(0), "{}", silent.stdout);
        let said = "\nNo violation: each task found its registers as it had to";
        assert!(silent.stdout.contains(said), "{}", silent.stdout);
    }
}

#[test]
fn what_only_the_kernel_interface_promises_is_reported_when_asked_for() {
    let both = explain("clobbering", &[SHOWS, "--abi", "linux"]);
    assert_eq!(both.status, Some(1));
    let endians = call(&[
        "explain",
        "--kernel",
        "clobbering",
        "--endian",
        "both",
        SHOWS,
        "--json",
    ]);
    let reports = json_lines(&endians.stdout);
    let order: Vec<&Value> = reports.iter().map(|report| &report["endian"]).collect();
    assert_eq!(order, ["le", "be"]);
}

#[test]
fn programs_read_the_same() {
    let report = json_lines(&explain("clobbering", &[SHOWS, "--json"]).stdout).remove(0);
    assert_eq!(
        (&report["a"], &report["b"]),
        (&"clobbering".into(), &"expected".into())
    );
    assert_eq!(report["verdict"], "live");
    assert_eq!(report["images"].as_array().map(Vec::len), Some(1));
    let again = report["command"].as_str().expect("a command");
    assert!(
        again.starts_with("ctxfuzz explain --kernel clobbering "),
        "{again}"
    );

    let silent = json_lines(&explain("clobbering", &[HARMLESS, "--json"]).stdout).remove(0);
    assert_eq!(
        (&silent["verdict"], &silent["not_comparable"]),
        (&"none".into(), &Value::Null)
    );
}

#[test]
fn a_browser_shows_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("page.html");
    let page = |kernel: &str| {
        let file = file.to_str().expect("it is text");
        let status = explain(kernel, &[SHOWS, "--html", file]).status;
        (status, fs::read_to_string(file).expect("it is written"))
    };
    let (status, shows) = page("clobbering");
    assert_eq!(status, Some(1));
    assert!(shows.contains("<dt>kernel</dt>") && !shows.contains("<dt>kernel B</dt>"));
    assert!(shows.contains("expected") && shows.contains("explain --kernel clobbering"));
    let (status, silent) = page("repaired");
    assert_eq!(status, Some(0));
    assert!(silent.contains("Nothing that anybody could see."));
}

#[test]
fn a_run_that_says_nothing_is_no_answer() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("nothing.json");
    fs::write(&path, SAYS_NOTHING).expect("it is written");
    let path = path.to_str().expect("it is text");
    let called = explain("fixed", &[path]);
    assert_eq!(called.status, Some(2), "{}", called.stdout);
    let said = "\nThe run says nothing about the kernel: in the run did not happen: event 6";
    assert!(called.stdout.contains(said), "{}", called.stdout);
    let report = json_lines(&explain("fixed", &[path, "--json"]).stdout).remove(0);
    let why = report["not_comparable"].as_str().expect("a reason");
    assert!(why.contains("did not happen"), "{why}");

    // A campaign counts it, and finds nothing in it.
    let corpus = folder.path().join("corpus");
    fs::create_dir(&corpus).expect("a folder");
    fs::copy(path, corpus.join("nothing.json")).expect("it is copied");
    let campaign = fuzz(
        folder.path(),
        &["--kernel", "fixed"],
        &["--runs", "1", "--json"],
    );
    assert_eq!(campaign.status, Some(0), "{}", campaign.stderr);
    let summary = json_lines(&campaign.stdout).remove(0);
    assert_eq!(summary["counts"]["not_comparable"], 1);
    assert_eq!(
        summary["inconclusive_by_reason"]["did not happen"], 1,
        "{summary}"
    );
    assert!(
        campaign.stderr.contains("say nothing"),
        "{}",
        campaign.stderr
    );
}

#[test]
fn a_campaign_leaves_what_triage_reads_and_what_shows_it_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let status = [
        "--status-json",
        "status.json",
        "--status-prometheus",
        "status.prom",
    ];
    let more = [&["--stop-after", "1", "--json"][..], &status].concat();
    let campaign = fuzz(folder.path(), &["--kernel", "clobbering"], &more);
    assert_eq!(campaign.status, Some(1), "{}", campaign.stderr);
    let summary = json_lines(&campaign.stdout).remove(0);
    assert_eq!(summary["kernel"], "clobbering");
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).expect("it is there");
    let status: Value = serde_json::from_str(&read("status.json")).expect("it is JSON");
    assert_eq!(status["kernel"], "clobbering");
    assert!(
        status.get("a").is_none() && status.get("b").is_none(),
        "{status}"
    );
    let metrics = read("status.prom");
    let runs = "# HELP ctxfuzz_executions_total Scenarios run.\n";
    assert!(metrics.contains(runs), "{metrics}");
    let labels = r#"{kernel="clobbering",endian="le",seed="1"}"#;
    assert!(
        metrics.contains(labels) && !metrics.contains(" pair"),
        "{metrics}"
    );

    let index = call_in(folder.path(), &["triage", "findings", "--json"]);
    assert_eq!(index.status, Some(1), "{}", index.stderr);
    let text = index.stdout;
    assert!(
        text.contains("explain --kernel clobbering --endian le"),
        "{text}"
    );
    let schema = fs::read_to_string(common::project().join("docs/report.schema.json"));
    let schema = serde_json::from_str(&schema.expect("it reads")).expect("it is JSON");
    let schema = jsonschema::validator_for(&schema).expect("it is a schema");
    for finding in summary["findings"].as_array().expect("a list") {
        let path = folder
            .path()
            .join(finding["path"].as_str().expect("a path"));
        let report = fs::read_to_string(path.join("report.json")).expect("it is there");
        let report: Value = serde_json::from_str(&report).expect("it is JSON");
        let wrong: Vec<String> = schema.iter_errors(&report).map(|e| e.to_string()).collect();
        assert_eq!(wrong, Vec::<String>::new());
        assert!(report.get("a").is_some() && report.get("b").is_none());
        let again = report["reproduce"].as_str().expect("a command");
        let words: Vec<&str> = again.split(' ').skip(1).collect();
        assert_eq!(call_in(folder.path(), &words).status, Some(1), "{again}");
    }
}

/// What triage says of the findings in these folders, in each format.
fn told(folder: &Path, dirs: &[&str]) -> [String; 4] {
    let files = ["--sarif", "sarif", "--junit", "junit", "--html", "html"];
    let called = call_in(folder, &[&["triage"], dirs, &files].concat());
    assert_eq!(called.status, Some(1), "{}", called.stderr);
    let read = |name: &str| fs::read_to_string(folder.join(name)).expect("it is written");
    [called.stdout, read("sarif"), read("junit"), read("html")]
}

#[test]
fn triage_says_what_one_kernel_did_and_what_two_did() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("corpus")).expect("a folder");
    let scenario = common::project().join(SHOWS);
    fs::copy(scenario, folder.path().join("corpus/shows.json")).expect("it is copied");
    for (kernels, findings) in [
        (&["--kernel", "clobbering"][..], "one"),
        (&["--a", "clobbering", "--b", "fixed"], "two"),
    ] {
        let here = ["fuzz", "--corpus", "corpus", "--findings", findings];
        let called = call_in(folder.path(), &[&here, kernels, &["--runs", "1"]].concat());
        assert_eq!(called.status, Some(1), "{}", called.stderr);
    }
    let of_one = [
        "    clobbering (image ",
        "the kernel does not leave f0, vs0 alone",
        "did not survive: f0, vs0",
        "<dt>kernel</dt>",
    ];
    let of_two = [
        " against fixed (image ",
        "the kernels leave different values in f0, vs0",
        "differs: f0, vs0",
        "<dt>kernel B</dt>",
    ];
    let one = told(folder.path(), &["one"]);
    let two = told(folder.path(), &["two"]);
    for format in 0..4 {
        assert!(one[format].contains(of_one[format]), "{}", one[format]);
        assert!(!one[format].contains(of_two[format]), "{}", one[format]);
        assert!(two[format].contains(of_two[format]), "{}", two[format]);
    }
    assert!(one[0].contains("), judged by itself\n"), "{}", one[0]);
    assert!(!two[0].contains("judged by itself"), "{}", two[0]);
    assert!(one[1].contains("\"kernel\": {") && !one[1].contains("kernelA"));
    assert!(
        one[2].contains("\nkernel: clobbering (image "),
        "{}",
        one[2]
    );
    assert!(two[2].contains("\nkernel b: fixed (image "), "{}", two[2]);
    // A signature is listed once, and it is said how it was seen elsewhere.
    let both = told(folder.path(), &["one", "two"]);
    let also = "also in two/save_fpu.f0-is-fpscr, of two kernels: clobbering (image ";
    assert!(both[0].contains(also), "{}", both[0]);
    assert!(
        both[2].contains("f0-is-fpscr, of two kernels\n"),
        "{}",
        both[2]
    );
    assert!(both[3].contains(", of two kernels <span"), "{}", both[3]);
    let twice = told(folder.path(), &["two", "one"]);
    assert!(twice[0].contains("fpscr, of one kernel: "), "{}", twice[0]);
}

#[test]
fn the_head_of_a_report_names_the_scenario() {
    let folder = tempfile::tempdir().expect("a folder");
    let artifact = common::project().join(SHOWS).display().to_string();
    let made = ["--kernel", "clobbering", "--findings", "found"];
    let called = call_in(
        folder.path(),
        &[&["triage", "--artifacts", &artifact][..], &made].concat(),
    );
    assert_eq!(called.status, Some(1), "{}", called.stderr);
    let report = folder.path().join("found/save_fpu.f0-is-fpscr/report.txt");
    let report = fs::read_to_string(report).expect("it is there");
    let head = report.split("\n\n").nth(1).expect("a head");
    let said = "\nscenario   io-worker-on-interrupt-return: scenario.json in this directory, as";
    assert!(head.contains(said), "{head}");
    assert!(head.contains("\nexplained  minimized.json there"), "{head}");
    let ours = head.lines().filter(|line| !line.contains("ctxfuzz "));
    assert!(ours.into_iter().all(|line| line.len() <= 100), "{head}");
}

#[test]
fn a_byte_order_that_a_kernel_has_not_is_said_to_be_left_out() {
    let test = "a_byte_order_that_a_kernel_has_not_is_said_to_be_left_out";
    let Some([kernel]) = common::real_kernels(test, ["debian"]) else {
        return;
    };
    let one = ["--kernel", &kernel];
    let both = ["--endian", "both", HARMLESS];
    for (command, kernels) in [
        ("explain", &one[..]),
        ("check", &one),
        ("run", &["--a", &kernel, "--b", &kernel]),
    ] {
        let called = call(&[&[command], kernels, &both].concat());
        let said = format!("{kernel}: --endian be is not applicable: it is a le kernel\n");
        assert_eq!(called.status, Some(0), "{command}: {}", called.stderr);
        assert_eq!(called.stderr.matches(&said).count(), 1, "{}", called.stderr);
        let quiet = call(&[&[command], kernels, &both[2..]].concat());
        assert!(!quiet.stderr.contains(&said), "{}", quiet.stderr);
        assert_eq!(quiet.stdout, called.stdout, "{command}");
    }
}

#[test]
fn campaigns_of_one_kernel_and_of_pairs_do_not_share() {
    let folder = tempfile::tempdir().expect("a folder");
    for (kernels, folders) in [
        (&["--kernel", "repaired"][..], 1),
        (&["--kernel", "repaired"], 1),
        (&["--a", "repaired", "--b", "repaired"], 2),
        (&["--kernel", "fixed"], 3),
    ] {
        let called = fuzz(
            folder.path(),
            kernels,
            &["--runs", "20", "--share", "share"],
        );
        assert_ne!(called.status, Some(2), "{}", called.stderr);
        let share = folder.path().join("share");
        let shared = fs::read_dir(share).expect("it lists").count();
        assert_eq!(shared, folders, "{kernels:?}");
    }
}

#[test]
fn mistakes_are_named() {
    for command in [
        &["fuzz", "--runs", "1"][..],
        &["explain", SHOWS],
        &["minimize", SHOWS, "-o", "target/never-written.json"],
        &["cmin", "corpus", "-o", "target/never-written"],
    ] {
        for (kernels, expected) in [
            (
                &["--kernel", "fixed", "--a", "clobbering"][..],
                "'--kernel <KERNEL>' cannot be used with '--a <KERNEL>'",
            ),
            (
                &["--b", "clobbering", "--kernel", "fixed"],
                "'--b <KERNEL>' cannot be used with",
            ),
            (
                &["--kernel", "fixd"],
                "unknown kernel `fixd`: did you mean `fixed`?",
            ),
            (&["--kernel", "fixed+nope"], "unknown defect `nope`"),
        ] {
            let called = call(&[command, kernels].concat());
            let told = &called.stderr;
            assert_eq!(called.status, Some(2), "{command:?} {kernels:?}: {told}");
            assert_eq!(
                (called.stdout.as_str(), told.lines().count()),
                ("", 1),
                "{told}"
            );
            assert!(told.contains(expected), "{command:?} {kernels:?}: {told}");
        }
    }
    for never in ["target/never-written.json", "target/never-written"] {
        assert!(!common::project().join(never).exists());
    }
}
