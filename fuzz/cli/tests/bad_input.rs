//! Whatever is wrong with what ctxfuzz is given, it says so in one line, exits with 2, prints no
//! result and writes nothing.

mod common;

use std::fs;
use std::path::Path;

use common::call;

fn refused(arguments: &[&str], expected: &str) {
    let called = call(arguments);
    let told = &called.stderr;
    assert_eq!(called.status, Some(2), "{arguments:?}: {told}");
    assert_eq!(called.stdout, "", "{arguments:?}");
    assert_eq!(told.lines().count(), 1, "{arguments:?}: {told}");
    assert!(told.starts_with("ctxfuzz: "), "{arguments:?}: {told}");
    assert!(told.contains(expected), "{arguments:?}: {told}");
    assert!(!told.contains("panicked"), "{arguments:?}: {told}");
}

fn entries(folder: &Path) -> usize {
    fs::read_dir(folder).expect("the folder lists").count()
}

#[test]
fn bad_files_are_named_with_what_is_wrong() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let stage = r#""stage": {"tasks": [{"uses": ["fp"]}]}"#;
    let files = [
        (
            "broken.json",
            r#"{"ctxfuzz": 1,"#.to_owned(),
            "broken.json:1:",
        ),
        (
            "unknown.json",
            format!(r#"{{"ctxfuzz": 1, {stage}, "events": [], "colour": 3}}"#),
            "colour",
        ),
        (
            "register.json",
            format!(r#"{{"ctxfuzz": 1, {stage}, "events": [{{"set": {{"f32": "0x1"}}}}]}}"#),
            "events[0].set: unknown register `f32`: expected f0..f31",
        ),
        ("empty.json", String::new(), "is empty: expected a scenario"),
        ("array.json", "[]".to_owned(), "array.json:1:"),
    ];
    for (name, text, _) in &files {
        fs::write(path(name), text).expect("a file is written");
    }
    fs::write(path("bytes.json"), b"{\xff\xfe").expect("a file is written");
    fs::create_dir(path("folder")).expect("a folder is made");
    let here = entries(folder.path());

    let mut cases: Vec<(String, &str)> = files
        .iter()
        .map(|(name, _, expected)| (path(name), *expected))
        .collect();
    cases.push((path("bytes.json"), "is not UTF-8 text"));
    cases.push((path("folder"), "is a directory: expected a scenario file"));
    cases.push((path("none.json"), "none.json: cannot read it: No such file"));
    let output = path("output.json");
    for (file, expected) in &cases {
        refused(&["run", file], expected);
        refused(&["run", "--json", file], expected);
        refused(&["run", "--expect", file], expected);
        refused(&["explain", file], expected);
        // There a folder is a list of scenarios.
        if !file.ends_with("folder") {
            refused(&["check", "--kernel", "fixed", file], expected);
        }
        refused(&["show", file], expected);
        refused(&["minimize", file, "-o", &output], expected);
    }
    refused(&["run", "corpus"], "corpus: is a directory");
    let empty = path("folder");
    refused(&["check", "--kernel", "fixed", &empty], "no scenario in it");
    assert_eq!(entries(folder.path()), here, "nothing was written");
}

#[cfg(unix)]
#[test]
fn an_unreadable_file_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("locked.json");
    fs::write(&path, "{}").expect("a file is written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).expect("it is locked");
    // Root reads it all the same and finds that it is no scenario; either way it is refused in one
    // line.
    refused(&["run", &path.display().to_string()], "locked.json");
}

#[test]
fn one_bad_file_among_good_ones_stops_everything_before_it_starts() {
    refused(
        &[
            "run",
            "corpus/getppid.json",
            "no-such.json",
            "corpus/fork-twice.json",
        ],
        "no-such.json: cannot read it",
    );
}

#[test]
fn bad_arguments_are_named() {
    let good = "corpus/getppid.json";
    for (arguments, expected) in [
        (vec![], "a command is missing"),
        (vec!["frobnicate"], "unrecognized subcommand 'frobnicate'"),
        (
            vec!["run"],
            "required arguments were not provided: <SCENARIO>",
        ),
        (vec!["run", good, "--frob"], "unexpected argument '--frob'"),
        (
            vec!["run", good, "--endian", "middle"],
            "possible values: le, be, both",
        ),
        (
            vec!["run", good, "--abi", "windows"],
            "possible values: elf, linux",
        ),
        (vec!["run", good, "--a", "fixd"], "unknown kernel `fixd`"),
        (
            vec!["run", good, "--b", "fixed+nope"],
            "unknown defect `nope`",
        ),
        (
            vec!["run", good, "--a", "vmlinux:"],
            "expected `vmlinux:FILE`",
        ),
        (
            vec!["run", good, "--expect", "--abi", "elf"],
            "cannot be used with",
        ),
        (vec!["minimize", good], "--output <FILE>"),
        (
            vec!["minimize", good, "-o", "x", "--budget", "x"],
            "--budget <N>",
        ),
        (vec!["check", "--runs", "5"], "--kernel <KERNEL>"),
        (vec!["check", "--kernel", "fixed"], "<PATH>"),
        (vec!["check"], "<PATH>"),
        (
            vec!["check", "--kernel", "fixed", "--runs", "1", "--expect"],
            "cannot be used with",
        ),
        (
            vec!["check", "--kernel", "fixd", good],
            "unknown kernel `fixd`",
        ),
        (
            vec!["check", "--kernel", "fixed", "--runs", "0"],
            "invalid value '0' for '--runs",
        ),
        (
            vec!["check", "--kernel", "fixed", good, "--findings", "x"],
            "--runs <N>",
        ),
        (
            vec!["check", "--kernel", "fixed", "--runs", "1", "--all"],
            "cannot be used with",
        ),
        (
            vec![
                "check",
                "--kernel",
                "fixed",
                "--runs",
                "1",
                "--findings",
                good,
            ],
            "cannot keep findings in `corpus/getppid.json`: not a directory",
        ),
        (vec!["fuzz", "--runs", "x"], "invalid value 'x' for '--runs"),
        (
            vec![
                "bench",
                "triage",
                "--defect",
                "le-fpr-offset",
                "--endian",
                "be",
            ],
            "--endian: no kernel of that byte order can have these defects",
        ),
    ] {
        refused(&arguments, expected);
    }
}

#[test]
fn what_cannot_be_minimized_is_refused_and_nothing_is_written() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (seed, output) = (
        "corpus/io-worker-on-interrupt-return.json",
        path("small.json"),
    );
    refused(
        &["minimize", "corpus/getppid.json", "-o", &output],
        "nothing to minimize",
    );
    refused(
        &["minimize", seed, "-o", &output, "--budget", "0"],
        "budget of 0",
    );
    refused(
        &["minimize", seed, "-o", &path("no/such/folder.json")],
        "there is no directory",
    );
    let directory = folder.path().display().to_string();
    refused(&["minimize", seed, "-o", &directory], "is a directory");
    assert_eq!(entries(folder.path()), 0, "nothing was written");
}

