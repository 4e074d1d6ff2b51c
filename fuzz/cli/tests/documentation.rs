//! What the documentation shows is what happens: every command of the README and of `docs/` is run.
//!
//! Those in `console` blocks are run here: `$ ctxfuzz ...` in a folder that has a copy of the
//! corpus and the files that the page shows ("json my.json" at a fence); commands of one page find
//! what the earlier ones of that page left behind. A comment at its end, `# exit 1`, says the exit
//! status if it is not 0. The lines below are compared with what it prints; `...` stands for
//! anything, in a line or as one. Without such lines only the status is compared. Commands that
//! name a kernel in `target/kernels` are skipped, and said to be, where there is none; so are those
//! that use a short name which such a command was to give it, and `confirm` without its compilers.
//!
//! What is in `sh` blocks is run elsewhere: a comment above the block, `<!-- run by: FILE -->`,
//! says by what, and is held to it.

mod common;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::Output;

use assert_cmd::Command;

use common::pages::{self, Block, blocks, pages};

/// One command of a page.
#[derive(Debug, PartialEq)]
struct Example {
    line: usize,
    arguments: Vec<String>,
    status: i32,
    output: Vec<String>,
}

impl Example {
    /// The real kernels that are named, as they are called in `target/kernels`.
    fn kernels(&self) -> impl Iterator<Item = &str> {
        self.arguments.iter().filter_map(|argument| {
            let (_, path) = argument.split_once("target/kernels/")?;
            path.strip_suffix("/vmlinux")
        })
    }

    /// Why what it has to compile cannot be compiled here.
    fn lacks_a_compiler(&self) -> Option<String> {
        let boots = self.arguments.iter().any(|word| word == "--vmlinux");
        let compiles = boots && self.arguments.first().is_some_and(|word| word == "confirm");
        let mut compilers = common::COMPILERS.into_iter().filter(|_| compiles);
        compilers.find_map(|compiler| common::compiles(compiler).err())
    }

    /// The short name that it gives a kernel.
    fn named(&self) -> Option<&str> {
        match self.arguments.as_slice() {
            [kernels, add, name, ..] if kernels == "kernels" && add == "add" => Some(name),
            _ => None,
        }
    }

    /// Whether it does the same wherever it is called: then once is enough for all pages.
    fn is_the_same_everywhere(&self) -> bool {
        self.arguments == ["selftest"]
    }
}

/// The commands in the `console` blocks of a page.
fn examples(page: &str) -> Vec<Example> {
    let mut found: Vec<Example> = Vec::new();
    for block in blocks(page)
        .iter()
        .filter(|block| block.language == "console")
    {
        let first = found.len();
        for (line, text) in (block.line + 1..).zip(&block.lines) {
            if let Some(command) = text.strip_prefix("$ ") {
                found.push(example(line, command));
            } else {
                assert!(found.len() > first, "line {line}: output of what?");
                let last = found.last_mut().expect("there is one");
                last.output.push(text.clone());
            }
        }
    }
    found
}

fn example(line: usize, command: &str) -> Example {
    let (command, status) = match command.split_once(" # exit ") {
        Some((command, status)) => (command, status.trim().parse().expect("a number")),
        None => (command, 0),
    };
    let mut words = command.split_whitespace().map(str::to_owned);
    let name = words.next();
    assert_eq!(
        name.as_deref(),
        Some("ctxfuzz"),
        "line {line}: who runs it?"
    );
    Example {
        line,
        arguments: words.collect(),
        status,
        output: Vec::new(),
    }
}

