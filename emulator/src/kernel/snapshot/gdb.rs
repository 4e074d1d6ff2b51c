//! As much of the GDB remote serial protocol as asking a stub for registers takes
//! (<https://sourceware.org/gdb/current/onlinedocs/gdb.html/Remote-Protocol.html>).

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// How long one look for a packet takes at most.
const LOOK: Duration = Duration::from_millis(50);

/// Far more than any packet of QEMU's, which says PacketSize=1000.
const LONGEST: usize = 1 << 20;

/// What can go wrong between us and a stub.
#[derive(Debug, thiserror::Error)]
pub enum GdbError {
    /// The connection broke.
    #[error("the connection to its gdb stub broke: {0}")]
    Connection(#[from] io::Error),
    /// The other end is gone.
    #[error("its gdb stub has closed the connection")]
    Closed,
    /// Not the protocol.
    #[error("its gdb stub does not follow the protocol: {0}")]
    Protocol(&'static str),
}

/// Our end of a connection to a stub.
pub struct Gdb {
    stream: UnixStream,
    received: Vec<u8>,
}

impl Gdb {
    /// Speaks with the stub at the other end.
    pub fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(LOOK))?;
        stream.set_write_timeout(Some(Duration::from_secs(10)))?;
        Ok(Gdb {
            stream,
            received: Vec::new(),
        })
    }

    /// Sends a command.
    pub fn send(&mut self, command: &str) -> Result<(), GdbError> {
        Ok(self.stream.write_all(&frame(command.as_bytes()))?)
    }

    /// Waits a moment for a packet, and acknowledges it.
    pub fn poll(&mut self) -> Result<Option<Vec<u8>>, GdbError> {
        if let Some(packet) = self.take()? {
            return Ok(Some(packet));
        }
        let mut buffer = [0; 8192];
        match self.stream.read(&mut buffer) {
            Ok(0) => Err(GdbError::Closed),
            Ok(count) => {
                self.received.extend_from_slice(&buffer[..count]);
                self.take()
            }
            Err(error) if is_time_out(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn take(&mut self) -> Result<Option<Vec<u8>>, GdbError> {
        let Some((packet, used)) = packet(&self.received)? else {
            return Ok(None);
        };
        self.received.drain(..used);
        self.stream.write_all(b"+")?;
        Ok(Some(packet))
    }
}

fn is_time_out(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}

fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

/// A packet for the wire. Commands of ours have no character that needs an escape.
fn frame(command: &[u8]) -> Vec<u8> {
    let sum = format!("#{:02x}", checksum(command));
    [b"$", command, sum.as_bytes()].concat()
}

/// The first packet in what was received, and how many bytes it and what came before it take.
/// `None` if it is not all there yet.
fn packet(received: &[u8]) -> Result<Option<(Vec<u8>, usize)>, GdbError> {
    let Some(start) = received.iter().position(|&byte| byte == b'$') else {
        // Acknowledgements; the connection is a reliable one, so there is no other.
        return match received.contains(&b'-') {
            true => Err(GdbError::Protocol("it refused a packet")),
            false => Ok(None),
        };
    };
    let body = &received[start + 1..];
    let Some(length) = body.iter().position(|&byte| byte == b'#') else {
        return match body.len() > LONGEST {
            true => Err(GdbError::Protocol("a packet does not end")),
            false => Ok(None),
        };
    };
    let (raw, after) = body.split_at(length);
    let Some(sum) = after.get(1..3) else {
        return Ok(None);
    };
    if hex(sum).as_deref() != Some(&[checksum(raw)]) {
        return Err(GdbError::Protocol("a checksum is wrong"));
    }
    Ok(Some((unescape(raw), start + 1 + length + 3)))
}

fn unescape(raw: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.iter();
    while let Some(&byte) = rest.next() {
        match byte {
            b'}' => bytes.extend(rest.next().map(|byte| byte ^ 0x20)),
            _ => bytes.push(byte),
        }
    }
    bytes
}

/// Bytes written as hexadecimal digits.
pub fn hex(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| Some(char::from(byte).to_digit(16)? as u8);
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits
        .chunks_exact(2)
        .map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?))
        .collect()
}

/// Hexadecimal digits of bytes.
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Gdb, UnixStream) {
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        (Gdb::new(ours).expect("it takes time-outs"), theirs)
    }

    #[test]
    fn commands_have_checksums() {
        assert_eq!(frame(b"g"), b"$g#67");
        assert_eq!(frame(b"vCont?"), b"$vCont?#49");
    }

    #[test]
    fn packets_come_in_pieces_and_are_acknowledged() {
        let (mut gdb, mut stub) = pair();
        gdb.send("?").expect("sent");
        assert_eq!(gdb.poll().expect("nothing yet"), None);
        stub.write_all(b"+$T05th").expect("sent");
        assert_eq!(gdb.poll().expect("a part"), None);
        stub.write_all(b"read:01;#07$OK#9a").expect("sent");
        let stop = gdb.poll().expect("a packet");
        assert_eq!(stop.as_deref(), Some(&b"T05thread:01;"[..]));
        let next = gdb.poll().expect("a packet");
        assert_eq!(next.as_deref(), Some(&b"OK"[..]));
        let mut seen = [0; 7];
        stub.read_exact(&mut seen)
            .expect("command and acknowledgements");
        assert_eq!(&seen, b"$?#3f++");
    }

    #[test]
    fn escapes_are_undone() {
        let sent = frame(b"m}\x03}\x5d*");
        let read = packet(&sent).expect("it is a packet");
        assert_eq!(read, Some((b"m#}*".to_vec(), sent.len())));
    }

    #[test]
    fn what_is_not_the_protocol_is_refused() {
        assert!(matches!(packet(b"$OK#9b"), Err(GdbError::Protocol(_))));
        assert!(matches!(packet(b"$OK#zz"), Err(GdbError::Protocol(_))));
        assert!(matches!(packet(b"-"), Err(GdbError::Protocol(_))));
        let endless = [&b"$"[..], &vec![b'x'; LONGEST + 1]].concat();
        assert!(matches!(packet(&endless), Err(GdbError::Protocol(_))));
        let (mut gdb, stub) = pair();
        drop(stub);
        assert!(matches!(gdb.poll(), Err(GdbError::Closed)));
    }

    #[test]
    fn digits_are_read_or_refused() {
        assert_eq!(hex(b"00ffA0"), Some(vec![0, 255, 160]));
        assert_eq!(hex(b"0"), None);
        assert_eq!(hex(b"0x"), None);
        assert_eq!(to_hex(b"\x00\xff"), "00ff");
    }
}
