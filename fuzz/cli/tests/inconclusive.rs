//! A run that says nothing says why: on real kernels, where there are some, and in what commands
//! print.
//!
//! The model is held to the same in the emulator's tests (`spent`), summaries in the triage
//! crate's.

mod common;

use std::collections::BTreeMap;

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_emulator::machine::Options;
use ctxfuzz_emulator::run::Runner;
use ctxfuzz_emulator::run::outcome::End;
use ctxfuzz_scenario::Scenario;
use serde_json::json;

use common::{call, json_lines};

/// Kernels of `make kernels`, any of which will do.
const KERNELS: [(&str, Endian); 6] = [
    ("fixed-le", Endian::Little),
    ("fixed-be", Endian::Big),
    ("fixed-7.2-le", Endian::Little),
    ("debian", Endian::Little),
    ("debian-6.12", Endian::Little),
    ("debian-7.2", Endian::Little),
];

/// A tenth of the blocks that a run of a real kernel may take. All of the copies take more.
const BUDGET: u64 = 3_000;

/// Task 1 copies through the pipe all the time, after task 0 has been preempted.
fn copies() -> Scenario {
    let copy = r#"{"syscall": {"call": "write", "bytes": 3000}}, {"syscall": {"call": "read", "bytes": 3000}}"#;
    let first = r#"{"interrupt": {"vector": "doorbell", "pending": {"switch": 1}}}"#;
    let events = [vec![first], vec![copy; 120]].concat().join(",");
    let text =
        format!(r#"{{"ctxfuzz": 1, "stage": {{"tasks": [{{}}, {{}}]}}, "events": [{events}]}}"#);
    Scenario::from_json(&text, "inline").expect("it is one")
}

#[test]
fn a_real_kernel_that_is_cut_off_names_the_function_and_the_task() {
    let mut parts = common::Parts::of("who spent a run of a real kernel");
    for (name, endian) in KERNELS {
        let Some([kernel]) = parts.next(common::real([name])) else {
            continue;
        };
        let kernel: KernelName = kernel.parse().expect("it is a name");
        let options = Options {
            budget: BUDGET,
            collect_blocks: true,
            ..Options::default()
        };
        let run = || {
            let runner = Runner::with_options(&kernel, endian, options);
            let mut runner = runner.expect("it runs");
            let outcome = runner.run(&copies());
            (outcome, runner)
        };
        let (outcome, runner) = run();
        assert_eq!(outcome.end, End::Budget, "{name}");
        let spent = outcome.spent.expect("somebody spent it");
        assert_eq!(Some(&spent), run().0.spent.as_ref(), "on any machine");
        assert_eq!(spent.task, "task 1", "{name}: {spent:?}");
        let symbols = runner.symbols().expect("it has symbols");
        let mut blocks: BTreeMap<String, u64> = BTreeMap::new();
        for ((pc, _), times) in runner.kernel_blocks() {
            if let Some(function) = symbols.function_at(*pc) {
                *blocks.entry(function.name.to_string()).or_default() += times;
            }
        }
        let percent = 100 * blocks[&spent.function] / runner.blocks();
        assert!(
            u64::from(spent.in_function).abs_diff(percent) < 10,
            "{name}: {spent:?}, by the blocks {percent} %"
        );
        let most = blocks.values().max().expect("it ran");
        assert!(
            100 * most / runner.blocks() < percent + 5,
            "{name}: {spent:?}"
        );
    }
}

/// Nothing in these runs is inconclusive, and each summary says so to programs.
#[test]
fn summaries_for_programs_count_by_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let scenario = "corpus/getppid.json";
    std::fs::create_dir(path("corpus")).expect("a folder");
    std::fs::copy(
        common::project().join(scenario),
        path("corpus/getppid.json"),
    )
    .expect("a copy");
    let (corpus, findings, status) = (path("corpus"), path("findings"), path("status.json"));
    let same = ["--a", "repaired", "--b", "repaired"];
    let fuzz = [
        &["fuzz"][..],
        &same,
        &["--corpus", &corpus, "--findings", &findings, "--runs", "20"],
        &["--status-json", &status, "--json"],
    ];
    let compare = [
        &["compare", "repaired", "repaired", "--endian", "le"][..],
        &[
            "--corpus",
            &corpus,
            "--findings",
            &findings,
            "--runs",
            "50",
            "--json",
        ],
    ];
    let cmin = [
        &["cmin", &corpus, "-o", &corpus, "--dry-run", "--json"][..],
        &same,
    ];
    let silence = [
        "bench",
        "silence",
        "--runs",
        "5",
        "--control",
        "fixed",
        "--json",
    ];
    for arguments in [
        vec!["check", "--kernel", "repaired", "--runs", "5", "--json"],
        fuzz.concat(),
        compare.concat(),
        cmin.concat(),
        vec!["coverage", scenario, "--json"],
        silence.to_vec(),
    ] {
        let called = call(&arguments);
        assert_eq!(called.status, Some(0), "{arguments:?}: {}", called.stderr);
        let lines = json_lines(&called.stdout);
        let summary = lines.last().expect("a summary");
        assert_eq!(
            summary["inconclusive_by_reason"],
            json!({}),
            "{arguments:?}"
        );
        assert!(!called.stderr.contains("say nothing"), "{}", called.stderr);
    }
    let text = std::fs::read_to_string(status).expect("it was written");
    assert!(text.contains(r#""inconclusive_by_reason":{}"#), "{text}");
}
