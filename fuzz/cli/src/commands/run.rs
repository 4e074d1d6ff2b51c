//! `ctxfuzz run`: replays scenarios on two kernels and prints what differs.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_scenario::scenario::Verdict;
use ctxfuzz_triage::cause;
use ctxfuzz_triage::compare::Comparison;
use ctxfuzz_triage::definedness::Abi;
use ctxfuzz_triage::identity::Identity;
use ctxfuzz_triage::index::{Index, Run};
use ctxfuzz_triage::kernels::Kernels;
use ctxfuzz_triage::known::Known;
use ctxfuzz_triage::report::{self, RunReport, Subject};
use ctxfuzz_triage::shortfall::EffectsReport;

use super::arguments::{AbiArgument, EndianArgument, KernelArguments};
use super::input::{Input, check_output};
use super::pairs::Pairs;
use super::{Status, expect, functions, triage};

/// Arguments of `ctxfuzz run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Scenario files.
    #[arg(required = true, value_name = "SCENARIO")]
    scenarios: Vec<PathBuf>,
    #[command(flatten)]
    kernels: KernelArguments,
    /// Whose promises count: decides what is reported, never the verdict.
    #[arg(long, value_enum, default_value = "elf")]
    abi: AbiArgument,
    /// Byte orders to run [default: both, or the one a vmlinux has].
    #[arg(long, value_enum)]
    endian: Option<EndianArgument>,
    /// List differences too that nobody can see.
    #[arg(long)]
    all: bool,
    /// Reviewed signatures, each with a reason: a file of JSON. They are said, but do not count for
    /// the exit status.
    #[arg(long, value_name = "FILE", conflicts_with = "expect")]
    known: Option<PathBuf>,
    /// Write the signatures as SARIF 2.1.0 too, for code scanning.
    #[arg(long, value_name = "FILE", conflicts_with = "expect")]
    sarif: Option<PathBuf>,
    /// Write the signatures as JUnit XML too, for continuous integration.
    #[arg(long, value_name = "FILE", conflicts_with = "expect")]
    junit: Option<PathBuf>,
    /// Hold each file to its own `expect` rows, on the kernels they name.
    #[arg(long, conflicts_with_all = ["a", "b", "abi", "endian", "all"])]
    expect: bool,
    /// One line of JSON a scenario and byte order; with --expect, a row and byte order.
    #[arg(long)]
    json: bool,
    /// Exit status 125 instead of 2, for `git bisect run`: skip what cannot be tested.
    #[arg(long)]
    pub bisect: bool,
}

/// Replays, prints, and says by its exit status whether there was anything to report.
pub fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let known = triage::known(args.known.as_deref())?;
    let Some(inputs) = Input::load_all(&args.scenarios) else {
        return Ok(Status::Trouble.into());
    };
    if args.expect {
        return Ok(expect::run(&inputs, args.json)?.into());
    }
    if !functions::are_known(&inputs, &[&args.kernels.a, &args.kernels.b])? {
        return Ok(Status::Trouble.into());
    }
    for file in [&args.sarif, &args.junit].into_iter().flatten() {
        check_output(file)?;
    }
    let mut replays = Replays {
        pairs: Pairs::default(),
        known,
        index: Index::of_runs("ctxfuzz run", args.abi.into()),
    };
    let mut status = Status::Nothing;
    let endians = args.kernels.endians(args.endian, EndianArgument::Both)?;
    let mut out = io::stdout().lock();
    for input in &inputs {
        for &endian in &endians {
            status.add(replay(args, &mut replays, input, endian, &mut out)?);
        }
    }
    out.flush()?;
    triage::write(&replays.index, args.sarif.as_deref(), args.junit.as_deref())?;
    Ok(status.into())
}

/// What is kept from one replay to the next.
struct Replays {
    pairs: Pairs,
    known: Known,
    /// For other programs.
    index: Index,
}

/// The causes of what differs.
#[derive(Default)]
struct Causes {
    signatures: Vec<String>,
    /// Those that were reviewed, with their reasons.
    known: Vec<(String, String)>,
    /// Whether all that is reported goes back to them.
    excused: bool,
}

impl Replays {
    /// Recording both runs takes much longer than running them: only for differences that somebody
    /// may ask about.
    fn causes(
        &mut self,
        args: &RunArgs,
        input: &Input,
        endian: Endian,
        hashes: [u64; 2],
        comparison: &Comparison,
    ) -> anyhow::Result<Causes> {
        if let Some(reason) = comparison.reason() {
            self.index.skip(&input.path, &reason.to_string());
        }
        if !comparison.comparable() || comparison.verdict <= Verdict::Dead {
            return Ok(Causes::default());
        }
        let (a, b) = (&args.kernels.a, &args.kernels.b);
        let explanation = cause::explain(&Kernels::pair(a, b), endian, &input.scenario)?;
        let run = Run {
            scenario: &input.path,
            hashes,
            command: &triage::this_command(),
            known: &self.known,
        };
        self.index.add(&run, &explanation);
        if explanation.causes.is_empty() && comparison.reported(args.abi.into()) {
            self.index
                .skip(&input.path, "differs, but no cause was found");
        }
        let (known, excused) = self.known.excuses(&explanation, args.abi.into());
        Ok(Causes {
            signatures: explanation.signatures(),
            known,
            excused,
        })
    }
}

fn replay(
    args: &RunArgs,
    replays: &mut Replays,
    input: &Input,
    endian: Endian,
    out: &mut impl Write,
) -> anyhow::Result<Status> {
    let (a, b) = (&args.kernels.a, &args.kernels.b);
    let pair = replays.pairs.get(a, b, endian)?;
    let paired = pair.run(&input.scenario);
    let hashes = [pair.a.hash(), pair.b.hash()];
    let comparison = paired.comparison;
    let causes = replays.causes(args, input, endian, hashes, &comparison)?;
    let scenario = input.name();
    let (kernel_a, kernel_b) = (Identity::of(a)?, Identity::of(b)?);
    let effects =
        [&paired.a, &paired.b].map(|outcome| EffectsReport::new(&input.scenario, &outcome.effects));
    let subject = Subject {
        scenario: &scenario,
        endian,
        kernel_a: &kernel_a,
        kernel_b: &kernel_b,
        signatures: &causes.signatures,
        known: &causes.known,
        excused: causes.excused,
        abi: args.abi.into(),
        all: args.all,
        effects: &effects,
    };
    match args.json {
        true => writeln!(out, "{}", RunReport::new(&subject, &comparison).to_line())?,
        false => write!(out, "{}", report::text(&subject, &comparison))?,
    }
    for (kernel, outcome) in [a, b].into_iter().zip([&paired.a, &paired.b]) {
        for part in &outcome.effects.not_applicable {
            eprintln!(
                "ctxfuzz: {scenario} ({}): not applicable to {kernel}: {part}",
                endian.name()
            );
        }
    }
    let mut meaning = match causes.excused {
        true => Status::Nothing,
        false => status(&comparison, args.abi.into()),
    };
    // A finding stands, and so does it that something else did not happen.
    if subject
        .effects
        .iter()
        .any(|side| !side.did_not_happen.is_empty())
    {
        meaning.add(Status::Trouble);
    }
    Ok(meaning)
}

/// What a comparison means for the exit status.
pub fn status(comparison: &Comparison, abi: Abi) -> Status {
    match (comparison.comparable(), comparison.reported(abi)) {
        (false, _) => Status::Trouble,
        (true, true) => Status::Found,
        (true, false) => Status::Nothing,
    }
}
