//! What the tree looks like: no file of code is too long, and no comment or line of a page too
//! wide.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a file of code.
const LINES: usize = 500;
/// Columns of a comment, and of a line of a page.
const COLUMNS: usize = 100;
/// Columns of a tab in C and assembly.
const TAB: usize = 8;

/// All files of the project, without what builds and runs have made.
fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("it lists").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let made = ["target", "findings", "found", ".git"].contains(&name.as_str());
        let path = entry.path();
        match entry.file_type().expect("it has a type") {
            kind if kind.is_dir() && !made => files(&path, found),
            kind if kind.is_file() => found.push(path),
            _ => {}
        }
    }
}

fn extension(path: &Path) -> &str {
    path.extension().and_then(|end| end.to_str()).unwrap_or("")
}

fn columns(line: &str) -> usize {
    let width = |at: usize, c: char| match c {
        '\t' => (at / TAB + 1) * TAB,
        _ => at + 1,
    };
    line.chars().fold(0, width)
}

/// What a line of a comment begins with; a text of Rust may have lists.
const RUST: &[&str] = &["//", "/*"];
const C: &[&str] = &["//", "/*", "* "];
const SCRIPT: &[&str] = &["# "];

fn marks(extension: &str) -> Option<&'static [&'static str]> {
    match extension {
        "rs" => Some(RUST),
        "c" | "h" | "S" => Some(C),
        // Scripts have no extension.
        "" | "toml" | "yml" | "config" => Some(SCRIPT),
        _ => None,
    }
}

/// Numbers of the lines of code that are comments, or end in one, and are too wide.
fn wide_comments(text: &str, marks: &[&str]) -> Vec<usize> {
    let is_comment = |line: &str| {
        let line = line.trim_start();
        let behind = ["; /*", "; // ", ", // "]
            .iter()
            .any(|mark| line.contains(mark));
        marks.iter().any(|mark| line.starts_with(mark)) || behind
    };
    let lines = (1..).zip(text.lines());
    let wide = lines.filter(|(_, line)| is_comment(line) && columns(line) > COLUMNS);
    wide.map(|(number, _)| number).collect()
}

/// Numbers of the lines of prose that are too wide: neither of blocks, tables and headings, nor one
/// word that cannot be broken.
fn wide_prose(page: &str) -> Vec<usize> {
    let mut block = false;
    let lines = (1..).zip(page.lines()).filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        block ^= fence;
        let whole = ["|", "#", "!["].iter().any(|mark| line.starts_with(mark));
        let words = line.split_whitespace().count();
        !block && !fence && !whole && words > 1 && columns(line) > COLUMNS
    });
    lines.map(|(number, _)| number).collect()
}

#[test]
fn files_are_short_and_comments_narrow() {
    let mut all = Vec::new();
    files(&common::project(), &mut all);
    let mut wrong = Vec::new();
    let mut seen = 0;
    for path in all {
        let (marks, page) = (marks(extension(&path)), extension(&path) == "md");
        // A file without an extension need not be text.
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        let shown = path.display();
        let lines = text.lines().count();
        if let Some(marks) = marks {
            seen += 1;
            if marks != SCRIPT && lines > LINES {
                wrong.push(format!("{shown}: {lines} lines"));
            }
            let wide = wide_comments(&text, marks);
            wrong.extend(wide.iter().map(|n| format!("{shown}:{n}")));
        }
        // Tests make these pages, from what they measure.
        if page && !text.contains("<!-- Made by ") {
            seen += 1;
            wrong.extend(wide_prose(&text).iter().map(|n| format!("{shown}:{n}")));
        }
    }
    assert!(seen > 400, "{seen} files were looked at");
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn what_is_too_wide_is_noticed() {
    let wide = "x ".repeat(60);
    assert_eq!(wide_comments(&format!("a\n    // {wide}\n"), RUST), [2]);
    assert_eq!(wide_comments(&format!("\tu64 a; /* {wide} */\n"), C), [1]);
    assert_eq!(wide_comments(&format!(" * {wide}\n"), C), [1]);
    assert_eq!(wide_comments(&format!("f(a), // {wide}\n"), RUST), [1]);
    assert_eq!(wide_comments(&format!("\t# {wide}\n"), SCRIPT), [1]);
    for silent in [format!("let a = \"{wide}\";\n"), format!("* {wide}\n")] {
        assert_eq!(wide_comments(&silent, RUST), [0; 0]);
    }
    assert_eq!(wide_prose(&format!("a\n{wide}\n")), [2]);
    let whole = format!(
        "| {wide} |\n# {wide}\n```text\n{wide}\n```\n{}\n",
        "x".repeat(120)
    );
    assert_eq!(wide_prose(&whole), [0; 0]);
    assert_eq!(columns("\ta\tb"), 17);
}
