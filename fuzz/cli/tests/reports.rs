//! What `triage` and `explain` write for browsers, code scanning and continuous integration, also
//! of findings that are somebody else's.

mod common;

use std::fs;

use common::findings::{ALTIVEC, FPU, call_in, findings, known_file};
use common::json_lines;
use common::schemas::{assert_junit, sarif_schema};
use serde_json::{Value, json};

/// A folder of findings with one that tries to be markup, one that is known, one that is truncated,
/// and the files that `triage` makes of it.
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
    assert_junit(&written);
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

/// What a page for a browser must not have: everything it needs is in it.
fn assert_harmless(page: &str) {
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"));
    for forbidden in [
        "<script", "<img", "<link", "<iframe", "http:", "https:", "url(", "@import", "\u{202e}",
        "\u{1}",
    ] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
}

#[test]
fn every_finding_has_a_page_and_the_index_leads_there() {
    let folder = findings();
    let called = call_in(
        folder.path(),
        &["triage", "it's new", "--html", "index.html", "--json"],
    );
    assert_eq!(called.status, Some(1), "{}", called.stderr);
    let index = fs::read_to_string(folder.path().join("index.html")).expect("it is written");
    assert_harmless(&index);
    let findings = &json_lines(&called.stdout)[0]["findings"];
    for finding in findings.as_array().expect("a list") {
        let signature = finding["signature"].as_str().expect("a text");
        assert!(
            index.contains(&format!(
                "<a href=\"./it%27s%20new/{signature}/report.html\">{signature}</a>"
            )),
            "{index}"
        );
        let page = fs::read_to_string(
            folder
                .path()
                .join("it's new")
                .join(signature)
                .join("report.html"),
        );
        let page = page.expect("every finding has a page");
        assert_harmless(&page);
        let command = finding["reproduce"].as_str().expect("a text");
        let facts = [
            signature,
            command,
            "ctxfuzz fuzz --corpus corpus",
            "<dt>seed</dt>",
            env!("CARGO_PKG_VERSION"),
        ];
        let images = ["a", "b"].map(|side| finding[side]["image"].as_str().expect("a text"));
        for fact in facts.into_iter().chain(images) {
            assert!(page.contains(fact), "{fact}: {page}");
        }
    }
    // From another folder there may be no way there that another machine has too.
    fs::create_dir(folder.path().join("other")).expect("a folder is made");
    call_in(
        folder.path(),
        &["triage", "it's new", "--html", "other/index.html"],
    );
    let index = fs::read_to_string(folder.path().join("other/index.html")).expect("it is written");
    assert!(!index.contains("href"));
    // In the findings directory it is nothing foreign while it is written.
    for _ in 0..2 {
        let called = call_in(
            folder.path(),
            &["triage", "it's new", "--html", "it's new/index.html"],
        );
        assert_eq!(called.status, Some(1), "{}", called.stderr);
    }
    assert_eq!(
        call_in(folder.path(), &["triage", "it's new"]).status,
        Some(2)
    );
}

#[test]
fn the_index_for_a_browser_escapes_what_tries_to_be_markup() {
    let (index, status) = reported_as("--html");
    assert_eq!(status, Some(2));
    assert_harmless(&index);
    assert!(index.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(index.contains("&lt;is old&gt;") && index.contains("<h2>Skipped</h2>"));
}

#[test]
fn explain_writes_a_page_with_its_own_command() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let scenario = common::project().join("corpus/io-worker-on-interrupt-return.json");
    fs::copy(scenario, folder.path().join("it's.json")).expect("a file is copied");
    let called = call_in(
        folder.path(),
        &["explain", "it's.json", "--html", "page.html"],
    );
    assert_eq!(called.status, Some(1), "{}", called.stderr);
    let page = fs::read_to_string(folder.path().join("page.html")).expect("it is written");
    assert_harmless(&page);
    assert!(
        page.contains("--endian le --abi linux 'it'\\''s.json'</code>"),
        "{page}"
    );
    // For a mail, and for programs.
    let command =
        r"ctxfuzz explain --a clobbering --b fixed --endian le --abi linux 'it'\''s.json'";
    assert!(
        called.stdout.ends_with(&format!("\n{command}\n")),
        "{}",
        called.stdout
    );
    let json = call_in(folder.path(), &["explain", "it's.json", "--json"]);
    let json = &json_lines(&json.stdout)[0];
    assert_eq!(json["command"], command);
    for image in json["images"].as_array().expect("a list") {
        let image = image.as_str().expect("a text");
        assert!(
            called.stdout.contains(image) && page.contains(image),
            "{image}"
        );
    }
    let both = call_in(
        folder.path(),
        &[
            "explain",
            "it's.json",
            "--html",
            "both.html",
            "--endian",
            "both",
        ],
    );
    assert_eq!((both.status, both.stdout.as_str()), (Some(2), ""));
    assert!(both.stderr.contains("--endian le"), "{}", both.stderr);
    assert!(!folder.path().join("both.html").exists());
    let nowhere = call_in(
        folder.path(),
        &["explain", "it's.json", "--html", "no/where"],
    );
    assert_eq!((nowhere.status, nowhere.stdout.as_str()), (Some(2), ""));
}

