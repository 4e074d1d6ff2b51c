//! Coverage by source line: of the lines that a kernel's debug information names, which were
//! executed, and how often. What counts as executed is up to the caller.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use super::symbols::Symbols;
use crate::machine::Block;
use crate::machine::address::KERNEL;

/// Instructions are words.
const WORD: u64 = 4;

/// A line of source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// File.
    pub file: String,
    /// From 1 on.
    pub line: u32,
}

/// What is known of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The function that has it; where it is in several by inlining, the first one in memory.
    pub function: String,
    /// How often its most executed instruction was.
    pub times: u64,
}

/// How often instructions were executed, by their address.
#[derive(Debug, Default)]
pub struct Executed {
    times: BTreeMap<u64, u64>,
}

impl Executed {
    /// Adds the executions of blocks to those of their instructions.
    pub fn add(&mut self, blocks: &HashMap<Block, u64>) {
        for (&(start, size), times) in blocks {
            for at in (start..start + u64::from(size)).step_by(WORD as usize) {
                *self.times.entry(at).or_default() += times;
            }
        }
    }
}

/// Lines by place.
#[derive(Debug, Default)]
pub struct Lines {
    lines: BTreeMap<Place, Line>,
}

impl Lines {
    /// Every line of a kernel's text, with what was executed: how often, by the address of the
    /// instruction.
    pub fn new(symbols: &Symbols, executed: &Executed) -> Lines {
        let mut lines = Lines::default();
        for function in symbols.functions().iter().filter(|f| f.address >= KERNEL) {
            // What is before the local entry point is for callers in other modules, of which there
            // are none.
            let start = function.address + function.local_entry;
            let end = function.address + function.size;
            for at in (start..end).step_by(WORD as usize) {
                let Some((file, line)) = symbols.source(at).filter(|(_, line)| *line > 0) else {
                    continue;
                };
                let times = executed.times.get(&at).copied().unwrap_or(0);
                let known = lines.lines.entry(Place { file, line });
                let known = known.or_insert_with(|| Line {
                    function: function.name.to_string(),
                    times: 0,
                });
                known.times = known.times.max(times);
            }
        }
        lines
    }

    /// How many there are, and how many were reached.
    pub fn counts(&self) -> (usize, usize) {
        let reached = self.lines.values().filter(|line| line.times > 0).count();
        (self.lines.len(), reached)
    }

    /// All of them, by file and number.
    pub fn all(&self) -> impl Iterator<Item = (&Place, &Line)> {
        self.lines.iter()
    }

    /// Lines that nothing reached, by file and number.
    pub fn unreached(&self) -> impl Iterator<Item = (&Place, &str)> {
        let unreached = self.lines.iter().filter(|(_, line)| line.times == 0);
        unreached.map(|(place, line)| (place, line.function.as_str()))
    }

    /// As a trace file of lcov (geninfo(1)): lines only, as counts of functions and branches are of
    /// another kind there.
    pub fn lcov(&self, name: &str) -> String {
        let mut text = String::new();
        let mut files: BTreeMap<&str, Vec<(u32, u64)>> = BTreeMap::new();
        for (place, line) in &self.lines {
            let file = files.entry(&place.file).or_default();
            file.push((place.line, line.times));
        }
        for (file, lines) in files {
            let reached = lines.iter().filter(|(_, times)| *times > 0).count();
            // Writing to a string cannot fail.
            let _ = writeln!(text, "TN:{name}\nSF:{file}");
            for (line, times) in &lines {
                let _ = writeln!(text, "DA:{line},{times}");
            }
            let _ = writeln!(text, "LF:{}\nLH:{reached}\nend_of_record", lines.len());
        }
        text
    }
}
