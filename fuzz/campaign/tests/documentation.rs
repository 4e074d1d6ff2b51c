//! What the documentation shows is what happens: every `console` block of the README and of `docs/` is run.
//!
//! `$ ctxfuzz ...` is run in a folder that has a copy of the corpus; commands of one page find what the earlier ones of that page
//! left behind. A comment at its end, `# exit 1`, says the exit status if it is not 0. The lines below are compared with what it
//! prints; `...` stands for anything, in a line or as one. Without such lines only the status is compared.
//!
//! Commands that name a kernel in `target/kernels` are skipped, and said to be, where there is none.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;

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
}

/// The `ctxfuzz` commands in the `console` blocks of a page.
fn examples(page: &str) -> Vec<Example> {
    let mut found: Vec<Example> = Vec::new();
    let (mut inside, mut ours) = (false, false);
    for (number, line) in page.lines().enumerate() {
        if line.starts_with("```") {
            inside = line == "```console";
            ours = false;
        } else if let (true, Some(command)) = (inside, line.strip_prefix("$ ")) {
            let (command, status) = match command.split_once(" # exit ") {
                Some((command, status)) => (command, status.trim().parse().expect("a number")),
                None => (command, 0),
            };
            let mut words = command.split_whitespace().map(str::to_owned);
            ours = words.next().as_deref() == Some("ctxfuzz");
            if ours {
                found.push(Example {
                    line: number + 1,
                    arguments: words.collect(),
                    status,
                    output: Vec::new(),
                });
            }
        } else if let (true, true, Some(example)) = (inside, ours, found.last_mut()) {
            example.output.push(line.to_owned());
        }
    }
    found
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

/// Runs all commands of a page in a new folder.
fn check(path: &Path) -> usize {
    let page = fs::read_to_string(path).expect("the page reads");
    let examples = examples(&page);
    if examples.is_empty() {
        return 0;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let corpus = folder.path().join("corpus");
    fs::create_dir(&corpus).expect("a folder is made");
    for file in common::corpus() {
        let from = common::project().join(&file);
        fs::copy(from, folder.path().join(&file)).expect("a file is copied");
    }
    link_kernels(folder.path());
    for example in &examples {
        let place = format!("{}:{}", path.display(), example.line);
        if example
            .kernels()
            .any(|kernel| common::real_kernels(&place, [kernel]).is_none())
        {
            continue;
        }
        let output = Command::cargo_bin("ctxfuzz")
            .expect("cargo has built the program")
            .args(&example.arguments)
            .current_dir(folder.path())
            .output()
            .expect("the program starts");
        let printed = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            output.status.code(),
            Some(example.status),
            "{place}: {printed}"
        );
        let real: Vec<&str> = printed.lines().map(str::trim_end).collect();
        assert!(
            example.output.is_empty() || output_matches(&example.output, &real),
            "{place}: `ctxfuzz {}` prints\n{printed}",
            example.arguments.join(" ")
        );
    }
    examples.len()
}

fn pages() -> Vec<PathBuf> {
    let project = common::project();
    let mut pages: Vec<PathBuf> = fs::read_dir(project.join("docs"))
        .expect("docs is a folder")
        .map(|entry| entry.expect("it lists").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    pages.push(project.join("README.md"));
    pages.sort();
    pages
}

#[test]
fn what_the_pages_show_is_what_happens() {
    let run: usize = pages().iter().map(|page| check(page)).sum();
    assert!(run >= 10, "only {run} commands are shown anywhere");
}

#[test]
fn links_between_pages_lead_somewhere() {
    for page in pages() {
        let text = fs::read_to_string(&page).expect("the page reads");
        for link in text.split("](").skip(1) {
            let target = link.split([')', '#']).next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let path = page.parent().unwrap_or(Path::new(".")).join(target);
            assert!(path.exists(), "{}: no {target}", page.display());
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
    let page = "```console\n$ make fuzz\nx\n$ ctxfuzz run a.json # exit 1\nline\n...\n```\n$ ctxfuzz no\n```sh\n$ ctxfuzz no\n```\n";
    let expected = Example {
        line: 4,
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

    assert!(line_matches("a ... c ...", "a b c d"));
    assert!(!line_matches("a ... c", "a b c d"));
    assert!(!line_matches("a", "a b"));
    let shown: Vec<String> = ["a", "...", "d"].map(str::to_owned).to_vec();
    assert!(output_matches(&shown, &["a", "b", "c", "d"]));
    assert!(output_matches(&shown, &["a", "d"]));
    assert!(!output_matches(&shown, &["a", "b"]));
}
