//! The targets as programs: what they end with, what they are told, and that a fuzzing service gets
//! all it wants.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Runs a target on one file. What it leaves behind goes into `folder`.
fn run(target: &str, file: &str, folder: &Path, settings: &[(&str, &str)]) -> Output {
    Command::new(target)
        .arg(format!("-artifact_prefix={}/", folder.display()))
        .arg(project().join(file))
        .envs(settings.iter().copied())
        .output()
        .expect("the target starts")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The first frame of the stack that is printed which has such a name.
fn frame(text: &str) -> Option<&str> {
    let frames = text
        .lines()
        .filter_map(|line| line.trim_start().split_once(": "));
    let mut ours = frames.filter_map(|(number, name)| {
        number.parse::<u32>().ok()?;
        name.rsplit("::")
            .find(|part| part.starts_with("divergence_"))
    });
    ours.next()
}

/// Three defects at once; each of the files shows another one.
fn three_stacks(target: &str, settings: (&str, &str), files: [&str; 3]) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (mut signatures, mut frames) = (BTreeSet::new(), BTreeSet::new());
    for file in files {
        let file = format!("corpus/{file}.json");
        let settings = [settings, ("RUST_BACKTRACE", "1")];
        let output = run(target, &file, folder.path(), &settings);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(77), "{file}: {text}");
        let said = text.lines().find_map(|line| line.strip_prefix("ctxfuzz: "));
        let (signature, function) = said.and_then(|said| said.split_once(", in ")).expect(&text);
        assert_eq!(frame(&text), Some(function), "{text}");
        signatures.insert(signature.to_owned());
        frames.insert(function.to_owned());
    }
    assert_eq!(
        (signatures.len(), frames.len()),
        (3, 3),
        "{signatures:?} {frames:?}"
    );
}

#[test]
fn three_defects_at_once_end_in_three_stacks() {
    three_stacks(
        env!("CARGO_BIN_EXE_differential"),
        (
            "CTXFUZZ_A",
            "fixed+save-fpu-clobbers-f0+vscr-not-restored+vrsave-not-saved",
        ),
        [
            "io-worker-on-interrupt-return",
            "vmx_preempt",
            "vrsave-then-fork",
        ],
    );
    three_stacks(
        env!("CARGO_BIN_EXE_transparency"),
        (
            "CTXFUZZ_KERNEL",
            "fixed+save-fpu-clobbers-f0+vscr-not-restored+fpscr-not-restored",
        ),
        [
            "io-worker-on-interrupt-return",
            "vmx_preempt",
            "fpu_preempt",
        ],
    );
}

/// Services that group crashes by their stack keep one of each bug, however it was reached.
#[test]
fn one_kernel_ends_in_the_stack_of_its_bug() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let target = env!("CARGO_BIN_EXE_transparency");
    let said = |kernel: &str, file: &str, known: &str| {
        let settings = [
            ("CTXFUZZ_KERNEL", kernel),
            ("CTXFUZZ_ABI", "linux"),
            ("CTXFUZZ_KNOWN", known),
        ];
        let output = run(
            target,
            &format!("corpus/{file}.json"),
            folder.path(),
            &settings,
        );
        let text = stderr(&output);
        let said = text.lines().find_map(|line| line.strip_prefix("ctxfuzz: "));
        (output.status.code(), said.map(str::to_owned))
    };
    let (kernel, cause) = ("fixed+save-fpu-clobbers-f0", "save_fpu.f0-is-fpscr");
    // A register that a call may change, and one that no interrupt may.
    let ways = ["fork-twice", "io-worker-on-interrupt-return"];
    let [call, interrupt] = ways.map(|file| said(kernel, file, ""));
    assert_eq!(call, interrupt);
    assert_eq!(call.0, Some(77));
    let line = call.1.expect("it says what it is");
    assert!(
        line.starts_with(&format!("{cause}, in divergence_")),
        "{line}"
    );
    assert_eq!(said(kernel, ways[1], cause), (Some(0), None));
    assert_eq!(said("repaired", ways[1], ""), (Some(0), None));
    // What has no cause has the name of its kind.
    let (code, line) = said("fixed+fpscr-not-restored", "kvm-pr-run", "");
    let line = line.expect("it says what it is");
    assert_eq!(code, Some(77), "{line}");
    assert!(line.starts_with("live.vcpu.syscall.fpscr, in "), "{line}");
}

#[test]
fn what_is_known_or_no_promise_of_the_abi_ends_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let code = |file: &str, settings: &[(&str, &str)]| {
        let output = run(
            env!("CARGO_BIN_EXE_differential"),
            file,
            folder.path(),
            settings,
        );
        output.status.code()
    };
    let file = "corpus/io-worker-on-interrupt-return.json";
    let known = "save_fpu.f0-is-fpscr,save_altivec.v0-is-vscr";
    assert_eq!(code(file, &[]), Some(77));
    assert_eq!(code(file, &[("CTXFUZZ_KNOWN", known)]), Some(0));
    assert_eq!(code(file, &[("CTXFUZZ_A", "fixed")]), Some(0));
    assert_eq!(code(file, &[("CTXFUZZ_ENDIAN", "be")]), Some(77));
    let fork = "corpus/fork-twice.json";
    assert_eq!(code(fork, &[]), Some(0));
    assert_eq!(code(fork, &[("CTXFUZZ_ABI", "linux")]), Some(77));
}

