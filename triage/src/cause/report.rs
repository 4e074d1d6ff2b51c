//! An explanation for people: terminal, mail.

mod json;
mod nothing;

use std::fmt::Write as _;

use ctxfuzz_emulator::arch::msr;
use ctxfuzz_emulator::trace::Cell;
use ctxfuzz_scenario::describe::describe;
use ctxfuzz_scenario::scenario::Scenario;

pub use self::json::json;
use super::{Cause, Changed, CopyReport, Ended, Explanation, Stop, Writer};
use crate::compare::What;
use crate::report::{Lines, hex};

/// Later copies listed in the text; the JSON has all.
const COPIES_SHOWN: usize = 6;

/// Registers listed for one place in the text.
const REGISTERS_SHOWN: usize = 8;

/// The report for people.
pub fn text(explanation: &Explanation) -> String {
    let mut lines = Lines::default();
    lines.fitted(&whole(explanation));
    lines.text
}

/// What a mail says of one cause: what came to differ, who wrote it, and how the value was lost.
pub fn journey(explanation: &Explanation, cause: &Cause) -> String {
    let mut out = String::new();
    if !cause.is_untraced() && cause.ended.is_none() {
        changes(&mut out, cause, explanation);
        let told = last_writers(&mut out, cause, explanation);
        // Traces of how the value was lost say it too.
        if let (Some(writer), None) = (told, &cause.loss) {
            called(&mut out, writer, explanation);
        }
        loss(&mut out, cause, explanation);
    }
    out
}

fn whole(explanation: &Explanation) -> String {
    let mut out = String::new();
    let e = explanation;
    let name = e.scenario.name.as_deref().unwrap_or("scenario");
    let [a, b] = e.headings();
    let endian = e.endian.name();
    let _ = match e.kernels.only() {
        Some(kernel) => writeln!(out, "{name} ({endian}): {kernel}"),
        None => writeln!(out, "{name} ({endian}): {a} against {b}"),
    };
    if let Some(nothing) = nothing::said(e) {
        let _ = writeln!(out, "{nothing}");
        return out;
    }
    for (number, cause) in e.causes.iter().enumerate() {
        one(&mut out, number + 1, cause, e);
    }
    out
}

fn one(out: &mut String, number: usize, cause: &Cause, e: &Explanation) {
    let _ = writeln!(out, "\n{number}. {}  [{}]", cause.signature, cause.verdict);
    let _ = writeln!(out, "\nKind: {}", cause.class);
    if let Some(rule) = cause.rule {
        let _ = writeln!(out, "\nIn short: {rule}");
    }
    let _ = writeln!(out, "\nCause: {}", event(cause.event, &e.scenario));
    if cause.occurrences > 1 {
        let _ = writeln!(
            out,
            "  (one of {} times in this run, harmless ones included)",
            cause.occurrences
        );
    }
    if let Some(ended) = &cause.ended {
        died(out, ended, cause, e);
        if cause.changes.is_empty() {
            return;
        }
    }
    if cause.is_untraced() {
        let _ = writeln!(
            out,
            "  in {}; writes of this are not traced",
            cause.function()
        );
    } else {
        changes(out, cause, e);
        if let Some(told) = last_writers(out, cause, e) {
            called(out, told, e);
            code_around(out, told.1);
        }
        loss(out, cause, e);
        damage(out, cause, e);
    }
    discovery(out, cause, e);
    in_the_end(out, cause);
}

/// Nothing was damaged: one kernel did not come back.
fn died(out: &mut String, ended: &Ended, cause: &Cause, e: &Explanation) {
    let kernel = e.kernel(ended.side);
    let _ = writeln!(out, "\nThe run on {kernel} ends with {}", ended.how);
    // With something that came to differ the writers are those of that.
    let site = cause.writer_a.as_ref().or(cause.writer_b.as_ref());
    if let Some(site) = site.filter(|_| cause.changes.is_empty()) {
        let source = source(site);
        let _ = writeln!(out, "  at {}{source}: {}", site.place, site.instruction);
        let _ = writeln!(out, "\nCall chain ({kernel}):");
        chain(out, site);
        code_around(out, site);
    }
}

