//! `ctxfuzz confirm`: a scenario as a plain C program, on a kernel that stock QEMU boots.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use ctxfuzz_confirm::boot::{self, Answer, Confirmation, Count};
use ctxfuzz_confirm::plan::{Plan, plan};
use ctxfuzz_confirm::program::program;
use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_emulator::kernel::snapshot::{BootOptions, describe};
use ctxfuzz_triage::findings;
use serde_json::{Value, json};

use super::arguments::{AbiArgument, parse_kernel};
use super::input::{Input, check_output, write_whole};
use super::{Status, complain};

/// Arguments of `ctxfuzz confirm`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 1 reproduced, 0 not reproduced, 2 inconclusive, with the end of the console."
)]
pub struct ConfirmArgs {
    /// Scenario file, or the directory of a finding.
    #[arg(value_name = "SCENARIO|FINDING")]
    scenario: PathBuf,
    /// The kernel to boot: an uncompressed ppc64 vmlinux, or a Debian package that has one.
    #[arg(long, value_name = "FILE", required_unless_present = "emit_c")]
    vmlinux: Option<PathBuf>,
    /// A repaired kernel, on which it must not be reproduced.
    #[arg(long, value_name = "FILE", requires = "vmlinux")]
    repaired: Option<PathBuf>,
    /// Write the program to this file: C that needs nothing but a C library.
    #[arg(long, value_name = "FILE")]
    emit_c: Option<PathBuf>,
    /// Whose promises count: which registers the program compares.
    #[arg(long, value_enum, default_value = "elf")]
    abi: AbiArgument,
    /// Attempts that the program makes at most [default: 200; 20000 if something has to come in
    /// the middle of an event]. It ends once ten of them differ.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    attempts: Option<u32>,
    /// Processors of the machine; the program keeps to the first.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    cpus: u8,
    /// Let time pass as it does, instead of counting it in instructions: two boots differ then.
    #[arg(long)]
    no_icount: bool,
    /// Memory of the machine in MiB. A kernel with lockdep needs more than 256.
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u64).range(64..=16384))]
    memory: u64,
    /// Seconds that a boot may take in all.
    #[arg(long, value_name = "N", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    /// One object in JSON.
    #[arg(long)]
    json: bool,
}

/// Tries it.
pub fn confirm(args: &ConfirmArgs) -> anyhow::Result<ExitCode> {
    let input = load(&args.scenario)?;
    if let Some(file) = &args.emit_c {
        check_output(file)?;
    }
    let kernel = args.vmlinux.as_deref().map(describe).transpose()?;
    let endian = kernel
        .as_ref()
        .map_or(Endian::Little, |(endian, _)| *endian);
    let plan = planned(args, &input, endian)?;
    let source = program(&plan, &input.name(), args.attempts);
    if let Some(file) = &args.emit_c {
        write_whole(file, &source)?;
    }
    let (Some(vmlinux), Some((_, version))) = (&args.vmlinux, kernel) else {
        return Ok(Status::Nothing.into());
    };
    let options = options(args);
    let told = Told {
        scenario: input.name(),
        version,
        endian,
        how: ways(&plan),
        here: boot::confirm(&source, vmlinux, endian, &options)?,
        repaired: match &args.repaired {
            Some(repaired) => Some(on_repaired(&source, repaired, endian, &options)?),
            None => None,
        },
    };
    let mut out = io::stdout().lock();
    match args.json {
        true => writeln!(out, "{}", told.json())?,
        false => told.print(&mut out)?,
    }
    out.flush()?;
    Ok(told.status().into())
}

/// A finding is what shows it best.
fn load(path: &Path) -> anyhow::Result<Input> {
    if !path.is_dir() {
        return Input::load(path);
    }
    match findings::shows(path) {
        Some(file) => Input::load(&file),
        None => bail!(
            "{}: no finding: expected minimized.json or scenario.json in it",
            path.display()
        ),
    }
}

/// Where to look between events is seen on the model's kernels and on the kernel itself, if ctxfuzz
/// can run it.
fn planned(args: &ConfirmArgs, input: &Input, endian: Endian) -> anyhow::Result<Plan> {
    let mut kernels: Vec<KernelName> = vec![parse_kernel("fixed")?, parse_kernel("clobbering")?];
    if let Some(vmlinux) = &args.vmlinux {
        let real = parse_kernel(&format!("vmlinux:{}", vmlinux.display()))?;
        match real.snapshot() {
            Some(Err(error)) => complain(&format!(
                "the program looks where the model says, as ctxfuzz cannot run the kernel: {}",
                super::one_line(&error.into())
            )),
            _ => kernels.push(real),
        }
    }
    Ok(plan(&input.scenario, endian, args.abi.into(), &kernels)?)
}

fn options(args: &ConfirmArgs) -> BootOptions {
    BootOptions {
        memory_size: args.memory << 20,
        limit: Duration::from_secs(args.limit),
        processors: args.cpus,
        counts_instructions: !args.no_icount,
        ..BootOptions::default()
    }
}

