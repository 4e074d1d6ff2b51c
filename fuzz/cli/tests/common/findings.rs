//! A small campaign and what it leaves behind, for the tests of reports.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use serde_json::Value;
use tempfile::TempDir;

use super::{Called, ctxfuzz};

/// What such a campaign finds.
pub const FPU: &str = "save_fpu.f0-is-fpscr";
/// And this.
pub const ALTIVEC: &str = "save_altivec.v0-is-vscr";

/// Calls `ctxfuzz` in a folder.
pub fn call_in(folder: &Path, arguments: &[&str]) -> Called {
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
pub fn campaign(folder: &Path, more: &[&str]) -> Called {
    let arguments = [
        "fuzz",
        "--corpus",
        "corpus",
        "--findings",
        "it's new",
        "--runs",
        "400",
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
pub fn findings() -> TempDir {
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

/// Of findings in JSON.
pub fn signatures(findings: &Value) -> Vec<&str> {
    let findings = findings.as_array().expect("a list").iter();
    findings
        .map(|finding| finding["signature"].as_str().expect("a text"))
        .collect()
}

/// Writes `known.json`.
pub fn known_file(folder: &Path, known: &Value) {
    fs::write(folder.join("known.json"), known.to_string()).expect("a file is written");
}
