//! `ctxfuzz report --mail`: a finding as a mail to the kernel's developers.
//!
//! Puts together what other commands say of it: `check`, `explain`, `matrix` and `confirm`, and
//! what docs/findings has. Not responsible for how the mail looks (the triage crate's
//! `report::mail`).

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use ctxfuzz_confirm::boot::{Answer, Confirmation, Test};
use ctxfuzz_emulator::kernel::snapshot::qemu_version;
use ctxfuzz_triage::blame;
use ctxfuzz_triage::cause::{self, Cause, Explanation};
use ctxfuzz_triage::definedness::Abi;
use ctxfuzz_triage::kernels::Kernels;
use ctxfuzz_triage::matrix::{Cell, State};
use ctxfuzz_triage::report::mail::{self, Mail, Version};
use ctxfuzz_triage::transparency::Judgement;
use ctxfuzz_triage::untrusted;

use super::check::Checker;
use super::input::{Input, check_output, write_or_print};
use super::program::{Kernel, Program, ProgramArguments, load, status};
use super::{Status, complain, functions};
use crate::shipped;

/// Arguments of `ctxfuzz report`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit status: 1 the program shows it on the kernel, 0 it does not, 2 it says nothing, or a repaired kernel does the same; \
the mail says which.")]
pub struct ReportArgs {
    /// Scenario file, or the directory of a finding.
    #[arg(value_name = "SCENARIO|FINDING")]
    scenario: PathBuf,
    /// Plain text as linuxppc-dev gets it, from the subject to the program.
    #[arg(long, required = true)]
    mail: bool,
    /// The kernel that it is about: an uncompressed ppc64 vmlinux, or a Debian package that has
    /// one.
    #[arg(long, value_name = "FILE")]
    vmlinux: PathBuf,
    /// Another version to try, of any byte order; for each, once more. If the kernel has no line
    /// numbers, the cause is told of one of these that has.
    #[arg(long, value_name = "FILE")]
    version: Vec<PathBuf>,
    /// A repaired kernel, on which it must not be reproduced.
    #[arg(long, value_name = "FILE")]
    repaired: Option<PathBuf>,
    /// A git tree of Linux, with tags: which commits last changed the lines of the cause.
    #[arg(long, value_name = "DIR")]
    linux: Option<PathBuf>,
    /// Write the mail to this file instead of stdout.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    program: ProgramArguments,
}

/// A kernel on which the scenario and its program were tried.
struct Tried {
    kernel: Kernel,
    judgement: Judgement,
    confirmation: Confirmation,
}

/// Writes the mail.
pub fn report(args: &ReportArgs) -> anyhow::Result<ExitCode> {
    let input = load(&args.scenario)?;
    if let Some(file) = &args.output {
        check_output(file)?;
    }
    let kernel = Kernel::of(&args.vmlinux)?;
    let name = kernel.name()?;
    if !functions::are_known(std::slice::from_ref(&input), &[&name])? {
        return Ok(Status::Trouble.into());
    }
    let others: Vec<Kernel> = args
        .version
        .iter()
        .map(|f| Kernel::of(f))
        .collect::<Result<_, _>>()?;
    let repaired = args.repaired.as_deref().map(Kernel::of).transpose()?;
    let abi: Abi = args.program.abi.into();
    let judgement = judged(&input, &kernel, abi)?;
    if let Some((status, why)) = nothing(&judgement, abi) {
        complain(&format!("{}: {why}", untrusted::path(&args.scenario)));
        return Ok(status.into());
    }
    let program = Program::of(&args.program, &input, Some(&kernel))?;
    let here = Tried {
        confirmation: program.confirm(&kernel)?,
        judgement,
        kernel,
    };
    let mut tried = Vec::new();
    for kernel in others {
        tried.push(on(args, &input, &program, kernel, &here.kernel)?);
    }
    let repaired = match repaired {
        Some(kernel) => Some(on(args, &input, &program, kernel, &here.kernel)?),
        None => None,
    };
    let text = text(args, &input, &program, &here, &tried, repaired.as_ref())?;
    write_or_print(args.output.as_deref(), &text)?;
    Ok(status(
        &here.confirmation.answer,
        repaired.as_ref().map(|other| &other.confirmation.answer),
    )
    .into())
}

