//! The index as text for a terminal, and as JSON.

use std::path::Path;

use serde_json::{Value, json};

use super::{Entry, Index, Kernel, Standing};
use crate::report::Lines;
use crate::untrusted::{path, shown};

/// Registers shown of a finding.
const REGISTERS: usize = 6;

/// The index for people. What was skipped is not in it: that is told on stderr.
pub fn text(index: &Index) -> String {
    let mut lines = Lines::default();
    let count = |standing: fn(&Standing<'_>) -> bool| {
        let entries = index.entries.iter();
        entries
            .filter(|entry| standing(&index.standing(entry)))
            .count()
    };
    let known = count(|standing| matches!(standing, Standing::Known(_)));
    let below = count(|standing| matches!(standing, Standing::Below));
    let mut head = format!(
        "{}: {}",
        index.name(),
        plural(index.reported().count(), "finding")
    );
    for (count, what) in [
        (known, "known"),
        (below, "not reported without --abi linux"),
        (index.skipped.len(), "skipped"),
    ] {
        if count > 0 {
            head.push_str(&format!(", {count} {what}"));
        }
    }
    lines.add(&head);
    let (mut reported, mut rest) = (Vec::new(), Vec::new());
    for entry in &index.entries {
        match index.standing(entry) {
            Standing::Known(_) => rest.push(entry),
            Standing::Reported | Standing::Below => reported.push(entry),
        }
    }
    table(&mut lines, index, &reported);
    if !rest.is_empty() {
        lines.add("");
        lines.add("known");
        for entry in rest {
            let reason = shown(entry.known.as_deref().unwrap_or_default());
            lines.wrapped("  ", &format!("{}: {reason}", shown(&entry.signature)));
        }
    }
    lines.text
}

fn table(lines: &mut Lines, index: &Index, entries: &[&Entry]) {
    if entries.is_empty() {
        return;
    }
    let names: Vec<String> = entries.iter().map(|e| shown(&e.signature)).collect();
    let widest = names
        .iter()
        .map(|name| name.chars().count())
        .max()
        .unwrap_or(0);
    let width = widest.clamp("signature".len(), 46);
    lines.add("");
    lines.add(&format!(
        "{:<width$}  {:<7}  registers",
        "signature", "verdict"
    ));
    for (entry, name) in entries.iter().zip(names) {
        lines.add(&format!(
            "{name:<width$}  {:<7}  {}",
            entry.verdict.name(),
            registers(entry)
        ));
        if let Some(writer) = &entry.writer {
            let source = entry
                .source
                .as_ref()
                .map(|source| format!(", {}", shown(source)));
            let source = source.unwrap_or_default();
            lines.add(&format!(
                "    telling instruction: {}{source}",
                shown(writer)
            ));
        }
        if let Some(kernels) = kernels(entry) {
            lines.wrapped("    ", &kernels);
        }
        if index.standing(entry) == Standing::Below {
            lines.add("    only under the Linux system call ABI: not reported without --abi linux");
        }
        match &entry.reproduce {
            Some(command) => lines.add(&format!("    {}", shown(command))),
            None => lines.add(&format!("    {}", path(&entry.path))),
        }
        for other in &entry.also {
            lines.add(&format!(
                "    also in {}{}",
                path(&other.path),
                as_what(entry, other)
            ));
        }
    }
}

/// What is different about the same finding in another directory.
fn as_what(entry: &Entry, other: &Entry) -> String {
    let mut what = String::new();
    if other.verdict != entry.verdict {
        what.push_str(&format!(", {}", other.verdict.name()));
    }
    what.push_str(entry.other_oracle(other));
    if let Some(kernels) = kernels(other)
        && (&other.a, &other.b) != (&entry.a, &entry.b)
    {
        what.push_str(&format!(": {kernels}"));
    }
    what
}

/// What was run: two kernels, or one that was judged by itself.
fn kernels(entry: &Entry) -> Option<String> {
    match (&entry.a, &entry.b) {
        (Some(a), Some(b)) => Some(format!("{} against {}", kernel(a), kernel(b))),
        (Some(only), None) => Some(format!("{}, judged by itself", kernel(only))),
        _ => None,
    }
}

fn kernel(kernel: &Kernel) -> String {
    let (name, image) = (shown(&kernel.kernel), shown(&kernel.image));
    match &kernel.release {
        Some(release) => format!("{name} ({}, image {image})", shown(release)),
        None => format!("{name} (image {image})"),
    }
}

fn registers(entry: &Entry) -> String {
    let names = entry.registers.iter().take(REGISTERS);
    let mut names: Vec<String> = names.map(|name| shown(name)).collect();
    if let Some(more) = entry
        .registers
        .len()
        .checked_sub(REGISTERS)
        .filter(|&more| more > 0)
    {
        names.push(format!("and {more} more"));
    }
    names.join(" ")
}

/// `1 finding`, `2 findings`.
fn plural(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// The index for programs.
pub fn json(index: &Index) -> Value {
    let of = |wanted: fn(&Standing<'_>) -> bool| -> Vec<Value> {
        let entries = index.entries.iter();
        entries
            .filter(|entry| wanted(&index.standing(entry)))
            .map(entry)
            .collect()
    };
    let skipped = index
        .skipped
        .iter()
        .map(|skipped| json!({"path": text_of(&index.name_of(skipped)), "reason": skipped.reason}));
    let dirs: Vec<String> = index.dirs.iter().map(|dir| text_of(dir)).collect();
    let mut whole = json!({
        "dirs": dirs,
        "findings": of(|standing| *standing == Standing::Reported),
        "not_reported": of(|standing| *standing == Standing::Below),
        "known": of(|standing| matches!(standing, Standing::Known(_))),
        "skipped": skipped.collect::<Vec<_>>(),
    });
    if let [dir] = index.dirs.as_slice() {
        whole["dir"] = json!(text_of(dir));
    }
    whole
}

fn kernel_json(kernel: &Option<Kernel>) -> Value {
    let Some(kernel) = kernel else {
        return Value::Null;
    };
    let mut json = json!({"kernel": kernel.kernel, "image": kernel.image});
    if let Some(release) = &kernel.release {
        json["release"] = json!(release);
    }
    json
}

/// The same finding in another directory.
fn other(entry: &Entry) -> Value {
    json!({
        "path": text_of(&entry.path),
        "verdict": entry.verdict.name(),
        "registers": entry.registers,
        "places": entry.places,
        "endian": entry.endian,
        "a": kernel_json(&entry.a),
        "b": kernel_json(&entry.b),
        "version": entry.version,
        "seed": entry.seed,
        "command": entry.command,
        "reproduce": entry.reproduce,
    })
}

fn entry(entry: &Entry) -> Value {
    let mut keys = json!({
        "signature": entry.signature,
        "verdict": entry.verdict.name(),
        "registers": entry.registers,
        "places": entry.places,
        "function": entry.function,
        "writer": entry.writer,
        "source": entry.source,
        "endian": entry.endian,
        "a": kernel_json(&entry.a),
        "b": kernel_json(&entry.b),
        "version": entry.version,
        "seed": entry.seed,
        "command": entry.command,
        "reproduce": entry.reproduce,
        "path": text_of(&entry.path),
        "also": entry.also.iter().map(other).collect::<Vec<_>>(),
    });
    if let Some(reason) = &entry.known {
        keys["reason"] = json!(reason);
    }
    keys
}

fn text_of(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
