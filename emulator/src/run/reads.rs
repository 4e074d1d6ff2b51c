//! Where tasks write from and read to, and what each `read` delivers.
//!
//! Tasks write from one place and read to another, so that what is written never changes. Which
//! bytes those are, and what nobody can have written, says `ctxfuzz_outcome::pipe`.

pub use ctxfuzz_outcome::pipe::{beginnings, source, unwritten};
use ctxfuzz_scenario::scenario::MAX_TASKS;

use super::capture::{Capture, Data, Details, Observable};
use crate::arch::RegisterFile;
use crate::machine::View;
use crate::machine::address::{PAGE, USER_DATA};

/// Where tasks write from (docs/internals.md, section 3).
pub const SOURCE: u64 = USER_DATA + 0x3_0000;
/// Where they read to.
pub const DESTINATION: u64 = USER_DATA + 0x3_4000;
/// A page of nothing.
const NOTHING: [u8; PAGE as usize] = [0; PAGE as usize];

/// A task's `read`.
#[derive(Clone, Copy)]
struct Reading {
    task: u8,
    event: u16,
    bytes: u64,
}

/// Follows tasks through their reads.
#[derive(Default)]
pub struct Reads {
    /// Tasks that are in one.
    inside: [bool; MAX_TASKS],
    /// The read that will be looked at. None if two were there at once: they share the memory.
    alone: Option<Reading>,
}

impl Reads {
    /// `task` is about to read so many bytes. The memory is cleared, so that what was not delivered
    /// is known.
    pub fn begins(&mut self, view: &View<'_>, task: u8, event: u16, bytes: u64) {
        let nobody = !self.inside.contains(&true);
        self.alone = nobody.then_some(Reading { task, event, bytes });
        self.inside[usize::from(task)] = true;
        pages(bytes, |at, len| {
            if let Some(pa) = view.map.physical(at) {
                view.memory.write(pa, &NOTHING[..len]);
            }
        });
    }

    /// `task` is in user code: if it was in a read, that is over. So it is if this is the handler
    /// of a signal, as handlers have no SA_RESTART.
    pub fn is_back(&mut self, view: &View<'_>, task: u8) -> Option<Capture> {
        if !std::mem::take(&mut self.inside[usize::from(task)]) {
            return None;
        }
        let reading = self.alone.take_if(|reading| reading.task == task)?;
        Some(delivered(view, reading))
    }
}

fn delivered(view: &View<'_>, reading: Reading) -> Capture {
    let mut bytes = vec![0; reading.bytes as usize];
    pages(reading.bytes, |at, len| {
        if let Some(pa) = view.map.physical(at) {
            let start = (at - DESTINATION) as usize;
            view.memory.read(pa, &mut bytes[start..start + len]);
        }
    });
    let event = reading.event;
    let none = RegisterFile::default();
    let read = Capture::new(Observable::Read, Some(reading.task), none);
    read.with(Details::Data(Data { event, bytes }))
}

/// The pieces of the destination, up to so many bytes: each page may lie anywhere.
fn pages(bytes: u64, mut piece: impl FnMut(u64, usize)) {
    for start in (0..bytes).step_by(PAGE as usize) {
        piece(DESTINATION + start, (bytes - start).min(PAGE) as usize);
    }
}
