//! What the tests of the program share.

// Every test file is a program of its own and uses a part of this.
#![allow(dead_code)]

pub mod campaign;
pub mod findings;
pub mod pages;
pub mod schemas;
pub mod shown;
pub mod skips;

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;

#[allow(unused_imports)]
pub use skips::{
    COMPILERS, Parts, bootable, compiles, real, real_kernels, skipped, skipped_in_part,
};

/// The folder that the README is in.
pub fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Where the real kernels are that tests may use.
pub fn kernels() -> PathBuf {
    match std::env::var_os("CTXFUZZ_KERNELS") {
        Some(folder) => folder.into(),
        None => project().join("target/kernels"),
    }
}

/// What cargo knows of this package and all that it is built from.
pub fn metadata() -> Value {
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
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    serde_json::from_slice(&output.stdout).expect("cargo writes JSON")
}

/// `ctxfuzz`, called where a reader of the README would call it. Short names of whoever runs the
/// tests do not count: the folder for configurations is one that is not there.
pub fn ctxfuzz() -> Command {
    let mut command = Command::cargo_bin("ctxfuzz").expect("cargo has built the program");
    let nobodys = project().canonicalize().expect("the project is there");
    command.env("XDG_CONFIG_HOME", nobodys.join("target/no-configuration"));
    command.current_dir(project());
    command
}

/// What a call left behind.
pub struct Called {
    /// Exit status; `None` if a signal ended it.
    pub status: Option<i32>,
    /// Results.
    pub stdout: String,
    /// What people were told.
    pub stderr: String,
}

/// Calls `ctxfuzz`.
pub fn call(arguments: &[&str]) -> Called {
    let output = ctxfuzz()
        .args(arguments)
        .output()
        .expect("the program starts");
    Called {
        status: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("stdout is text"),
        stderr: String::from_utf8(output.stderr).expect("stderr is text"),
    }
}

/// Lines of JSON.
pub fn json_lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// A file of the corpus, from anywhere.
pub fn in_corpus(name: &str) -> String {
    let file = project().join("corpus").join(format!("{name}.json"));
    file.display().to_string()
}

/// All corpus files, in order, as a shell would list them.
pub fn corpus() -> Vec<String> {
    let mut files: Vec<String> = std::fs::read_dir(project().join("corpus"))
        .expect("the corpus is a folder")
        .map(|entry| entry.expect("it lists").file_name())
        .map(|name| format!("corpus/{}", name.to_string_lossy()))
        .filter(|name| name.ends_with(".json"))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}
