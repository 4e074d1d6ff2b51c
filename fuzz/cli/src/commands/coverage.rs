//! `ctxfuzz coverage`: which functions and lines of a kernel scenarios go through.

mod page;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::lines::{Executed, Lines};
use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_emulator::kernel::symbols::Symbols;
use ctxfuzz_emulator::machine::Options;
use ctxfuzz_emulator::run::Runner;
use ctxfuzz_generators::{random_scenario, rare_scenario};
use ctxfuzz_scenario::Scenario;
use ctxfuzz_triage::identity::Identity;
use ctxfuzz_triage::inconclusive::{Inconclusive, Tally};
use ctxfuzz_triage::kernels::Kernels;
use ctxfuzz_triage::shortfall::Shortfall;
use serde::Serialize;

use super::arguments::{EndianArgument, of_kernels, parse_kernel};
use super::input::{self, Input};
use super::{Status, functions, proof, warn_of_silence};

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
    /// Random scenarios to run too, every second one with rare events.
    #[arg(long, value_name = "N", default_value_t = 0)]
    random: u64,
    /// List the source lines that nothing reached, as far as the kernel's debug information goes.
    #[arg(long)]
    unreached: bool,
    /// Write the lines as a trace file of lcov, for one byte order.
    #[arg(long, value_name = "FILE")]
    lcov: Option<PathBuf>,
    /// Write a page for a browser, for one byte order: functions, files, and the lines of the
    /// model's source.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// One object a byte order.
    #[arg(long)]
    json: bool,
}

/// What was reached.
#[derive(Debug, Serialize)]
struct Coverage {
    #[serde(flatten)]
    kernel: Identity,
    endian: &'static str,
    scenarios: usize,
    functions: Vec<Function>,
    /// Lines of source that the kernel has and that were reached, without what runs before the
    /// first event.
    lines: usize,
    lines_reached: usize,
    /// Runs that did not come to their end, by reason: they reach less, or more, than they would.
    #[serde(flatten)]
    inconclusive: Tally,
    /// Whether some scenario did not do what it is about.
    #[serde(skip)]
    lacks_effects: bool,
    /// Only if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    unreached: Option<Vec<Unreached>>,
}

/// A line that nothing reached.
#[derive(Debug, Serialize)]
struct Unreached {
    file: String,
    line: u32,
    function: String,
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
    let kernels = Kernels::One(args.kernel.clone());
    let endians = of_kernels(&kernels, args.endian, EndianArgument::Le)?;
    for (option, file) in [("--lcov", &args.lcov), ("--html", &args.html)] {
        let Some(path) = file else {
            continue;
        };
        if endians.len() > 1 {
            bail!("{option}: one file has one kernel: expected one byte order, --endian le or be");
        }
        input::check_output(path)?;
    }
    if !functions::are_known(&inputs, &[&args.kernel])? {
        return Ok(Status::Trouble.into());
    }
    let mut scenarios: Vec<Scenario> = inputs.into_iter().map(|input| input.scenario).collect();
    scenarios.extend((0..args.random).map(|seed| match seed % 2 {
        0 => random_scenario(seed),
        _ => rare_scenario(seed),
    }));
    proof::tell(&[&args.kernel])?;
    let mut out = io::stdout().lock();
    let mut status = Status::Nothing;
    for endian in endians {
        let (mut coverage, lines, symbols) = measure(&args.kernel, endian, &scenarios)?;
        if args.unreached {
            coverage.unreached = Some(unreached(&lines));
        }
        if let Some(path) = &args.lcov {
            input::write_whole(path, &lines.lcov(endian.name()))?;
        }
        if let Some(path) = &args.html {
            let model = args.kernel.vmlinux().is_none();
            input::write_whole(path, &page::page(&coverage, &lines, &symbols, model))?;
        }
        match args.json {
            true => writeln!(out, "{}", serde_json::to_string(&coverage)?)?,
            false => print(&coverage, &mut out)?,
        }
        warn_of_silence(&coverage.inconclusive, coverage.scenarios as u64);
        // A function that nothing reaches may be one of what did not happen.
        if coverage.lacks_effects {
            status.add(Status::Trouble);
        }
    }
    out.flush()?;
    Ok(status.into())
}

fn unreached(lines: &Lines) -> Vec<Unreached> {
    let unreached = lines.unreached().map(|(place, function)| Unreached {
        file: place.file.clone(),
        line: place.line,
        function: function.to_owned(),
    });
    unreached.collect()
}

