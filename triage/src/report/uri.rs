//! Paths as references in reports.

use std::path::Path;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// What a path may have in a reference without being taken for something else.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'+')
    .remove(b'=')
    .remove(b'@');

/// A path as a reference: relative if it is.
pub fn of_path(path: &Path) -> String {
    of_bytes(path.as_os_str().as_encoded_bytes())
}

/// The same for a path that is text.
pub fn of_text(path: &str) -> String {
    of_bytes(path.as_bytes())
}

fn of_bytes(bytes: &[u8]) -> String {
    let path = percent_encode(bytes, PATH).to_string();
    // Two slashes in front would name a host.
    match path.starts_with('/') {
        true => format!("file:///{}", path.trim_start_matches('/')),
        false => path,
    }
}

#[cfg(test)]
mod tests {
    use super::of_text;

    #[test]
    fn no_path_is_anything_else() {
        for (path, reference) in [
            ("kernel/fpu.S", "kernel/fpu.S"),
            ("/build/a b/fpu.S", "file:///build/a%20b/fpu.S"),
            ("//host/x", "file:///host/x"),
            ("javascript:alert(1)", "javascript%3Aalert%281%29"),
            ("a?b#c\"<>%", "a%3Fb%23c%22%3C%3E%25"),
        ] {
            assert_eq!(of_text(path), reference);
        }
    }
}