#[test]
fn outputs_that_cannot_be_written_are_trouble() {
    let folder = findings();
    for option in ["--html", "--sarif", "--junit"] {
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
fn the_report_for_programs_is_as_its_schema_says() {
    let schema = fs::read_to_string(common::project().join("docs/report.schema.json"));
    let schema = serde_json::from_str(&schema.expect("it reads")).expect("it is JSON");
    let schema = jsonschema::validator_for(&schema).expect("it is a schema");
    let folder = tempfile::tempdir().expect("a temporary folder");
    // Copies, a kernel that dies, and causes without a register.
    let arguments = [
        "fuzz",
        "--a",
        "clobbering+giveup-keeps-fp-bit",
        "--corpus",
        "corpus",
        "--findings",
        "f",
        "--runs",
        "200",
        "--seed",
        "3",
    ];
    assert_eq!(call_in(folder.path(), &arguments).status, Some(1));
    let mut reports = 0;
    for finding in fs::read_dir(folder.path().join("f")).expect("it lists") {
        let report = finding.expect("it lists").path().join("report.json");
        let report = fs::read_to_string(report).expect("every finding has one");
        let report: Value = serde_json::from_str(&report).expect("it is JSON");
        let errors: Vec<String> = schema
            .iter_errors(&report)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{errors:#?}");
        reports += 1;
        for part in [
            "/reproduce",
            "/a/image",
            "/explanation/causes",
            "/explanation/causes/0/cause/changes",
        ] {
            let mut wrong = report.clone();
            *wrong.pointer_mut(part).expect("it has it") = json!(5);
            assert!(!schema.is_valid(&wrong), "{part}");
        }
    }
    assert!(reports > 2, "{reports}");
}

#[test]
fn a_replay_reports_its_signatures_to_other_programs() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (from, to) in [
        ("io-worker-on-interrupt-return", "-a.json"),
        ("fork-twice", "b.json"),
        ("getppid", "c.json"),
    ] {
        let from = common::project().join(format!("corpus/{from}.json"));
        fs::copy(from, folder.path().join(to)).expect("a file is copied");
    }
    known_file(
        folder.path(),
        &json!({"known": [{"signature": ALTIVEC, "reason": "is old"}]}),
    );
    let arguments = [
        "run",
        "--known",
        "known.json",
        "--sarif",
        "s",
        "--junit",
        "j",
        "b.json",
        "./-a.json",
        "c.json",
    ];
    let called = call_in(folder.path(), &arguments);
    assert_eq!(called.status, Some(1), "{}", called.stderr);
    let read = |file: &str| fs::read_to_string(folder.path().join(file)).expect("it is written");
    let log: Value = serde_json::from_str(&read("s")).expect("it is JSON");
    let schema = jsonschema::validator_for(&sarif_schema()).expect("it is a schema");
    assert!(schema.is_valid(&log));
    // Each once, though three runs show it: with the strongest verdict.
    let results = log["runs"][0]["results"].as_array().expect("a list");
    let told: Vec<_> = results
        .iter()
        .map(|result| {
            (
                &result["ruleId"],
                &result["properties"]["verdict"],
                &result["properties"]["reproduce"],
            )
        })
        .collect();
    let reproduce =
        json!("ctxfuzz explain --a clobbering --b fixed --endian le --abi linux ./-a.json");
    let live = json!("live");
    assert_eq!(
        told,
        [
            (&json!(ALTIVEC), &live, &reproduce),
            (&json!(FPU), &live, &reproduce)
        ]
    );
    assert_eq!(results[0]["suppressions"][0]["justification"], "is old");
    let xml = read("j");
    assert_junit(&xml);
    let document = roxmltree::Document::parse(&xml).expect("it is XML");
    let cases: Vec<_> = document
        .descendants()
        .filter(|node| node.has_tag_name("testcase"))
        .collect();
    let what = cases.iter().map(|case| {
        (
            case.attribute("name"),
            case.first_element_child()
                .map(|what| what.tag_name().name()),
        )
    });
    assert_eq!(
        what.collect::<Vec<_>>(),
        [
            (Some(ALTIVEC), Some("skipped")),
            (Some(FPU), Some("failure"))
        ]
    );
}