fn measure(
    kernel: &KernelName,
    endian: Endian,
    scenarios: &[Scenario],
) -> anyhow::Result<(Coverage, Lines, Symbols)> {
    let options = Options {
        collect_blocks: true,
        ..Options::default()
    };
    let mut runner = Runner::with_options(kernel, endian, options)?;
    let symbols = runner.symbols()?;
    let mut reached: BTreeMap<String, Reached> = BTreeMap::new();
    // What only the boot runs is reached, though by no scenario.
    let mut executed = Executed::default();
    executed.add(runner.kernel_blocks());
    let mut inconclusive = Tally::default();
    let mut lacks_effects = false;
    for scenario in scenarios {
        let outcome = runner.run(scenario);
        let shortfall = Shortfall::of(scenario, &outcome.effects);
        lacks_effects |= shortfall.is_some();
        let lacks = |shortfall| Inconclusive::DidNotHappen {
            side: None,
            shortfall,
        };
        let why = Inconclusive::of_end(None, &outcome).or(shortfall.map(lacks));
        why.iter().for_each(|why| inconclusive.add(why));
        let mut here = BTreeSet::new();
        executed.add(runner.kernel_blocks());
        for (&block, times) in runner.kernel_blocks() {
            let Some(function) = symbols.function_at(block.0) else {
                continue;
            };
            let entry = reached.entry(function.name.to_string()).or_default();
            entry.blocks.insert(block.0);
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
    let lines = Lines::new(&symbols, &executed);
    let (all, lines_reached) = lines.counts();
    let coverage = Coverage {
        kernel: Identity::of(kernel)?,
        endian: endian.name(),
        scenarios: scenarios.len(),
        lacks_effects,
        functions: functions.collect(),
        lines: all,
        lines_reached,
        inconclusive,
        unreached: None,
    };
    Ok((coverage, lines, symbols))
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
    if let Some(line) = coverage.inconclusive.line(coverage.scenarios as u64) {
        writeln!(out, "{line}")?;
    }
    if coverage.lines > 0 {
        let part = 100.0 * coverage.lines_reached as f64 / coverage.lines as f64;
        let (reached, all) = (coverage.lines_reached, coverage.lines);
        writeln!(out, "{reached} of {all} lines of source ({part:.1} %)")?;
    }
    writeln!(out, "\nblocks  scenarios  executions  function")?;
    for function in &coverage.functions {
        writeln!(
            out,
            "{:6}  {:9}  {:10}  {}",
            function.blocks, function.scenarios, function.executions, function.name
        )?;
    }
    if let Some(unreached) = &coverage.unreached {
        writeln!(out, "\nlines that nothing reached")?;
        for line in unreached {
            writeln!(out, "  {}:{}  {}", line.file, line.line, line.function)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reached(events: &str) -> anyhow::Result<Vec<String>> {
        let json = format!(
            r#"{{"ctxfuzz": 1, "stage": {{"tasks": [{{"uses": ["fp"]}}]}}, "events": [{events}]}}"#
        );
        let scenario = Scenario::from_json(&json, "test")?;
        let (coverage, ..) = measure(&"fixed".parse()?, Endian::Little, &[scenario])?;
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

    #[test]
    fn the_page_has_the_models_lines_and_asks_nobody_for_anything() -> anyhow::Result<()> {
        let kernel: KernelName = "fixed".parse()?;
        let json = r#"{"ctxfuzz": 1, "stage": {"tasks": [{"uses": ["fp"]}]}, "events": [{"syscall": {"call": "fork"}}]}"#;
        let scenario = Scenario::from_json(json, "test")?;
        let (coverage, lines, symbols) = measure(&kernel, Endian::Little, &[scenario])?;
        let model = page::page(&coverage, &lines, &symbols, true);
        let row = |text: &str| {
            let line = model.lines().find(|line| line.contains(text));
            line.map(|line| (line.contains("line hit"), line.contains("line miss")))
        };
        assert_eq!(
            row("return kernel_clone(&amp;args);</span>"),
            Some((true, false))
        );
        assert_eq!(row("  create_image();</span>"), Some((false, true)));
        assert!(!model.contains("class=\"warning\""));
        let reached = format!("{} of {} reached", coverage.lines_reached, coverage.lines);
        assert!(model.contains(&reached));
        assert!(!model.contains("://") && !model.contains("<script"));

        // A real kernel's files may be called the same.
        let real = page::page(&coverage, &lines, &symbols, false);
        assert!(real.contains("is not part of ctxfuzz") && !real.contains("<pre"));
        assert!(real.contains("sys_fork") && !real.contains("sys_hibernate"));
        Ok(())
    }
}