#[test]
fn expectations_that_cannot_be_held_are_trouble() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("rows.json").display().to_string();
    let scenario = |rows: &str| {
        format!(r#"{{"ctxfuzz": 1, "stage": {{"tasks": [{{}}]}}, "events": []{rows}}}"#)
    };
    fs::write(&path, scenario("")).expect("a file is written");
    refused(&["run", "--expect", &path], "has no `expect` rows");
    let rows = r#", "expect": [{"a": "fixd", "b": "fixed", "verdict": "none", "reported": false}]"#;
    fs::write(&path, scenario(rows)).expect("a file is written");
    refused(&["run", "--expect", &path], "unknown kernel `fixd`");
}

#[cfg(target_os = "linux")]
#[test]
fn results_that_cannot_be_printed_are_trouble() {
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .expect("Linux has it");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_ctxfuzz"))
        .args(["run", "corpus/getppid.json"])
        .current_dir(common::project())
        .stdout(full)
        .output()
        .expect("the program starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(
        told.starts_with("ctxfuzz: ") && told.lines().count() == 1,
        "{told}"
    );
}

#[test]
fn help_and_version_are_results() {
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["run", "--help"],
        &["help"],
    ] {
        let called = call(arguments);
        assert_eq!(called.status, Some(0), "{arguments:?}");
        assert_eq!(called.stderr, "", "{arguments:?}");
        assert!(called.stdout.contains("ctxfuzz"), "{arguments:?}");
    }
}

