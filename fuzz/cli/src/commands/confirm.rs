//! `ctxfuzz confirm`: a scenario as a plain C program, on a kernel that stock QEMU boots.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use ctxfuzz_confirm::boot::{Answer, Confirmation, Count};
use ctxfuzz_triage::untrusted::shown;
use serde_json::{Value, json};

use super::Status;
use super::input::{check_output, write_whole};
use super::program::{Kernel, Program, ProgramArguments, load, status, words};

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
    #[command(flatten)]
    program: ProgramArguments,
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
    let kernel = args.vmlinux.as_deref().map(Kernel::of).transpose()?;
    let program = Program::of(&args.program, &input, kernel.as_ref())?;
    if let Some(file) = &args.emit_c {
        write_whole(file, &program.source)?;
    }
    let Some(kernel) = kernel else {
        return Ok(Status::Nothing.into());
    };
    let told = Told {
        scenario: input.name(),
        here: program.confirm(&kernel)?,
        repaired: match &args.repaired {
            Some(repaired) => {
                let repaired = Kernel::of(repaired)?;
                let other = program.confirm(&repaired)?;
                Some((repaired, other))
            }
            None => None,
        },
        how: program.ways,
        kernel,
    };
    let mut out = io::stdout().lock();
    match args.json {
        true => writeln!(out, "{}", told.json())?,
        false => told.print(&mut out)?,
    }
    out.flush()?;
    Ok(told.status().into())
}

/// What is told.
struct Told {
    scenario: String,
    kernel: Kernel,
    how: Vec<&'static str>,
    here: Confirmation,
    repaired: Option<(Kernel, Confirmation)>,
}

impl Told {
    fn status(&self) -> Status {
        let repaired = self.repaired.as_ref().map(|(_, other)| &other.answer);
        status(&self.here.answer, repaired)
    }

    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let endian = self.kernel.endian.name();
        writeln!(
            out,
            "{} ({endian}): {}",
            self.scenario,
            words(&self.here.answer)
        )?;
        writeln!(out, "  kernel: Linux {}", self.kernel.release)?;
        for way in &self.how {
            writeln!(out, "  disturbed by {way}")?;
        }
        tell(out, &self.here)?;
        if let Some((kernel, other)) = &self.repaired {
            writeln!(out, "repaired: {}", words(&other.answer))?;
            writeln!(out, "  kernel: Linux {}", kernel.release)?;
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
        let mut told = confirmation(&self.kernel, &self.here);
        told["scenario"] = json!(self.scenario);
        told["endian"] = json!(self.kernel.endian.name());
        told["disturbed_by"] = json!(self.how);
        if let Some((kernel, other)) = &self.repaired {
            told["repaired"] = confirmation(kernel, other);
        }
        told
    }
}

fn confirmation(kernel: &Kernel, what: &Confirmation) -> Value {
    let (name, count, why) = match &what.answer {
        Answer::Reproduced(count, _) => ("reproduced", Some(count), None),
        Answer::NotReproduced(count) => ("not_reproduced", Some(count), None),
        Answer::Inconclusive(why) => ("inconclusive", None, Some(why)),
    };
    let mut told = json!({
        "answer": name,
        "kernel": format!("Linux {}", kernel.release),
        "tap": what.tap,
    });
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

/// What the program said; where nothing can be concluded, how the console ends.
fn tell(out: &mut impl Write, what: &Confirmation) -> io::Result<()> {
    let lines = match what.answer {
        Answer::Inconclusive(_) => &what.console_end,
        _ => &what.tap,
    };
    for line in lines {
        writeln!(out, "    {}", shown(line))?;
    }
    Ok(())
}
