//! The campaigns on several machines of `docs/many-machines.md`: the page's commands, run here at
//! once in folders of this machine and for less time, and its units for systemd.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use common::pages::{block_run_by, blocks, read};

const PAGE: &str = "docs/many-machines.md";
const TEST: &str = "fuzz/cli/tests/many_machines.rs";

/// Replaces what must be there.
fn replace(line: &str, from: &str, to: &str) -> String {
    assert!(line.contains(from), "no `{from}` in `{line}`");
    line.replace(from, to)
}

/// Starts the command of a machine, in a folder of its own.
fn start(folder: &Path, line: &str, seconds: u32) -> Child {
    let (machine, command) = line
        .split_once("$ ctxfuzz ")
        .expect("a prompt and a command");
    let time = format!("--seconds {seconds} --json");
    let command = replace(command, "--seconds 36000", &time);
    let command = replace(&command, "/mnt/share", "../share");
    let home = folder.join(machine);
    fs::create_dir_all(home.join("corpus")).expect("a folder is made");
    Command::new(env!("CARGO_BIN_EXE_ctxfuzz"))
        .current_dir(home)
        .args(command.split_whitespace())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

/// Runs the page's last command where the findings are: an entry for each signature of any host.
fn triage(folder: &Path, line: &str, summaries: &[Value]) {
    let (_, command) = line
        .split_once("$ ctxfuzz ")
        .expect("a prompt and a command");
    let mut arguments: Vec<&str> = command.split_whitespace().collect();
    arguments.push("--json");
    let called = common::findings::call_in(folder, &arguments);
    assert_eq!(called.status, Some(1), "{}", called.stderr);
    let index = &common::json_lines(&called.stdout)[0];
    let mut listed = common::campaign::signatures(index);
    listed.sort_unstable();
    let all: BTreeSet<&str> = summaries
        .iter()
        .flat_map(common::campaign::signatures)
        .collect();
    assert!(listed.iter().eq(&all), "{listed:?}: each once, of {all:?}");
}

/// Runs the machines of the page for so many seconds; how many scenarios each has tried of others.
fn tried(seconds: u32) -> Vec<u64> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let block = block_run_by(PAGE, TEST);
    let (last, campaigns) = block.lines.split_last().expect("it has lines");
    let machines: Vec<Child> = campaigns
        .iter()
        .map(|line| start(folder.path(), line, seconds))
        .collect();
    let end = |machine: Child| {
        let output = machine.wait_with_output().expect("it ends");
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        serde_json::from_slice(&output.stdout).expect("a summary")
    };
    let summaries: Vec<Value> = machines.into_iter().map(end).collect();
    triage(folder.path(), last, &summaries);
    let tried = |summary: &Value| summary["shared"]["tried"].as_u64();
    summaries
        .iter()
        .map(|summary| tried(summary).expect("a number"))
        .collect()
}

#[test]
fn machines_of_the_page_share_what_they_find() {
    let share = |tried: &[u64]| tried.len() == 3 && tried.iter().all(|&n| n > 0);
    // A machine that has much else to do needs longer.
    let first = tried(5);
    assert!(share(&first) || share(&tried(60)), "{first:?}");
}

/// The units are tried by systemd itself where it is; the command in them is the page's own.
#[test]
fn the_units_of_the_page_are_ones() {
    let units: Vec<String> = blocks(&read(PAGE))
        .iter()
        .filter(|block| block.language == "ini")
        .map(common::pages::Block::text)
        .collect();
    let [service, timer] = &units[..] else {
        panic!("a service and a timer: {units:?}");
    };
    let copies = "rsync -a --ignore-existing --exclude='.*' ";
    assert!(service.contains(copies) && read(PAGE).contains(&format!("\n{copies}fuzzer-2:")));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let files = [("service", service), ("timer", timer)].map(|(kind, text)| {
        let file = folder.path().join(format!("ctxfuzz-share@.{kind}"));
        fs::write(&file, text).expect("it is written");
        file
    });
    let verify = Command::new("systemd-analyze")
        .args(["verify", "--user"])
        .args(&files)
        .output();
    match verify {
        Ok(output) => {
            let told = String::from_utf8_lossy(&output.stderr);
            // A program that is not installed here is no mistake of the unit.
            let wrong = told.lines().filter(|line| {
                line.contains("ctxfuzz-share@") && !line.contains("is not executable")
            });
            assert_eq!(wrong.collect::<Vec<&str>>(), Vec::<&str>::new());
        }
        Err(error) => common::skipped("units of systemd", &format!("systemd-analyze: {error}")),
    }
}