/// Renaming over a pipe or a device would destroy it, and a symbolic link is not the file.
#[test]
fn only_regular_files_are_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo works");
    let corpus =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/fork-twice.json");
    let minimize = |to: &std::path::Path| {
        let mut command = assert_cmd::Command::cargo_bin("ctxfuzz").unwrap();
        command
            .arg("minimize")
            .arg(&corpus)
            .arg("-o")
            .arg(to)
            .output()
            .unwrap()
    };
    let refused = minimize(&fifo);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("is not a regular file"));
    assert!(
        !std::fs::metadata(&fifo).unwrap().is_file(),
        "the pipe is still one"
    );
    let (link, real) = (
        folder.path().join("link.json"),
        folder.path().join("real.json"),
    );
    std::fs::write(&real, "old").unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    assert_eq!(minimize(&link).status.code(), Some(0));
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(std::fs::read_to_string(&real).unwrap().contains("ctxfuzz"));
}

#[test]
fn a_campaign_that_cannot_start_makes_no_directories() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken");
    std::fs::create_dir(&broken).unwrap();
    std::fs::write(
        broken.join("x.json"),
        r#"{"ctxfuzz": 1, "stage": {"tasks": [{"registers": {"f32": 1}}]}, "events": []}"#,
    )
    .unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    for (corpus, findings) in [
        (broken.clone(), folder.path().join("f")),
        (folder.path().join("new"), file.clone()),
    ] {
        let mut command = assert_cmd::Command::cargo_bin("ctxfuzz").unwrap();
        let output = command
            .args(["fuzz", "--runs", "1", "--corpus"])
            .arg(&corpus)
            .arg("--findings")
            .arg(&findings)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
    }
    let mut names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["broken", "file"]);
    assert_eq!(std::fs::read_dir(&broken).unwrap().count(), 1);
}

#[test]
fn a_campaign_of_no_executions_is_refused() {
    for nothing in [["--runs", "0"], ["--seconds", "0"]] {
        let mut command = assert_cmd::Command::cargo_bin("ctxfuzz").unwrap();
        let output = command.arg("fuzz").args(nothing).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "an empty check never passes");
    }
}

#[test]
fn files_that_are_no_kernels_are_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("script"), "#!/bin/sh\n").expect("a file is written");
    fs::write(path("empty"), "").expect("a file is written");
    fs::write(path("packed"), b"\x1f\x8b\x08\0").expect("a file is written");
    fs::write(path("short"), b"\x7fELF\x02\x02\x01").expect("a file is written");
    let here = entries(folder.path());
    let output = path("output");
    let ours = env!("CARGO_BIN_EXE_ctxfuzz");
    for (file, expected) in [
        (path("none").as_str(), "none: cannot read it: No such file"),
        (
            path("script").as_str(),
            "is not an ELF file: expected a vmlinux",
        ),
        (path("empty").as_str(), "is empty: expected a vmlinux"),
        (
            path("packed").as_str(),
            "is a compressed file: unpack it first",
        ),
        (path("short").as_str(), "cannot be read as ELF"),
        (ours, "expected a kernel for ppc64"),
        ("corpus", "is not a regular file: expected a vmlinux"),
    ] {
        refused(&["snapshot", "--vmlinux", file, "-o", &output], expected);
        refused(
            &["snapshot", "--vmlinux", file, "-o", &output, "--json"],
            expected,
        );
    }
    refused(&["snapshot"], "--vmlinux");
    let directory = folder.path().display().to_string();
    refused(
        &["snapshot", "--vmlinux", ours, "-o", &directory],
        "is a directory",
    );
    refused(
        &["snapshot", "--vmlinux", ours, "-o", &path("no/such/folder")],
        "there is no directory",
    );
    assert_eq!(entries(folder.path()), here, "nothing was written");
}

