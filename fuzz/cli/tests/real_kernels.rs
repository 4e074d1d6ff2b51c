//! The model does what real kernels do: every scenario of the corpus, and random ones, have the
//! same user-visible outcome on both.
//!
//! Real kernels are those in the folder that CTXFUZZ_KERNELS names, else in `target/kernels` (`make
//! kernels`). Says what it had nothing to do for. What cannot be the same, and why, is in
//! docs/real-kernels.md; [`comparable`] is all of it that makes a scenario stay out.

mod common;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use ctxfuzz_emulator::arch::{Endian, RegisterFile};
use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_emulator::kernel::snapshot::{BootOptions, Snapshot};
use ctxfuzz_emulator::run::Runner;
use ctxfuzz_emulator::run::capture::{Details, Observable};
use ctxfuzz_emulator::run::outcome::{LogEntry, Outcome};
use ctxfuzz_generators::{random_scenario, rare_scenario};
use ctxfuzz_scenario::event::{Event, Switch, Syscall};
use ctxfuzz_scenario::register::Register;
use ctxfuzz_scenario::scenario::{MAX_TASKS, Scenario};

/// Random scenarios a kernel: CTXFUZZ_AGREEMENT_SEEDS, or this many.
const SEEDS: u64 = 300;

/// Bytes of a page of the model, and pages of its pipe.
const MODEL_PAGE: u64 = 4096;
const MODEL_PIPE: u64 = 4;

/// Tells on stderr itself, as the test harness keeps what a passing test prints.
fn tell(what: &str) {
    let _ = std::io::stderr().write_all(format!("{what}\n").as_bytes());
}

fn vmlinux(kernel: &str) -> PathBuf {
    let folder = std::env::var_os("CTXFUZZ_KERNELS").map_or_else(
        || common::project().join("target/kernels"),
        |folder| common::project().join(Path::new(&folder)),
    );
    folder.join(kernel).join("vmlinux")
}

/// The model that does what this kernel does. With generic entry (7.2) Linux has the repair of
/// docs/findings/signal-during-task-work.md.
fn model_of(model: &str, kernel: &Snapshot) -> KernelName {
    const REPAIR: &str = "repair-task-work-signal";
    let mut symbols = kernel.symbols.iter();
    let has_it = symbols.any(|symbol| symbol.name == "arch_do_signal_or_restart");
    let name = match has_it && !model.contains(REPAIR) {
        true => format!("{model}+{REPAIR}"),
        false => model.to_owned(),
    };
    name.parse().expect("it is a name")
}

/// A kernel and the model that is to do the same.
struct Pair {
    model: Runner,
    real: Runner,
    /// The kernel's pipe holds more than the model's.
    long_pipe: bool,
}

/// The pair, if there are such a kernel and what boots it.
fn pair(model: &str, kernel: &str, endian: Endian) -> Result<Pair, String> {
    let skip = |why: String| Err(format!("{model} against {kernel}: {why}"));
    let path = vmlinux(kernel);
    if !path.exists() {
        let path = path.display();
        return skip(format!("there is no {path}; `make kernels` makes it"));
    }
    let qemu = BootOptions::default().qemu;
    if Command::new(qemu).arg("--version").output().is_err() {
        return skip("there is no qemu-system-ppc64; `.ci/setup qemu` installs it".into());
    }
    let name: KernelName = format!("vmlinux:{}", path.display())
        .parse()
        .expect("it is a name");
    let snapshot = name.snapshot().expect("it is real").expect("it boots");
    if !snapshot.version.contains(" PREEMPT ") {
        return skip("it is not preemptible, as the model is".into());
    }
    let mut model = Runner::new(&model_of(model, &snapshot), endian).expect("the model runs");
    model.imitate(&snapshot);
    let real = Runner::new(&name, endian).expect("it runs");
    let mut symbols = snapshot.symbols.iter();
    let page = symbols.find(|symbol| symbol.name == "empty_zero_page");
    Ok(Pair {
        model,
        real,
        long_pipe: page.is_some_and(|page| page.size > MODEL_PAGE),
    })
}

/// Whether all that a scenario writes has room in the model's pipe, so that no writer sleeps.
fn fits_in_pipe(scenario: &Scenario) -> bool {
    let pages = scenario.events.iter().map(|event| match event {
        Event::Syscall {
            call: Syscall::Write { bytes },
            ..
        } => u64::from(*bytes).div_ceil(MODEL_PAGE),
        _ => 0,
    });
    pages.sum::<u64>() <= MODEL_PIPE
}

