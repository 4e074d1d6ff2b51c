//! The campaign on several machines of `docs/many-machines.md`: its commands, taken from there, run here at once, with addresses of this machine and less time.

mod common;

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use common::pages::block_run_by;

const PAGE: &str = "docs/many-machines.md";
const TEST: &str = "fuzz/campaign/tests/many_machines.rs";

/// A port that nobody has.
fn port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there are ports");
    listener.local_addr().expect("it has one").port()
}

/// Replaces what must be there.
fn replace(line: &str, from: &str, to: &str) -> String {
    assert!(line.contains(from), "no `{from}` in `{line}`");
    line.replace(from, to)
}

/// Starts the command of a machine, in a folder of its own.
fn start(folder: &Path, line: &str, port: u16, seconds: u32) -> Child {
    let (machine, command) = line
        .split_once("$ ctxfuzz ")
        .expect("a prompt and a command");
    let command = replace(
        command,
        "--seconds 36000",
        &format!("--seconds {seconds} --json"),
    );
    let command = match machine {
        "fuzzer-1" => {
            let command = replace(&command, "0.0.0.0", "127.0.0.1");
            replace(
                &command,
                "--broker-port 1337",
                &format!("--broker-port {port}"),
            )
        }
        _ => replace(&command, "fuzzer-1:1337", &format!("127.0.0.1:{port}")),
    };
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

/// Runs the machines of the page for so many seconds; how many scenarios each took from others.
fn imported(seconds: u32) -> Vec<u64> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let port = port();
    let block = block_run_by(PAGE, TEST);
    let machines: Vec<Child> = block
        .lines
        .iter()
        .map(|line| start(folder.path(), line, port, seconds))
        .collect();
    let end = |machine: Child| {
        let output = machine.wait_with_output().expect("it ends");
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        let summary: Value = serde_json::from_slice(&output.stdout).expect("a summary");
        summary["clients"]["imported"].as_u64().expect("a number")
    };
    machines.into_iter().map(end).collect()
}

#[test]
fn machines_of_the_page_share_what_they_find() {
    let share = |imported: &[u64]| imported.len() == 3 && imported.iter().all(|&n| n > 0);
    // A machine that has much else to do needs longer.
    let first = imported(5);
    assert!(share(&first) || share(&imported(60)), "{first:?}");
}
