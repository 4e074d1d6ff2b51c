//! What fuzzing services build in, as far as it can be checked without a container: the
//! Dockerfiles, the scripts they run, and the workflows.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text(file: &str) -> String {
    fs::read_to_string(project().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// A Dockerfile's instructions, each on one line.
fn instructions(dockerfile: &str) -> Vec<(String, String)> {
    let lines = dockerfile.lines().filter(|line| !line.starts_with('#'));
    let joined = lines.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
    let words = joined.lines().filter_map(|line| line.split_once(' '));
    words
        .map(|(what, rest)| (what.to_owned(), rest.trim().to_owned()))
        .collect()
}

/// The packages that a Dockerfile installs with apt-get.
fn packages(dockerfile: &str) -> Vec<String> {
    let instructions = instructions(dockerfile);
    let run = instructions.iter().filter(|(what, _)| what == "RUN");
    let commands = run.flat_map(|(_, line)| line.split("&&"));
    let installs = commands.filter_map(|command| command.trim().strip_prefix("apt-get install "));
    installs
        .flat_map(str::split_whitespace)
        .filter(|word| !word.starts_with('-'))
        .map(str::to_owned)
        .collect()
}

/// Without the version in it: `libclang-18-dev` is `libclang-dev`.
fn unversioned(package: &str) -> String {
    let parts = package.split('-');
    let words: Vec<&str> = parts.filter(|part| part.parse::<u32>().is_err()).collect();
    words.join("-")
}

fn environment(dockerfile: &str) -> BTreeMap<String, String> {
    let instructions = instructions(dockerfile);
    let env = instructions.iter().filter(|(what, _)| what == "ENV");
    env.flat_map(|(_, line)| line.split_whitespace())
        .filter_map(|setting| setting.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// What `.ci/setup` tells people on Debian to install for a build.
fn asked_for() -> Vec<String> {
    let setup = text(".ci/setup");
    let line = setup
        .lines()
        .find_map(|line| line.split_once("apt-get install build-essential cmake"))
        .expect(".ci/setup names packages");
    let rest = format!("build-essential cmake{}", line.1);
    rest.trim_end_matches('"')
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}

/// The base image has a compiler for the host, and nothing in it runs the tests, which unpack.
const IN_THE_IMAGE: [&str; 2] = ["build-essential", "unzip"];

/// The minor version of Rust that a nightly of this day is: a release every six weeks, 1.85 on
/// 2025-02-20, and two behind the nightly.
fn minor_of_nightly(date: &str) -> Option<i64> {
    let mut parts = date.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    Some(85 + (days(year, month, day) - days(2025, 2, 20)).div_euclid(42) + 2)
}

/// Days of a civil date from some day on.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = match month > 2 {
        true => (year, month - 3),
        false => (year - 1, month + 9),
    };
    365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day
}

/// What is wrong with a Dockerfile; `context` is the folder whose files it can copy.
fn problems(dockerfile: &str, context: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let mut expect = |holds: bool, what: String| {
        if !holds {
            problems.push(what);
        }
    };
    let instructions = instructions(dockerfile);
    let base = "gcr.io/oss-fuzz-base/base-builder-rust:";
    let from = instructions.first().map(|(_, image)| image.as_str());
    expect(
        from.is_some_and(|image| image.starts_with(base)),
        format!("FROM: expected {base}"),
    );
    for (what, rest) in &instructions {
        let source = rest.split_whitespace().next().unwrap_or_default();
        match what.as_str() {
            "COPY" => expect(
                project().join(context).join(source).exists(),
                format!("COPY: {context} has no {source}"),
            ),
            "WORKDIR" => expect(rest == "$SRC/ctxfuzz", format!("WORKDIR: {rest}")),
            "FROM" | "RUN" | "ENV" => {}
            other => expect(
                false,
                format!("{other}: expected only what is checked here"),
            ),
        }
    }
    let installed = packages(dockerfile);
    let plain: Vec<String> = installed.iter().map(|one| unversioned(one)).collect();
    for package in asked_for() {
        let there = plain.contains(&package) || IN_THE_IMAGE.contains(&package.as_str());
        expect(there, format!("apt-get: {package} is not installed"));
    }
    let environment = environment(dockerfile);
    let has = |package: &str| installed.iter().any(|one| one == package);
    for (variable, before, after, package) in [
        ("CTXFUZZ_CLANG", "/usr/bin/clang-", "", "clang-N"),
        ("CTXFUZZ_LLD", "/usr/bin/ld.lld-", "", "lld-N"),
        ("LIBCLANG_PATH", "/usr/lib/llvm-", "/lib", "libclang-N-dev"),
    ] {
        let value = environment.get(variable).cloned().unwrap_or_default();
        let version = value
            .strip_prefix(before)
            .and_then(|rest| rest.strip_suffix(after));
        let package = package.replace('N', version.unwrap_or("?"));
        expect(
            has(&package),
            format!("{variable}: `{value}` is not of a package that is installed"),
        );
    }
    let wanted = text("Cargo.toml");
    let wanted = wanted
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = \"1."));
    let wanted: i64 = wanted
        .and_then(|rest| rest.split(['.', '"']).next()?.parse().ok())
        .expect("Cargo.toml has a rust-version");
    let toolchain = environment
        .get("RUSTUP_TOOLCHAIN")
        .cloned()
        .unwrap_or_default();
    let found = toolchain
        .strip_prefix("nightly-")
        .and_then(minor_of_nightly);
    expect(
        found.is_some_and(|found| found >= wanted),
        format!("RUSTUP_TOOLCHAIN: {toolchain} is older than Rust 1.{wanted}"),
    );
    let version = |text: &str| {
        let rest = text.split_once("cargo install cargo-fuzz --version ")?.1;
        rest.split_whitespace().next().map(str::to_owned)
    };
    expect(
        version(dockerfile).is_some() && version(dockerfile) == version(&text(".ci/run")),
        "cargo-fuzz: not the version of .ci/run".to_owned(),
    );
    problems
}

