//! A section of a page as plain text: paragraphs and lists, without code and tables.

use super::Lines;

/// Adds the section of that title, if the page has one.
pub fn section(out: &mut Lines, page: &str, title: &str) {
    for paragraph in paragraphs(page, title) {
        out.paragraph(&paragraph);
    }
}

/// Adds the first paragraph of it.
pub fn first_paragraph(out: &mut Lines, page: &str, title: &str) {
    if let Some(paragraph) = paragraphs(page, title).first() {
        out.paragraph(paragraph);
    }
}

fn paragraphs(page: &str, title: &str) -> Vec<String> {
    let mut paragraphs = Vec::new();
    let start = format!("\n## {title}\n");
    let Some((_, rest)) = page.split_once(&start) else {
        return paragraphs;
    };
    let section = rest.split("\n## ").next().unwrap_or(rest);
    let mut paragraph = String::new();
    let mut in_code = false;
    for line in section.lines().chain([""]) {
        if line.starts_with("```") {
            in_code = !in_code;
            continue;
        }
        if in_code || line.starts_with('|') || line.starts_with("<!--") {
            continue;
        }
        if (line.is_empty() || line.starts_with("* ")) && !paragraph.is_empty() {
            paragraphs.push(plain(std::mem::take(&mut paragraph).trim()));
        }
        if !line.is_empty() {
            paragraph.push_str(line.trim());
            paragraph.push(' ');
        }
    }
    paragraphs
}

/// Without links, backticks and backslashes.
fn plain(markdown: &str) -> String {
    let mut text = String::new();
    let mut rest = markdown;
    while let Some(at) = rest.find(['[', '`', '\\']) {
        text.push_str(&rest[..at]);
        let (mark, after) = rest[at..].split_at(1);
        rest = after;
        match mark {
            "\\" => {
                let length = rest.chars().next().map_or(0, char::len_utf8);
                text.push_str(&rest[..length]);
                rest = &rest[length..];
            }
            "[" => match link(rest) {
                Some((what, behind)) => {
                    text.push_str(&what.replace('`', ""));
                    rest = behind;
                }
                None => text.push('['),
            },
            _ => {}
        }
    }
    text + rest
}

/// What a link says, and what follows it.
fn link(rest: &str) -> Option<(&str, &str)> {
    let (what, after) = rest.split_once("](")?;
    let (_, behind) = after.split_once(')')?;
    (!what.contains('[')).then_some((what, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_plain_paragraphs() {
        let page = "# T\n\n## Cause\n\nIt clears `FP` in\n[`regs`](x.md), MSR\\[FP\\] too.\n\n\
                    ```c\ncode\n```\n\n| a | b |\n\n* one\n* two\n  more\n\n## Other\n\nno\n";
        let mut out = Lines::of(40);
        section(&mut out, page, "Cause");
        assert_eq!(
            out.text,
            "It clears FP in regs, MSR[FP] too.\n\n* one\n\n* two more\n\n"
        );
        let mut out = Lines::of(40);
        section(&mut out, page, "None");
        assert_eq!(out.text, "");
        first_paragraph(&mut out, page, "Other");
        assert_eq!(out.text, "no\n\n");
    }
}