/// Why there is nothing to report, if there is nothing.
fn nothing(judgement: &Judgement, abi: Abi) -> Option<(Status, String)> {
    let cell = Cell::of(judgement);
    let reason = cell.reason.unwrap_or_default();
    match (cell.state, judgement.reported(abi)) {
        (State::Inconclusive | State::DidNotHappen, _) => {
            let why = format!("the run says nothing of the kernel: {reason}");
            Some((Status::Trouble, why))
        }
        (State::NotApplicable, _) => {
            let why = format!("cannot be tried on this kernel: {reason}");
            Some((Status::Trouble, why))
        }
        (_, false) => {
            let why = "no violation on this kernel: nothing to report".to_owned();
            Some((Status::Nothing, why))
        }
        (_, true) => None,
    }
}

fn judged(input: &Input, kernel: &Kernel, abi: Abi) -> anyhow::Result<Judgement> {
    let mut checker = Checker::new(&kernel.name()?);
    Ok(checker.check(&input.scenario, kernel.endian, abi)?)
}

/// Another kernel; one of the other byte order has a program of its own.
fn on(
    args: &ReportArgs,
    input: &Input,
    program: &Program,
    kernel: Kernel,
    first: &Kernel,
) -> anyhow::Result<Tried> {
    let confirmation = match kernel.endian == first.endian {
        true => program.confirm(&kernel)?,
        false => Program::of(&args.program, input, Some(&kernel))?.confirm(&kernel)?,
    };
    Ok(Tried {
        confirmation,
        judgement: judged(input, &kernel, args.program.abi.into())?,
        kernel,
    })
}

fn text(
    args: &ReportArgs,
    input: &Input,
    program: &Program,
    here: &Tried,
    others: &[Tried],
    repaired: Option<&Tried>,
) -> anyhow::Result<String> {
    let explained = explained(input, here)?;
    let signature = explained.as_ref().map(|(_, cause)| cause.signature.clone());
    let known = match &signature {
        Some(signature) => shipped::known(signature)?,
        None => None,
    };
    let (explained, explained_on) = with_lines(input, explained, here, others)?;
    let places = explained
        .as_ref()
        .map_or_else(Vec::new, |(_, cause)| places(cause));
    let candidates = match &args.linux {
        Some(tree) => blame::candidates(tree, &explained_on, &places)?,
        None => Vec::new(),
    };
    let mut versions = vec![version(here, "")];
    versions.extend(others.iter().map(|other| version(other, "")));
    versions.extend(repaired.map(|other| version(other, ", repaired")));
    let is_silent = |other: &&Tried| matches!(other.confirmation.answer, Answer::NotReproduced(_));
    let on_repaired = repaired.filter(is_silent);
    let qemu = qemu_version(&args.program.machine());
    let qemu = qemu.map_or_else(|| "QEMU".to_owned(), |version| format!("QEMU {version}"));
    Ok(mail::text(&Mail {
        release: &here.kernel.release,
        endian: here.kernel.endian,
        scenario: &input.scenario,
        violations: &here.judgement.violations,
        explained: explained
            .as_ref()
            .map(|(explanation, cause)| (explanation, cause)),
        explained_on: &explained_on,
        known,
        ways: &program.ways,
        confirmed: status(
            &here.confirmation.answer,
            repaired.map(|r| &r.confirmation.answer),
        ) == Status::Found,
        machine: &format!("{qemu}: {}", args.program.machine_in_words()),
        repaired: on_repaired.map(|other| &*other.kernel.release),
        versions: &versions,
        candidates: &candidates,
        program_name: &program_name(input),
        program: &program.source,
    }))
}

