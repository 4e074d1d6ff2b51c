//! `ctxfuzz`: finds bugs in the code that saves and restores floating-point and vector registers.
//!
//! stdout is for results, stderr for people. Exit status as diff(1): 0 nothing to report, 1 a
//! verdict at or above the `--abi` threshold, 2 trouble: bad input, bad arguments, an emulator
//! fault, a budget, runs that cannot be compared. 141 if whoever read stdout has closed it.

mod commands;
mod registry;
mod shipped;

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use commands::{CLOSED, Command, SKIP, TROUBLE};

/// Differential fuzzer for the floating-point context save paths of Linux/powerpc.
#[derive(Debug, Parser)]
#[command(name = "ctxfuzz", version, propagate_version = true)]
#[command(
    after_help = "Exit status: 0 nothing to report, 1 something to report, 2 trouble (bad input or arguments, emulator fault, budget, runs that cannot be compared)."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let (status, bisects) = match Arguments::try_parse() {
        Ok(arguments) => (execute(&arguments.command), arguments.command.bisects()),
        // Arguments that cannot be read say nothing about a commit either.
        Err(error) => (usage(&error), env::args_os().any(|word| word == "--bisect")),
    };
    match bisects && status == ExitCode::from(TROUBLE) {
        true => ExitCode::from(SKIP),
        false => status,
    }
}

fn execute(command: &Command) -> ExitCode {
    command.execute().unwrap_or_else(|error| {
        if is_broken_pipe(&error) {
            return ExitCode::from(CLOSED);
        }
        commands::complain(&commands::one_line(&error));
        ExitCode::from(TROUBLE)
    })
}

/// Help and version are results; anything else is a mistake that fits on one line.
fn usage(error: &clap::Error) -> ExitCode {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        let shown = error.print().and_then(|()| io::stdout().flush());
        return match shown {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(CLOSED),
            Err(_) => ExitCode::from(TROUBLE),
        };
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        commands::complain("a command is missing; `ctxfuzz --help` lists them");
        return ExitCode::from(TROUBLE);
    }
    let rendered = error.to_string();
    let message = rendered
        .lines()
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"))
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<&str>>()
        .join(" ")
        .replace(" tip: ", "; ");
    let message = message.strip_prefix("error: ").unwrap_or(&message);
    commands::complain(&format!("{message}; see `ctxfuzz --help`"));
    ExitCode::from(TROUBLE)
}

/// Whoever read our output has seen enough; that is no news to anybody.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}
