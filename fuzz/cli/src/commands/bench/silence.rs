//! `ctxfuzz bench silence`: how long the program keeps quiet where nobody can see a difference.
//!
//! Each negative control of the catalogue against the kernel that it is a change of, the second one
//! on a machine that is dirty, and dirty in another way for each scenario. So is `fixed` against
//! itself. Whatever is reported is a false alarm.
//!
//! Controls of one kernel are heard together: each scenario is run once on the kernel and once on
//! each of its controls.
//!
//! What is suspected of `fixed` can show what was in the registers before the run. That is no false
//! alarm, but nor does it say anything of a control: it is counted by itself (`known`).

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::defects::{self, Severity};
use ctxfuzz_emulator::run::outcome::Outcome;
use ctxfuzz_emulator::run::user::Compiled;
use ctxfuzz_emulator::run::{Runner, user};
use ctxfuzz_generators::{random_scenario, rare_scenario};
use ctxfuzz_scenario::Scenario;
use ctxfuzz_scenario::scenario::Verdict;
use ctxfuzz_triage::compare::{Comparison, Standing, compare};
use ctxfuzz_triage::inconclusive::{Inconclusive, Tally};
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::commands::arguments::EndianArgument;
use crate::commands::{Status, warn_of_silence};

/// Arguments of `ctxfuzz bench silence`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit status 0: no false alarm; 1: at least one, its scenario is in --alarms if that was given; 2: a run ended in trouble.")]
pub struct SilenceArgs {
    /// Scenarios for each control and byte order, every second one with rare events.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    runs: u64,
    /// Number of the first scenario: a long listening can be done in several sittings.
    #[arg(long, value_name = "N", default_value_t = 0)]
    first: u64,
    /// Seed of the scenarios.
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
    /// Number of the first scenario.
    first: u64,
    scenarios: u64,
    /// Scenarios in which somebody could see a difference.
    alarms: u64,
    /// Scenarios in which somebody could, as `fixed` is suspected of what shows there: `fixed`
    /// itself differs, too, and with every suggested repair nothing does.
    known: u64,
    /// Scenarios in which the tasks took turns differently, so that nothing could be compared.
    schedules: u64,
    /// Scenarios that no kernel completed, the same way.
    died: u64,
    /// Runs out of budget, and faults of the emulator.
    trouble: u64,
    /// Scenarios of these three kinds, by reason.
    #[serde(flatten)]
    inconclusive: Tally,
}

/// Does it.
pub fn silence(args: &SilenceArgs) -> anyhow::Result<ExitCode> {
    let groups = groups(&args.controls)?;
    let mut out = std::io::stdout().lock();
    if !args.json {
        writeln!(
            out,
            "scenarios  alarms  known  schedules  died  trouble  control"
        )?;
    }
    let (mut alarms, mut trouble) = (0, 0);
    let (mut inconclusive, mut scenarios) = (Tally::default(), 0);
    for group in &groups {
        for endian in args.endian.endians() {
            for row in listen(args, group, *endian)? {
                alarms += row.alarms;
                trouble += row.trouble;
                scenarios += row.scenarios;
                inconclusive.merge(&row.inconclusive);
                print(&mut out, &row, args.json)?;
            }
        }
    }
    if let Some(line) = inconclusive.line(scenarios).filter(|_| !args.json) {
        writeln!(out, "{line}")?;
    }
    warn_of_silence(&inconclusive, scenarios);
    Ok(match (alarms, trouble) {
        (1.., _) => Status::Found.into(),
        (_, 1..) => Status::Trouble.into(),
        _ => Status::Nothing.into(),
    })
}

fn print(out: &mut impl Write, row: &Row, json: bool) -> anyhow::Result<()> {
    match json {
        true => writeln!(out, "{}", serde_json::to_string(row)?)?,
        false => writeln!(
            out,
            "{:9}  {:6}  {:5}  {:9}  {:4}  {:7}  {} ({})",
            row.scenarios,
            row.alarms,
            row.known,
            row.schedules,
            row.died,
            row.trouble,
            row.control,
            row.endian
        )?,
    }
    Ok(out.flush()?)
}

/// A kernel, and what nobody should be able to tell from it.
#[derive(Debug)]
struct Group {
    kernel: String,
    /// Each with its name.
    controls: Vec<(String, String)>,
}