/// The first cause that the policy is about.
fn explained(input: &Input, tried: &Tried) -> anyhow::Result<Option<(Explanation, Cause)>> {
    let kernels = Kernels::One(tried.kernel.name()?);
    let explanation = cause::explain(&kernels, tried.kernel.endian, &input.scenario)
        .with_context(|| untrusted::path(&tried.kernel.vmlinux))?;
    let worst = explanation.causes.iter().map(|cause| cause.verdict).max();
    let mut causes = explanation.causes.iter();
    let cause = causes.find(|cause| Some(cause.verdict) == worst).cloned();
    Ok(cause.map(|cause| (explanation, cause)))
}

/// The same cause on a kernel that has line numbers, if this one has none.
fn with_lines(
    input: &Input,
    explained: Option<(Explanation, Cause)>,
    here: &Tried,
    others: &[Tried],
) -> anyhow::Result<(Option<(Explanation, Cause)>, String)> {
    let own = here.kernel.release.clone();
    let Some((_, cause)) = &explained else {
        return Ok((explained, own));
    };
    if !places(cause).is_empty() {
        return Ok((explained, own));
    }
    for other in others
        .iter()
        .filter(|other| other.judgement.reported(Abi::Linux))
    {
        let found = self::explained(input, other)?;
        let is_same = |(_, of_other): &(Explanation, Cause)| {
            of_other.signature == cause.signature && !places(of_other).is_empty()
        };
        if found.as_ref().is_some_and(is_same) {
            return Ok((found, other.kernel.release.clone()));
        }
    }
    Ok((explained, own))
}

/// The lines of a cause: who set what is wrong, what was expected, and how the value was lost.
fn places(cause: &Cause) -> Vec<String> {
    let writers = [&cause.writer_b, &cause.writer_a].into_iter().flatten();
    let stops = cause.loss.iter().flat_map(|loss| [&loss.held, &loss.got]);
    let stops = stops.flatten().map(|stop| &stop.writer);
    let mut places: Vec<String> = Vec::new();
    for place in writers
        .chain(stops)
        .filter_map(|writer| writer.source.clone())
    {
        if !places.contains(&place) {
            places.push(place);
        }
    }
    places
}

fn version(tried: &Tried, remark: &str) -> Version {
    let cell = Cell::of(&tried.judgement);
    let late = match (cell.state, cell.not_reached.is_empty()) {
        (State::Silent, false) => "*",
        _ => "",
    };
    let preemption = match tried.kernel.preemptible {
        true => " (PREEMPT)",
        false => "",
    };
    Version {
        release: format!("{}{remark}{preemption}", tried.kernel.release),
        seen: format!("{}{late}", cell.state),
        program: tests(&tried.confirmation),
    }
}

/// What the program did, a line a test.
fn tests(confirmation: &Confirmation) -> Vec<String> {
    if let Answer::Inconclusive(why) = &confirmation.answer {
        return vec![format!("inconclusive: {why}")];
    }
    let test = |(number, test): (usize, &Test)| {
        let name = match (number, test.name.split_once(", by ")) {
            (0, _) => "not disturbed".to_owned(),
            (_, Some((_, way))) => format!("disturbed by {way}"),
            (_, None) => "disturbed".to_owned(),
        };
        match test.skipped {
            true => format!("{name}: was skipped"),
            false => format!(
                "{name}: {} of {} attempts differ",
                test.count.differ, test.count.of
            ),
        }
    };
    confirmation.tests.iter().enumerate().map(test).collect()
}

fn program_name(input: &Input) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let name = input.scenario.name.clone();
    let name = name.filter(|name| !name.is_empty() && name.chars().all(is_plain));
    format!("{}.c", name.as_deref().unwrap_or("test"))
}
