//! A worker's process: starts it, reads what it says, knows how it died.
//!
//! It is this same program with the supervisor's own arguments and its orders behind them.

use std::env;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::fd::AsRawFd;
use std::process::{self, Child, Command, Stdio};
use std::sync::mpsc::Sender;
use std::thread;

use rustix::fs::{MemfdFlags, memfd_create};
use serde_json::Deserializer;

use super::Event;
use super::worker::{FromWorker, Orders, Running};

/// The hidden argument with a worker's orders.
const ORDERS: &str = "--worker";

/// Which start of which worker something is about: what a dead one has said may be read when its
/// successor runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerId {
    /// The worker, counted from 0.
    pub index: usize,
    /// Its start, counted from 0.
    pub start: u64,
}

/// A worker that runs.
pub struct Process {
    /// It.
    pub id: WorkerId,
    /// Whether it has said that it is done.
    pub done: bool,
    process: Child,
    running: File,
}

impl Process {
    /// Starts a worker; what it says comes as events.
    pub fn start(id: WorkerId, orders: &mut Orders, events: &Sender<Event>) -> io::Result<Process> {
        let running = File::from(memfd_create("ctxfuzz-running", MemfdFlags::CLOEXEC)?);
        orders.running = format!("/proc/{}/fd/{}", process::id(), running.as_raw_fd()).into();
        // Not by its name: it may have been built anew meanwhile.
        let mut process = Command::new("/proc/self/exe")
            .args(env::args_os().skip(1))
            .arg(ORDERS)
            .arg(serde_json::to_string(orders)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = process.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let events = events.clone();
        thread::spawn(move || {
            let nonsense = read(stdout, |said| events.send((id, Ok(said))).is_ok());
            let _ = events.send((id, Err(nonsense)));
        });
        Ok(Process {
            id,
            done: false,
            process,
            running,
        })
    }

    /// Asks it to end: its stdin does.
    pub fn stop(&mut self) {
        self.process.stdin = None;
    }

    /// Waits for one that says nothing more, or not what it should. How it ended, for people, and
    /// the scenario that it ran, or had run last.
    pub fn bury(mut self, nonsense: Option<String>) -> (String, Option<String>) {
        self.stop();
        if nonsense.is_some() {
            // It may go on for long, and nobody listens.
            let _ = self.process.kill();
        }
        let how = match (nonsense, self.process.wait()) {
            (Some(nonsense), _) => format!("said what is no message: {nonsense}"),
            (None, Ok(status)) => format!("ended with {status}"),
            (None, Err(error)) => format!("cannot be waited for: {error}"),
        };
        (how, Running::read(&self.running))
    }
}

/// Reads what a worker says to the end, or until `each` has enough. What is cut off is the end too:
/// it was killed while it wrote.
fn read(from: impl Read, mut each: impl FnMut(FromWorker) -> bool) -> Option<String> {
    for said in Deserializer::from_reader(BufReader::new(from)).into_iter() {
        match said.map(&mut each) {
            Ok(true) => {}
            Err(error) if !error.is_eof() => return Some(error.to_string()),
            _ => break,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_worker_says_is_read_to_the_end_or_to_the_first_nonsense() {
        let read = |text: &str| {
            let mut count = 0;
            let nonsense = read(text.as_bytes(), |_| {
                count += 1;
                true
            });
            (count, nonsense.is_some())
        };
        assert_eq!(read("\"done\"\n\"done\"\n"), (2, false));
        assert_eq!(read("\"done\"\nHello\n\"done\"\n"), (1, true));
        assert_eq!(read("\"done\"\n\"nothing\"\n"), (1, true));
        assert_eq!(read("\"done\"\n\"do"), (1, false));
    }
}
