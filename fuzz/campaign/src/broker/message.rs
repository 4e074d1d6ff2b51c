//! What brokers and clients say to each other: a line of JSON each, over a client's pipes or between brokers over TCP.
//!
//! Scenarios travel as the text that they have on disk. What comes from another broker is as foreign as any file: it is read with the same care, has a
//! limit, and nothing in it is believed that was not seen here.

use std::io::{self, BufRead, BufReader, Read, Write};

use ctxfuzz_triage::inconclusive::Tally;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::campaign::resources::Resources;
use crate::campaign::summary::{Counts, FindingSummary, Summary};

/// Version of what brokers say to each other.
pub const PROTOCOL: u64 = 1;

/// Longest line. The longest scenario is a tenth of that.
const MOST_BYTES: u64 = 1 << 20;

/// Where a client is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClientStatus {
    /// Scenarios that it has run.
    pub executions: u64,
    /// What came of them.
    pub counts: Counts,
    /// Those that say nothing, by reason.
    pub inconclusive: Tally,
    /// Places of its coverage map that were hit for the first time since it said so last.
    pub covered: Vec<u32>,
    /// What its process uses.
    pub resources: Resources,
}

/// From a client to its broker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FromClient {
    /// A scenario is in the corpus, because its coverage was new.
    Kept(String),
    /// A finding is on disk.
    Found(FindingSummary),
    /// Where it is.
    Status(ClientStatus),
    /// The end.
    Done(Summary),
    /// It could not go on, and none could: a directory cannot be written, say.
    Failed(String),
}

/// From a broker to its client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ToClient {
    /// A scenario to try.
    Scenario(String),
    /// What another client has found.
    Kept(FindingSummary),
    /// A scenario of another broker's finding.
    Claimed(String),
}

/// Which kernels a broker fuzzes, and how it speaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Version of the language.
    pub protocol: u64,
    /// Of ctxfuzz.
    pub version: String,
    /// Byte order.
    pub endian: String,
    /// Hashes of the kernels' images, A's first, in hexadecimal.
    pub images: [String; 2],
}

/// Between brokers. The first message of each is its `Hello`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum BetweenBrokers {
    /// Who speaks.
    Hello(Hello),
    /// A scenario of the corpus.
    Scenario(String),
    /// The scenario of a finding.
    Finding {
        /// The cause, as the sender calls it.
        signature: String,
        /// The scenario.
        scenario: String,
    },
}

/// A message as it is written.
pub fn line<T: Serialize>(message: &T) -> io::Result<String> {
    let mut line = serde_json::to_string(message)?;
    line.push('\n');
    Ok(line)
}

/// Writes a message at once.
pub fn write<T: Serialize>(mut to: impl Write, message: &T) -> io::Result<()> {
    to.write_all(line(message)?.as_bytes())?;
    to.flush()
}

/// Reads messages to the end, or until `each` has enough. A line that is no message is an error, and the last thing that is read.
pub fn read<T: DeserializeOwned>(
    from: impl Read,
    mut each: impl FnMut(T) -> bool,
) -> Result<(), String> {
    let mut lines = BufReader::new(from);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = lines.by_ref().take(MOST_BYTES).read_until(b'\n', &mut line);
        match read.map_err(|error| error.to_string())? {
            0 => return Ok(()),
            _ if line.last() == Some(&b'\n') => {}
            length if length as u64 == MOST_BYTES => {
                return Err(format!("a message of more than {MOST_BYTES} bytes"));
            }
            _ => return Err("a message broke off".to_owned()),
        }
        let message =
            serde_json::from_slice(&line).map_err(|error| format!("no message: {error}"))?;
        if !each(message) {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> (Vec<ToClient>, Result<(), String>) {
        let mut messages = Vec::new();
        let end = read(bytes, |message| {
            messages.push(message);
            true
        });
        (messages, end)
    }

    #[test]
    fn what_is_written_is_read() {
        let said = [
            ToClient::Scenario("{\n}".to_owned()),
            ToClient::Claimed("\"".to_owned()),
        ];
        let mut bytes = Vec::new();
        for message in &said {
            write(&mut bytes, message).unwrap();
        }
        assert_eq!(bytes.iter().filter(|&&byte| byte == b'\n').count(), 2);
        assert_eq!(all(&bytes), (said.to_vec(), Ok(())));
    }

    #[test]
    fn nonsense_ends_it_and_what_came_before_counts() {
        let good = "{\"scenario\":\"x\"}\n";
        let long = format!("{{\"scenario\":\"{}", "x".repeat(MOST_BYTES as usize));
        for (bad, why) in [
            ("{\"scenario\":", "broke off"),
            ("{\"scenario\":7}\n", "no message: invalid type"),
            ("{\"reboot\":\"x\"}\n", "no message: unknown variant"),
            ("\u{1}\n", "no message: expected value"),
            (long.as_str(), "more than 1048576 bytes"),
        ] {
            let (messages, end) = all(format!("{good}{bad}").as_bytes());
            assert_eq!(messages.len(), 1);
            let end = end.unwrap_err();
            assert!(end.contains(why), "{end}");
        }
    }
}