/// Where an instruction was written, behind its place.
fn source(writer: &Writer) -> String {
    writer
        .source
        .as_deref()
        .map_or_else(String::new, |source| format!("  ({source})"))
}

fn code_around(out: &mut String, writer: &Writer) {
    let _ = writeln!(out, "\nCode around it:");
    for line in &writer.around {
        let _ = writeln!(out, "  {line}");
    }
}

/// One line a place, so that lines stay short enough for a mail.
fn in_the_end(out: &mut String, cause: &Cause) {
    let _ = writeln!(out, "\nIn the end:");
    let mut places: Vec<(String, Vec<String>)> = Vec::new();
    for d in &cause.differences {
        let whose = d
            .task
            .map_or_else(|| "the kernel".to_owned(), |t| format!("task {t}"));
        let place = format!("{} of {whose}", d.place);
        match places.iter_mut().find(|(known, _)| *known == place) {
            Some((_, whats)) => whats.push(d.what.to_string()),
            None => places.push((place, vec![d.what.to_string()])),
        }
    }
    for (place, whats) in places {
        let shown = whats
            .iter()
            .take(REGISTERS_SHOWN)
            .cloned()
            .collect::<Vec<_>>()
            .join(", ");
        let more = whats.len().saturating_sub(REGISTERS_SHOWN);
        let rest = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        let _ = writeln!(out, "  {place}: {shown}{rest}");
    }
}

fn changes(out: &mut String, cause: &Cause, e: &Explanation) {
    let width = cause
        .changes
        .iter()
        .map(|c| c.name.len())
        .max()
        .unwrap_or(0);
    for change in cause.changes.iter().take(8) {
        let decodes = e.kernels.only().is_some() && is_msr(change.cell);
        let value = |v| match change.register {
            Some(register) => hex(What::Register(register), v),
            None if decodes => format!("{v:#x} ({})", facilities(v as u64)),
            None => format!("{v:#x}"),
        };
        let _ = writeln!(
            out,
            "  {:width$}  {} {}",
            change.name,
            e.headings()[0],
            value(change.a)
        );
        let _ = writeln!(
            out,
            "  {:width$}  {} {}",
            "",
            e.headings()[1],
            value(change.b)
        );
        if let Some(remark) = change.remark(e) {
            let _ = writeln!(out, "  {:width$}  {remark}", "");
        }
    }
    if cause.changes.len() > 8 {
        let _ = writeln!(out, "  and {} more", cause.changes.len() - 8);
    }
}

/// Whether a cell has bits of MSR.
fn is_msr(cell: Cell) -> bool {
    matches!(cell, Cell::Facilities(_) | Cell::UserMsr | Cell::Used(_))
}

/// The facility bits of an MSR by their names.
fn facilities(value: u64) -> String {
    let bits = [
        (msr::FP, "FP"),
        (msr::VEC, "VEC"),
        (msr::VSX, "VSX"),
        (msr::FE0, "FE0"),
        (msr::FE1, "FE1"),
    ];
    let names = bits.iter().filter(|(bit, _)| value & bit != 0);
    let names: Vec<&str> = names.map(|(_, name)| *name).collect();
    match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(" "),
    }
}

impl Changed {
    /// What is to be said of the two values.
    pub fn remark(&self, e: &Explanation) -> Option<String> {
        let alone = self.alone.map(|side| {
            let kernel = &e.headings()[side];
            format!("written by {kernel} only, with what was there")
        });
        alone.or_else(|| self.pattern.as_ref().map(ToString::to_string))
    }
}