/// Controls by the kernel that they are a change of.
fn groups(wanted: &[String]) -> anyhow::Result<Vec<Group>> {
    let mut groups: Vec<Group> = Vec::new();
    let fixed = (FIXED.to_owned(), [FIXED.to_owned(), FIXED.to_owned()]);
    let controls = defects::all().filter(|defect| defect.severity == Severity::Harmless);
    let named = controls.map(|defect| (defect.id.to_owned(), defect.pair()));
    let all: Vec<(String, [String; 2])> = std::iter::once(fixed).chain(named).collect();
    let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    if let Some(unknown) = wanted.iter().find(|name| !names.contains(&name.as_str())) {
        bail!(
            "--control: no control `{unknown}`: expected one of {}",
            names.join(", ")
        );
    }
    for (name, [control, kernel]) in all {
        if !wanted.is_empty() && !wanted.contains(&name) {
            continue;
        }
        match groups.iter_mut().find(|group| group.kernel == kernel) {
            Some(group) => group.controls.push((name, control)),
            None => groups.push(Group {
                kernel,
                controls: vec![(name, control)],
            }),
        }
    }
    Ok(groups)
}

/// The kernel that unconfirmed defects are suspected of.
const FIXED: &str = "fixed";
/// The same without them.
const REPAIRED: &str = "repaired";

/// Whether what differs from this outcome of a kernel on a dirty machine is what `fixed` is
/// suspected of: the kernel differs from itself, and with every suggested repair it does not.
fn is_known(kernel: &str, endian: Endian, case: &Case, outcome: &Outcome) -> anyhow::Result<bool> {
    let run = |kernel: &str, dirt: Option<u64>| {
        let mut runner = Runner::new(&kernel.parse()?, endian)?;
        if let Some(seed) = dirt {
            runner.dirty(seed);
        }
        anyhow::Ok(runner.run_compiled(&case.scenario, &case.compiled))
    };
    let differ = |a: &Outcome, b: &Outcome| kind(&compare(&case.scenario, a, b));
    let itself = differ(&run(kernel, None)?, outcome);
    let repaired = differ(&run(REPAIRED, None)?, &run(REPAIRED, Some(case.seed))?);
    Ok(matches!((itself, repaired), (Kind::Alarm, Kind::Silent)))
}

/// Scenarios that a kernel runs one after the other. More than one, as translated code of one
/// kernel fits into the processor's caches, and that of all does not.
const BATCH: usize = 64;

struct Case {
    index: u64,
    seed: u64,
    scenario: Scenario,
    compiled: Compiled,
}

fn case(args: &SilenceArgs, index: u64, endian: Endian) -> Case {
    let seed = xxh3_64_with_seed(&index.to_le_bytes(), args.seed);
    let scenario = match index % 2 {
        0 => random_scenario(seed),
        _ => rare_scenario(seed),
    };
    Case {
        index,
        seed,
        compiled: user::compile(&scenario, endian),
        scenario,
    }
}

fn listen(args: &SilenceArgs, group: &Group, endian: Endian) -> anyhow::Result<Vec<Row>> {
    let mut kernel = Runner::new(&group.kernel.parse()?, endian)?;
    let mut heard = Vec::new();
    for (name, control) in &group.controls {
        let row = Row {
            control: name.clone(),
            endian: endian.name(),
            first: args.first,
            scenarios: args.runs,
            alarms: 0,
            known: 0,
            schedules: 0,
            died: 0,
            trouble: 0,
            inconclusive: Tally::default(),
        };
        heard.push((Runner::new(&control.parse()?, endian)?, row));
    }
    let last = args.first.saturating_add(args.runs);
    for first in (args.first..last).step_by(BATCH) {
        let batch = first..last.min(first + BATCH as u64);
        let cases: Vec<Case> = batch.map(|index| case(args, index, endian)).collect();
        let run = |case: &Case| {
            kernel.dirty(case.seed);
            kernel.run_compiled(&case.scenario, &case.compiled)
        };
        let outcomes: Vec<Outcome> = cases.iter().map(run).collect();
        for (control, row) in &mut heard {
            for (case, outcome) in cases.iter().zip(&outcomes) {
                let other = control.run_compiled(&case.scenario, &case.compiled);
                let comparison = compare(&case.scenario, &other, outcome);
                let why = comparison.reason();
                why.iter().for_each(|why| row.inconclusive.add(why));
                match kind(&comparison) {
                    Kind::Silent => {}
                    Kind::Schedules => row.schedules += 1,
                    Kind::Died => row.died += 1,
                    Kind::Trouble => row.trouble += 1,
                    Kind::Alarm if is_known(&group.kernel, endian, case, outcome)? => {
                        row.known += 1;
                    }
                    Kind::Alarm => {
                        row.alarms += 1;
                        keep(args, &row.control, endian, case)?;
                    }
                }
            }
        }
    }
    Ok(heard.into_iter().map(|(_, row)| row).collect())
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
        Standing::Inconclusive(Inconclusive::Schedules(_)) => Kind::Schedules,
        Standing::Inconclusive(_) if died(&comparison.end_a) && died(&comparison.end_b) => {
            Kind::Died
        }
        Standing::Inconclusive(_) => Kind::Trouble,
    }
}

