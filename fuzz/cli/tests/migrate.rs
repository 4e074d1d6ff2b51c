//! Files that people keep have the signatures of today, or are refused with the command that puts
//! them in.

mod common;

use std::fs;

use common::{ctxfuzz, project};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The file of docs/reports.md.
const OLD: &str = r#"{"known": [{"signature": "restore_math.msr-fp", "reason": "reported"}]}"#;

#[test]
fn an_old_name_is_refused_and_migrated_as_the_page_shows() -> Result {
    let folder = tempfile::tempdir()?;
    let known = folder.path().join("known.json");
    fs::write(&known, OLD)?;
    let scenario = project().join("corpus/preempted-in-sigreturn.json");
    let call = |args: &[&str]| ctxfuzz().current_dir(folder.path()).args(args).output();
    let run = [
        "run",
        "--a",
        "fixed",
        "--b",
        "fixed+repair-sigreturn-reload",
        "--endian",
        "le",
        "--known",
        "known.json",
    ];
    let run = [&run[..], &[scenario.to_str().ok_or("a path")?]].concat();
    let called = call(&run)?;
    assert_eq!(called.status.code(), Some(2));
    let said = String::from_utf8(called.stderr)?;
    assert!(
        said.contains("`restore_math.msr-facility` now: `ctxfuzz migrate known.json`"),
        "{said}"
    );

    let called = call(&["migrate", "known.json"])?;
    assert_eq!(called.status.code(), Some(0));
    let said = String::from_utf8(called.stdout)?;
    assert_eq!(
        said,
        "known.json: restore_math.msr-fp is restore_math.msr-facility\n"
    );
    let page = fs::read_to_string(project().join("docs/reports.md"))?;
    assert!(page.contains(OLD) && page.contains(said.trim_end()));
    // It is known now.
    let called = call(&run)?;
    assert_eq!(called.status.code(), Some(0), "{called:?}");

    let before = fs::read(&known)?;
    let called = call(&["migrate", "known.json"])?;
    let said = String::from_utf8(called.stdout)?;
    assert_eq!(said, "known.json: has the names of today\n");
    assert_eq!(fs::read(&known)?, before);
    Ok(())
}

#[test]
fn what_is_no_such_file_is_left_alone() -> Result {
    let folder = tempfile::tempdir()?;
    let cases = [
        (
            "{\"a\": 1}",
            "other.json: expected a file of known signatures or a SARIF log",
        ),
        ("", "other.json: is empty"),
        ("{", "other.json:1:1: EOF"),
    ];
    for (text, expected) in cases {
        let path = folder.path().join("other.json");
        fs::write(&path, text)?;
        let called = ctxfuzz()
            .current_dir(folder.path())
            .args(["migrate", "other.json"])
            .output()?;
        assert_eq!(called.status.code(), Some(2), "{text}");
        let said = String::from_utf8(called.stderr)?;
        assert!(said.contains(expected), "{said}");
        assert_eq!(fs::read_to_string(&path)?, text);
    }
    let called = ctxfuzz().args(["migrate", "none.json"]).output()?;
    assert_eq!(called.status.code(), Some(2));
    Ok(())
}
