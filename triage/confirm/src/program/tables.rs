//! Values that tasks load and that are right, requests, handlers and checks, as C.

use std::fmt::Write;

use ctxfuzz_outcome::arch::RegisterFile;
use ctxfuzz_outcome::values::{pattern, traced};
use ctxfuzz_scenario::event::{Event, Switch};
use ctxfuzz_scenario::ptrace::SetRegset;
use ctxfuzz_scenario::register::Register;

use crate::plan::{Check, Plan, Request, When};

/// Two odd numbers whose multiples, modulo 2^32, are spread evenly, alone and as pairs.
const STRIDES: [u32; 2] = [0xc13f_a9a9, 0x91e1_0da5];

/// All tables.
pub(super) fn tables(plan: &Plan) -> String {
    let mut out = String::new();
    labels(&mut out, plan);
    requests(&mut out, plan);
    checks(&mut out, plan);
    values(&mut out, plan);
    out
}

fn say(out: &mut String, line: impl AsRef<str>) {
    // Writing to a string does not fail.
    let _ = writeln!(out, "{}", line.as_ref());
}

fn labels(out: &mut String, plan: &Plan) {
    let staged: Vec<String> = plan
        .tasks
        .iter()
        .filter(|task| task.staged.is_some())
        .map(|task| format!("task_{}", task.number))
        .collect();
    let mut handlers = Vec::new();
    let mut rows = Vec::new();
    for task in plan.tasks.iter().filter(|task| !task.handlers.is_empty()) {
        let number = task.number;
        let names = (0..task.handlers.len()).map(|n| format!("handler_{number}_{n}"));
        let names: Vec<String> = names.collect();
        let frames = task
            .handlers
            .iter()
            .map(|handler| handler.frame.to_string());
        let late = task.handlers.iter().map(|handler| {
            let late = plan.is_late_return(handler);
            u8::from(late).to_string()
        });
        rows.push(format!(
            "\t[{number}] = {{ {}, {{ {} }}, {{ {} }}, {{ {} }} }},",
            names.len(),
            names.join(", "),
            frames.collect::<Vec<_>>().join(", "),
            late.collect::<Vec<_>>().join(", ")
        ));
        handlers.extend(names);
    }
    let mut all: Vec<String> = staged.iter().chain(&handlers).cloned().collect();
    if !plan.is_disturbed() {
        all.extend(staged.iter().map(|name| format!("control_{name}")));
    }
    say(
        out,
        format!("extern const char {}[], only_return[];\n", all.join("[], ")),
    );
    let control: Vec<String> = match plan.is_disturbed() {
        true => staged.clone(),
        false => staged
            .iter()
            .map(|name| format!("control_{name}"))
            .collect(),
    };
    for (name, starts) in [("start", &staged), ("control_start", &control)] {
        let starts = starts.join(", ");
        say(
            out,
            format!("static const char *const {name}[TASKS] = {{ {starts} }};"),
        );
    }
    say(out, "");
    say(out, "static const struct handlers handlers[8] = {");
    for row in rows {
        say(out, row);
    }
    say(out, "};\n");
    let exceptions = plan.tasks.iter();
    let exceptions = exceptions.filter(|task| task.exceptions > 0);
    say(
        out,
        "/* SIGFPEs that each task has to be sent. */\nstatic const uint64_t exceptions[8] = {",
    );
    for task in exceptions {
        say(out, format!("\t[{}] = {},", task.number, task.exceptions));
    }
    say(out, "};\n");
}

fn requests(out: &mut String, plan: &Plan) {
    say(
        out,
        "/* In the order in which they are served. */\nstatic const struct request requests[REQUESTS + 1] = {",
    );
    let mut strides = STRIDES.iter().cycle();
    for request in &plan.requests {
        let stride = match request.late {
            true => *strides.next().unwrap_or(&1),
            false => 0,
        };
        say(out, format!("\t{},", one_request(plan, request, stride)));
    }
    say(out, "};\n");
}

fn one_request(plan: &Plan, request: &Request, stride: u32) -> String {
    let next = match request.pending.switch {
        None => "THE_SAME".to_owned(),
        Some(Switch::Any) => "ANY_OTHER".to_owned(),
        Some(Switch::To(task)) => task.to_string(),
    };
    let mut fields = vec![format!(".task = {}", request.task)];
    if request.late {
        fields.push(format!(".late = 1, .stride = {stride:#x}"));
    }
    if request.late && plan.is_sigreturn(request.event) {
        fields.push(".returns = 1".to_owned());
    }
    if request.preemptions > 0 {
        fields.push(format!(".preemptions = {}", request.preemptions));
    }
    if let Some(signal) = request.pending.signal {
        fields.push(format!(".signal = {signal}"));
    }
    fields.push(format!(".next = {next}"));
    if request.pending.io_worker {
        fields.push(".io_worker = 1".to_owned());
    }
    format!("{{ {} }}", fields.join(", "))
}

