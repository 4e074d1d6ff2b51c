//! An explanation for programs.

use serde_json::{Value, json};

use crate::cause::{Cause, Changed, CopyReport, Ended, Explanation, Loss, Stop, Writer};
use crate::compare::What;
use crate::report::hex;

/// What stands for the second kernel where there is none.
const EXPECTED: &str = "expected";

/// The report for programs. With one kernel A is what it did, B what was expected of it.
pub fn json(explanation: &Explanation) -> Value {
    let e = explanation;
    let [a, b] = match e.kernels.only() {
        Some(kernel) => [kernel.to_string(), EXPECTED.to_owned()],
        None => e.headings(),
    };
    let mut keys = json!({
        "scenario": e.scenario.name,
        "endian": e.endian.name(),
        "a": a,
        "b": b,
    });
    let causes = e.causes.iter().map(cause_json);
    keys["verdict"] = json!(e.comparison.verdict);
    keys["not_comparable"] = json!(e.comparison.reason().map(ToString::to_string));
    keys["causes"] = causes.collect();
    let left_out = e.effects.iter().flat_map(|effects| &effects.not_applicable);
    let mut left_out: Vec<Value> = left_out.map(|one| json!(one)).collect();
    left_out.dedup();
    if !left_out.is_empty() {
        keys["not_applicable"] = json!(left_out);
    }
    keys
}

fn cause_json(cause: &Cause) -> Value {
    let first_in_memory = cause.copies.iter().find(|c| c.in_memory);
    let [a, b] = [&cause.writer_a, &cause.writer_b];
    let mut keys = json!({
        "signature": cause.signature,
        "class": cause.class.name(),
        "verdict": cause.verdict,
        "occurrences": cause.occurrences,
        "ended": cause.ended.as_ref().map(ended_json),
        "cause": {
            "event": cause.event,
            "function": a.as_ref().or(b.as_ref()).map(|w| &w.function),
            "changes": cause.changes.iter().map(changed_json).collect::<Vec<_>>(),
            "last_writer": {
                "a": a.as_ref().map(writer_json),
                "b": b.as_ref().map(writer_json),
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
            "memory": first_in_memory.map(copy_json),
        },
        "propagation": cause.copies.iter().map(copy_json).collect::<Vec<_>>(),
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
            "running": stop.running,
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

fn ended_json(ended: &Ended) -> Value {
    let kernel = if ended.side == 0 { "a" } else { "b" };
    json!({"kernel": kernel, "how": ended.how})
}

fn changed_json(change: &Changed) -> Value {
    let value = |v| {
        change
            .register
            .map_or_else(|| format!("{v:#x}"), |r| hex(What::Register(r), v))
    };
    json!({
        "what": change.name,
        "a": value(change.a),
        "b": value(change.b),
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

fn copy_json(copied: &CopyReport) -> Value {
    json!({
        "event": copied.event,
        "to": changed_json(&copied.to),
        "writer": copied.writer.as_ref().map(writer_json),
        "thread_conditions": copied.thread_conditions,
    })
}
