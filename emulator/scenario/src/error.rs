//! What can be wrong with a scenario, said in one line that names file, line, column and field.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::json::locate;

/// A text, or a [`Scenario`](crate::Scenario) made by a program, that is no valid scenario.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ScenarioError {
    /// File name, or what the caller calls the text; empty if there is no text.
    pub path: String,
    /// Line, from 1; 0 if there is no text.
    pub line: usize,
    /// Column, from 1; 0 if there is no text.
    pub column: usize,
    /// The field as in `events[3].set.f0`; empty for the text as a whole.
    pub field: String,
    /// What is wrong, and what was expected.
    pub message: String,
}

impl ScenarioError {
    /// An error of a value that has no text.
    pub(crate) fn of_field(field: impl Into<String>, message: impl Into<String>) -> Self {
        ScenarioError {
            path: String::new(),
            line: 0,
            column: 0,
            field: field.into(),
            message: message.into(),
        }
    }
}

impl ScenarioError {
    /// The same error about its field in another text, which the one that was read was made from.
    pub fn placed_in(self, text: &str, origin: &str) -> Self {
        locate::in_text(text, origin, self)
    }
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}:", self.path)?;
        }
        if self.line > 0 {
            write!(f, "{}:{}:", self.line, self.column)?;
        }
        if !self.path.is_empty() || self.line > 0 {
            f.write_str(" ")?;
        }
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)
    }
}

/// A file from which no scenario could be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Missing, or not readable.
    #[error("{}: cannot read it: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A directory.
    #[error("{}: is a directory: expected a scenario file", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
    },
    /// Bytes that are no text.
    #[error("{}:{line}: is not UTF-8 text: expected a scenario in JSON", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// Line of the first byte that is not UTF-8.
        line: usize,
    },
    /// Nothing in it.
    #[error("{}: is empty: expected a scenario in JSON", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Text, but no valid scenario.
    #[error(transparent)]
    Invalid(#[from] ScenarioError),
}
