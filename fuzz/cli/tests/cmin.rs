//! `cmin` keeps what a corpus reaches, and touches nothing else.

mod common;

use std::fs;
use std::path::Path;

use common::{Called, call, json_lines, project};
use ctxfuzz_generators::{random_scenario, rare_scenario};
use serde_json::Value;
use tempfile::TempDir;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A corpus of random scenarios with one that is pinned, in a new directory.
fn corpus(scenarios: u64) -> Result<TempDir> {
    let folder = tempfile::tempdir()?;
    for seed in 0..scenarios {
        let scenario = match seed % 2 {
            0 => random_scenario(seed),
            _ => rare_scenario(seed),
        };
        fs::write(
            folder.path().join(format!("random-{seed}.json")),
            scenario.to_json(),
        )?;
    }
    let pinned = "getppid.json";
    fs::copy(
        project().join("corpus").join(pinned),
        folder.path().join(pinned),
    )?;
    Ok(folder)
}

fn cmin(from: &[&Path], to: &Path) -> Called {
    cmin_on(&[], from, to)
}

fn cmin_on(kernels: &[&str], from: &[&Path], to: &Path) -> Called {
    let mut arguments = vec!["cmin".to_owned(), "--json".to_owned()];
    arguments.extend(kernels.iter().map(ToString::to_string));
    arguments.extend(from.iter().map(|dir| dir.display().to_string()));
    arguments.extend(["-o".to_owned(), to.display().to_string()]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    call(&arguments)
}

/// What is said of the whole.
fn whole(called: &Called) -> Value {
    json_lines(&called.stdout).pop().expect("a last line")
}

/// Everything below a directory, by name, with its content.
fn tree(dir: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(tree(&path)?);
        } else {
            files.push((path.display().to_string(), fs::read(&path)?));
        }
    }
    files.sort();
    Ok(files)
}

#[test]
fn a_smaller_corpus_reaches_the_same_and_is_as_small_as_it_gets() -> Result {
    let (from, to) = (corpus(120)?, tempfile::tempdir()?);
    let before = tree(from.path())?;
    let first = cmin(&[from.path()], to.path());
    assert_eq!(first.status, Some(0), "{}", first.stderr);
    assert_eq!(tree(from.path())?, before);
    let said = whole(&first);
    assert!(
        said["gone"].as_u64() > Some(20) && said["pinned"] == 1,
        "{said}"
    );
    assert!(to.path().join("getppid.json").exists());

    let kept = tree(to.path())?;
    let again = cmin(&[to.path()], to.path());
    let said_again = whole(&again);
    assert_eq!(said_again["gone"], 0, "{said_again}");
    assert_eq!(tree(to.path())?, kept);
    // None of them could go: each has something that no other one has, or is pinned.
    for file in json_lines(&again.stdout)
        .iter()
        .filter(|row| row["file"].is_string())
    {
        let needed = file["features"].as_u64() > Some(0) || file["why"] == "pinned";
        assert!(needed, "{file}");
    }
    for what in ["edges", "signatures"] {
        assert_eq!(said_again[what], said[what]);
    }
    Ok(())
}

#[test]
fn another_corpus_adds_only_what_is_new() -> Result {
    let (home, other) = (corpus(40)?, corpus(60)?);
    let alone = whole(&cmin(&[home.path()], home.path()));
    let merged = whole(&cmin(&[home.path(), other.path()], home.path()));
    assert!(
        merged["edges"].as_u64() > alone["edges"].as_u64(),
        "{alone} {merged}"
    );
    // The first forty of the other are those that home had.
    let added = fs::read_dir(home.path().join("found"))?.count();
    assert!((1..=20).contains(&added), "{added}");
    let nothing_new = whole(&cmin(&[home.path(), other.path()], home.path()));
    assert_eq!(nothing_new["edges"], merged["edges"]);
    assert_eq!(nothing_new["stay"], merged["stay"]);
    Ok(())
}

#[test]
fn what_is_no_scenario_is_named_and_left_alone() -> Result {
    let folder = corpus(10)?;
    let hostile = folder.path().join("a\u{1b}[2J.json");
    fs::write(&hostile, "{\"ctxfuzz\": 1, \"stage\"")?;
    let called = cmin(&[folder.path()], folder.path());
    assert_eq!(called.status, Some(2));
    assert!(
        called.stderr.contains(r"a\u{1b}[2J.json"),
        "{}",
        called.stderr
    );
    assert!(hostile.exists());
    assert_eq!(whole(&called)["unread"], 1);
    Ok(())
}