/// Who wrote it last; returns the kernel's number and the write of which more is to be told.
fn last_writers<'c>(
    out: &mut String,
    cause: &'c Cause,
    e: &Explanation,
) -> Option<(usize, &'c Writer)> {
    let first = cause.changes.first().map_or("it", |c| c.name.as_str());
    let writers = [&cause.writer_a, &cause.writer_b];
    match e.kernels.only() {
        Some(_) => writer_and_place(out, (first, cause.function()), writers),
        None => {
            let _ = writeln!(out, "\nLast writer of {first}:");
            for (kernel, writer) in e.headings().iter().zip(writers) {
                let _ = match writer {
                    Some(w) => writeln!(out, "  {kernel}: {}", instruction(w)),
                    None => writeln!(out, "  {kernel}: not written in this run"),
                };
            }
        }
    }
    // With one kernel it is the place at fault that tells, whoever wrote what is there.
    let told = match e.kernels.only() {
        Some(_) => [1, 0],
        None => [0, 1],
    };
    told.into_iter()
        .find_map(|side| Some((side, writers[side].as_ref()?)))
}

/// How the function was called that wrote something.
fn called(out: &mut String, (side, writer): (usize, &Writer), e: &Explanation) {
    let _ = match e.kernels.only() {
        Some(_) => writeln!(out, "\nCall chain:"),
        None => writeln!(out, "\nCall chain ({}):", e.headings()[side]),
    };
    chain(out, writer);
}

/// Who wrote what is there, and where something else had to be written.
fn writer_and_place(
    out: &mut String,
    (what, function): (&str, &str),
    [found, expected]: [&Option<Writer>; 2],
) {
    let _ = writeln!(out, "\nLast writer of {what}:");
    let _ = match found {
        Some(w) => writeln!(out, "  {}", instruction(w)),
        None => writeln!(out, "  not written in this run"),
    };
    let place = |w: &Option<Writer>| w.as_ref().map(|w| w.place.clone());
    if place(expected).is_some() && place(found) != place(expected) {
        if let Some(w) = found.as_ref().filter(|w| w.trace.len() > 1) {
            let _ = writeln!(out, "    Call Trace:");
            call_trace(out, w);
        }
        let _ = writeln!(out, "What was expected had to be written in {function}");
    }
}

/// An instruction and where it is.
fn instruction(writer: &Writer) -> String {
    let source = source(writer);
    format!("{} at {}{source}", writer.instruction, writer.place)
}

/// With one kernel: the last copy of the right value, and who wrote what user code got instead.
fn loss(out: &mut String, cause: &Cause, e: &Explanation) {
    let Some(loss) = &cause.loss else {
        return;
    };
    let value = |value| hex(What::Register(loss.register), value);
    let _ = writeln!(out, "\nHow {} was lost:", loss.register);
    let _ = writeln!(out, "  it had to be {}", value(loss.right));
    // In the order of time: an image that is filled after it was loaded is filled too late.
    let mut stops = Vec::new();
    match &loss.held {
        Some(held) => stops.push(("the last copy of that went to".to_owned(), held)),
        None => {
            let _ = writeln!(out, "  no copy of that was made in this run");
        }
    }
    if let Some(got) = &loss.got {
        stops.push((format!("{} was written to", value(got.value)), got));
    }
    stops.sort_by_key(|(_, stop)| stop.step);
    for (number, (what, of)) in stops.iter().enumerate() {
        let then = if number == 0 { "" } else { "then " };
        stop(out, &format!("{then}{what}"), of, e);
    }
}

fn stop(out: &mut String, what: &str, stop: &Stop, e: &Explanation) {
    let writer = &stop.writer;
    let when = event(stop.event, &e.scenario);
    let running = stop.running.map(|task| format!(" while task {task} ran"));
    let running = running.unwrap_or_default();
    let _ = writeln!(out, "  {what} {}{running}, in\n    {when}", stop.place);
    let source = source(writer);
    let _ = writeln!(
        out,
        "    {} at {}{source}",
        writer.instruction, writer.place
    );
    if writer.trace.len() > 1 {
        let _ = writeln!(out, "    Call Trace:");
        call_trace(out, writer);
    }
}

/// Outermost first and indented, as people write call chains in mails.
fn chain(out: &mut String, writer: &Writer) {
    for (depth, (_, place)) in writer.trace.iter().rev().enumerate() {
        let _ = writeln!(out, "  {:depth$}{place}", "");
    }
}