#[test]
fn wrong_settings_are_told_before_anything_runs() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let targets = [
        (env!("CARGO_BIN_EXE_differential"), "CTXFUZZ_B"),
        (env!("CARGO_BIN_EXE_transparency"), "CTXFUZZ_KERNEL"),
    ];
    for (target, kernel) in targets {
        for (variable, value, expected) in [
            (kernel, "nope", "unknown kernel `nope`"),
            (kernel, "fixed+nope", "unknown defect `nope`"),
            (
                "CTXFUZZ_ABI",
                "ELF",
                "unknown value `ELF`: expected `elf` or `linux`",
            ),
            (
                "CTXFUZZ_ENDIAN",
                "",
                "unknown value ``: expected `le` or `be`",
            ),
        ] {
            let output = run(
                target,
                "corpus/getppid.json",
                folder.path(),
                &[(variable, value)],
            );
            let text = stderr(&output);
            assert_eq!(output.status.code(), Some(2), "{text}");
            assert!(
                text.contains(&format!("{variable}: ")) && text.contains(expected),
                "{text}"
            );
        }
    }
    assert_eq!(fs::read_dir(folder.path()).expect("it lists").count(), 0);
}

/// As a fuzzing service gets them, and runs them: options, dictionaries, seeds; with what was built
/// for this test.
#[test]
fn packed_targets_run_on_their_seeds() {
    let out = tempfile::tempdir().expect("a temporary folder");
    let built = Path::new(env!("CARGO_BIN_EXE_differential")).parent();
    let script = |name: &str| {
        let mut command = Command::new(project().join("fuzz/oss-fuzz").join(name));
        command.env("OUT", out.path());
        command
    };
    let packed = script("pack-targets")
        .arg(built.expect("a folder"))
        .output();
    let packed = packed.expect("the script starts");
    assert!(packed.status.success(), "{}", stderr(&packed));
    let tried = script("try-targets").arg(out.path()).arg("200").output();
    let tried = tried.expect("the script starts");
    assert!(tried.status.success(), "{}", stderr(&tried));
    for target in [
        "differential",
        "scenario_json",
        "transparency",
        "vmlinux_loader",
    ] {
        assert!(stderr(&tried).contains(&format!("{target}: ")), "{target}");
        let options = out.path().join(format!("{target}.options"));
        let options = fs::read_to_string(options).expect("it has options");
        assert!(options.contains("max_len = ") && options.contains("timeout = 25"));
    }
    // A target that reports something is no clean build.
    let report = script("try-targets")
        .arg(out.path())
        .env("CTXFUZZ_KERNEL", "clobbering")
        .output();
    assert_eq!(report.expect("the script starts").status.code(), Some(1));
}

/// The words of the Schema: names of fields, and strings that a field can be. `CTXFUZZ_BLESS=1`
/// writes them.
#[test]
fn the_dictionary_has_the_words_of_the_schema() {
    let mut words = BTreeSet::new();
    let schema = ctxfuzz_scenario::scenario_schema();
    collect(
        &serde_json::from_str(&schema).expect("it is JSON"),
        &mut words,
    );
    let mut dictionary = "# Made by fuzz/tests/targets.rs with CTXFUZZ_BLESS=1.\n".to_owned();
    for word in words {
        dictionary += &format!("\"\\\"{word}\\\"\"\n");
    }
    let file = project().join("fuzz/oss-fuzz/scenario_json.dict");
    if std::env::var_os("CTXFUZZ_BLESS").is_some() {
        fs::write(&file, &dictionary).expect("it is written");
    }
    let there = fs::read_to_string(&file).expect("it reads");
    assert_eq!(there, dictionary, "run with CTXFUZZ_BLESS=1 to rewrite it");
}

fn collect(schema: &Value, words: &mut BTreeSet<String>) {
    let plain = |word: &&str| {
        word.chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
    };
    match schema {
        Value::Array(items) => items.iter().for_each(|item| collect(item, words)),
        Value::Object(fields) => {
            for (name, value) in fields {
                match (name.as_str(), value) {
                    ("properties", Value::Object(properties)) => {
                        words.extend(properties.keys().cloned());
                        properties.values().for_each(|one| collect(one, words));
                    }
                    ("enum", Value::Array(values)) => {
                        let strings = values.iter().filter_map(Value::as_str).filter(plain);
                        words.extend(strings.map(str::to_owned));
                    }
                    ("const", Value::String(word)) => {
                        words.insert(word.clone());
                    }
                    (_, other) => collect(other, words),
                }
            }
        }
        _ => {}
    }
}
