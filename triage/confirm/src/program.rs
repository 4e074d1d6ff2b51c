//! A plan as a stand-alone C program, in the style of the kernel's selftests.
//!
//! The parts that every program has are C files in `program/c/`; what depends on the plan is
//! written here: the code of tasks and handlers (`assembly`), and tables of values (`tables`).

mod assembly;
mod macros;
mod tables;

use std::fmt::Write;

use ctxfuzz_scenario::event::{Event, Syscall};

use crate::plan::Plan;

const HEAD: &str = include_str!("program/c/head.c");
const TASKS: &str = include_str!("program/c/tasks.c");
const PROCESSES: &str = include_str!("program/c/processes.c");
const RING: &str = include_str!("program/c/ring.c");
const NO_RING: &str = include_str!("program/c/no-ring.c");
const LATE_PAGE: &str = include_str!("program/c/late-page.c");
const NO_LATE_PAGE: &str = include_str!("program/c/no-late-page.c");
const SERVE: &str = include_str!("program/c/serve.c");
const DIRECTOR: &str = include_str!("program/c/director.c");
const MAIN: &str = include_str!("program/c/main.c");

/// How often a program tries, if nobody says: what comes at a place is swept over many, what comes
/// by itself does the same each time.
const ATTEMPTS_SWEPT: u32 = 20_000;
const ATTEMPTS: u32 = 200;

/// The program. `name` stands at its head and in its results; `attempts` is how many it makes if it
/// is not told.
pub fn program(plan: &Plan, name: &str, attempts: Option<u32>) -> String {
    let mut out = String::from("// SPDX-License-Identifier: GPL-2.0-only\n");
    out += &head_comment(plan, name);
    out += &defines(plan, name, attempts);
    out += HEAD;
    out += "\n/* What the tasks do. */\nasm(\n";
    let code = assembly::code(plan);
    for line in macros::used_by(&code).lines().chain(code.lines()) {
        // Writing to a string does not fail.
        let _ = match line {
            "" => writeln!(out),
            line => writeln!(
                out,
                "\"{}\\n\"",
                line.replace('\\', "\\\\").replace('\t', "\\t")
            ),
        };
    }
    out += "\"\\t.machine pop\\n\");\n\n";
    out += &tables::tables(plan);
    for (wanted, part) in [
        (true, PROCESSES),
        (plan.has_ring(), RING),
        (!plan.has_ring(), NO_RING),
        (true, SERVE),
        (plan.has_late_return(), LATE_PAGE),
        (!plan.has_late_return(), NO_LATE_PAGE),
        (true, TASKS),
        (true, DIRECTOR),
        (true, MAIN),
    ] {
        if wanted {
            out += "\n";
            out += part;
        }
    }
    out
}

fn head_comment(plan: &Plan, name: &str) -> String {
    let mut out = String::from("/*\n");
    let mut say = |text: &str| {
        for line in wrapped(text, 94) {
            let _ = writeln!(out, "{}", format!(" * {line}").trim_end());
        }
    };
    say(&format!("{name}: do registers survive this?"));
    if let Some(about) = &plan.scenario.about {
        say(&about.replace("*/", "* /"));
    }
    say("");
    say(
        "Tasks load registers, do the events of the scenario below, and store their registers; what is stored is compared with what has to be there. The process that starts them outranks them: it sleeps until a task is where it is to be disturbed, and sends a signal or lets another task run. Where that is in the middle of a system call, it comes a little later or earlier in each attempt. The control does the same without signals, without workers, and with nothing in the middle.",
    );
    say("");
    say("gcc -O1 -static -o test test.c && ./test [ATTEMPTS] (as root: it uses SCHED_FIFO)");
    say("");
    say("Made by ctxfuzz from this scenario:");
    say("");
    let bare = ctxfuzz_scenario::Scenario {
        expect: Vec::new(),
        ..plan.scenario.clone()
    };
    for line in bare.to_json().replace("*/", "* /").lines() {
        let _ = writeln!(out, "{}", format!(" * {line}").trim_end());
    }
    out += " */\n";
    out
}

/// Lines of at most so many characters.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().expect("there is one");
        if last.is_empty() {
            last.push_str(word);
        } else if last.chars().count() + 1 + word.chars().count() <= width {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

fn defines(plan: &Plan, name: &str, attempts: Option<u32>) -> String {
    let tasks = plan.scenario.stage.tasks.len();
    let all = plan.tasks.iter().map(|task| usize::from(task.number) + 1);
    let all = all.max().unwrap_or(tasks);
    let handlers = plan.tasks.iter().map(|task| task.handlers.len());
    let handlers = handlers.max().unwrap_or(0).max(1);
    let rings = plan.scenario.stage.io_uring.iter();
    let rings = rings.fold(0, |mask, task| mask | 1 << (task & 7));
    let attempts = attempts.unwrap_or(match plan.is_late() {
        true => ATTEMPTS_SWEPT,
        false => ATTEMPTS,
    });
    let pages = plan.scenario.events.iter();
    let pages = pages
        .filter(|event| assembly::stores_to_new_page(event))
        .count();
    let pipe = plan.scenario.events.iter().any(|event| {
        matches!(
            event,
            Event::Syscall {
                call: Syscall::Read { .. } | Syscall::Write { .. },
                ..
            }
        )
    });
    format!(
        "#define TITLE \"{}\"\n#define TASKS {tasks}\t/* that are there from the start */\n#define ALL_TASKS {all}\t/* with those that others make */\n#define REQUESTS {}\n#define CHECKS {}\n#define NEW_PAGES {pages}\n#define MOST_HANDLERS {handlers}\t/* that a task has */\n#define HAS_LATE_RETURN {}\n#define USES_PIPE {}\n#define PIPE_OUT 100\n#define PIPE_IN 101\n#define RINGS {rings:#x}\t/* a bit a task that has one */\n#define ATTEMPTS {attempts}\n\n",
        name.replace(['"', '\\'], "?"),
        plan.requests.len(),
        plan.checks.len(),
        u8::from(plan.has_late_return()),
        u8::from(pipe),
    )
}
