//! An explanation for programs.

use serde_json::{Value, json};

use crate::cause::{Cause, Changed, CopyReport, Ended, Explanation, Loss, Stop, Writer};
use crate::compare::What;
use crate::report::hex;

/// The report for programs.
pub fn json(explanation: &Explanation) -> Value {
    let e = explanation;
    let mut keys = json!({"scenario": e.scenario.name, "endian": e.endian.name()});
    match e.kernels.names() {
        [a, b] => {
            keys["a"] = json!(a.to_string());
            keys["b"] = json!(b.to_string());
        }
        names => keys["kernel"] = json!(names.first().map(ToString::to_string)),
    }
    let sides = sides(e);
    let causes = e.causes.iter().map(|cause| cause_json(cause, sides));
    keys["verdict"] = json!(e.comparison.verdict);
    keys["not_comparable"] = json!(e.comparison.reason().map(ToString::to_string));
    keys["causes"] = causes.collect();
    keys
}

/// The keys of what A has and of what B has.
fn sides(e: &Explanation) -> [&'static str; 2] {
    match e.kernels.only() {
        Some(_) => ["found", "expected"],
        None => ["a", "b"],
    }
}

fn cause_json(cause: &Cause, sides: [&str; 2]) -> Value {
    let first_in_memory = cause.copies.iter().find(|c| c.in_memory);
    let changed = |change: &Changed| changed_json(change, sides);
    let copy = |copied: &CopyReport| copy_json(copied, sides);
    let [a, b] = [&cause.writer_a, &cause.writer_b];
    let mut keys = json!({
        "signature": cause.signature,
        "class": cause.class.name(),
        "verdict": cause.verdict,
        "occurrences": cause.occurrences,
        "ended": cause.ended.as_ref().map(|ended| ended_json(ended, sides)),
        "cause": {
            "event": cause.event,
            "function": a.as_ref().or(b.as_ref()).map(|w| &w.function),
            "changes": cause.changes.iter().map(changed).collect::<Vec<_>>(),
            "last_writer": {
                sides[0]: a.as_ref().map(writer_json),
                sides[1]: b.as_ref().map(writer_json),
            },
        },
        "damage": cause.damage.as_ref().map(|d| json!({
            "event": d.event,
            "task": d.task,
            "register": d.register.to_string(),
            "at_cause": d.at_cause,
        })),
        "discovery": {
            "user_return": cause
                .user_return
                .map(|(event, task)| json!({"event": event, "task": task})),
            "memory": first_in_memory.map(copy),
        },
        "propagation": cause.copies.iter().map(copy).collect::<Vec<_>>(),
    });
    if let Some(rule) = cause.rule {
        keys["rule"] = json!(rule);
    }
    if let Some(loss) = &cause.loss {
        keys["loss"] = loss_json(loss);
    }
    keys
}

fn loss_json(loss: &Loss) -> Value {
    let value = |value| hex(What::Register(loss.register), value);
    let stop = |stop: &Stop| {
        json!({
            "event": stop.event,
            "to": stop.place,
            "value": value(stop.value),
            "writer": writer_json(&stop.writer),
        })
    };
    json!({
        "register": loss.register.to_string(),
        "right": value(loss.right),
        "held": loss.held.as_ref().map(stop),
        "got": loss.got.as_ref().map(stop),
    })
}

fn ended_json(ended: &Ended, sides: [&str; 2]) -> Value {
    json!({"kernel": sides[ended.side], "how": ended.how})
}

fn changed_json(change: &Changed, sides: [&str; 2]) -> Value {
    let value = |v| {
        change
            .register
            .map_or_else(|| format!("{v:#x}"), |r| hex(What::Register(r), v))
    };
    json!({
        "what": change.name,
        sides[0]: value(change.a),
        sides[1]: value(change.b),
        "pattern": change.pattern.as_ref().map(ToString::to_string),
    })
}

fn writer_json(writer: &Writer) -> Value {
    json!({
        "place": writer.place,
        "source": writer.source,
        "instruction": writer.instruction,
        "trace": writer.trace.iter().map(|(_, place)| place).collect::<Vec<_>>(),
    })
}

fn copy_json(copied: &CopyReport, sides: [&str; 2]) -> Value {
    json!({
        "event": copied.event,
        "to": changed_json(&copied.to, sides),
        "writer": copied.writer.as_ref().map(writer_json),
        "thread_conditions": copied.thread_conditions,
    })
}
