//! Which lines of the model nothing reaches, and why: docs/model-coverage.md is made here
//! (`CTXFUZZ_BLESS=1`) and held to it.
//!
//! Run are the shipped corpus and random scenarios on `fixed`, the corpus with a director, and each
//! defect's kernel on its witness (a control's on the corpus): what only a defect does is part of
//! the model too. All are the same image but for patched words, so lines are the same lines. Little
//! endian.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::defects;
use ctxfuzz_emulator::kernel::lines::{Executed, Lines};
use ctxfuzz_emulator::machine::Options;
use ctxfuzz_emulator::run::Runner;
use ctxfuzz_generators::{random_scenario, rare_scenario};
use ctxfuzz_scenario::scenario::Scenario;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Random scenarios, and as many with rare events.
const RANDOM: u64 = 3_000;

/// Why lines of a function are not reached.
const REASONS: &[(&str, &str)] = &[
    (
        "alignment_exception",
        "An exception of the kernel, or of an instruction that no event has, is a bug of the model.",
    ),
    (
        "altivec_unavailable_common",
        "A facility that is off in the kernel is a bug of it.",
    ),
    (
        "altivec_unavailable_exception",
        "A facility that is off in the kernel is a bug of it.",
    ),
    (
        "arch_dup_task_struct",
        "A `task_struct` as small as Debian's is copied without VMX; the comparison with real kernels does so.",
    ),
    (
        "copy_page",
        "`enter_vmx_ops` never refuses, as nothing copies pages in an interrupt.",
    ),
    (
        "copy_thread",
        "Only a `clone` with a stack of its own, which no event makes.",
    ),
    (
        "data_access_common",
        "The kernel touches no page that is not there.",
    ),
    (
        "director_init",
        "Panics: what is asked for cannot fail, or not twice.",
    ),
    (
        "do_exit",
        "Panics: what is asked for cannot fail, or not twice.",
    ),
    (
        "end_a_sleep",
        "Panics: what is asked for cannot fail, or not twice.",
    ),
    (
        "exc_virt_0x400_instruction_access",
        "No event makes such an exception.",
    ),
    (
        "fp_unavailable_common",
        "A facility that is off in the kernel is a bug of it.",
    ),
    (
        "instruction_access_common",
        "No event makes such an exception.",
    ),
    (
        "kernel_fp_unavailable_exception",
        "A facility that is off in the kernel is a bug of it.",
    ),
    (
        "kernel_thread",
        "Panics: what is asked for cannot fail, or not twice.",
    ),
    ("panic", "No kernel of this run dies so."),
    (
        "park_the_others",
        "Panics: what is asked for cannot fail, or not twice.",
    ),
    (
        "pipe_write",
        "A single write is smaller than the pipe: it never finds it empty and fills it.",
    ),
    (
        "pipe_read",
        "The pipe would have to be full when a reader comes and empty when it looks again, without a byte for it.",
    ),
    (
        "park",
        "The end of an endless loop: parked tasks are never woken.",
    ),
    (
        "io_wqe_worker",
        "The end of an endless loop: a blocked worker sleeps once.",
    ),
    (
        "program_check_exception",
        "An exception of the kernel, or one without a handler, is a bug of the model.",
    ),
    (
        "ptrace_init",
        "Panics: what is asked for cannot fail, or not twice.",
    ),
    ("sys_kill", "Scenarios signal themselves only."),
    (
        "sys_rt_sigreturn",
        "Panics: what is asked for cannot fail, or not twice.",
    ),
    ("unknown_exception", "No event makes such an exception."),
    (
        "vsx_unavailable_common",
        "A facility that is off in the kernel is a bug of it.",
    ),
    (
        "vsx_unavailable_exception",
        "A facility that is off in the kernel is a bug of it.",
    ),
    ("_start", "Where the host starts the model."),
];

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn corpus() -> Result<BTreeMap<String, Scenario>> {
    let mut corpus = BTreeMap::new();
    for entry in std::fs::read_dir(project().join("corpus"))? {
        let path = entry?.path();
        // Campaigns put what they find into a folder beside them.
        if path.is_dir() {
            continue;
        }
        let name = path
            .file_stem()
            .ok_or("a name")?
            .to_string_lossy()
            .into_owned();
        corpus.insert(name, Scenario::load(&path)?);
    }
    Ok(corpus)
}