#[test]
fn a_dry_run_does_nothing() -> Result {
    let (from, to) = (corpus(30)?, tempfile::tempdir()?);
    let to = to.path().join("new");
    let arguments = [
        "cmin",
        "--dry-run",
        &from.path().display().to_string(),
        "-o",
        &to.display().to_string(),
    ];
    let called = call(&arguments);
    assert_eq!(called.status, Some(0), "{}", called.stderr);
    assert!(
        called.stdout.contains("gone  ") && called.stdout.ends_with("(nothing was done)\n"),
        "{}",
        called.stdout
    );
    assert!(!to.exists());
    Ok(())
}

/// Files with the same content under the same name elsewhere, in another spelling, or in a
/// directory that is given twice: what stays may not be removed as what goes.
#[test]
fn nothing_is_lost_whatever_the_directories_have_in_common() -> Result {
    let reached = |dir: &Path| {
        let said = whole(&cmin(&[dir], &dir.join("nowhere")));
        (said["edges"].clone(), said["signatures"].clone())
    };
    let scenarios = 30;
    let wanted = {
        let all = corpus(scenarios)?;
        reached(all.path())
    };
    let ready = || -> Result<TempDir> {
        let home = corpus(scenarios)?;
        cmin(&[home.path()], home.path());
        Ok(home)
    };

    let (home, other) = (ready()?, corpus(scenarios)?);
    cmin(&[other.path(), home.path()], home.path());
    assert_eq!(reached(home.path()), wanted, "the same names, home last");

    let (home, other) = (tempfile::tempdir()?, corpus(scenarios)?);
    cmin(&[other.path()], home.path());
    for entry in fs::read_dir(other.path())? {
        let path = entry?.path();
        let compact: Value = serde_json::from_str(&fs::read_to_string(&path)?)?;
        fs::write(&path, compact.to_string())?;
    }
    cmin(&[home.path(), other.path()], home.path());
    assert_eq!(reached(home.path()), wanted, "another spelling");

    let (home, other) = (tempfile::tempdir()?, corpus(scenarios)?);
    cmin(&[other.path()], home.path());
    cmin(&[&home.path().join("found"), home.path()], home.path());
    assert_eq!(reached(home.path()), wanted, "one in the other");

    let home = ready()?;
    let called = cmin(&[home.path(), home.path()], home.path());
    assert_eq!(called.status, Some(0), "{}", called.stderr);
    assert_eq!(reached(home.path()), wanted, "given twice");
    Ok(())
}

#[test]
fn one_kernel_has_its_coverage_and_the_kinds_of_its_violations() -> Result {
    let from = corpus(60)?;
    let on = |kernel: &str| -> Result<Value> {
        let to = tempfile::tempdir()?;
        let called = cmin_on(&["--kernel", kernel], &[from.path()], to.path());
        assert_eq!(called.status, Some(0), "{}", called.stderr);
        let said = whole(&called);
        assert!(said["gone"].as_u64() > Some(10), "{said}");
        // What stays reaches the same, and all of it is needed.
        let again = cmin_on(&["--kernel", kernel], &[to.path()], to.path());
        let said_again = whole(&again);
        for key in ["edges", "signatures"] {
            assert_eq!(said_again[key], said[key], "{kernel}: {key}");
        }
        assert_eq!(said_again["gone"], 0);
        Ok(said)
    };
    let (bad, good) = (on("clobbering")?, on("repaired")?);
    let kinds = bad["signatures"].as_array().ok_or("no list")?;
    let vsr0 = |kind: &Value| kind.as_str().is_some_and(|kind| kind.ends_with(".vsr0"));
    assert!(kinds.iter().any(vsr0), "{bad}");
    assert_eq!(good["signatures"], serde_json::json!([]), "{good}");
    // Both halves of a pair are counted.
    let to = tempfile::tempdir()?;
    let same = ["--a", "repaired", "--b", "repaired"];
    let pair = whole(&cmin_on(&same, &[from.path()], to.path()));
    let edges = |said: &Value| said["edges"].as_u64().unwrap_or_default();
    assert_eq!(edges(&pair), 2 * edges(&good));
    Ok(())
}