/// That `--endian` does not go with a kernel needs a kernel: `real_bug.rs` has it.
#[test]
fn a_vmlinux_that_cannot_be_read_is_named_wherever_a_kernel_is() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("text"), "no kernel").expect("a file is written");
    let here = entries(folder.path());
    let good = "corpus/getppid.json";
    for (file, expected) in [
        ("none", "none: cannot read it: No such file"),
        ("text", "text: is not an ELF file: expected a vmlinux"),
    ] {
        let kernel = format!("vmlinux:{}", path(file));
        let (output, corpus, findings) = (path("output"), path("corpus"), path("findings"));
        for side in ["--a", "--b"] {
            refused(&["run", good, side, &kernel], expected);
            refused(&["run", good, side, &kernel, "--json"], expected);
            refused(&["run", good, side, &kernel, "--endian", "be"], expected);
            refused(&["explain", good, side, &kernel], expected);
            refused(&["minimize", good, side, &kernel, "-o", &output], expected);
            let folders = ["--corpus", &corpus, "--findings", &findings];
            let fuzz = [&["fuzz", "--runs", "3", side, &kernel], &folders[..]].concat();
            refused(&fuzz, expected);
        }
        refused(&["check", "--kernel", &kernel, good], expected);
        refused(&["check", "--kernel", &kernel, "--runs", "3"], expected);
    }
    assert_eq!(entries(folder.path()), here, "nothing was written");
}

#[test]
fn a_cache_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("file");
    fs::write(&file, "").expect("a file is written");
    let told = |cache: Option<&Path>| {
        let mut command = common::ctxfuzz();
        for variable in ["CTXFUZZ_CACHE", "XDG_CACHE_HOME", "HOME"] {
            command.env_remove(variable);
        }
        if let Some(cache) = cache {
            command.env("CTXFUZZ_CACHE", cache);
        }
        let output = command
            .args(["snapshot", "--vmlinux", "README.md"])
            .output()
            .expect("the program starts");
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).expect("stderr is text")
    };
    assert!(told(None).contains("no folder to keep snapshots in: set CTXFUZZ_CACHE"));
    let under_a_file = told(Some(&file.join("cache")));
    assert!(
        under_a_file.contains("cache: cannot write it: "),
        "{under_a_file}"
    );
}

/// A package, or what is called one, wherever a kernel is named.
#[test]
fn packages_without_a_kernel_are_named_with_what_is_wrong() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cases: [(&str, &[u8], &str); 4] = [
        ("empty.deb", b"", "empty.deb: is no Debian package"),
        ("text.deb", b"text", "text.deb: is no Debian package"),
        ("library.deb", b"!<arch>\n", "but no Debian package"),
        (
            "cut.deb",
            b"!<arch>\ndebian-binary   0           0     0     100644  4         `\n2.0\n",
            "cut.deb: is cut off or damaged",
        ),
    ];
    for (name, bytes, expected) in cases {
        let path = folder.path().join(name).display().to_string();
        fs::write(&path, bytes).expect("a file is written");
        let kernel = format!("vmlinux:{path}");
        let scenario = "corpus/getppid.json";
        refused(&["snapshot", "--vmlinux", &path], expected);
        refused(&["check", "--kernel", &kernel, scenario], expected);
        refused(&["run", "--a", &kernel, "--b", &kernel, scenario], expected);
        refused(&["coverage", "--kernel", &kernel, scenario], expected);
    }
}