/// Innermost first with addresses, as Linux prints a call trace.
fn call_trace(out: &mut String, writer: &Writer) {
    let mut stopped = false;
    for (address, place) in &writer.trace {
        if std::mem::replace(&mut stopped, is_interrupt(place)) {
            let _ = writeln!(out, "    --- interrupt at {place}");
        }
        let _ = writeln!(out, "    [{address:016x}] {place}");
    }
}

/// Whether a place is in the code that an interrupt enters: what follows it in a trace is what it
/// has stopped.
fn is_interrupt(place: &str) -> bool {
    let function = place.split('+').next().unwrap_or(place);
    let ends = ["_common", "_common_virt", "_common_real"];
    // Linux 6.1 schedules when it is about to return from one.
    ends.iter().any(|end| function.ends_with(end)) || function.starts_with("interrupt_return_")
}

fn damage(out: &mut String, cause: &Cause, e: &Explanation) {
    let Some(damage) = &cause.damage else {
        let _ = writeln!(
            out,
            "\nDamage: no task's register was found to differ while it was being traced"
        );
        return;
    };
    let whose = damage
        .task
        .map_or_else(|| "a kernel thread".into(), |t| format!("task {t}"));
    let place = if damage.at_cause {
        "right there".into()
    } else {
        event(damage.event, &e.scenario)
    };
    let _ = writeln!(out, "\nDamage: {} of {whose}, {place}", damage.register);
}

fn discovery(out: &mut String, cause: &Cause, e: &Explanation) {
    let _ = writeln!(out, "\nDiscovery:");
    if let Some((at, task)) = cause.user_return {
        let whose = task.map_or_else(|| "a task".into(), |t| format!("task {t}"));
        let _ = writeln!(
            out,
            "  {whose} goes on in user space with it:\n    {}",
            event(at, &e.scenario)
        );
    }
    let in_memory: Vec<&CopyReport> = cause.copies.iter().filter(|c| c.in_memory).collect();
    let Some(first) = in_memory.first() else {
        if cause.is_untraced() {
            return;
        }
        let _ = writeln!(out, "  it never reaches memory in this run");
        return;
    };
    let _ = writeln!(
        out,
        "  first copied to memory ({}):\n    {}",
        first.to.name,
        event(first.event, &e.scenario)
    );
    if let Some(writer) = &first.writer {
        let _ = writeln!(out, "    Call Trace:");
        call_trace(out, writer);
    }
    if first.thread_conditions {
        let _ = writeln!(
            out,
            "    the image did not hold FPSCR before save_fpu, holds it after, and MSR_FP was set in"
        );
        let _ = writeln!(
            out,
            "    regs->msr and in the processor. A debug patch with these conditions fires here, where the\n    damage is discovered; it was done earlier (linuxppc-dev, November 2023, fr0/vs0)"
        );
    }
    for copied in in_memory.iter().skip(1).take(COPIES_SHOWN) {
        let by = copied.writer.as_ref().map_or("?", |w| w.function.as_str());
        let _ = writeln!(
            out,
            "  then to {} by {by} ({})",
            copied.to.name,
            short(copied.event)
        );
    }
    if in_memory.len() > COPIES_SHOWN + 1 {
        let _ = writeln!(
            out,
            "  and to {} more places",
            in_memory.len() - COPIES_SHOWN - 1
        );
    }
}

/// An event by its number alone, where it has been or will be described elsewhere.
fn short(index: Option<u16>) -> String {
    index.map_or_else(|| "start or end".into(), |index| format!("event {index}"))
}

/// An event in words.
fn event(index: Option<u16>, scenario: &Scenario) -> String {
    match index {
        Some(index) => {
            let what = scenario
                .events
                .get(usize::from(index))
                .map_or_else(String::new, |e| format!(": {}", describe(e)));
            format!("event {index}{what}")
        }
        None => {
            "before the first event or after the last, when tasks start and dump their registers"
                .into()
        }
    }
}