const DOCKERFILES: [(&str, &str, &str); 2] = [
    (".clusterfuzzlite", ".", "clusterfuzzlite"),
    ("fuzz/oss-fuzz", "fuzz/oss-fuzz", "oss-fuzz"),
];

#[test]
fn the_dockerfiles_fit_the_project() {
    for (folder, context, _) in DOCKERFILES {
        let dockerfile = text(&format!("{folder}/Dockerfile"));
        assert_eq!(problems(&dockerfile, context), [""; 0], "{folder}");
    }
}

#[test]
fn what_does_not_fit_is_found() {
    let good = text("fuzz/oss-fuzz/Dockerfile");
    for (from, to, expected) in [
        ("base-builder-rust:", "base-builder:", "FROM: "),
        ("COPY build.sh", "COPY biuld.sh", "has no biuld.sh"),
        ("WORKDIR $SRC/ctxfuzz", "WORKDIR $SRC/other", "WORKDIR: "),
        (" cmake ", " ", "cmake is not installed"),
        (" libclang-18-dev", "", "libclang-dev is not installed"),
        ("clang-18 lld-18", "clang-17 lld-18", "CTXFUZZ_CLANG: "),
        ("llvm-18/lib", "llvm-18", "LIBCLANG_PATH: "),
        (
            "nightly-2026-05-20",
            "nightly-2025-06-01",
            "is older than Rust 1.",
        ),
        ("--version 0.13.2", "--version 0.1.0", "cargo-fuzz: "),
        ("WORKDIR", "ADD x y\nWORKDIR", "ADD: "),
    ] {
        assert!(good.contains(from), "{from}");
        let found = problems(&good.replacen(from, to, 1), "fuzz/oss-fuzz");
        assert!(
            found.iter().any(|one| one.contains(expected)),
            "{to}: {found:?}"
        );
    }
    assert_eq!(minor_of_nightly("2025-02-20"), Some(87));
    assert_eq!(minor_of_nightly("2026-05-20"), Some(97));
}

