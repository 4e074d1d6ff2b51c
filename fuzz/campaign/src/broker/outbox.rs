//! Sends messages without waiting for whoever reads them.
//!
//! Somebody who does not read for long loses messages, and never holds up the others: everything that matters is on disk too.

use std::io::Write;
use std::sync::mpsc::{self, SyncSender};
use std::thread::{self, JoinHandle};

use serde::Serialize;

use super::message;

/// Messages that wait. A whole corpus is sent to a new broker.
const MOST_WAITING: usize = 100_000;

/// See the module.
pub struct Outbox {
    sender: Option<SyncSender<String>>,
    writer: Option<JoinHandle<()>>,
}

impl Outbox {
    /// Writes to `to` until that fails or the outbox is closed.
    pub fn start(mut to: impl Write + Send + 'static) -> Outbox {
        let (sender, messages) = mpsc::sync_channel::<String>(MOST_WAITING);
        let writer = thread::spawn(move || {
            for line in messages {
                let written = to.write_all(line.as_bytes()).and_then(|()| to.flush());
                if written.is_err() {
                    return;
                }
            }
        });
        Outbox {
            sender: Some(sender),
            writer: Some(writer),
        }
    }

    /// Sends, or does not if too much waits or nobody is there.
    pub fn send(&self, message: &impl Serialize) {
        if let (Some(sender), Ok(line)) = (&self.sender, message::line(message)) {
            let _ = sender.try_send(line);
        }
    }

    /// Nothing more is sent after what waits; the other end then sees the end.
    pub fn close(&mut self) {
        self.sender = None;
    }

    /// Waits until what was sent before `close` is written, or cannot be.
    pub fn finish(&mut self) {
        self.close();
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read};

    use super::*;

    #[test]
    fn everything_is_written_before_the_end() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut outbox = Outbox::start(writer);
        (0..3).for_each(|number| outbox.send(&number));
        outbox.finish();
        outbox.send(&3);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "0\n1\n2\n");
    }

    #[test]
    fn who_does_not_read_holds_up_nobody() {
        let (reader, writer) = io::pipe().unwrap();
        let outbox = Outbox::start(writer);
        let long = "x".repeat(1 << 10);
        // Far more than the pipe and the outbox hold.
        (0..2 * MOST_WAITING).for_each(|_| outbox.send(&long));
        drop(reader);
    }
}
