//! Layout of the canonical text: what fits stays on one line, lists of events and expectations take
//! a line an item.

use serde_json::Value;

/// Longest line of an object or list that is not broken up.
const WIDTH: usize = 120;
const INDENT: usize = 2;

/// The text of a whole file, newline included.
pub(crate) fn document(value: &Value) -> String {
    let mut text = String::new();
    let Value::Object(fields) = value else {
        return format!("{value}\n");
    };
    text.push('{');
    for (index, (key, field)) in fields.iter().enumerate() {
        item(&mut text, index, INDENT);
        text.push_str(&format!("{}: ", Value::from(key.as_str())));
        let items = match field {
            // One item a line even if all would fit in one.
            Value::Array(items) if !items.is_empty() => items,
            _ => {
                broken(&mut text, field, INDENT, 0);
                continue;
            }
        };
        list(&mut text, items, INDENT);
    }
    text.push_str("\n}\n");
    text
}

fn item(text: &mut String, index: usize, indent: usize) {
    text.push_str(if index == 0 { "\n" } else { ",\n" });
    text.extend(std::iter::repeat_n(' ', indent));
}

fn list(text: &mut String, items: &[Value], indent: usize) {
    text.push('[');
    for (index, value) in items.iter().enumerate() {
        item(text, index, indent + INDENT);
        broken(text, value, indent + INDENT, 1);
    }
    text.push('\n');
    text.extend(std::iter::repeat_n(' ', indent));
    text.push(']');
}

/// Writes a value at the end of the current line, over several lines if it does not fit; `after` is
/// what follows on the line.
fn broken(text: &mut String, value: &Value, indent: usize, after: usize) {
    let used = text.len() - text.rfind('\n').map_or(0, |newline| newline + 1);
    let start = text.len();
    flat(text, value);
    if used + (text.len() - start) + after <= WIDTH {
        return;
    }
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            text.truncate(start);
            text.push('{');
            for (index, (key, field)) in fields.iter().enumerate() {
                item(text, index, indent + INDENT);
                text.push_str(&format!("{}: ", Value::from(key.as_str())));
                broken(text, field, indent + INDENT, 1);
            }
            text.push('\n');
            text.extend(std::iter::repeat_n(' ', indent));
            text.push('}');
        }
        Value::Array(items) if !items.is_empty() => {
            text.truncate(start);
            list(text, items, indent);
        }
        // A scalar (`about`) is as long as it is.
        _ => {}
    }
}

fn flat(text: &mut String, value: &Value) {
    match value {
        Value::Object(fields) => {
            text.push('{');
            for (index, (key, field)) in fields.iter().enumerate() {
                if index > 0 {
                    text.push_str(", ");
                }
                text.push_str(&format!("{}: ", Value::from(key.as_str())));
                flat(text, field);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push_str(", ");
                }
                flat(text, item);
            }
            text.push(']');
        }
        scalar => text.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn short_things_stay_on_one_line() {
        let text = document(
            &json!({ "ctxfuzz": 1, "stage": { "tasks": [{}] }, "events": [{ "touch": "fp" }], "expect": [] }),
        );
        assert_eq!(
            text,
            "{\n  \"ctxfuzz\": 1,\n  \"stage\": {\"tasks\": [{}]},\n  \"events\": [\n    {\"touch\": \"fp\"}\n  ],\n  \"expect\": []\n}\n"
        );
    }

    #[test]
    fn long_things_are_broken_at_the_outermost_level_that_needs_it() {
        let registers: serde_json::Map<_, _> = (0..12)
            .map(|n| (format!("f{n}"), json!("0x4142434445464748")))
            .collect();
        let text = document(&json!({ "events": [{ "set": registers }, { "touch": "fp" }] }));
        assert!(text.lines().all(|line| line.len() <= WIDTH));
        assert!(text.contains("\n        \"f11\": \"0x4142434445464748\"\n      }\n    },\n    {\"touch\": \"fp\"}\n"), "{text}");
    }
}