fn runner(kernel: &str) -> Result<Runner> {
    let options = Options {
        collect_blocks: true,
        ..Options::default()
    };
    Ok(Runner::with_options(
        &kernel.parse()?,
        Endian::Little,
        options,
    )?)
}

fn run<'a>(
    runner: &mut Runner,
    scenarios: impl IntoIterator<Item = &'a Scenario>,
    executed: &mut Executed,
) {
    // What only the boot runs is reached too.
    executed.add(runner.kernel_blocks());
    for scenario in scenarios {
        runner.run(scenario);
        executed.add(runner.kernel_blocks());
    }
}

fn lines() -> Result<Lines> {
    let corpus = corpus()?;
    let mut executed = Executed::default();
    let mut fixed = runner("fixed")?;
    let symbols = fixed.symbols()?;
    let random: Vec<Scenario> = (0..RANDOM)
        .flat_map(|seed| [random_scenario(seed), rare_scenario(seed)])
        .collect();
    run(&mut fixed, corpus.values().chain(&random), &mut executed);
    let mut directed = runner("fixed")?;
    directed.direct();
    run(&mut directed, corpus.values(), &mut executed);
    for defect in defects::all().filter(|defect| defect.applies(Endian::Little)) {
        let [a, b] = defect.pair();
        for kernel in [a, b].iter().filter(|kernel| *kernel != "fixed") {
            let witness = defect.witness.and_then(|witness| corpus.get(witness));
            let mut runner = runner(kernel)?;
            match witness {
                Some(witness) => run(&mut runner, [witness], &mut executed),
                None => run(&mut runner, corpus.values(), &mut executed),
            }
        }
    }
    Ok(Lines::new(&symbols, &executed))
}

fn page(lines: &Lines) -> String {
    let (all, reached) = lines.counts();
    let mut page = format!(
        "# What of the model is never run

<!-- Made by triage/tests/model_coverage.rs: CTXFUZZ_BLESS=1 cargo test --release -p ctxfuzz-triage --test model_coverage -->

A path that no scenario takes is a path in which nothing can be found. This is what is left of the
{all} lines that the model's debug information knows (little endian) after the shipped corpus, {}
random scenarios, the corpus with the task that plays other CPUs (as in comparisons with real
kernels), and every defect's witness on its kernel. `ctxfuzz coverage --unreached` lists lines for
any scenarios and kernel.

Not reached: {} lines, {:.1} %.

| function | lines | why |
|---|---|---|
",
        2 * RANDOM,
        all - reached,
        percent(lines)
    );
    for (function, places) in functions(lines) {
        let places: Vec<String> = places
            .iter()
            .map(|(file, line)| format!("{file}:{line}"))
            .collect();
        let why = REASONS.iter().find(|(name, _)| *name == function);
        let why = why.map_or("UNKNOWN", |(_, why)| why);
        let _ = writeln!(page, "| `{function}` | {} | {why} |", places.join(", "));
    }
    page
}

fn functions(lines: &Lines) -> BTreeMap<&str, BTreeSet<(&str, u32)>> {
    let mut functions: BTreeMap<&str, BTreeSet<(&str, u32)>> = BTreeMap::new();
    for (place, function) in lines.unreached() {
        let places = functions.entry(function).or_default();
        places.insert((&place.file, place.line));
    }
    functions
}

fn percent(lines: &Lines) -> f64 {
    let (all, reached) = lines.counts();
    100.0 * (all - reached) as f64 / all as f64
}

#[test]
fn few_lines_of_the_model_are_never_run_and_each_has_a_reason() -> Result {
    let lines = lines()?;
    let file = project().join("docs/model-coverage.md");
    let made = page(&lines);
    if std::env::var_os("CTXFUZZ_BLESS").is_some() {
        std::fs::write(&file, &made)?;
    }
    let unreached: BTreeSet<&str> = functions(&lines).into_keys().collect();
    let explained: BTreeSet<&str> = REASONS.iter().map(|(function, _)| *function).collect();
    let without: Vec<_> = unreached.difference(&explained).collect();
    let stale: Vec<_> = explained.difference(&unreached).collect();
    assert!(
        without.is_empty() && stale.is_empty(),
        "no reason: {without:?}; reached by now: {stale:?}"
    );
    assert!(percent(&lines) < 3.0, "{:.2} %", percent(&lines));
    assert_eq!(
        std::fs::read_to_string(&file)?,
        made,
        "run with CTXFUZZ_BLESS=1 to rewrite {}",
        file.display()
    );
    Ok(())
}
