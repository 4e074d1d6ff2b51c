//! The pages of the documentation, as the tests read them: their blocks, and who runs the commands
//! in them.

use std::fs;
use std::path::PathBuf;

use super::project;

/// A block between two fences.
#[derive(Debug, PartialEq)]
pub struct Block {
    /// The line of its first fence.
    pub line: usize,
    /// `console`, `sh`, `json`, ...; empty if it does not say.
    pub language: String,
    /// What the block is a file of: `my.json` of "json my.json".
    pub file: Option<String>,
    /// `FILE` of the comment `<!-- run by: FILE -->` above it: what runs the commands in it.
    pub run_by: Option<String>,
    /// What is in it.
    pub lines: Vec<String>,
}

impl Block {
    /// Its text.
    pub fn text(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

/// The blocks of a page.
pub fn blocks(page: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    let mut run_by = None;
    for (number, line) in page.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(block), None) => block.lines.push(line.to_owned()),
            (None, Some(info)) => {
                let (language, file) = match info.split_once(' ') {
                    Some((language, file)) => (language, Some(file.to_owned())),
                    None => (info, None),
                };
                open = Some(Block {
                    line: number + 1,
                    language: language.to_owned(),
                    file,
                    run_by: run_by.take(),
                    lines: Vec::new(),
                });
            }
            (None, None) => {
                run_by = line
                    .strip_prefix("<!-- run by: ")
                    .and_then(|rest| rest.strip_suffix(" -->"))
                    .map(str::to_owned);
            }
        }
    }
    found
}

/// All pages, from the project's folder: the README, those of `docs/`, and [`findings`].
pub fn pages() -> Vec<String> {
    let mut pages = in_folder("docs");
    pages.extend(findings());
    pages.push("README.md".to_owned());
    pages.sort();
    pages
}

/// The pages of what ctxfuzz says of Linux.
pub fn findings() -> Vec<String> {
    in_folder("docs/findings")
}

fn in_folder(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(project().join(folder)).expect("it is a folder");
    let names = entries.map(|entry| entry.expect("it lists").file_name());
    names
        .map(|name| format!("{folder}/{}", name.to_string_lossy()))
        .filter(|name| name.ends_with(".md"))
        .collect()
}

/// What is in a page.
pub fn read(page: &str) -> String {
    fs::read_to_string(path(page)).expect("the page reads")
}

/// Where a page is.
pub fn path(page: &str) -> PathBuf {
    project().join(page)
}

/// The only block of a page whose commands `test` runs.
pub fn block_run_by(page: &str, test: &str) -> Block {
    let mut blocks = blocks(&read(page)).into_iter();
    let wanted = |block: &Block| block.run_by.as_deref() == Some(test);
    let block = blocks.find(wanted);
    assert!(
        !blocks.any(|block| wanted(&block)),
        "{page}: one block for {test}"
    );
    block.unwrap_or_else(|| panic!("{page}: no block says that {test} runs it"))
}
