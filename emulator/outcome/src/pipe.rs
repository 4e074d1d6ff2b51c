//! What the pipe carries: the bytes that every `write` takes, and which of those that a `read`
//! delivered nobody can have written.
//!
//! Not responsible for where they lie in memory (the emulator's `run::reads`).

use ctxfuzz_scenario::event::{Event, Syscall};
use ctxfuzz_scenario::scenario::Scenario;

/// Bytes of a page, and of each piece of a pipe.
const PAGE: usize = 0x1000;

/// The largest byte: [`WRITTEN`] counts from 1 up to this and starts over. A prime, so that what
/// lies a quadword or a page apart does not look alike.
const LARGEST: u8 = 251;

/// What a task writes, as much as any write takes.
const WRITTEN: [u8; 8192] = {
    let mut bytes = [0; 8192];
    let mut at = 0;
    while at < bytes.len() {
        bytes[at] = (at % LARGEST as usize) as u8 + 1;
        at += 1;
    }
    bytes
};

/// Bytes of each write.
fn written_by(scenario: &Scenario) -> impl Iterator<Item = usize> {
    scenario.events.iter().filter_map(|event| match event {
        Event::Syscall {
            call: Syscall::Write { bytes },
            ..
        } => Some(usize::from(*bytes)),
        _ => None,
    })
}

/// What has to be where tasks write from, for a scenario.
pub fn source(scenario: &Scenario) -> Vec<u8> {
    let most = written_by(scenario).max().unwrap_or(0);
    WRITTEN.get(..most).unwrap_or(&WRITTEN).to_vec()
}

/// The bytes with which a piece of what a scenario writes can begin. A write fills up the last page
/// with what does not fill one of its own, and goes on page by page; between two pieces it may wait
/// for room, and others write.
pub fn beginnings(scenario: &Scenario) -> Vec<u8> {
    let pieces = |bytes: usize| [0, bytes % PAGE, PAGE];
    let starts = written_by(scenario).flat_map(|bytes| pieces(bytes).map(|at| (at, bytes)));
    let starts = starts.filter(|(at, bytes)| at < bytes && *at < WRITTEN.len());
    starts.map(|(at, _)| WRITTEN[at]).collect()
}

/// The first byte that nobody can have written where it is, and what would have been right there. A
/// piece with one of the `beginnings` may begin anywhere, and a byte 0, which ends a sleep or
/// stands where nothing was delivered, may be anywhere; any other byte is the one after its
/// predecessor.
pub fn unwritten(data: &[u8], beginnings: &[u8]) -> Option<(usize, u8)> {
    let pairs = data.iter().zip(data.iter().skip(1));
    let wrong = pairs.enumerate().find_map(|(at, (&before, &byte))| {
        let next = before % LARGEST + 1;
        let follows = before != 0 && byte == next;
        let right = byte == 0 || follows || beginnings.contains(&byte);
        (!right).then_some((at + 1, next))
    });
    let first = data.first().filter(|byte| **byte > LARGEST);
    first.map(|_| (0, 1)).or(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing is written but whole.
    const WHOLE: &[u8] = &[1];

    #[test]
    fn what_was_written_is_written() {
        let all = WRITTEN;
        let silent = |data: &[u8]| assert_eq!(unwritten(data, WHOLE), None);
        silent(&all);
        silent(&all[300..700]);
        silent(&[&all[..16], &all[..16]].concat());
        // Less than was asked for, and a byte that ends a sleep.
        silent(&[&all[..16], &[0; 16]].concat());
        silent(&[&[0], &all[..16]].concat());
        silent(&[]);
    }

    #[test]
    fn what_was_not_is_told_with_what_is_right_there() {
        let mut all = WRITTEN;
        all[260] = 77;
        assert_eq!(unwritten(&all, WHOLE), Some((260, 10)));
        assert_eq!(unwritten(&[252, 253], WHOLE), Some((0, 1)));
        let moved = [&WRITTEN[..16], &WRITTEN[32..64]].concat();
        assert_eq!(unwritten(&moved, WHOLE), Some((16, 17)), "one is left out");
    }

    /// Two tasks write 8192 and 5000 bytes: between two pages of the one there may be one of the
    /// other.
    #[test]
    fn pieces_of_writes_may_come_in_turn() {
        let text = r#"{"ctxfuzz": 1, "stage": {"tasks": [{}]}, "events": [
            {"syscall": {"call": "write", "bytes": 8192}}, {"syscall": {"call": "write", "bytes": 5000}}]}"#;
        let scenario = Scenario::from_json(text, "inline").expect("it is a scenario");
        // 4096 is 16 * 251 + 80, 904 is 3 * 251 + 151.
        assert_eq!(beginnings(&scenario), [1, 1, 81, 1, 152, 81]);
        let all = WRITTEN;
        let turns = [&all[..4096], &all[904..5000], &all[4096..]].concat();
        assert_eq!(unwritten(&turns, &beginnings(&scenario)), None);
        assert_eq!(unwritten(&turns, WHOLE), Some((4096, 81)));
    }
}