/// Whether a line is as shown; `...` stands for any text.
fn line_matches(shown: &str, real: &str) -> bool {
    let mut parts = shown.split("...");
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = real.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Whether lines are as shown; a line `...` stands for any number of lines.
fn output_matches(shown: &[String], real: &[&str]) -> bool {
    match (shown.split_first(), real.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if first == "..." => {
            (0..=real.len()).any(|skipped| output_matches(rest, &real[skipped..]))
        }
        (Some((first, rest)), Some((line, lines))) => {
            line_matches(first, line) && output_matches(rest, lines)
        }
        _ => false,
    }
}

/// Puts the real kernels where a reader of the pages has them.
fn link_kernels(folder: &Path) {
    let Ok(kernels) = common::kernels().canonicalize() else {
        return;
    };
    fs::create_dir(folder.join("target")).expect("a folder is made");
    let link = folder.join("target/kernels");
    std::os::unix::fs::symlink(kernels, link).expect("a link is made");
}

/// A folder as a reader of a page has it.
fn folder(page: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::create_dir(folder.path().join("corpus")).expect("a folder is made");
    for file in common::corpus() {
        let from = common::project().join(&file);
        fs::copy(from, folder.path().join(&file)).expect("a file is copied");
    }
    let findings = folder.path().join("docs/findings");
    fs::create_dir_all(&findings).expect("a folder is made");
    let programs = common::project()
        .join("docs/findings/programs")
        .canonicalize();
    let programs = programs.expect("it is there");
    std::os::unix::fs::symlink(programs, findings.join("programs")).expect("a link is made");
    link_kernels(folder.path());
    for block in blocks(page) {
        if let Some(file) = &block.file {
            fs::write(folder.path().join(file), block.text()).expect("a file is written");
        }
    }
    folder
}

/// What commands printed that print the same everywhere.
type Known = HashMap<Vec<String>, Output>;

fn run(example: &Example, folder: &Path, known: &mut Known) -> Output {
    let run = || {
        Command::cargo_bin("ctxfuzz")
            .expect("cargo has built the program")
            .args(&example.arguments)
            .current_dir(folder)
            .env("XDG_CONFIG_HOME", folder.join(".config"))
            .output()
            .expect("the program starts")
    };
    if !example.is_the_same_everywhere() {
        return run();
    }
    let arguments = example.arguments.clone();
    known.entry(arguments).or_insert_with(run).clone()
}

/// Runs all commands of a page in a new folder. How many there are; what is not as the page has it
/// goes to `wrong`.
fn check(name: &str, known: &mut Known, wrong: &mut Vec<String>) -> usize {
    let page = pages::read(name);
    let examples = examples(&page);
    if examples.is_empty() {
        return 0;
    }
    let folder = folder(&page);
    // Short names of kernels that are not there.
    let mut absent: Vec<&str> = Vec::new();
    for example in &examples {
        let place = format!("{name}:{}", example.line);
        let missing = example
            .kernels()
            .find_map(|name| common::real([name]).err())
            .or_else(|| example.lacks_a_compiler());
        if let Some(why) = missing {
            common::skipped_in_part(&place, &why);
            absent.extend(example.named());
            continue;
        }
        let words = &example.arguments;
        if let Some(name) = absent.iter().find(|name| words.iter().any(|w| w == *name)) {
            common::skipped_in_part(&place, &format!("`{name}` is not there"));
            continue;
        }
        let output = run(example, folder.path(), known);
        let printed = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        let real: Vec<&str> = printed.lines().map(str::trim_end).collect();
        let as_shown = example.output.is_empty() || output_matches(&example.output, &real);
        if output.status.code() != Some(example.status) || !as_shown {
            let command = example.arguments.join(" ");
            let status = output.status;
            wrong.push(format!(
                "{place}: `ctxfuzz {command}`, {status}, prints\n{printed}"
            ));
        }
    }
    examples.len()
}

#[test]
fn what_the_pages_show_is_what_happens() {
    let mut known = Known::new();
    let mut wrong = Vec::new();
    let pages = pages();
    let pages = pages.iter();
    let run: usize = pages.map(|page| check(page, &mut known, &mut wrong)).sum();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(run >= 10, "only {run} commands are shown anywhere");
}

/// Whether a line of a block is one that a reader would type.
fn is_command(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let first = words.find(|word| !word.contains('='));
    line.starts_with("$ ")
        || first.is_some_and(|word| {
            ["ctxfuzz", "cargo", "make", "git", "sudo", "apt-get"].contains(&word)
        })
}

/// Why nothing runs the commands of a block, if so.
fn not_run(page: &str, block: &Block, read: impl Fn(&str) -> Option<String>) -> Option<String> {
    let commands: Vec<&String> = block.lines.iter().filter(|line| is_command(line)).collect();
    match (block.language.as_str(), &block.run_by) {
        ("console", None) => None,
        ("console", Some(_)) => Some("it is run here".to_owned()),
        ("sh", None) => Some("nothing runs it".to_owned()),
        ("sh", Some(file)) => {
            let Some(text) = read(file) else {
                return Some(format!("there is no {file}"));
            };
            // It takes the block from the page, or has the same commands.
            let takes_it = text.contains("<!-- run by: ") || text.contains(page);
            let missing = commands
                .into_iter()
                .map(|line| line.split(" #").next().unwrap_or_default().trim())
                .find(|command| !takes_it && !text.contains(command))?;
            Some(format!("{file} does not run `{missing}`"))
        }
        _ => commands
            .first()
            .map(|command| format!("nothing runs `{command}`")),
    }
}

#[test]
fn every_command_in_a_block_is_run_by_something() {
    let read = |file: &str| fs::read_to_string(common::project().join(file)).ok();
    for name in pages() {
        for block in blocks(&pages::read(&name)) {
            let why = not_run(&name, &block, read);
            assert_eq!(why, None, "{name}:{}", block.line);
        }
    }
}

#[test]
fn links_between_pages_lead_somewhere() {
    for page in pages() {
        for link in pages::read(&page).split("](").skip(1) {
            let target = link.split([')', '#']).next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let path = pages::path(&page).with_file_name(target);
            assert!(path.exists(), "{page}: no {target}");
        }
    }
}

#[test]
fn every_command_has_its_row_in_the_readme() {
    let readme = fs::read_to_string(common::project().join("README.md")).expect("it reads");
    let help = common::call(&["--help"]).stdout;
    let commands = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help");
    for command in commands {
        assert!(
            readme.contains(&format!("| `{command}")),
            "{command} is not explained"
        );
    }
}

#[test]
fn pages_are_read_as_meant() {
    let page = "```console\n$ ctxfuzz run a.json # exit 1\nline\n...\n```\n$ ctxfuzz no\n```sh\n$ ctxfuzz no\n```\n";
    let expected = Example {
        line: 2,
        arguments: vec!["run".into(), "a.json".into()],
        status: 1,
        output: vec!["line".into(), "...".into()],
    };
    assert_eq!(expected.kernels().count(), 0);
    assert_eq!(examples(page), [expected]);
    let page =
        "```console\n$ ctxfuzz run --a vmlinux:target/kernels/x/vmlinux --b fixed a.json\n```\n";
    let real = examples(page);
    assert_eq!(real[0].kernels().collect::<Vec<_>>(), ["x"]);
    assert_eq!(real[0].named(), None);
    let adds = "```console\n$ ctxfuzz kernels add y target/kernels/x/vmlinux\n```\n";
    assert_eq!(examples(adds)[0].named(), Some("y"));

    assert!(line_matches("a ... c ...", "a b c d"));
    assert!(!line_matches("a ... c", "a b c d"));
    assert!(!line_matches("a", "a b"));
    let shown: Vec<String> = ["a", "...", "d"].map(str::to_owned).to_vec();
    assert!(output_matches(&shown, &["a", "b", "c", "d"]));
    assert!(output_matches(&shown, &["a", "d"]));
    assert!(!output_matches(&shown, &["a", "b"]));
}

#[test]
fn what_nothing_runs_is_noticed() {
    let only = |page: &str| {
        let text = |file: &str| match file {
            "tests/reads.rs" => Some("docs/a.md".to_owned()),
            ".ci/run" => Some("make fuzz X=1".to_owned()),
            _ => None,
        };
        not_run("docs/a.md", &blocks(page)[0], text)
    };
    assert_eq!(only("```console\n$ ctxfuzz a\n```"), None);
    assert_eq!(
        only("<!-- run by: tests/reads.rs -->\n```sh\nctxfuzz a\n```"),
        None
    );
    assert_eq!(
        only("<!-- run by: .ci/run -->\n```sh\nmake fuzz  # fuzzes\n```"),
        None
    );
    assert_eq!(only("```json\n{}\n```"), None);
    for not_run in [
        "```sh\nctxfuzz a\n```",
        "<!-- run by: .ci/run -->\ntext\n```sh\nmake fuzz\n```",
        "<!-- run by: .ci/run -->\n```sh\nmake test\n```",
        "<!-- run by: tests/gone.rs -->\n```sh\nctxfuzz a\n```",
        "<!-- run by: tests/reads.rs slow -->\n```sh\nctxfuzz a\n```",
        "```text\n$ ctxfuzz a\n```",
        "```\nX=1 cargo a\n```",
    ] {
        assert!(only(not_run).is_some(), "{not_run}");
    }
}
