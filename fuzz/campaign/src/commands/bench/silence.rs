//! `ctxfuzz bench silence`: how long the program keeps quiet where nobody can see a difference.
//!
//! Each negative control of the catalogue against the kernel that it is a change of, the second one on a machine that is dirty, and dirty in another way for each scenario. So is
//! `fixed` against itself. Whatever is reported is a false alarm.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use ctxfuzz_emulator::kernel::defects::{self, Severity};
use ctxfuzz_emulator::run::outcome::Endian;
use ctxfuzz_generators::{random_scenario, rare_scenario};
use ctxfuzz_scenario::Scenario;
use ctxfuzz_scenario::scenario::Verdict;
use ctxfuzz_triage::compare::{Comparison, Standing};
use ctxfuzz_triage::pair::Pair;
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::commands::Status;
use crate::commands::arguments::EndianArgument;

/// Arguments of `ctxfuzz bench silence`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit status 0: no false alarm; 1: at least one, its scenario is in --alarms if that was given; 2: a run ended in trouble.")]
pub struct SilenceArgs {
    /// Scenarios for each control and byte order, every second one with rare events.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    runs: u64,
    /// Seed of the first scenario.
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
    /// Only these controls, by the name of the defect; `fixed` for fixed against itself.
    #[arg(long = "control", value_name = "CONTROL")]
    controls: Vec<String>,
    /// Byte orders to run.
    #[arg(long, value_enum, default_value_t = EndianArgument::Both)]
    endian: EndianArgument,
    /// Directory for scenarios that raised an alarm.
    #[arg(long, value_name = "DIR")]
    alarms: Option<PathBuf>,
    /// One object a control and byte order.
    #[arg(long)]
    json: bool,
}

/// What became of a control.
#[derive(Debug, Serialize)]
struct Row {
    control: String,
    endian: &'static str,
    scenarios: u64,
    /// Scenarios in which somebody could see a difference.
    alarms: u64,
    /// Scenarios in which the tasks took turns differently, so that nothing could be compared.
    schedules: u64,
    /// Scenarios that no kernel completed, the same way.
    died: u64,
    /// Runs out of budget, and faults of the emulator.
    trouble: u64,
}

/// Does it.
pub fn silence(args: &SilenceArgs) -> anyhow::Result<ExitCode> {
    let pairs = pairs(&args.controls)?;
    let mut out = std::io::stdout().lock();
    if !args.json {
        writeln!(out, "scenarios  alarms  schedules  died  trouble  control")?;
    }
    let (mut alarms, mut trouble) = (0, 0);
    for (name, [a, b]) in pairs {
        for endian in args.endian.endians() {
            let row = listen(args, &name, [&a, &b], *endian)?;
            alarms += row.alarms;
            trouble += row.trouble;
            match args.json {
                true => writeln!(out, "{}", serde_json::to_string(&row)?)?,
                false => writeln!(
                    out,
                    "{:9}  {:6}  {:9}  {:4}  {:7}  {} ({})",
                    row.scenarios,
                    row.alarms,
                    row.schedules,
                    row.died,
                    row.trouble,
                    row.control,
                    row.endian
                )?,
            }
            out.flush()?;
        }
    }
    Ok(match (alarms, trouble) {
        (1.., _) => Status::Found.into(),
        (_, 1..) => Status::Trouble.into(),
        _ => Status::Nothing.into(),
    })
}

/// Controls and the kernels they are about.
fn pairs(wanted: &[String]) -> anyhow::Result<Vec<(String, [String; 2])>> {
    let mut pairs = vec![("fixed".to_owned(), ["fixed".to_owned(), "fixed".to_owned()])];
    let controls = defects::all().filter(|defect| defect.severity == Severity::Harmless);
    pairs.extend(controls.map(|defect| (defect.id.to_owned(), defect.pair())));
    if let Some(unknown) = wanted
        .iter()
        .find(|name| pairs.iter().all(|(id, _)| id != *name))
    {
        let names: Vec<&str> = pairs.iter().map(|(id, _)| id.as_str()).collect();
        bail!(
            "--control: no control `{unknown}`: expected one of {}",
            names.join(", ")
        );
    }
    if !wanted.is_empty() {
        pairs.retain(|(id, _)| wanted.contains(id));
    }
    Ok(pairs)
}

