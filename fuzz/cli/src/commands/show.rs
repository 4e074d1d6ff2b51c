//! `ctxfuzz show`: a scenario for people. What exists, what happens, and who does it.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_emulator::run::Runner;
use ctxfuzz_emulator::run::capture::SIGFPE;
use ctxfuzz_emulator::run::outcome::{End, LogEntry, Outcome};
use ctxfuzz_scenario::describe;
use ctxfuzz_scenario::scenario::Scenario;
use ctxfuzz_triage::names;
use ctxfuzz_triage::observable::rule;
use serde_json::{Value, json};

use super::Status;
use super::input::Input;
use super::text::{expectation, wrap};

/// Arguments of `ctxfuzz show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Scenario file.
    #[arg(value_name = "SCENARIO")]
    scenario: PathBuf,
    /// One object in JSON.
    #[arg(long)]
    json: bool,
}

/// Prints it. Who does an event is decided by the schedule, so the scenario is run on `fixed` once.
pub fn show(args: &ShowArgs) -> anyhow::Result<ExitCode> {
    let input = Input::load(&args.scenario)?;
    let kernel: KernelName = "fixed".parse()?;
    let outcome = Runner::new(&kernel, Endian::Little)?.run(&input.scenario);
    let mut out = io::stdout().lock();
    match args.json {
        true => writeln!(out, "{}", to_json(&input, &outcome))?,
        false => write!(out, "{}", text(&input, &outcome))?,
    }
    out.flush()?;
    Ok(match outcome.end {
        End::EmulatorFault(_) | End::Budget => Status::Trouble,
        _ => Status::Nothing,
    }
    .into())
}

/// Who did an event; `None` if the run never came to it.
fn doer(outcome: &Outcome, event: usize) -> Option<u8> {
    outcome.log.iter().find_map(|entry| match *entry {
        LogEntry::Event { index, task } if usize::from(index) == event => Some(task),
        _ => None,
    })
}

fn to_json(input: &Input, outcome: &Outcome) -> Value {
    let scenario = &input.scenario;
    let events: Vec<Value> = scenario
        .events
        .iter()
        .enumerate()
        .map(|(index, event)| json!({"index": index, "text": describe(event), "task": doer(outcome, index)}))
        .collect();
    json!({
        "scenario": input.name(),
        "about": scenario.about,
        "stage": scenario.stage,
        "events": events,
        "end": names::end(&outcome.end),
        "expect": scenario.expect,
    })
}

fn text(input: &Input, outcome: &Outcome) -> String {
    let scenario = &input.scenario;
    let mut text = format!("{}\n", input.name());
    if let Some(about) = &scenario.about {
        wrap(&mut text, "  ", 0, about);
    }
    stage(&mut text, scenario);
    timeline(&mut text, scenario, outcome);
    if !scenario.expect.is_empty() {
        text.push_str("\nexpect\n");
        for row in &scenario.expect {
            wrap(&mut text, "  ", 2, &expectation(row));
        }
    }
    text
}

fn stage(text: &mut String, scenario: &Scenario) {
    text.push_str("\nstage\n");
    for (index, task) in scenario.stage.tasks.iter().enumerate() {
        let uses: Vec<String> = task.uses.iter().map(ToString::to_string).collect();
        let mut line = match uses.is_empty() {
            true => format!("task {index} has used no FP or vector registers"),
            false => format!("task {index} uses {}", uses.join(", ")),
        };
        if let Some(pattern) = task.pattern {
            let _ = write!(line, "; registers from pattern {pattern:#x}");
        }
        for (name, counter) in [("load_fp", task.load_fp), ("load_vec", task.load_vec)] {
            if let Some(counter) = counter {
                let _ = write!(line, "; {name} is {counter}");
            }
        }
        if scenario
            .stage
            .io_uring
            .iter()
            .any(|&owner| usize::from(owner) == index)
        {
            line.push_str("; owns an io_uring ring with a blocked worker");
        }
        wrap(text, "  ", 2, &line);
        for (register, value) in &task.registers {
            let _ = writeln!(text, "    {:<6} = {value:#x}", register.to_string());
        }
    }
}

/// Events in order, with what the schedule put between them.
fn timeline(text: &mut String, scenario: &Scenario, outcome: &Outcome) {
    text.push_str("\nevents, and who does them on `fixed`\n");
    let mut done = 0;
    for entry in &outcome.log {
        match *entry {
            LogEntry::TaskStarted {
                task: 0,
                parent: None,
            } => {}
            LogEntry::TaskStarted { task, parent } => {
                let child =
                    parent.map_or_else(String::new, |parent| format!(", a child of task {parent}"));
                let _ = writeln!(text, "       task {task} starts{child}");
            }
            LogEntry::Event { index, task } => {
                done = usize::from(index) + 1;
                if let Some(event) = scenario.events.get(usize::from(index)) {
                    wrap(
                        text,
                        &format!("  {index:>3}  task {task}  "),
                        0,
                        &describe(event),
                    );
                }
            }
            LogEntry::SignalDelivered { task, frame, .. } => {
                let handler = match outcome.signal_frame(frame) {
                    Some((_, frame)) if frame.signal == SIGFPE => "SIGFPE's handler",
                    _ => "its signal handler",
                };
                let _ = writeln!(text, "       task {task} enters {handler}");
            }
            LogEntry::Traced { task, .. } => {
                let _ = writeln!(text, "       task {task} is stopped by a tracer");
            }
            LogEntry::Execed { task } => {
                let _ = writeln!(text, "       task {task} starts again as a new program");
            }
            LogEntry::Captured {
                task, observable, ..
            } => {
                let present = rule(observable).words.present;
                let _ = writeln!(text, "       task {task} {present}");
            }
            LogEntry::ContextSaved { task, .. } => {
                let _ = writeln!(text, "       task {task} is back with its context");
            }
            LogEntry::SigReturned { task } => {
                let _ = writeln!(text, "       task {task} leaves its signal handler");
            }
            LogEntry::Dumped { task } => {
                let _ = writeln!(text, "       task {task} shows its registers and exits");
            }
        }
    }
    for (index, event) in scenario.events.iter().enumerate().skip(done) {
        wrap(
            text,
            &format!("  {index:>3}  nobody  "),
            0,
            &describe(event),
        );
    }
    if outcome.end != End::Completed {
        let end = names::end_with_detail(&outcome.end);
        wrap(
            text,
            "  ",
            2,
            &format!("the run on `fixed` ends with {end}"),
        );
    }
}
