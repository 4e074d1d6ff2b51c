//! Boots a kernel with a program, and says what that came to.

use std::path::Path;

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::kernel::snapshot::{BootOptions, Guest, SnapshotError, run_programs};
use thiserror::Error;

use crate::compile::{CompileError, compile};

/// What `/init` says when the program has ended.
const ENDED: &str = "ctxfuzz: the test ended with status ";

const INIT: &str = include_str!("program/c/init.c");

/// Why a kernel was not tried.
#[derive(Debug, Error)]
pub enum BootError {
    /// The program cannot be compiled.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The kernel cannot be booted.
    #[error(transparent)]
    Boot(#[from] SnapshotError),
}

/// What a kernel did with the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Registers differed, or tasks were killed, in so many attempts; and the name of the test, of
    /// several the first.
    Reproduced(Count, String),
    /// In none of so many, of all tests.
    NotReproduced(Count),
    /// It says nothing, and why.
    Inconclusive(String),
}

/// How many attempts, and in how many of them something differed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// In so many something differed.
    pub differ: u64,
    /// Attempts that say something: what came too late says nothing.
    pub of: u64,
}

/// An answer, and what the program printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmation {
    /// The answer.
    pub answer: Answer,
    /// What the program said, in TAP.
    pub tap: Vec<String>,
    /// The tests in that, of which the first is the control.
    pub tests: Vec<Test>,
    /// The end of the console.
    pub console_end: Vec<String>,
}

/// A test of the program: `ok 2 NAME`, and the counts that stand before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// Whether nothing differed.
    pub good: bool,
    /// Whether it says nothing.
    pub skipped: bool,
    /// Its name.
    pub name: String,
    /// Its attempts.
    pub count: Count,
}

/// Compiles the program, boots the kernel with it, and reads what it says.
pub fn confirm(
    source: &str,
    vmlinux: &Path,
    endian: Endian,
    options: &BootOptions,
) -> Result<Confirmation, BootError> {
    let (init, test) = (compile(INIT, endian)?, compile(source, endian)?);
    let programs: [(&str, &[u8]); 2] = [("init", &init), ("test", &test)];
    let guest = run_programs(vmlinux, &programs, options)?;
    Ok(read(&guest))
}

/// Lines of the console that are kept where nothing can be concluded.
const LAST_LINES: usize = 12;

/// What the console of a boot says.
fn read(guest: &Guest) -> Confirmation {
    let lines: Vec<&str> = guest.console.lines().map(str::trim_end).collect();
    let tap = lines.iter().filter(|line| is_tap(line));
    let tap: Vec<String> = tap.map(|line| (*line).to_owned()).collect();
    let tests = tests(&tap);
    let status = lines.iter().rev().find_map(|line| line.strip_prefix(ENDED));
    let answer = match status {
        None => Answer::Inconclusive(
            guest
                .trouble
                .clone()
                .unwrap_or_else(|| "the machine ended, and the program had not".to_owned()),
        ),
        Some(status) => answer(status, &tap, &tests),
    };
    let last = lines.len().saturating_sub(LAST_LINES);
    Confirmation {
        answer,
        tap,
        tests,
        console_end: lines[last..]
            .iter()
            .map(|line| (*line).to_owned())
            .collect(),
    }
}

fn is_tap(line: &str) -> bool {
    let starts = ["TAP version", "1..", "ok ", "not ok ", "# ", "Bail out!"];
    starts.iter().any(|start| line.starts_with(start))
}

fn tests(tap: &[String]) -> Vec<Test> {
    let mut tests = Vec::new();
    let mut count = Count::default();
    for line in tap {
        count = counted(line).unwrap_or(count);
        let (good, rest) = match (line.strip_prefix("ok "), line.strip_prefix("not ok ")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => continue,
        };
        let name = rest.split_once(' ').map_or("", |(_, name)| name);
        tests.push(Test {
            good,
            skipped: name.starts_with("# SKIP"),
            name: name.to_owned(),
            count: std::mem::take(&mut count),
        });
    }
    tests
}

/// By the results of the tests, the first of which is the control, and the exit status of
/// kselftest, which must agree.
fn answer(status: &str, tap: &[String], tests: &[Test]) -> Answer {
    let why = |what: &str| {
        let mut last = tap.iter().rev();
        let says_why = ["# ", "Bail out!"];
        let last = last.find(|line| {
            let is_skip = line.contains("SKIP") && !line.ends_with("the control shows nothing");
            is_skip || says_why.iter().any(|start| line.starts_with(start))
        });
        let last = last.map(|line| format!(": {}", line.trim_start_matches("# ")));
        Answer::Inconclusive(format!("{what}{}", last.unwrap_or_default()))
    };
    let Some((control, tried)) = tests.split_first() else {
        return match status {
            "4" => why("the program was not able to try it"),
            _ => why(&format!("the program ended with status {status}")),
        };
    };
    if !control.good {
        return why("the control differs too, so it shows nothing");
    }
    let of = tried.iter().filter(|test| !test.skipped);
    let of = of.map(|test| test.count.of).sum();
    match (status, tried.iter().find(|test| !test.good)) {
        ("1", Some(test)) => Answer::Reproduced(test.count, test.name.clone()),
        ("0", None) if of > 0 => Answer::NotReproduced(Count { differ: 0, of }),
        ("4", None) => why("too few attempts say anything"),
        _ => why(&format!("the program ended with status {status}")),
    }
}

/// `# NAME: 44 attempts, 10 differ, 17 disturbed too late, 1 did not end`.
fn counted(line: &str) -> Option<Count> {
    let (_, counts) = line.strip_prefix("# ")?.rsplit_once(": ")?;
    let mut count = Count::default();
    let mut attempts = None;
    for part in counts.split(", ") {
        let (number, what) = part.split_once(' ')?;
        let number: u64 = number.parse().ok()?;
        match what {
            "attempts" => attempts = Some(number),
            "differ" => count.differ = number,
            _ => count.of += number,
        }
    }
    count.of = attempts?.checked_sub(count.of)?;
    Some(count)
}

#[cfg(test)]
mod tests;
