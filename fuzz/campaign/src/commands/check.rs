//! `ctxfuzz check`: runs scenarios on one kernel and prints where it does not leave a task's registers alone.

mod checker;
mod random;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_emulator::run::outcome::Endian;
use ctxfuzz_triage::definedness::Abi;
use ctxfuzz_triage::transparency::Judgement;
use ctxfuzz_triage::transparency::report::{self, CheckReport, Subject};

pub use self::checker::Checker;
use super::Status;
use super::arguments::{AbiArgument, EndianArgument, endians_of, parse_kernel};
use super::input::{self, Input};

/// Arguments of `ctxfuzz check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit status: 0 every register survived, 1 something to report, 2 trouble (bad input or arguments, emulator fault, budget, a \
finding that a fresh machine does not show).")]
pub struct CheckArgs {
    /// Scenario files, and directories of them (every *.json).
    #[arg(required_unless_present = "runs", value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The kernel: `fixed`, `clobbering`, or one of them with `+DEFECT` (`ctxfuzz kernels` lists them), or `vmlinux:FILE`.
    #[arg(long, value_name = "KERNEL", value_parser = parse_kernel)]
    kernel: KernelName,
    /// Whose promises count: decides what is reported, never the verdict.
    #[arg(long, value_enum, default_value = "elf")]
    abi: AbiArgument,
    /// Byte orders to run [default: both, or the one a vmlinux has].
    #[arg(long, value_enum)]
    endian: Option<EndianArgument>,
    /// List violations too that nobody can see.
    #[arg(long, conflicts_with = "runs")]
    all: bool,
    /// Random scenarios to run, after the files.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    runs: Option<u64>,
    /// Decides the random scenarios.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "runs")]
    seed: u64,
    /// Keep the first random scenario of each kind of finding here, as KEY.json.
    #[arg(long, value_name = "DIR", requires = "runs")]
    findings: Option<PathBuf>,
    /// One line of JSON a scenario and byte order; of random ones, one for all.
    #[arg(long)]
    json: bool,
    /// Exit status 125 instead of 2, for `git bisect run`: skip what cannot be tested.
    #[arg(long)]
    pub bisect: bool,
}

impl CheckArgs {
    fn endians(&self) -> anyhow::Result<Vec<Endian>> {
        Ok(match endians_of(&self.kernel, self.endian)? {
            Some(own) => vec![own],
            None => self
                .endian
                .unwrap_or(EndianArgument::Both)
                .endians()
                .to_vec(),
        })
    }
}

/// Checks, prints, and says by its exit status whether there was anything to report.
pub fn check(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let Some(inputs) = Input::load_all(&input::expand(&args.paths)?) else {
        return Ok(Status::Trouble.into());
    };
    let endians = args.endians()?;
    let mut checker = Checker::new(&args.kernel);
    let mut status = Status::Nothing;
    let mut out = io::stdout().lock();
    for input in &inputs {
        for &endian in &endians {
            let judgement = checker.check(&input.scenario, endian, args.abi.into())?;
            print(args, input, endian, &judgement, &mut out)?;
            status.add(meaning(&judgement, args.abi.into()));
        }
    }
    if let Some(runs) = args.runs {
        let summary = random::check(&mut checker, args, &endians, runs)?;
        match args.json {
            true => writeln!(out, "{}", serde_json::to_string(&summary)?)?,
            false => write!(out, "{summary}")?,
        }
        status.add(summary.status());
    }
    out.flush()?;
    Ok(status.into())
}

fn print(
    args: &CheckArgs,
    input: &Input,
    endian: Endian,
    judgement: &Judgement,
    out: &mut impl Write,
) -> io::Result<()> {
    let (name, kernel) = (input.name(), args.kernel.to_string());
    let subject = Subject {
        name: &name,
        scenario: &input.scenario,
        endian,
        kernel: &kernel,
        abi: args.abi.into(),
        all: args.all,
    };
    match args.json {
        true => writeln!(out, "{}", CheckReport::new(&subject, judgement).to_line()),
        false => write!(out, "{}", report::text(&subject, judgement)),
    }
}

/// What a judgement means for the exit status.
fn meaning(judgement: &Judgement, abi: Abi) -> Status {
    match (&judgement.inconclusive, judgement.reported(abi)) {
        (Some(_), _) => Status::Trouble,
        (None, true) => Status::Found,
        (None, false) => Status::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use ctxfuzz_emulator::run::outcome::End;
    use ctxfuzz_scenario::scenario::Verdict;

    use super::*;

    #[test]
    fn what_says_nothing_is_trouble_and_never_a_finding() {
        let judgement = |verdict| Judgement {
            inconclusive: None,
            violations: Vec::new(),
            verdict,
            end: End::Completed,
        };
        for (verdict, elf, linux) in [
            (Verdict::None, Status::Nothing, Status::Nothing),
            (Verdict::Dead, Status::Nothing, Status::Nothing),
            (Verdict::Abi, Status::Nothing, Status::Found),
            (Verdict::Live, Status::Found, Status::Found),
        ] {
            assert_eq!(meaning(&judgement(verdict), Abi::Elf), elf);
            assert_eq!(meaning(&judgement(verdict), Abi::Linux), linux);
            let withdrawn = judgement(verdict).withdrawn("not seen again");
            assert_eq!(meaning(&withdrawn, Abi::Linux), Status::Trouble);
        }
    }
}
