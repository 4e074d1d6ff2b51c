//! The index as SARIF 2.1.0, for code scanning: one result a signature, at the source line of the
//! kernel that is at fault.
//!
//! What is known is there as suppressed, what was skipped as a notification of the tool.
//! The types of the crate serde-sarif would write the keys in another order; a test holds what is
//! written here to them and to their schema, which would prove little of a log that they had made.

use serde_json::{Value, json};

use super::uri;
use crate::index::{Entry, Index, Kernel, Skipped, Standing};
use crate::renamed;

/// What source files are relative to.
const BASE: &str = "KERNEL";

/// The whole log.
pub fn sarif(index: &Index) -> Value {
    let of = |part: fn(&Index, &Entry) -> Value| -> Vec<Value> {
        index
            .entries
            .iter()
            .map(|entry| part(index, entry))
            .collect()
    };
    let skipped = index.skipped.iter();
    let skipped = skipped.map(|one| notification(index, one)).collect();
    log(of(|_, entry| rule(entry)), skipped, of(result))
}

/// A log of one run of this program. It was a success if there is nothing to be notified of.
pub(super) fn log(rules: Vec<Value>, notifications: Vec<Value>, results: Vec<Value>) -> Value {
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "ctxfuzz",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "invocations": [{
                "executionSuccessful": notifications.is_empty(),
                "toolExecutionNotifications": notifications,
            }],
            "originalUriBaseIds": {BASE: {"description": text("The source of the kernel; for the model that is built into ctxfuzz, its folder emulator/model.")}},
            "results": results,
        }],
    })
}

pub(super) fn text(text: &str) -> Value {
    json!({"text": text})
}

fn rule(entry: &Entry) -> Value {
    json!({
        "id": entry.signature,
        "shortDescription": text(&message(entry)),
    })
}

fn message(entry: &Entry) -> String {
    let registers = entry.registers.join(", ");
    let function = entry.function.as_deref().unwrap_or("an unknown function");
    let what = match (registers.as_str(), entry.is_of_one()) {
        ("", false) => "the runs part".to_owned(),
        ("", true) => "the run ends as it must not".to_owned(),
        (registers, false) => format!("the kernels leave different values in {registers}"),
        (registers, true) => format!("the kernel does not leave {registers} alone"),
    };
    format!("{}: {what}, because of {function}", entry.signature)
}

fn result(index: &Index, entry: &Entry) -> Value {
    let (level, suppressions) = match index.standing(entry) {
        Standing::Reported => ("error", json!([])),
        Standing::Below => ("note", json!([])),
        Standing::Known(reason) => (
            "error",
            json!([{"kind": "external", "status": "accepted", "justification": reason}]),
        ),
    };
    let position = index.entries.iter().position(|other| other == entry);
    let kernel = |kernel: &Option<Kernel>| {
        kernel
            .as_ref()
            .map(|kernel| json!({"name": kernel.kernel, "image": kernel.image}))
    };
    let mut result = json!({
        "ruleId": entry.signature,
        "ruleIndex": position,
        "level": level,
        "message": text(&message(entry)),
        "locations": location(entry).into_iter().collect::<Vec<_>>(),
        "partialFingerprints": {renamed::fingerprint(): entry.signature},
        "suppressions": suppressions,
        "properties": {
            "verdict": entry.verdict.name(),
            "registers": entry.registers,
            "places": entry.places,
            "endian": entry.endian,
            "foundByVersion": entry.version,
            "seed": entry.seed,
            "foundBy": entry.command,
            "reproduce": entry.reproduce,
            "finding": entry.path.to_string_lossy(),
            "alsoIn": entry.also.iter().map(|other| other.path.to_string_lossy()).collect::<Vec<_>>(),
        },
    });
    let properties = &mut result["properties"];
    match entry.is_of_one() {
        true => properties["kernel"] = json!(kernel(&entry.a)),
        false => {
            properties["kernelA"] = json!(kernel(&entry.a));
            properties["kernelB"] = json!(kernel(&entry.b));
        }
    }
    result
}

/// The telling instruction: its source line if the image says so, and its function.
fn location(entry: &Entry) -> Option<Value> {
    let mut location = serde_json::Map::new();
    if let Some((file, line)) = source(entry) {
        let uri = uri::of_text(file);
        let mut artifact = json!({"uri": uri});
        if !file.starts_with('/') {
            artifact["uriBaseId"] = json!(BASE);
        }
        let region = json!({"startLine": line});
        let physical = json!({"artifactLocation": artifact, "region": region});
        location.insert("physicalLocation".into(), physical);
    }
    if let Some(writer) = &entry.writer {
        let logical = json!([{"name": writer, "kind": "function"}]);
        location.insert("logicalLocations".into(), logical);
        let told = text(&format!("The telling instruction, in {writer}."));
        location.insert("message".into(), told);
    }
    (!location.is_empty()).then_some(Value::Object(location))
}

/// File and line; lines count from 1.
fn source(entry: &Entry) -> Option<(&str, u32)> {
    let (file, line) = entry.source.as_deref()?.rsplit_once(':')?;
    let line = line.parse().ok().filter(|&line| line > 0)?;
    (!file.is_empty()).then_some((file, line))
}

fn notification(index: &Index, skipped: &Skipped) -> Value {
    let path = index.name_of(skipped);
    let name = crate::untrusted::path(&path);
    json!({
        "level": "error",
        "message": text(&format!("{name}: skipped: {}", skipped.reason)),
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": uri::of_path(&path)}}}],
    })
}
