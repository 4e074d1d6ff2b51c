//! What commands write for people: lines that fit a terminal, expectations in words.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ctxfuzz_scenario::register::Register;
use ctxfuzz_scenario::scenario::{Abis, Endians, Expect, Place, Verdict};

/// Lines are broken here.
const COLUMNS: usize = 78;

/// Breaks between words; the second and later lines begin `hang` columns to the right of the first
/// one's text.
pub fn wrap(text: &mut String, start: &str, hang: usize, words: &str) {
    let indent = " ".repeat(start.chars().count() + hang);
    let mut line = start.to_owned();
    let mut empty = true;
    for word in words.split_whitespace() {
        if !empty && line.chars().count() + 1 + word.chars().count() > COLUMNS {
            let _ = writeln!(text, "{}", line.trim_end());
            line.clone_from(&indent);
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    let _ = writeln!(text, "{}", line.trim_end());
}

/// A row of expectations, on one line.
pub fn expectation(row: &Expect) -> String {
    let endian = match row.endian {
        Endians::Le => ", le",
        Endians::Be => ", be",
        Endians::Both => "",
    };
    let abi = match row.abi {
        Abis::Elf => ", --abi elf",
        Abis::Linux => ", --abi linux",
        Abis::Both => "",
    };
    let reported = if row.reported {
        "reported"
    } else {
        "not reported"
    };
    let mut line = format!(
        "{} against {}{endian}{abi}: {}, {reported}",
        row.a, row.b, row.verdict
    );
    let differences = differences(row);
    if !differences.is_empty() {
        let _ = write!(line, ": {}", differences.join(", "));
    }
    line
}

/// The differences of a row, those of one task and place together.
fn differences(row: &Expect) -> Vec<String> {
    let mut groups: BTreeMap<(u8, Place, Verdict), Vec<Register>> = BTreeMap::new();
    for difference in &row.differences {
        let key = (difference.task, difference.place, difference.verdict);
        let registers = groups.entry(key).or_default();
        registers.extend(difference.register);
    }
    groups
        .into_iter()
        .map(
            |((task, place, verdict), registers)| match registers.is_empty() {
                true => format!("task {task} {place} ({verdict})"),
                false => format!("task {task} {place} {} ({verdict})", ranges(registers)),
            },
        )
        .collect()
}

/// Registers in order, neighbours as `f0-f31`.
fn ranges(mut registers: Vec<Register>) -> String {
    registers.sort_unstable();
    let mut runs: Vec<(Register, Register)> = Vec::new();
    for register in registers {
        match runs.last_mut() {
            Some((_, last)) if next(*last) == Some(register) => *last = register,
            _ => runs.push((register, register)),
        }
    }
    let words: Vec<String> = runs
        .into_iter()
        .map(|(first, last)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        })
        .collect();
    words.join(" ")
}

fn next(register: Register) -> Option<Register> {
    register.number().map(|n| register.numbered(n + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_a_range() {
        let f = |n| Register::F(n);
        let registers = vec![f(2), f(0), Register::Fpscr, f(1), f(5), Register::V(31)];
        assert_eq!(ranges(registers), "f0-f2 f5 v31 fpscr");
        assert_eq!(ranges(Vec::new()), "");
    }

    #[test]
    fn lines_hang_below_their_first_word() {
        let mut text = String::new();
        wrap(&mut text, "  - ", 0, &"word ".repeat(20));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().all(|line| line.len() <= COLUMNS));
        assert!(lines[1].starts_with("    word"));
    }
}
