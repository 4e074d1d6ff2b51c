//! `ctxfuzz coverage`: which functions of a kernel scenarios go through.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_emulator::machine::Options;
use ctxfuzz_emulator::run::Runner;
use ctxfuzz_emulator::run::outcome::Endian;
use serde::Serialize;

use super::Status;
use super::arguments::{EndianArgument, endians_of, parse_kernel};
use super::input::{self, Input};

/// Arguments of `ctxfuzz coverage`.
#[derive(Debug, Args)]
pub struct CoverageArgs {
    /// Scenario files, and directories of them.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Kernel: as for `run`.
    #[arg(long, value_name = "KERNEL", default_value = "fixed", value_parser = parse_kernel)]
    kernel: KernelName,
    /// Byte orders to run [default: le, or the one a vmlinux has].
    #[arg(long, value_enum)]
    endian: Option<EndianArgument>,
    /// One object a byte order.
    #[arg(long)]
    json: bool,
}

/// What was reached.
#[derive(Debug, Serialize)]
struct Coverage {
    kernel: String,
    endian: &'static str,
    scenarios: usize,
    functions: Vec<Function>,
}

/// A function that was entered.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Function {
    name: String,
    /// Distinct basic blocks that were executed.
    blocks: usize,
    /// Scenarios that executed one.
    scenarios: usize,
    /// How many blocks were executed, repetitions included.
    executions: u64,
}

/// What is known of a function while scenarios run.
#[derive(Default)]
struct Reached {
    blocks: BTreeSet<u64>,
    scenarios: usize,
    executions: u64,
}

/// Runs, prints a table; exit status 0.
pub fn coverage(args: &CoverageArgs) -> anyhow::Result<ExitCode> {
    let Some(inputs) = Input::load_all(&input::expand(&args.paths)?) else {
        return Ok(Status::Trouble.into());
    };
    let endians = match endians_of(&args.kernel, args.endian)? {
        Some(own) => vec![own],
        None => args.endian.unwrap_or(EndianArgument::Le).endians().to_vec(),
    };
    let mut out = io::stdout().lock();
    for endian in endians {
        let coverage = measure(&args.kernel, endian, &inputs)?;
        match args.json {
            true => writeln!(out, "{}", serde_json::to_string(&coverage)?)?,
            false => print(&coverage, &mut out)?,
        }
    }
    out.flush()?;
    Ok(Status::Nothing.into())
}

fn measure(kernel: &KernelName, endian: Endian, inputs: &[Input]) -> anyhow::Result<Coverage> {
    let options = Options {
        collect_blocks: true,
        ..Options::default()
    };
    let mut runner = Runner::with_options(kernel, endian, options)?;
    let symbols = runner.symbols()?;
    let mut reached: BTreeMap<String, Reached> = BTreeMap::new();
    for input in inputs {
        runner.run(&input.scenario);
        let mut here = BTreeSet::new();
        for (&block, times) in runner.kernel_blocks() {
            let Some(function) = symbols.function_at(block) else {
                continue;
            };
            let entry = reached.entry(function.name.to_string()).or_default();
            entry.blocks.insert(block);
            entry.executions += times;
            entry.scenarios += usize::from(here.insert(function.address));
        }
    }
    let functions = reached.into_iter().map(|(name, reached)| Function {
        name,
        blocks: reached.blocks.len(),
        scenarios: reached.scenarios,
        executions: reached.executions,
    });
    Ok(Coverage {
        kernel: kernel.to_string(),
        endian: endian.name(),
        scenarios: inputs.len(),
        functions: functions.collect(),
    })
}

fn print(coverage: &Coverage, out: &mut impl Write) -> io::Result<()> {
    let blocks: usize = coverage.functions.iter().map(|f| f.blocks).sum();
    writeln!(
        out,
        "{} ({}): {} scenarios reach {} functions, {blocks} basic blocks",
        coverage.kernel,
        coverage.endian,
        coverage.scenarios,
        coverage.functions.len()
    )?;
    writeln!(out, "\nblocks  scenarios  executions  function")?;
    for function in &coverage.functions {
        writeln!(
            out,
            "{:6}  {:9}  {:10}  {}",
            function.blocks, function.scenarios, function.executions, function.name
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ctxfuzz_scenario::scenario::Scenario;

    fn reached(events: &str) -> anyhow::Result<Vec<String>> {
        let json = format!(
            r#"{{"ctxfuzz": 1, "stage": {{"tasks": [{{"uses": ["fp"]}}]}}, "events": [{events}]}}"#
        );
        let input = Input {
            path: "test.json".into(),
            scenario: Scenario::from_json(&json, "test")?,
        };
        let coverage = measure(&"fixed".parse()?, Endian::Little, &[input])?;
        Ok(coverage.functions.into_iter().map(|f| f.name).collect())
    }

    #[test]
    fn a_function_is_reached_by_those_who_call_it_and_by_nobody_else() -> anyhow::Result<()> {
        let has = |functions: &[String], name: &str| functions.iter().any(|f| f == name);
        let without = reached(r#"{"syscall": {"call": "getppid"}}"#)?;
        let with = reached(r#"{"syscall": {"call": "fork"}}"#)?;
        // Tasks of the stage are copied too, but not by this call.
        assert!(has(&without, "copy_process") && has(&with, "copy_process"));
        assert!(
            !has(&without, "sys_fork") && has(&with, "sys_fork"),
            "{with:?}"
        );
        Ok(())
    }
}
