//! Scenarios as JSON text: reading with exact places of errors, and the one canonical way to write
//! them.
//!
//! Spelling of the parts is in the modules below, what makes a scenario valid in `validate`.

pub(crate) mod bounded;
mod document;
pub(crate) mod events;
mod layout;
pub(crate) mod locate;
pub(crate) mod names;
pub(crate) mod number;
pub(crate) mod object;
pub(crate) mod optional;
pub(crate) mod registers;
pub(crate) mod syscall;

use serde::Deserialize;
use serde_json::error::Category;

use crate::error::ScenarioError;
use crate::scenario::Scenario;
pub(crate) use document::Document;
use document::Text;

/// The one version of the format there is.
pub(crate) const VERSION: u64 = 1;

/// Longest message about a text: messages quote it, and a text can be anything.
const MESSAGE_CHARS: usize = 400;

impl Scenario {
    /// Reads and validates a scenario; `origin` is what errors call the text, usually its file
    /// name.
    pub fn from_json(text: &str, origin: &str) -> Result<Scenario, ScenarioError> {
        let Ok(Text(document)) = serde_json::from_str::<Text>(text) else {
            return Err(explain(text, origin));
        };
        let scenario = Scenario::from(document);
        match scenario.validate() {
            Ok(()) => Ok(scenario),
            Err(error) => Err(locate::in_text(text, origin, error)),
        }
    }

    /// Writes a scenario the canonical way: equal scenarios give equal bytes, and reading gives the
    /// same scenario back.
    pub fn to_json(&self) -> String {
        match serde_json::to_value(Document::from(self)) {
            Ok(value) => layout::document(&value),
            // Writing maps with string keys into memory has no way to fail.
            Err(error) => unreachable!("a scenario did not serialize: {error}"),
        }
    }
}

/// Reads a text that is known to be wrong once more, slower, to say where and why.
fn explain(text: &str, origin: &str) -> ScenarioError {
    /// The version alone: a later version may have fields this one does not know.
    #[derive(Deserialize)]
    struct Probe {
        ctxfuzz: serde_json::Value,
    }
    if let Ok(Probe { ctxfuzz }) = serde_json::from_str(text)
        && let Some(message) = wrong_version(&ctxfuzz)
    {
        return locate::in_text(text, origin, ScenarioError::of_field("ctxfuzz", message));
    }

    let mut deserializer = serde_json::Deserializer::from_str(text);
    let (field, error) = match serde_path_to_error::deserialize::<_, Text>(&mut deserializer) {
        Err(error) => (field_of(&error), error.into_inner()),
        Ok(_) => match deserializer.end() {
            Err(error) => (String::new(), error),
            Ok(()) => return ScenarioError::of_field("", "is valid when read again"),
        },
    };
    ScenarioError {
        path: origin.to_owned(),
        line: error.line(),
        // serde_json stands in front of the first column where a line begins with what is wrong.
        column: error.column().max(1),
        field,
        message: one_line(&message_of(&error)),
    }
}

/// What is wrong with the version of a text, and what to do about it; `None` if nothing is.
fn wrong_version(version: &serde_json::Value) -> Option<String> {
    let reads = format!("this ctxfuzz reads version {VERSION}");
    match version.as_u64() {
        Some(VERSION) => None,
        Some(newer @ VERSION..) => Some(format!(
            "unsupported version {newer}: {reads}, get a newer ctxfuzz"
        )),
        // There is nothing older that could be migrated.
        Some(older) => Some(format!(
            "unsupported version {older}: {reads}, and there is none before it"
        )),
        None => Some(one_line(&format!(
            "{version} is no version: expected the number {VERSION}"
        ))),
    }
}

/// The path to the value at fault. Where a key is at fault it is the object that has it, because
/// the message quotes the key.
fn field_of(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    use serde_path_to_error::Segment;

    let message = error.inner().to_string();
    let mut segments: Vec<&Segment> = error.path().iter().collect();
    if let Some(Segment::Map { key }) = segments.last()
        && ["unknown", "duplicate"]
            .iter()
            .any(|word| message.starts_with(word))
        && message.contains(&format!("`{key}`"))
    {
        segments.pop();
    }
    let mut field = String::new();
    for segment in segments {
        match segment {
            Segment::Seq { index } => field.push_str(&format!("[{index}]")),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                if !field.is_empty() {
                    field.push('.');
                }
                field.push_str(key);
            }
            Segment::Unknown => {}
        }
    }
    one_line(&field)
}

fn message_of(error: &serde_json::Error) -> String {
    let mut message = error.to_string();
    // serde_json adds the place, which has fields of its own here.
    if let Some(at) = message.rfind(" at line ") {
        message.truncate(at);
    }
    match error.classify() {
        Category::Syntax | Category::Eof => format!("broken JSON: {message}"),
        Category::Data | Category::Io => message,
    }
}

/// Quoted input can hold anything; a message is one line of bounded length.
fn one_line(text: &str) -> String {
    let mut line: String = text
        .chars()
        .take(MESSAGE_CHARS)
        .flat_map(|character| {
            let shown: Box<dyn Iterator<Item = char>> = if character.is_control() {
                Box::new(character.escape_default())
            } else {
                Box::new([character].into_iter())
            };
            shown
        })
        .collect();
    if text.chars().nth(MESSAGE_CHARS).is_some() {
        line.push_str("...");
    }
    line
}

#[cfg(test)]
mod tests;
