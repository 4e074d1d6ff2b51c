//! `ctxfuzz matrix`: cells, exit statuses, baselines, and what it writes.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use common::{Called, call, json_lines};

/// What `fixed` bears and `clobbering` does not.
const WORKER: &str = "io-worker-on-interrupt-return";
const SILENT: &str = "getppid";

fn corpus(names: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for name in names {
        let file = format!("{name}.json");
        let from = common::project().join("corpus").join(&file);
        fs::copy(from, folder.path().join(file)).expect("it is copied");
    }
    folder
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

fn matrix(corpus: &TempDir, arguments: &[&str]) -> Called {
    let fixed = ["matrix", "--corpus", text(corpus.path())];
    call(&[&fixed[..], arguments].concat())
}

fn states(matrix: &Value, row: usize) -> Vec<&str> {
    let cells = matrix["scenarios"][row]["cells"]
        .as_array()
        .expect("a list");
    cells
        .iter()
        .filter_map(|cell| cell["state"].as_str())
        .collect()
}

fn refused(called: &Called, expected: &str) {
    let told = &called.stderr;
    assert_eq!(called.status, Some(2), "{told}");
    assert_eq!(called.stdout, "", "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(told.contains(expected), "{told}");
}

#[test]
fn a_model_has_two_columns_and_cells_are_what_check_says() {
    let corpus = corpus(&[WORKER, SILENT]);
    let called = matrix(&corpus, &["clobbering", "repaired", "--json"]);
    assert_eq!(called.status, Some(1), "{}", called.stderr);
    let json = &json_lines(&called.stdout)[0];
    assert_eq!(json["ctxfuzz_matrix"], 1);
    let columns = [
        ("clobbering", "le"),
        ("clobbering", "be"),
        ("repaired", "le"),
        ("repaired", "be"),
    ];
    for (column, (kernel, endian)) in json["kernels"]
        .as_array()
        .expect("a list")
        .iter()
        .zip(columns)
    {
        assert_eq!(
            (&column["kernel"], &column["endian"]),
            (&json!(kernel), &json!(endian))
        );
    }
    assert_eq!(json["scenarios"][0]["scenario"], SILENT);
    assert_eq!(states(json, 0), ["silent"; 4]);
    assert_eq!(states(json, 1), ["live", "live", "silent", "silent"]);
    assert_eq!(
        json["scenarios"][1]["cells"][0]["registers"],
        json!(["f0", "vs0", "v0"])
    );
    let schema = fs::read_to_string(common::project().join("docs/matrix.schema.json"));
    let schema: Value = serde_json::from_str(&schema.expect("it reads")).expect("it is JSON");
    let valid = jsonschema::validator_for(&schema).expect("it is a schema");
    let wrong: Vec<String> = valid.iter_errors(json).map(|e| e.to_string()).collect();
    assert_eq!(wrong, Vec::<String>::new());

    // Only of what is wrong with one kernel the status speaks; and the same comes out again.
    let silent = matrix(&corpus, &["repaired"]);
    assert_eq!(silent.status, Some(0), "{}", silent.stderr);
    let again = matrix(&corpus, &["clobbering", "repaired", "--json"]);
    assert_eq!(again.stdout, called.stdout);
}

#[test]
fn what_only_the_linux_abi_forbids_is_in_the_cells_and_counts_if_asked() {
    let corpus = corpus(&["fpu_syscall"]);
    let called = matrix(&corpus, &["clobbering", "--json"]);
    let json = &json_lines(&called.stdout)[0];
    assert_eq!(states(json, 0)[0], "abi", "{json}");
    assert_eq!(called.status, Some(0));
    assert_eq!(
        matrix(&corpus, &["clobbering", "--abi", "linux"]).status,
        Some(1)
    );
}

#[test]
fn a_baseline_decides_the_status() {
    let corpus = corpus(&[WORKER, SILENT]);
    let file = |name: &str| corpus.path().join(name);
    let (good, bad) = (file("good.matrix"), file("bad.matrix"));
    let made = matrix(&corpus, &["clobbering", "--json", "-o", text(&bad)]);
    assert_eq!((made.status, made.stdout.as_str()), (Some(1), ""));
    let known = matrix(&corpus, &["clobbering", "--baseline", text(&bad)]);
    assert_eq!(known.status, Some(0), "{}", known.stderr);
    assert!(
        known
            .stdout
            .ends_with("0 cells got worse, 0 cells got better\n"),
        "{}",
        known.stdout
    );

    // As if the kernel of that name had been sound.
    let sound = fs::read_to_string(&bad)
        .expect("it reads")
        .replace("\"live\"", "\"silent\"");
    fs::write(&good, sound).expect("it is written");
    let worse = matrix(&corpus, &["clobbering", "--baseline", text(&good)]);
    assert_eq!(worse.status, Some(1), "{}", worse.stderr);
    let expected = "worse: io-worker-on-interrupt-return, clobbering (le): silent, now live";
    let flat = worse
        .stdout
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    assert!(flat.contains(expected), "{}", worse.stdout);
    let json = matrix(
        &corpus,
        &["clobbering", "--json", "--baseline", text(&good)],
    );
    let json = &json_lines(&json.stdout)[0]["since"]["worse"];
    assert_eq!(json.as_array().map(Vec::len), Some(2), "{json}");
    assert_eq!(json[1]["endian"], "be");
}

#[test]
fn a_baseline_that_is_none_is_refused() {
    let corpus = corpus(&[SILENT]);
    let file = corpus.path().join("baseline");
    let with = |text: &str| {
        fs::write(&file, text).expect("it is written");
        let page = corpus.path().join("page.html");
        let called = matrix(
            &corpus,
            &[
                "fixed",
                "--baseline",
                &file.display().to_string(),
                "--html",
                &page.display().to_string(),
            ],
        );
        assert!(!page.exists(), "nothing was written");
        called
    };
    refused(&with("{"), "baseline: ");
    refused(
        &with(r#"{"ctxfuzz_matrix": 2}"#),
        "baseline: is a matrix of version 2",
    );
    let kernels = |names: &[&str]| {
        let kernels = names
            .iter()
            .map(|name| json!({"kernel": name, "endian": "le"}));
        json!({"ctxfuzz_matrix": 1, "version": "0", "kernels": kernels.collect::<Vec<_>>(), "scenarios": []}).to_string()
    };
    let expected = "is about other kernels: it lacks fixed (be), and it has mine (le)";
    refused(&with(&kernels(&["fixed", "mine"])), expected);
}

#[test]
fn bad_arguments_are_named_and_nothing_is_run() {
    let corpus = corpus(&[SILENT]);
    refused(&matrix(&corpus, &[]), "<KERNEL>...");
    refused(
        &matrix(&corpus, &["fixed", "fixed"]),
        "fixed: is named twice",
    );
    refused(
        &matrix(&corpus, &["fixed", "fixd"]),
        "did you mean `fixed`?",
    );
    refused(
        &matrix(&corpus, &["fixed", "--findings", "/none"]),
        "/none: cannot list it",
    );
    refused(
        &matrix(&corpus, &["fixed", "-o", "/none/x"]),
        "there is no directory /none",
    );
    refused(
        &call(&["matrix", "fixed", "--corpus", "none"]),
        "none: no such directory",
    );
    let empty = tempfile::tempdir().expect("a temporary folder");
    refused(&matrix(&empty, &["fixed"]), "no scenario in it");
    refused(
        &matrix(&corpus, &["fixed", "--findings", text(empty.path())]),
        "no finding in it",
    );
    fs::write(corpus.path().join("x.json"), "{").expect("it is written");
    refused(&matrix(&corpus, &["fixed"]), "x.json:1:");
}

#[test]
fn findings_of_both_kinds_are_rows_once_each() {
    let corpus = corpus(&[SILENT]);
    let kept = tempfile::tempdir().expect("a temporary folder");
    let inside = kept.path().join("save_fpu.f0-is-fpscr");
    fs::create_dir(&inside).expect("a folder is made");
    let from = |name: &str| common::project().join(format!("corpus/{name}.json"));
    let copy = |name: &str, to: PathBuf| fs::copy(from(name), to).expect("it is copied");
    copy(WORKER, inside.join("minimized.json"));
    copy("spin-under-ticks", inside.join("scenario.json"));
    copy(SILENT, kept.path().join("a-key.json"));
    let called = matrix(
        &corpus,
        &["clobbering", "--findings", text(kept.path()), "--json"],
    );
    let json = &json_lines(&called.stdout)[0]["scenarios"];
    let names: Vec<_> = json
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| &row["scenario"])
        .collect();
    assert_eq!(names, [&json!(SILENT), &json!("save_fpu.f0-is-fpscr")]);
    assert_eq!(json[1]["cells"][0]["state"], "live");
}

#[test]
fn the_page_loads_nothing_and_has_every_cell() {
    let corpus = corpus(&[WORKER, SILENT]);
    let page = corpus.path().join("page.html");
    let called = matrix(&corpus, &["clobbering", "fixed", "--html", text(&page)]);
    assert_eq!(called.status, Some(1));
    let page = fs::read_to_string(page).expect("it reads");
    assert_eq!(
        page.matches("<td class=\"state-live\">live</td>").count(),
        2
    );
    assert_eq!(
        page.matches("<td class=\"state-silent\">silent</td>")
            .count(),
        6
    );
    assert!(!page.contains("://") && !page.contains("<script"));
    for line in called.stdout.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

/// A big-endian and a little-endian kernel are two columns like any others.
#[test]
fn real_kernels_of_both_byte_orders_are_in_one_matrix() {
    let test = "real_kernels_of_both_byte_orders_are_in_one_matrix";
    let mut parts = common::Parts::of(test);
    let corpus = corpus(&[WORKER, SILENT]);
    for other in ["debian-clobbering", "fixed-be"] {
        let Some([debian, other]) = parts.next(common::real(["debian", other])) else {
            continue;
        };
        let called = matrix(&corpus, &[&debian, &other, "fixed", "--json"]);
        let json = &json_lines(&called.stdout)[0];
        let endians: Vec<_> = json["kernels"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|k| &k["endian"])
            .collect();
        let own = if other.contains("-be") { "be" } else { "le" };
        assert_eq!(endians, ["le", own, "le", "be"]);
        assert!(json["kernels"][0]["release"].is_string(), "{json}");
        let second = if other.contains("clobbering") {
            "live"
        } else {
            "silent"
        };
        assert_eq!(states(json, 1), ["silent", second, "silent", "silent"]);
    }
}
