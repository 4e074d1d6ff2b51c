//! Files of others, and text from them and from file names on its way to a terminal: it must not be
//! able to move the cursor, hide itself or run on without end.
//!
//! Reports in other formats escape what their format needs; that is theirs.

use std::fmt::Write;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, openat};

/// Characters shown of one piece of such text.
const MOST_CHARS: usize = 400;

/// The text on one line, with everything that a terminal would not simply show written as `\u{..}`,
/// and cut if it is long.
pub fn shown(text: &str) -> String {
    match text.char_indices().nth(MOST_CHARS) {
        None => escaped(text),
        Some((cut, _)) => escaped(&text[..cut]) + "...",
    }
}

/// The same at any length.
pub fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c.is_control() || is_invisible(c) {
            // Writing to a string cannot fail.
            true => drop(write!(out, "{}", c.escape_unicode())),
            false => out.push(c),
        }
    }
    out
}

/// The same for a file name, which need not be text at all.
pub fn path(path: &Path) -> String {
    shown(&path.to_string_lossy())
}

/// What is no character, changes the direction of text, joins or separates characters unseen, or
/// ends a line without being a control character.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fffe}' | '\u{ffff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// What is in a regular file of at most so many bytes, and in nothing else: a pipe would be waited
/// for, and a link could lead anywhere.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(openat(CWD, path, flags, Mode::empty())?);
    let about = file.metadata()?;
    if !about.is_file() || about.len() > most {
        return Err(io::Error::other(format!(
            "it is no file of at most {most} bytes"
        )));
    }
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn nothing_reaches_the_terminal_but_text() {
        assert_eq!(shown("save_fpu.f0-is-fpscr"), "save_fpu.f0-is-fpscr");
        assert_eq!(shown("größe <b>"), "größe <b>");
        assert_eq!(
            shown("a\x1b[2Jb\r\n\u{9b}c"),
            r"a\u{1b}[2Jb\u{d}\u{a}\u{9b}c"
        );
        assert_eq!(shown("x\u{202e}txt\u{200b}"), r"x\u{202e}txt\u{200b}");
        let long = shown(&"y".repeat(1000));
        assert!(long.len() == 403 && long.ends_with("..."));
    }
}