#[test]
fn what_services_run_is_there_and_they_are_told_what_it_is() {
    for (folder, ..) in DOCKERFILES {
        let script = text(&format!("{folder}/build.sh"));
        let place = "exec \"$SRC/ctxfuzz/";
        let run = script.lines().find_map(|line| line.strip_prefix(place));
        let run = run.expect("it runs something").trim_end_matches('"');
        for file in [format!("{folder}/build.sh"), run.to_owned()] {
            let about = fs::metadata(project().join(&file)).expect("it is there");
            assert!(about.permissions().mode() & 0o111 != 0, "{file}");
        }
        let about = text(&format!("{folder}/project.yaml"));
        let under = |key: &str| -> Vec<&str> {
            let lines = about
                .lines()
                .skip_while(|line| line.trim_end() != key)
                .skip(1);
            let rows = lines.map_while(|line| line.strip_prefix("  - "));
            rows.collect()
        };
        assert!(about.lines().any(|line| line == "language: rust"));
        assert_eq!(under("fuzzing_engines:"), ["libfuzzer"]);
        // build-targets takes these.
        let script = text(run);
        for sanitizer in under("sanitizers:") {
            assert!(script.contains(&format!("\n{sanitizer} | ")), "{sanitizer}");
        }
        let image = text(&format!("{folder}/Dockerfile"));
        let system = about
            .lines()
            .find_map(|line| line.strip_prefix("base_os_version: "));
        let tag = system.unwrap_or("v1");
        assert!(
            image.contains(&format!("base-builder-rust:{tag}\n")),
            "{tag}"
        );
    }
}

/// Only a machine with the image's own distribution can say whether it has the packages.
#[test]
fn the_packages_are_in_the_lists_if_there_are_some() {
    let here = fs::read_to_string("/etc/os-release").unwrap_or_default();
    for (folder, _, name) in DOCKERFILES {
        let image = match name {
            "oss-fuzz" => "VERSION_ID=\"24.04\"",
            _ => "VERSION_ID=\"20.04\"",
        };
        if !here.contains(image) {
            // On stderr itself: the harness keeps what a passing test prints.
            let why = "this machine's packages are not those of the image";
            let line = format!("skipped in part: packages of {folder}: {why}\n");
            let _ = std::io::stderr().write_all(line.as_bytes());
            continue;
        }
        for package in packages(&text(&format!("{folder}/Dockerfile"))) {
            let shown = Command::new("apt-cache").args(["show", &package]).output();
            assert!(shown.is_ok_and(|shown| shown.status.success()), "{package}");
        }
    }
}

/// actionlint does not know what the actions of others take.
#[test]
fn the_workflows_tell_the_actions_what_they_take() {
    const BUILD: [&str; 3] = ["language", "sanitizer", "github-token"];
    const RUN: [&str; 5] = [
        "language",
        "sanitizer",
        "mode",
        "fuzz-seconds",
        "github-token",
    ];
    for (file, mode) in [("pr", "code-change"), ("batch", "batch"), ("cron", "prune")] {
        let workflow = text(&format!(".github/workflows/cflite_{file}.yml"));
        let mut steps = workflow
            .split("uses: google/clusterfuzzlite/actions/")
            .skip(1);
        for (action, inputs) in [
            ("build_fuzzers@v1", &BUILD[..]),
            ("run_fuzzers@v1", &RUN[..]),
        ] {
            let step = steps.next().expect("a step");
            assert!(step.starts_with(action), "{file}: {step}");
            let lines = step
                .lines()
                .filter_map(|line| line.strip_prefix("          "));
            let told: Vec<&str> = lines
                .filter_map(|line| Some(line.split_once(": ")?.0))
                .collect();
            assert_eq!(told, inputs, "{file}: {action}");
        }
        assert!(workflow.contains(&format!("mode: {mode}\n")), "{file}");
        assert!(
            workflow.contains("permissions:\n  contents: read\n")
                && workflow.contains("concurrency:\n")
        );
        assert!(!workflow.contains("write"), "{file} may write");
    }
}