fn checks(out: &mut String, plan: &Plan) {
    say(out, "static const struct check checks[CHECKS] = {");
    for check in &plan.checks {
        let lanes = |register: fn(u8) -> Register| {
            let set = (0..32).filter(|n| check.defined.bits(register(*n)) != 0);
            set.fold(0u32, |mask, n| mask | 1 << n)
        };
        say(
            out,
            format!(
                "\t{{ \"{}\", {}, {},\n\t  {:#x}, {:#x}, {:#x}, {:#x}, {:#x}, {:#x} }},",
                check.at,
                check.image,
                when(check.when),
                lanes(Register::F),
                lanes(Register::Vs),
                lanes(Register::V),
                check.defined.bits(Register::Fpscr),
                check.defined.bits(Register::Vscr),
                check.defined.bits(Register::Vrsave),
            ),
        );
    }
    say(
        out,
        "};\n\n/* What is right, by check. */\nstatic struct registers right[CHECKS];\n",
    );
}

fn when(when: When) -> &'static str {
    match when {
        When::Always => "ALWAYS",
        When::Disturbed => "DISTURBED_ONLY",
        When::Control => "CONTROL_ONLY",
    }
}

/// Images and the right values, and the functions that make them.
fn values(out: &mut String, plan: &Plan) {
    let mut fills = String::new();
    fill(&mut fills, plan);
    for function in include_str!("c/values.c").split("\n\n\n") {
        let name = function.split('(').next().unwrap_or(function);
        let name = name.split(['*', ' ']).next_back().unwrap_or(name);
        if fills.contains(&format!("{name}(")) {
            say(out, function.trim_end());
            say(out, "");
        }
    }
    out.push_str(&fills);
}

/// Patterns, and what differs from them.
fn fill(out: &mut String, plan: &Plan) {
    let mut seeds = Vec::new();
    say(
        out,
        "/* What tasks load. */\nstatic void fill_images(void)\n{",
    );
    for task in &plan.tasks {
        if let Some((stage, image)) = &task.staged {
            let mut file = RegisterFile::default();
            if let Some(seed) = stage.pattern {
                seeds.push(seed);
                file = pattern(seed);
                say(out, format!("\tpattern(&AREA->image[{image}], {seed:#x});"));
            }
            for (register, value) in &stage.registers {
                file.set(*register, *value);
                say(
                    out,
                    set(&format!("&AREA->image[{image}]"), *register, *value),
                );
            }
        }
    }
    for (event, image) in &plan.constants {
        match plan.scenario.events.get(usize::from(*event)) {
            Some(Event::Fill { pattern: seed, .. }) => {
                seeds.push(*seed);
                say(out, format!("\tpattern(&AREA->image[{image}], {seed:#x});"));
            }
            Some(Event::FillFrame { facility, pattern }) => {
                seeds.push(*pattern);
                say(
                    out,
                    format!("\tpattern(&AREA->image[{image}], {pattern:#x});"),
                );
                let regset = SetRegset::whole(*facility, *pattern);
                let values = traced(&regset);
                for register in regset.registers().filter(|register| register.is_control()) {
                    let image = format!("&AREA->image[{image}]");
                    say(out, set(&image, register, values.get(register)));
                }
            }
            Some(Event::Set(values) | Event::SetFrame(values)) => {
                for (register, value) in values {
                    say(
                        out,
                        set(&format!("&AREA->image[{image}]"), *register, *value),
                    );
                }
            }
            _ => {}
        }
    }
    say(out, "}\n\nstatic void fill_right(void)\n{");
    for (number, check) in plan.checks.iter().enumerate() {
        right(out, number, check, &seeds);
    }
    say(out, "}");
}

/// The pattern that most of it is, and the rest.
fn right(out: &mut String, number: usize, check: &Check, seeds: &[u64]) {
    let counted = |register: &Register| check.defined.bits(*register) != 0;
    let all: Vec<Register> = Register::all().filter(counted).collect();
    let rest = |file: &RegisterFile| {
        let other = all.iter().copied();
        let bits = |register| check.defined.bits(register);
        let other = other.filter(|register| {
            (file.get(*register) ^ check.right.get(*register)) & bits(*register) != 0
        });
        other.collect::<Vec<_>>()
    };
    let mut best = (None, rest(&RegisterFile::default()));
    for seed in seeds {
        let others = rest(&pattern(*seed));
        if others.len() < best.1.len() {
            best = (Some(*seed), others);
        }
    }
    if let Some(seed) = best.0 {
        say(out, format!("\tpattern(&right[{number}], {seed:#x});"));
    }
    for register in best.1 {
        let value = check.right.get(register);
        say(out, set(&format!("&right[{number}]"), register, value));
    }
}

fn set(image: &str, register: Register, value: u128) -> String {
    match register {
        Register::F(n) => format!("\tset_f({image}, {n}, {value:#x});"),
        Register::Vs(n) => format!("\tset_vs({image}, {n}, {value:#x});"),
        Register::V(n) => format!(
            "\tset_v({image}, {n}, {:#x}, {:#x});",
            (value >> 64) as u64,
            value as u64
        ),
        Register::Fpscr => format!("\t({image})->fpscr = {value:#x};"),
        Register::Vscr => format!("\t({image})->vscr = {value:#x};"),
        Register::Vrsave => format!("\t({image})->vrsave = {value:#x};"),
    }
}
