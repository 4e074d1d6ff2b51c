//! Reads the numbers that C, assembly and docs/internals.md have.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// A file of the emulator's folder.
pub fn emulator(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// docs/internals.md.
pub fn internals() -> String {
    emulator("../docs/internals.md")
}

/// The same with each paragraph on one line.
pub fn internals_unwrapped() -> String {
    internals()
        .split_whitespace()
        .collect::<Vec<&str>>()
        .join(" ")
}

/// A number as C and the page write it.
pub fn number(text: &str) -> Option<u64> {
    let text = text.trim().trim_matches('`');
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// The numbers that a header defines. `(1UL << n)` is one.
pub fn defines(text: &str) -> BTreeMap<String, u64> {
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("#define "));
    let pairs = lines.filter_map(|line| {
        let (name, rest) = line.split_once(' ')?;
        let value = rest.split("/*").next()?.trim();
        let shift = value
            .strip_prefix("(1UL << ")
            .and_then(|s| s.strip_suffix(')'));
        let value = shift.map_or_else(|| number(value), |n| Some(1 << number(n)?));
        Some((name.to_owned(), value?))
    });
    pairs.collect()
}

/// Those that begin so, without that.
pub fn beginning(defines: &BTreeMap<String, u64>, prefix: &str) -> BTreeMap<String, u64> {
    let own = defines.iter().filter_map(|(name, value)| {
        let name = name.strip_prefix(prefix)?;
        Some((name.to_owned(), *value))
    });
    own.collect()
}

/// Offsets of the fields of a C structure whose members are `u64`, `u32`, `char` or such structures
/// (given with their sizes), by their names in capitals; `""` is the size.
pub fn fields(
    text: &str,
    name: &str,
    defines: &BTreeMap<String, u64>,
    structures: &[(&str, u64)],
) -> BTreeMap<String, u64> {
    let start = text.find(&format!("struct {name} {{"));
    let body = &text[start.unwrap_or_else(|| panic!("no struct {name}"))..];
    let body = body.split('}').next().expect("it ends");
    let mut offsets = BTreeMap::new();
    let mut at = 0;
    for line in body.lines().skip(1) {
        let Some(member) = line.trim().split(';').next().filter(|m| !m.is_empty()) else {
            continue;
        };
        if !line.contains(';') || line.trim_start().starts_with("/*") {
            continue;
        }
        let (kind, field) = member.rsplit_once(' ').expect("a type and a name");
        let size = match kind.trim() {
            "u64" => 8,
            "u32" => 4,
            "char" => 1,
            other => {
                structures
                    .iter()
                    .find(|(known, _)| format!("struct {known}") == other)
                    .unwrap_or_else(|| panic!("a member is a {other}"))
                    .1
            }
        };
        let mut parts = field.split('[');
        let field = parts.next().expect("a name");
        offsets.insert(field.to_uppercase(), at);
        let elements = parts.map(|part| {
            let count = part.trim_end_matches(']');
            number(count).or_else(|| defines.get(count).copied())
        });
        at += size
            * elements
                .map(|n| n.expect("a known number"))
                .product::<u64>();
    }
    offsets.insert(String::new(), at);
    offsets
}

/// The rows of the tables of a section of a page, cell by cell.
pub fn rows(page: &str, heading: &str) -> Vec<Vec<String>> {
    let start = page
        .find(heading)
        .unwrap_or_else(|| panic!("no `{heading}`"));
    let rest = &page[start + heading.len()..];
    let level = heading.split(' ').next().expect("it has a level");
    let end = rest.find(&format!("\n{level} ")).unwrap_or(rest.len());
    let rows = rest[..end].lines().filter(|line| line.starts_with("| "));
    let cells = |row: &str| {
        let cells = row.trim_matches('|').split(" | ");
        cells.map(|cell| cell.trim().to_owned()).collect()
    };
    rows.map(cells).collect()
}
