//! Campaigns that run beside a test.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longest that is waited for anything.
const PATIENCE: Duration = Duration::from_secs(120);
/// Kernels that do not differ where anybody could see it, and a campaign that does not end by
/// itself.
pub const QUIET: [&str; 6] = [
    "--a",
    "repaired+restore-math-declines",
    "--b",
    "repaired",
    "--runs",
    "100000000",
];

/// A campaign that runs.
pub struct Campaign {
    /// It.
    pub process: Child,
    notes: Receiver<String>,
    heard: Vec<String>,
}

impl Campaign {
    /// Starts it in a folder.
    pub fn start(folder: &Path, arguments: &[&str]) -> Campaign {
        let mut process = Command::new(env!("CARGO_BIN_EXE_ctxfuzz"))
            .current_dir(folder)
            .args([
                "fuzz",
                "--json",
                "--corpus",
                "corpus",
                "--findings",
                "findings",
            ])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stderr = process.stderr.take().expect("it is piped");
        let (sender, notes) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Campaign {
            process,
            notes,
            heard: Vec::new(),
        }
    }

    /// Waits for a line with these words.
    pub fn hear(&mut self, words: &str) -> String {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if let Some(line) = self.heard.iter().find(|line| line.contains(words)) {
                return line.clone();
            }
            match self.notes.recv_timeout(Duration::from_millis(100)) {
                Ok(line) => self.heard.push(line),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        panic!("it never said `{words}`: {:#?}", self.heard);
    }

    /// Presses Ctrl-C, as a terminal does, for this process and its workers.
    pub fn interrupt(&self) {
        signal("INT", self.process.id());
    }

    /// Its summary.
    pub fn end(mut self) -> (Option<i32>, Value) {
        let mut text = String::new();
        let mut stdout = self.process.stdout.take().expect("it is piped");
        stdout.read_to_string(&mut text).expect("it is text");
        let status = self.process.wait().expect("it ends").code();
        self.heard.extend(self.notes.iter());
        let summary = serde_json::from_str(&text);
        let summary = summary.unwrap_or_else(|_| panic!("{text}: {:#?}", self.heard));
        (status, summary)
    }
}

/// A test that fails leaves nothing running; workers end with their supervisor.
impl Drop for Campaign {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Sends a signal to a process.
pub fn signal(name: &str, process: u32) {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &process.to_string()])
        .status()
        .expect("kill is there");
    assert!(sent.success());
}

/// Waits until something is so.
pub fn wait_for(what: &str, mut is_there: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_there() {
        assert!(started.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// What the system knows of a process: its state and its parent; `None` if it is gone.
pub fn about(process: u32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut words = stat.rsplit(") ").next()?.split(' ');
    Some((words.next()?.chars().next()?, words.next()?.parse().ok()?))
}

/// Processes that a campaign has started.
pub fn workers(of: &Campaign) -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("it lists").flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|&process| about(process).is_some_and(|(_, parent)| parent == of.process.id()))
        .collect()
}

/// What is in a directory; nothing if there is none.
pub fn names(dir: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// Those of a summary.
pub fn signatures(summary: &Value) -> Vec<&str> {
    let findings = summary["findings"].as_array().expect("there is a list");
    findings
        .iter()
        .filter_map(|finding| finding["signature"].as_str())
        .collect()
}