fn keep(args: &SilenceArgs, control: &str, endian: Endian, case: &Case) -> anyhow::Result<()> {
    let Some(folder) = &args.alarms else {
        return Ok(());
    };
    std::fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
    let name = format!("{control}-{}-{}", endian.name(), case.index);
    let path = folder.join(format!("{name}.json"));
    let scenario = Scenario {
        name: Some(name),
        ..case.scenario.clone()
    };
    crate::commands::input::write_whole(&path, &scenario.to_json())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(kernel: &str, controls: &[&str], first: u64, runs: u64) -> anyhow::Result<Vec<Row>> {
        let args = SilenceArgs {
            runs,
            first,
            seed: 3,
            controls: Vec::new(),
            endian: EndianArgument::Le,
            alarms: None,
            json: false,
        };
        let group = Group {
            kernel: kernel.to_owned(),
            controls: controls
                .iter()
                .map(|c| (c.to_string(), c.to_string()))
                .collect(),
        };
        listen(&args, &group, Endian::Little)
    }

    #[test]
    fn an_alarm_would_be_heard() -> anyhow::Result<()> {
        let heard = rows("fixed", &["clobbering", "fixed"], 0, 60)?;
        assert!(heard[0].alarms > 0, "{heard:?}");
        assert_eq!((heard[1].alarms, heard[1].trouble), (0, 0), "{heard:?}");
        Ok(())
    }

    /// `repair-exec-preempt`: the new program goes on with what was in VSCR.
    #[test]
    fn what_fixed_is_suspected_of_is_no_alarm() -> anyhow::Result<()> {
        let known = |after: u8| {
            let text = format!(
                r#"{{"ctxfuzz": 1, "stage": {{"tasks": [{{"uses": ["vmx"], "load_vec": 254}}, {{}},
                    {{"uses": ["vsx"], "load_fp": 0, "load_vec": 0}}], "io_uring": [2]}},
                    "events": [{{"syscall": {{"call": "execve", "pending": {{"switch": 2, "after": {after}}}}}}},
                    {{"syscall": {{"call": "exit", "pending": {{"io_worker": true, "switch": 0}}}}}}, {{"syscall": {{"call": "kill", "signal": 10}}}}]}}"#
            );
            let scenario = Scenario::from_json(&text, "inline")?;
            let compiled = user::compile(&scenario, Endian::Big);
            let mut fixed = Runner::new(&FIXED.parse()?, Endian::Big)?;
            fixed.dirty(7);
            let outcome = fixed.run_compiled(&scenario, &compiled);
            let case = Case {
                index: 0,
                seed: 7,
                scenario,
                compiled,
            };
            is_known(FIXED, Endian::Big, &case, &outcome)
        };
        assert!(known(3)?);
        assert!(
            !known(1)?,
            "the switch comes before there is anything to get wrong"
        );
        Ok(())
    }

    #[test]
    fn several_sittings_hear_what_one_does() -> anyhow::Result<()> {
        let alarms =
            |first, runs| anyhow::Ok(rows("fixed", &["clobbering"], first, runs)?[0].alarms);
        assert_eq!(alarms(0, 20)? + alarms(20, 40)?, alarms(0, 60)?);
        assert_ne!(alarms(0, 20)?, alarms(0, 60)?);
        Ok(())
    }

    #[test]
    fn controls_are_heard_with_the_kernel_that_they_are_a_change_of() -> anyhow::Result<()> {
        let groups = groups(&[])?;
        let kernels: Vec<&str> = groups.iter().map(|group| group.kernel.as_str()).collect();
        assert_eq!(kernels[..2], ["fixed", "repaired"]);
        let control = ("restore-math-declines", "repaired+restore-math-declines");
        let found = groups[1]
            .controls
            .iter()
            .any(|(name, kernel)| (name.as_str(), kernel.as_str()) == control);
        assert!(found, "{groups:?}");
        Ok(())
    }

    #[test]
    fn a_control_that_is_none_is_named() {
        let error = groups(&["clobbering".to_owned()]).map_err(|error| error.to_string());
        let message = error.err().unwrap_or_default();
        assert!(
            message.starts_with("--control: no control `clobbering`: expected one of fixed, "),
            "{message}"
        );
    }
}
