//! The assembler macros that a program uses: a reader is not to look at what nobody calls.

use std::collections::BTreeSet;

const MACROS: &str = include_str!("c/macros.S");

/// A macro with the comment before it; what is none has no name, and stays.
#[derive(Default)]
struct Part<'a> {
    name: Option<&'a str>,
    text: String,
}

/// The macros that this code uses, and those that they use.
pub fn used_by(code: &str) -> String {
    let parts = parts();
    let fixed = parts.iter().filter(|part| part.name.is_none());
    let mut used: BTreeSet<&str> = words(code).collect();
    used.extend(fixed.flat_map(|part| words(&part.text)));
    loop {
        let before = used.len();
        let is_used = |part: &&Part<'_>| part.name.is_some_and(|name| used.contains(name));
        let more: Vec<&str> = parts
            .iter()
            .filter(is_used)
            .flat_map(|p| words(&p.text))
            .collect();
        used.extend(more);
        if used.len() == before {
            break;
        }
    }
    let mut text = String::new();
    for part in &parts {
        let wanted = part.name.is_none_or(|name| used.contains(name));
        let is_empty_again = part.text == "\n" && text.ends_with("\n\n");
        if wanted && !is_empty_again {
            text.push_str(&part.text);
        }
    }
    text
}

fn parts() -> Vec<Part<'static>> {
    let mut parts = Vec::new();
    let mut part = Part::default();
    for line in MACROS.lines() {
        if let Some(rest) = line.strip_prefix("\t.macro ") {
            part.name = rest.split_whitespace().next();
        }
        part.text.push_str(line);
        part.text.push('\n');
        let is_comment = part.name.is_none() && line.starts_with("\t/*") && line.ends_with("*/");
        let is_open = part.name.is_some() && line != "\t.endm";
        if !is_comment && !is_open {
            parts.push(std::mem::take(&mut part));
        }
    }
    parts.push(part);
    parts
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_used_is_there_with_what_it_uses() {
        let all: Vec<&str> = parts().iter().filter_map(|part| part.name).collect();
        assert!(all.len() > 20, "{all:?}");
        let text = used_by("\tset_doubleword_1 3\n");
        assert!(text.contains(".macro set_doubleword_1 n\n"), "{text}");
        assert!(text.contains("/* Through memory:"), "{text}");
        assert!(text.contains(".macro address offset\n"), "{text}");
        assert!(text.contains("only_return:\n"), "{text}");
        assert!(text.contains(".macro sigreturn\n"), "{text}");
        assert!(!text.contains(".macro load_vscr"), "{text}");
        assert!(!text.contains("/* Before the VRs"), "{text}");
        assert!(!text.contains("\n\n\n"), "{text}");
        let everything = used_by(&all.join(" "));
        assert_eq!(everything, MACROS);
    }
}