fn listen(
    args: &SilenceArgs,
    control: &str,
    [a, b]: [&String; 2],
    endian: Endian,
) -> anyhow::Result<Row> {
    let mut pair = Pair::new(&a.parse()?, &b.parse()?, endian)?;
    let mut row = Row {
        control: control.to_owned(),
        endian: endian.name(),
        scenarios: args.runs,
        alarms: 0,
        schedules: 0,
        died: 0,
        trouble: 0,
    };
    for index in 0..args.runs {
        let seed = xxh3_64_with_seed(&index.to_le_bytes(), args.seed);
        let scenario = match index % 2 {
            0 => random_scenario(seed),
            _ => rare_scenario(seed),
        };
        pair.b.dirty(seed);
        let comparison = pair.run(&scenario).comparison;
        match kind(&comparison) {
            Kind::Silent => {}
            Kind::Schedules => row.schedules += 1,
            Kind::Died => row.died += 1,
            Kind::Trouble => row.trouble += 1,
            Kind::Alarm => {
                row.alarms += 1;
                keep(args, control, endian, index, scenario)?;
            }
        }
    }
    Ok(row)
}

enum Kind {
    Silent,
    Alarm,
    Schedules,
    Died,
    Trouble,
}

fn kind(comparison: &Comparison) -> Kind {
    use ctxfuzz_emulator::run::outcome::End;
    let died = |end: &End| matches!(end, End::KernelFault(_) | End::Hang);
    match &comparison.standing {
        Standing::Comparable if comparison.verdict > Verdict::Dead => Kind::Alarm,
        Standing::Comparable => Kind::Silent,
        Standing::DifferentSchedules(_) => Kind::Schedules,
        Standing::Inconclusive(_) if died(&comparison.end_a) && died(&comparison.end_b) => {
            Kind::Died
        }
        Standing::Inconclusive(_) => Kind::Trouble,
    }
}

fn keep(
    args: &SilenceArgs,
    control: &str,
    endian: Endian,
    index: u64,
    scenario: Scenario,
) -> anyhow::Result<()> {
    let Some(folder) = &args.alarms else {
        return Ok(());
    };
    std::fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
    let name = format!("{control}-{}-{index}", endian.name());
    let path = folder.join(format!("{name}.json"));
    let scenario = Scenario {
        name: Some(name),
        ..scenario
    };
    crate::commands::input::write_whole(&path, &scenario.to_json())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(a: &str, b: &str) -> anyhow::Result<Row> {
        let args = SilenceArgs {
            runs: 60,
            seed: 3,
            controls: Vec::new(),
            endian: EndianArgument::Le,
            alarms: None,
            json: false,
        };
        listen(
            &args,
            "a control",
            [&a.to_owned(), &b.to_owned()],
            Endian::Little,
        )
    }

    #[test]
    fn an_alarm_would_be_heard() -> anyhow::Result<()> {
        let loud = row("clobbering", "fixed")?;
        assert!(loud.alarms > 0, "{loud:?}");
        let quiet = row("fixed", "fixed")?;
        assert_eq!((quiet.alarms, quiet.trouble), (0, 0));
        Ok(())
    }

    #[test]
    fn a_control_that_is_none_is_named() {
        let error = pairs(&["clobbering".to_owned()]).map_err(|error| error.to_string());
        let message = error.err().unwrap_or_default();
        assert!(
            message.starts_with("--control: no control `clobbering`: expected one of fixed, "),
            "{message}"
        );
    }
}
