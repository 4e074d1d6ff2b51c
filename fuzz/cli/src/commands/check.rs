//! `ctxfuzz check`: runs scenarios and prints what is not as it should be: a kernel that does not
//! leave a task's registers alone, and, where no kernel is named, what scenarios say of pairs of
//! kernels and does not hold.

mod checker;
mod random;
mod recorded;
mod sweep;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_triage::definedness::Abi;
use ctxfuzz_triage::identity::Identity;
use ctxfuzz_triage::kernels::Kernels;
use ctxfuzz_triage::report::checked::Checked;
use ctxfuzz_triage::transparency::Judgement;
use ctxfuzz_triage::transparency::report::{self, CheckReport, Subject};
use ctxfuzz_triage::untrusted;

pub use self::checker::Checker;
use self::sweep::Sweep;
use super::arguments::{AbiArgument, EndianArgument, of_kernels, parse_kernel};
use super::expect::{self, Rows};
use super::input::{self, Input, check_output, write_whole};
use super::{Status, complain, functions, proof};

/// The kernel that scenarios are run on if none is named: nothing is known to be wrong with it.
const SOUND: &str = "repaired";

/// Arguments of `ctxfuzz check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without --kernel every file is held to its `expect` rows, on the kernels they name, and to the one kernel in which nothing is wrong (`repaired`).
Exit status: 0 every register survived and every row holds, 1 something to report, 2 trouble (bad input or arguments, a file without rows, \
emulator fault, budget, a finding that a fresh machine does not show).")]
pub struct CheckArgs {
    /// Scenario files, and directories of them (every *.json).
    #[arg(required_unless_present = "runs", value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The kernel: `fixed`, `clobbering`, or one of them with `+DEFECT`, `vmlinux:FILE`, or a short
    /// name (`ctxfuzz kernels` lists them) [default: `repaired`, with --expect].
    #[arg(long, value_name = "KERNEL", value_parser = parse_kernel)]
    kernel: Option<KernelName>,
    /// Hold each file to its own `expect` rows too, on the kernels they name.
    #[arg(long, conflicts_with = "runs")]
    expect: bool,
    /// Whose promises count: decides what is reported, never the verdict. Rows have their own.
    #[arg(long, value_enum, default_value = "elf")]
    abi: AbiArgument,
    /// Byte orders to run [default: both, or the one a vmlinux has].
    #[arg(long, value_enum)]
    endian: Option<EndianArgument>,
    /// List violations too that nobody can see.
    #[arg(long, conflicts_with = "runs")]
    all: bool,
    /// Have the late work of each file come at one preemption point after the other: every one of
    /// the function that the file names, or of the event. Says where what happens.
    #[arg(long, conflicts_with_all = ["runs", "expect", "junit", "sarif", "all"], requires = "kernel")]
    sweep: bool,
    /// Random scenarios to run, after the files.
    #[arg(long, value_name = "N", requires = "kernel", value_parser = clap::value_parser!(u64).range(1..))]
    runs: Option<u64>,
    /// Decides the random scenarios.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "runs")]
    seed: u64,
    /// Keep what random scenarios find here, sorted by cause, a directory each, as `ctxfuzz fuzz`
    /// does; and beside it, in DIR-trouble, the first scenarios whose runs say nothing.
    #[arg(long, value_name = "DIR", requires = "runs")]
    findings: Option<PathBuf>,
    /// Write what came of each scenario as JUnit XML too, for continuous integration.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write what is wrong as SARIF 2.1.0 too, at the scenarios' files, for code scanning.
    #[arg(long, value_name = "FILE")]
    sarif: Option<PathBuf>,
    /// One line of JSON a scenario and byte order, then one a row and byte order; of random ones,
    /// one for all.
    #[arg(long)]
    json: bool,
    /// Exit status 125 instead of 2, for `git bisect run`: skip what cannot be tested.
    #[arg(long)]
    pub bisect: bool,
}

impl CheckArgs {
    fn kernel(&self) -> anyhow::Result<KernelName> {
        match &self.kernel {
            Some(kernel) => Ok(kernel.clone()),
            None => Ok(parse_kernel(SOUND)?),
        }
    }

    fn endians(&self, kernel: &KernelName) -> anyhow::Result<Vec<Endian>> {
        let kernels = Kernels::One(kernel.clone());
        of_kernels(&kernels, self.endian, EndianArgument::Both)
    }

    fn holds_rows(&self) -> bool {
        self.expect || self.kernel.is_none()
    }
}

