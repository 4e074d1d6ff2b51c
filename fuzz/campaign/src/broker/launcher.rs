//! Starts clients, hears what they say, and knows how one died.
//!
//! A client is this same program with the broker's own arguments and its orders behind them.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{self, Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::Sender;
use std::thread;

use rustix::fs::{MemfdFlags, memfd_create};

use super::Event;
use super::client::{Orders, Running};
use super::message::{self, ClientStatus, FromClient, ToClient};
use super::outbox::Outbox;

/// The hidden argument with a client's orders.
pub const ORDERS: &str = "--client";

/// Which start of which client something is about: what a dead one has said may be read when its successor runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientId {
    /// The client, counted from 0.
    pub index: usize,
    /// Its start, counted from 0.
    pub start: u64,
}

/// A client that runs.
pub struct Client {
    /// It.
    pub id: ClientId,
    /// Where it was last.
    pub status: ClientStatus,
    /// Whether it has said that it is done.
    pub done: bool,
    process: Child,
    outbox: Outbox,
    running: File,
}

/// How a client ended that was not done.
pub struct Death {
    /// For people.
    pub how: String,
    /// What it ran, or had run last.
    pub scenario: Option<String>,
}

impl Client {
    /// Starts a client; what it says comes as events.
    pub fn start(
        id: ClientId,
        orders: impl FnOnce(PathBuf) -> Orders,
        events: &Sender<Event>,
    ) -> io::Result<Client> {
        let running = File::from(memfd_create("ctxfuzz-running", MemfdFlags::CLOEXEC)?);
        let path = format!("/proc/{}/fd/{}", process::id(), running.as_raw_fd());
        let orders = orders(path.into());
        // Not by its name: it may have been built anew meanwhile.
        let mut process = Command::new("/proc/self/exe")
            .args(arguments(env::args_os()))
            .arg(ORDERS)
            .arg(serde_json::to_string(&orders)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let missing = || io::Error::other("a client has no pipes");
        let stdin = process.stdin.take().ok_or_else(missing)?;
        let stdout = process.stdout.take().ok_or_else(missing)?;
        let events = events.clone();
        thread::spawn(move || {
            let read = message::read(stdout, |message: FromClient| {
                events.send(Event::Client(id, message)).is_ok()
            });
            // Whatever it was that could not be read: the client is asked to say no more, and counts as dead.
            let _ = events.send(Event::ClientGone(id, read.err()));
        });
        Ok(Client {
            id,
            status: ClientStatus::default(),
            done: false,
            process,
            outbox: Outbox::start(stdin),
            running,
        })
    }

    /// Sends it a message, if it is not too far behind to hear.
    pub fn send(&self, message: &ToClient) {
        self.outbox.send(message);
    }

    /// Asks it to end.
    pub fn stop(&mut self) {
        self.outbox.close();
    }

    /// Buries one that says nothing more.
    pub fn bury(mut self, nonsense: Option<String>) -> Death {
        self.outbox.close();
        if nonsense.is_some() {
            // It may go on for long, and nobody listens.
            let _ = self.process.kill();
        }
        let ended = self.process.wait();
        let how = match (nonsense, ended) {
            (Some(nonsense), _) => format!("said what is {nonsense}"),
            (None, Ok(status)) => how(status),
            (None, Err(error)) => format!("cannot be waited for: {error}"),
        };
        Death {
            how,
            scenario: Running::read(&self.running),
        }
    }
}

fn how(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("was ended by signal {signal}"),
        (None, Some(101)) => "panicked".to_owned(),
        (None, Some(code)) => format!("ended with status {code}"),
        (None, None) => "ended".to_owned(),
    }
}

/// The broker's arguments without the program.
fn arguments(all: impl Iterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    all.skip(1)
}
