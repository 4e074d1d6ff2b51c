//! JSON files that others wrote: bounded, never through a link, and with an error that names line
//! and field.
//!
//! What must be in them is said by the types they are read into.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::untrusted::shown;

/// Bytes of the largest file that is read: that of the worst finding has a few hundred thousand.
const MAX_BYTES: u64 = 16 << 20;

/// Whether there is a plain file, and not a link to one: what a foreign link leads to is nobody's
/// business here.
pub fn plain(path: &Path) -> Result<(), String> {
    let about = match fs::symlink_metadata(path) {
        Ok(about) => about,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err("is missing".into());
        }
        Err(error) => return Err(format!("cannot be looked at: {error}")),
    };
    let kind = about.file_type();
    match (kind.is_symlink(), kind.is_dir(), kind.is_file()) {
        (true, _, _) => Err("is a symbolic link, which is not followed".into()),
        (_, true, _) => Err("is a directory: expected a file".into()),
        // Opening a pipe would wait for somebody to write to it.
        (_, _, false) => Err("is neither a file nor a directory".into()),
        _ if about.len() > MAX_BYTES => Err(format!("is larger than {} MiB", MAX_BYTES >> 20)),
        _ => Ok(()),
    }
}

/// Reads a file that may also be a link or a pipe, because its name was given by the user.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T, String> {
    let mut bytes = Vec::new();
    let read = File::open(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| format!(": cannot read it: {error}"));
    read?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!(": is larger than {} MiB", MAX_BYTES >> 20));
    }
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        format!(":{line}: is not UTF-8 text")
    })?;
    if text.trim().is_empty() {
        return Err(": is empty: expected JSON".into());
    }
    if !text.trim_start().starts_with('{') {
        return Err(":1: expected a JSON object".into());
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let (field, error) = match serde_path_to_error::deserialize(&mut deserializer) {
        Ok(value) => match deserializer.end() {
            Ok(()) => return Ok(value),
            Err(error) => (String::new(), error),
        },
        Err(error) => (field(error.path()), error.into_inner()),
    };
    let message = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    let message = message.strip_suffix(&position).unwrap_or(&message);
    let field = match field.as_str() {
        "" => String::new(),
        field => format!("{}: ", shown(field)),
    };
    Err(format!(
        ":{}:{}: {field}{}",
        error.line(),
        error.column().max(1),
        shown(message)
    ))
}

/// The path to a value as in `known[0].reason`; empty for the whole file. Where the text ended
/// there is no key yet, which the crate writes as `?`.
fn field(path: &serde_path_to_error::Path) -> String {
    let path = path.to_string();
    path.trim_end_matches('?').trim_end_matches('.').to_owned()
}