/// Checks, prints, and says by its exit status whether there was anything to report.
pub fn check(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let Some(inputs) = Input::load_all(&input::expand(&args.paths)?) else {
        return Ok(Status::Trouble.into());
    };
    for file in [&args.sarif, &args.junit].into_iter().flatten() {
        check_output(file)?;
    }
    let kernel = args.kernel()?;
    let endians = args.endians(&kernel)?;
    if !functions::are_known(&inputs, &[&kernel])? {
        return Ok(Status::Trouble.into());
    }
    proof::tell(&[&kernel])?;
    let identity = Identity::of(&kernel)?;
    let mut checker = Checker::new(&kernel);
    if args.sweep {
        return sweep(args, &mut checker, &inputs, &endians, &identity);
    }
    let mut checked = Checked::default();
    let mut status = Status::Nothing;
    let mut out = io::stdout().lock();
    for input in &inputs {
        for &endian in &endians {
            let judgement = checker.check(&input.scenario, endian, args.abi.into())?;
            let name = input.name();
            let subject = subject(args, &name, &identity, input, endian);
            print(args, &subject, &judgement, &mut out)?;
            recorded::judgement(&mut checked, &input.path, &subject, &judgement);
            status.add(meaning(&judgement, args.abi.into()));
        }
    }
    if args.holds_rows() {
        status.add(rows(args, &inputs, &mut checked, &mut out)?);
    }
    if let Some(runs) = args.runs {
        let summary = random::check(&mut checker, args, &endians, runs)?;
        match args.json {
            true => writeln!(out, "{}", serde_json::to_string(&summary)?)?,
            false => write!(out, "{summary}")?,
        }
        summary.warn();
        summary.record(&mut checked);
        status.add(summary.status());
    }
    out.flush()?;
    write_reports(args, &checked)?;
    Ok(status.into())
}

/// Sweeps the late work of each file; a file without any is bad input.
fn sweep(
    args: &CheckArgs,
    checker: &mut Checker,
    inputs: &[Input],
    endians: &[Endian],
    kernel: &Identity,
) -> anyhow::Result<ExitCode> {
    let sweep = Sweep {
        abi: args.abi.into(),
        kernel,
        json: args.json,
    };
    let mut status = Status::Nothing;
    let mut out = io::stdout().lock();
    for input in inputs {
        let name = input.name();
        for &endian in endians {
            let swept = sweep.scenario(checker, (&name, &input.scenario), endian, &mut out)?;
            if swept.is_none() {
                let path = untrusted::path(&input.path);
                complain(&format!(
                    "{path}: no work comes late: expected `at` or `after` in `pending` of an event"
                ));
            }
            status.add(swept.unwrap_or(Status::Trouble));
        }
    }
    out.flush()?;
    Ok(status.into())
}

/// Holds the files to their rows. A vmlinux has nothing to do with those: they run in all byte
/// orders, if not told otherwise.
fn rows(
    args: &CheckArgs,
    inputs: &[Input],
    checked: &mut Checked,
    out: &mut impl Write,
) -> anyhow::Result<Status> {
    let mut status = match expect::without_rows(inputs) {
        true => Status::Trouble,
        false => Status::Nothing,
    };
    for input in inputs.iter().filter(|i| i.scenario.expect.is_empty()) {
        recorded::without_rows(checked, input);
    }
    let rows = Rows {
        endians: args.endian.unwrap_or(EndianArgument::Both).endians(),
        json: args.json,
    };
    let held = rows.hold(inputs, out, &mut |input, report| {
        recorded::row(checked, input, report);
    });
    status.add(held?);
    Ok(status)
}

fn write_reports(args: &CheckArgs, checked: &Checked) -> anyhow::Result<()> {
    if let Some(file) = &args.sarif {
        write_whole(file, &format!("{:#}\n", checked.sarif()))?;
    }
    if let Some(file) = &args.junit {
        write_whole(file, &checked.junit()?)?;
    }
    Ok(())
}

fn subject<'a>(
    args: &CheckArgs,
    name: &'a str,
    kernel: &'a Identity,
    input: &'a Input,
    endian: Endian,
) -> Subject<'a> {
    Subject {
        name,
        scenario: &input.scenario,
        endian,
        kernel,
        abi: args.abi.into(),
        all: args.all,
    }
}

fn print(
    args: &CheckArgs,
    subject: &Subject<'_>,
    judgement: &Judgement,
    out: &mut impl Write,
) -> io::Result<()> {
    match args.json {
        true => writeln!(out, "{}", CheckReport::new(subject, judgement).to_line()),
        false => write!(out, "{}", report::text(subject, judgement)),
    }
}

/// What a judgement means for the exit status.
pub fn meaning(judgement: &Judgement, abi: Abi) -> Status {
    match (&judgement.inconclusive, judgement.reported(abi)) {
        // A violation stands, and so does it that something else did not happen.
        _ if !judgement.effects.did_not_happen.is_empty() => Status::Trouble,
        (Some(_), _) => Status::Trouble,
        (None, true) => Status::Found,
        (None, false) => Status::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use ctxfuzz_emulator::run::outcome::End;
    use ctxfuzz_scenario::scenario::Verdict;
    use ctxfuzz_triage::inconclusive::Inconclusive;
    use ctxfuzz_triage::shortfall::EffectsReport;

    use super::*;

    #[test]
    fn what_says_nothing_is_trouble_and_never_a_finding() {
        let judgement = |verdict| Judgement {
            inconclusive: None,
            violations: Vec::new(),
            verdict,
            end: End::Completed,
            spent: None,
            effects: EffectsReport::default(),
        };
        for (verdict, elf, linux) in [
            (Verdict::None, Status::Nothing, Status::Nothing),
            (Verdict::Dead, Status::Nothing, Status::Nothing),
            (Verdict::Abi, Status::Nothing, Status::Found),
            (Verdict::Live, Status::Found, Status::Found),
        ] {
            assert_eq!(meaning(&judgement(verdict), Abi::Elf), elf);
            assert_eq!(meaning(&judgement(verdict), Abi::Linux), linux);
            let withdrawn = judgement(verdict).withdrawn(Inconclusive::NotSeenAgain);
            assert_eq!(meaning(&withdrawn, Abi::Linux), Status::Trouble);
        }
    }
}