fn on_repaired(
    source: &str,
    repaired: &Path,
    endian: Endian,
    options: &BootOptions,
) -> anyhow::Result<(String, Confirmation)> {
    let (other, version) = describe(repaired)?;
    if other != endian {
        bail!(
            "{}: is {}, and the other kernel {}: expected the same byte order",
            repaired.display(),
            other.name(),
            endian.name()
        );
    }
    Ok((version, boot::confirm(source, repaired, endian, options)?))
}

/// What disturbs the tasks, in words.
fn ways(plan: &Plan) -> Vec<&'static str> {
    let any = |is_it: fn(&ctxfuzz_confirm::plan::Request) -> bool| plan.requests.iter().any(is_it);
    let ways = [
        (
            any(|request| request.late),
            "a SCHED_FIFO process that a timer wakes, swept over the event",
        ),
        (
            plan.has_late_return(),
            "a page of the handler's frame that comes late",
        ),
        (
            any(|request| request.pending.signal.is_some()),
            "a signal from another process",
        ),
        (
            any(|request| request.pending.io_worker),
            "an io_uring worker that asks for another one",
        ),
        (
            any(|request| request.pending.switch.is_some()),
            "another process that runs meanwhile",
        ),
    ];
    let ways = ways.into_iter().filter(|(used, _)| *used);
    ways.map(|(_, way)| way).collect()
}

/// What is told.
struct Told {
    scenario: String,
    version: String,
    endian: Endian,
    how: Vec<&'static str>,
    here: Confirmation,
    repaired: Option<(String, Confirmation)>,
}

impl Told {
    /// What a repaired kernel does too shows nothing.
    fn status(&self) -> Status {
        let repaired = self.repaired.as_ref().map(|(_, other)| &other.answer);
        match (&self.here.answer, repaired) {
            (Answer::Inconclusive(_), _) | (_, Some(Answer::Inconclusive(_))) => Status::Trouble,
            (Answer::Reproduced(..), Some(Answer::Reproduced(..))) => Status::Trouble,
            (Answer::Reproduced(..), _) => Status::Found,
            (Answer::NotReproduced(_), _) => Status::Nothing,
        }
    }

    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let endian = self.endian.name();
        writeln!(
            out,
            "{} ({endian}): {}",
            self.scenario,
            words(&self.here.answer)
        )?;
        writeln!(out, "  kernel: {}", release(&self.version))?;
        for way in &self.how {
            writeln!(out, "  disturbed by {way}")?;
        }
        tell(out, &self.here)?;
        if let Some((version, other)) = &self.repaired {
            writeln!(out, "repaired: {}", words(&other.answer))?;
            writeln!(out, "  kernel: {}", release(version))?;
            tell(out, other)?;
            if matches!(other.answer, Answer::Reproduced(..)) {
                writeln!(
                    out,
                    "The repaired kernel does the same, so this shows nothing."
                )?;
            }
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let mut told = confirmation(&self.version, &self.here);
        told["scenario"] = json!(self.scenario);
        told["endian"] = json!(self.endian.name());
        told["disturbed_by"] = json!(self.how);
        if let Some((version, other)) = &self.repaired {
            told["repaired"] = confirmation(version, other);
        }
        told
    }
}

fn confirmation(version: &str, what: &Confirmation) -> Value {
    let (name, count, why) = match &what.answer {
        Answer::Reproduced(count, _) => ("reproduced", Some(count), None),
        Answer::NotReproduced(count) => ("not_reproduced", Some(count), None),
        Answer::Inconclusive(why) => ("inconclusive", None, Some(why)),
    };
    let mut told = json!({ "answer": name, "kernel": release(version), "tap": what.tap });
    if let Some(Count { differ, of }) = count {
        told["differ"] = json!(differ);
        told["of"] = json!(of);
    }
    if let Some(why) = why {
        told["why"] = json!(why);
        told["console_end"] = json!(what.console_end);
    }
    told
}

fn words(answer: &Answer) -> String {
    match answer {
        Answer::Reproduced(Count { differ, of }, test) => {
            let way = test.split_once(", by ").map_or("", |(_, way)| way);
            let by = if way.is_empty() { "" } else { ", by " };
            format!("reproduced in {differ} of {of} attempts{by}{way}")
        }
        Answer::NotReproduced(Count { of, .. }) => format!("not reproduced in {of} attempts"),
        Answer::Inconclusive(why) => format!("inconclusive: {why}"),
    }
}

/// What the program said; where nothing can be concluded, how the console ends.
fn tell(out: &mut impl Write, what: &Confirmation) -> io::Result<()> {
    let lines = match what.answer {
        Answer::Inconclusive(_) => &what.console_end,
        _ => &what.tap,
    };
    for line in lines {
        writeln!(out, "    {}", ctxfuzz_triage::untrusted::shown(line))?;
    }
    Ok(())
}

/// `Linux version 7.2.13+deb14-powerpc64le (...) ...` without the rest.
fn release(version: &str) -> String {
    let words: Vec<&str> = version.split_whitespace().take(3).collect();
    match words[..] {
        ["Linux", "version", release] => {
            format!("Linux {}", ctxfuzz_triage::untrusted::shown(release))
        }
        _ => ctxfuzz_triage::untrusted::shown(version).to_string(),
    }
}