/// Whether the host of a real kernel can do what the scenario asks for. It cannot name a child that
/// has not run and whose parent is still in the call that makes it: nobody has been told its pid.
fn comparable(scenario: &Scenario, log: &[LogEntry]) -> bool {
    let stage = scenario.stage.tasks.len();
    let call_of = |index: u16| match &scenario.events[usize::from(index)] {
        Event::Syscall { call, .. } => Some(*call),
        _ => None,
    };
    log.iter().enumerate().all(|(at, entry)| {
        let LogEntry::Event { index, .. } = entry else {
            return true;
        };
        let pending = match &scenario.events[usize::from(*index)] {
            Event::Interrupt { pending, .. } | Event::Syscall { pending, .. } => pending,
            _ => return true,
        };
        let Some(Switch::To(named)) = pending.switch else {
            return true;
        };
        let starts = |entry: &LogEntry| match entry {
            LogEntry::TaskStarted { task, parent } if *task == named => *parent,
            _ => None,
        };
        if usize::from(named) < stage || log[..at].iter().any(|e| starts(e).is_some()) {
            return true;
        }
        let Some(parent) = log[at..].iter().find_map(starts) else {
            return true;
        };
        let last = log[..at].iter().rev().find_map(|entry| match entry {
            LogEntry::Event { index, task } if *task == parent => Some(*index),
            _ => None,
        });
        !matches!(
            last.and_then(call_of),
            Some(Syscall::Fork | Syscall::Vfork | Syscall::Clone { .. })
        )
    })
}

fn registers(name: &str, a: &RegisterFile, b: &RegisterFile, found: &mut Vec<String>) {
    for register in Register::all() {
        let (a, b) = (a.get(register), b.get(register));
        if a != b {
            found.push(format!("{name}: {register} is {a:#x} and {b:#x}"));
        }
    }
}

/// The beginning of a long line.
fn shortened(mut line: String) -> String {
    line.truncate(200);
    line
}

/// What was read, and by whom.
fn reads(outcome: &Outcome) -> Vec<(Option<u8>, Details)> {
    let reads = outcome.captures_of(Observable::Read);
    reads
        .map(|read| (read.task, read.details.clone()))
        .collect()
}

/// What differs between two outcomes of which nobody looks into the kernel.
fn differences(a: &Outcome, b: &Outcome) -> Vec<String> {
    let mut found = Vec::new();
    if a.end != b.end {
        found.push(format!("ends: {:?} and {:?}", a.end, b.end));
    }
    if a.log != b.log {
        let at = a.log.iter().zip(&b.log).take_while(|(a, b)| a == b).count();
        let (a, b) = (a.log.get(at), b.log.get(at));
        found.push(format!("schedules, from entry {at}: {a:?} and {b:?}"));
    }
    let frames = |outcome: &Outcome| outcome.captures_of(Observable::SignalFrame).count();
    if frames(a) != frames(b) {
        found.push("numbers of frames".into());
    }
    for task in 0..MAX_TASKS as u16 {
        let last = [a, b].map(|outcome| outcome.capture(Observable::Final, task));
        if let [Some(a), Some(b)] = last {
            registers(
                &format!("task {task}"),
                &a.registers,
                &b.registers,
                &mut found,
            );
            if a.details != b.details {
                let (a, b) = (&a.details, &b.details);
                found.push(format!("task {task}: r14 to r25: {a:x?} and {b:x?}"));
            }
        } else if last.map(|last| last.is_some()) != [false; 2] {
            found.push(format!("task {task} has ended in one only"));
        }
    }
    if reads(a) != reads(b) {
        let differ = reads(a).into_iter().zip(reads(b)).find(|(a, b)| a != b);
        let counts = [a, b].map(|outcome| reads(outcome).len());
        found.push(shortened(format!("{counts:?} reads: {differ:x?}")));
    }
    for number in 0..frames(a) as u16 {
        let name = format!("frame {number}");
        let [a, b] = [a, b].map(|outcome| outcome.capture(Observable::SignalFrame, number));
        if let (Some(a), Some(b)) = (a, b) {
            if (a.task, &a.details) != (b.task, &b.details) {
                let (a, b) = (&a.details, &b.details);
                found.push(format!("{name}: {a:x?} and {b:x?}"));
            }
            registers(&name, &a.registers, &b.registers, &mut found);
        }
    }
    for (side, effects) in [("the model", &a.effects), ("the kernel", &b.effects)] {
        for missing in &effects.did_not_happen {
            found.push(format!("on {side} did not happen: {missing}"));
        }
    }
    found.truncate(4);
    found
}

/// Whether a worker is asked for when a ring's owner may be preempted in `exit`: the model asks
/// that task, to the host of a real kernel it is gone.
fn asks_one_who_exits(scenario: &Scenario, log: &[LogEntry]) -> bool {
    let mut exiting = false;
    log.iter().any(|entry| {
        let LogEntry::Event { index, task } = entry else {
            return false;
        };
        let event = &scenario.events[usize::from(*index)];
        let Some(pending) = event.pending() else {
            return false;
        };
        let asks = exiting && pending.io_worker;
        let exits = matches!(
            event,
            Event::Syscall {
                call: Syscall::Exit,
                ..
            }
        );
        exiting |= exits && pending.switch.is_some() && scenario.stage.io_uring.contains(task);
        asks
    })
}

