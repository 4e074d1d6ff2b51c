//! What is called like a scenario file and is none: in a directory it is named and skipped, and
//! nobody waits for it. And results that nobody reads any more.

#![cfg(unix)]

mod common;

use std::fs;
use std::process;
use std::time::Duration;

use common::{ctxfuzz, project};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Much longer than any of these takes, and less than forever.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_pipe_in_a_directory_is_named_and_skipped() -> Result {
    let folder = tempfile::tempdir()?;
    let dir = folder.path().join("corpus");
    fs::create_dir_all(dir.join("found"))?;
    fs::create_dir(dir.join("folder.json"))?;
    fs::copy(
        project().join("corpus/getppid.json"),
        dir.join("getppid.json"),
    )?;
    for pipe in [dir.join("pipe.json"), dir.join("found/pipe.json")] {
        assert!(
            process::Command::new("mkfifo")
                .arg(pipe)
                .status()?
                .success()
        );
    }
    let quick = ["--endian", "le"];
    for (command, status, pipes) in [
        (vec!["check", "corpus"], 0, 1),
        (vec!["coverage", "corpus"], 0, 1),
        (
            vec![
                "fuzz",
                "--corpus",
                "corpus",
                "--b",
                "clobbering",
                "--runs",
                "20",
            ],
            0,
            2,
        ),
        (vec!["compare", "fixed", "fixed", "--runs", "20"], 0, 2),
        // It is asked to decide about every file.
        (vec!["cmin", "corpus", "-o", "out"], 2, 2),
    ] {
        let output = ctxfuzz()
            .current_dir(folder.path())
            .args(&command)
            .args(quick)
            .timeout(PATIENCE)
            .output()?;
        let stderr = String::from_utf8(output.stderr)?;
        assert_eq!(output.status.code(), Some(status), "{command:?}: {stderr}");
        let skipped = |what: &str| {
            let lines = stderr.lines().filter(|line| line.contains(what));
            lines
                .filter(|line| line.ends_with(": skipped: is not a regular file"))
                .count()
        };
        assert_eq!(skipped("pipe.json"), pipes, "{command:?}: {stderr}");
        assert_eq!(skipped("folder.json"), 1, "{command:?}: {stderr}");
    }
    Ok(())
}

#[test]
fn a_directory_of_pipes_has_no_scenario() -> Result {
    let folder = tempfile::tempdir()?;
    let pipe = folder.path().join("x.json");
    assert!(
        process::Command::new("mkfifo")
            .arg(pipe)
            .status()?
            .success()
    );
    let output = ctxfuzz()
        .args(["check", "--kernel", "fixed"])
        .arg(folder.path())
        .timeout(PATIENCE)
        .output()?;
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr)?;
    assert!(stderr.contains("no scenario in it"), "{stderr}");
    Ok(())
}

/// Whoever names a pipe means it: a shell's `<(...)` is one.
#[test]
fn a_pipe_that_is_named_is_read() -> Result {
    let script = r#""$1" run --endian le --a fixed <(cat corpus/getppid.json)"#;
    let output = process::Command::new("bash")
        .args(["-c", script, "bash", env!("CARGO_BIN_EXE_ctxfuzz")])
        .current_dir(project())
        .output()?;
    let stdout = String::from_utf8(output.stdout)?;
    assert_eq!(output.status.code(), Some(0), "{stdout}");
    assert!(stdout.contains("getppid (le)"), "{stdout}");
    Ok(())
}

/// As of a program that SIGPIPE ends: quiet, and what the pipe ends with is the reader's affair.
#[test]
fn a_reader_who_has_seen_enough_is_no_news() {
    for arguments in [
        &["run", "--json", "corpus/getppid.json"][..],
        &[
            "check",
            "--bisect",
            "--kernel",
            "fixed",
            "corpus/getppid.json",
        ],
        &["defects"],
        &["--help"],
    ] {
        // The reading end is closed before the program starts.
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let output = process::Command::new(env!("CARGO_BIN_EXE_ctxfuzz"))
            .args(arguments)
            .current_dir(project())
            .stdout(writer)
            .stderr(process::Stdio::piped())
            .output()
            .expect("it ends");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
        assert_eq!(output.status.code(), Some(141), "{arguments:?}");
    }
}