/// What both do with the scenario, without the events that the kernel cannot be made to do: the
/// model does them. `None` if there is nothing to compare.
fn outcomes(pair: &mut Pair, scenario: &mut Scenario) -> Option<(Outcome, Outcome)> {
    loop {
        let a = pair.model.run(scenario);
        let other_pipe = pair.long_pipe && !fits_in_pipe(scenario);
        let other_ring = asks_one_who_exits(scenario, &a.log);
        if other_pipe || other_ring || !comparable(scenario, &a.log) {
            return None;
        }
        let b = pair.real.run(scenario);
        let parts = b.effects.not_applicable.iter();
        let events: BTreeSet<usize> = parts.map(|part| usize::from(part.event)).collect();
        if events.is_empty() {
            return Some((a, b));
        }
        for event in events.into_iter().rev() {
            scenario.events.remove(event);
        }
    }
}

/// Has all pending work come at once.
fn drop_late(scenario: &mut Scenario) {
    for pending in scenario.events.iter_mut().filter_map(Event::pending_mut) {
        *pending = pending.at_once();
    }
}

/// What differs between this kernel and the model.
fn disagreements(mut pair: Pair, kernel: &str) -> Vec<String> {
    let seeds = std::env::var("CTXFUZZ_AGREEMENT_SEEDS")
        .ok()
        .map_or(SEEDS, |seeds| seeds.parse().expect("it is a number"));
    let corpus = common::corpus().into_iter().map(|file| {
        let scenario = Scenario::load(&common::project().join(&file)).expect("it is a scenario");
        (file, scenario)
    });
    let random = (0..seeds).map(|seed| (format!("seed {seed}"), random_scenario(seed)));
    let rare = (0..seeds).map(|seed| (format!("rare seed {seed}"), rare_scenario(seed)));
    let (mut compared, mut out) = (0, 0);
    let mut found = Vec::new();
    for (name, mut scenario) in corpus.chain(random).chain(rare) {
        // Where interrupts can come is each kernel's own, in a function that all have too.
        drop_late(&mut scenario);
        let Some((a, b)) = outcomes(&mut pair, &mut scenario) else {
            out += 1;
            continue;
        };
        compared += 1;
        let differences = differences(&a, &b);
        if !differences.is_empty() {
            eprintln!("{kernel}: {name}: {}", scenario.to_json());
            found.push(format!("{kernel}: {name}: {}", differences.join("; ")));
        }
    }
    tell(&format!(
        "{kernel}: {compared} scenarios compared, {} differ, {out} left out",
        found.len()
    ));
    found
}

fn agree(model: &str, kernels: &[(&str, Endian)]) {
    let mut parts = common::Parts::of(&format!("{model} against real kernels"));
    let mut found = Vec::new();
    for (kernel, endian) in kernels {
        if let Some(pair) = parts.next(pair(model, kernel, *endian)) {
            found.extend(disagreements(pair, kernel));
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn the_fixed_model_does_what_fixed_kernels_do() {
    agree(
        "fixed",
        &[
            ("fixed-le", Endian::Little),
            ("fixed-size-le", Endian::Little),
            ("fixed-be", Endian::Big),
            ("fixed-6.12-le", Endian::Little),
            ("fixed-6.12-be", Endian::Big),
            ("fixed-7.2-le", Endian::Little),
            ("fixed-7.2-full-le", Endian::Little),
            ("fixed-7.2-be", Endian::Big),
        ],
    );
}

#[test]
fn the_fixed_model_does_what_kernels_of_a_distribution_do() {
    let kernels = ["debian", "debian-6.12", "debian-7.2", "debian-7.2-64k"];
    agree("fixed", &kernels.map(|kernel| (kernel, Endian::Little)));
}

#[test]
fn the_clobbering_model_does_what_clobbering_kernels_do() {
    agree(
        "clobbering",
        &[
            ("clobbering-le", Endian::Little),
            ("clobbering-be", Endian::Big),
            ("clobbering-6.12-le", Endian::Little),
            ("clobbering-6.12-be", Endian::Big),
            ("clobbering-7.2-le", Endian::Little),
            ("clobbering-7.2-be", Endian::Big),
            ("debian-7.2-clobbering", Endian::Little),
        ],
    );
}

#[test]
fn the_repaired_model_does_what_repaired_kernels_do() {
    let repairs = "repair-sigreturn-reload+repair-sigframe-fpscr+repair-fork-fe-bits+repair-fpexc-rmw+repair-task-work-signal";
    let kernels = ["repaired-le", "repaired-6.12-le", "repaired-7.2-le"];
    agree(
        &format!("fixed+{repairs}"),
        &kernels.map(|kernel| (kernel, Endian::Little)),
    );
}
