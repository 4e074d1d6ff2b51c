//! The symbols of a vmlinux, put in order: many are from assembly files and have neither type nor
//! size, and in the ELFv1 ABI a function's name is that of its descriptor.

use std::collections::HashMap;
use std::ops::Range;

use object::read::elf::{ElfSymbol64, Sym};
use object::{
    Endianness, Object, ObjectSection, ObjectSymbol, SectionFlags, SectionIndex, SymbolFlags,
    SymbolKind as Kind,
};

use super::super::{Symbol, SymbolKind};
use super::Elf;
use crate::arch::Endian;

/// Sections with code.
type Text = HashMap<SectionIndex, Range<u64>>;

/// A symbol as it is in the file.
struct Raw {
    name: String,
    address: u64,
    size: u64,
    /// If it is code: the end of its section.
    section_end: Option<u64>,
    global: bool,
    local_entry: u64,
}

/// Sections with code in the file, each with its addresses.
pub fn executable<'a>(
    elf: &'a Elf<'a>,
) -> impl Iterator<Item = (impl ObjectSection<'a> + 'a, Range<u64>)> + 'a {
    elf.sections().filter_map(|section| {
        let SectionFlags::Elf { sh_flags, .. } = section.flags() else {
            return None;
        };
        let end = section.address().checked_add(section.size())?;
        let code = section.data().ok()?;
        let whole = !code.is_empty() && code.len() as u64 == section.size();
        (whole && sh_flags.0 & object::elf::SHF_EXECINSTR.0 != 0).then(|| {
            let addresses = section.address()..end;
            (section, addresses)
        })
    })
}

/// All symbols by address, of each address the function first. Together their names are no longer
/// than the file.
pub fn read(elf: &Elf<'_>, endian: Endian, file_size: usize) -> Result<Vec<Symbol>, String> {
    let text: Text = executable(elf)
        .map(|(section, addresses)| (section.index(), addresses))
        .collect();
    let descriptors = Descriptors::read(elf, endian, &text)?;
    let names = Names::read(elf);
    let mut room = file_size;
    let mut raw: Vec<Raw> = Vec::new();
    for symbol in elf.symbols() {
        let Some(symbol) = self::raw(&symbol, names.of(&symbol), &text, &descriptors) else {
            continue;
        };
        // Names that overlap, as they do where an assembler saves room, never come near this.
        room = room
            .checked_sub(symbol.name.len())
            .ok_or("is cut off or damaged")?;
        raw.push(symbol);
    }
    // Of several names of one address the first is the function's: the one that other files use,
    // and that has a size.
    let rank = |s: &Raw| (s.section_end.is_none(), !s.global, s.size == 0);
    raw.sort_by(|a, b| (a.address, &a.name, rank(a)).cmp(&(b.address, &b.name, rank(b))));
    raw.dedup_by(|a, b| (a.address, &a.name) == (b.address, &b.name));
    raw.sort_by_key(|s| (s.address, rank(s)));
    Ok(finish(raw))
}

/// The names of symbols. `object` looks for the end of a name as far as the table goes, for each
/// symbol anew.
struct Names<'a> {
    bytes: &'a [u8],
    endian: Endianness,
}

impl<'a> Names<'a> {
    /// The kernel's own limit is 512.
    const LONGEST: usize = 1024;

    fn read(elf: &Elf<'a>) -> Self {
        let table = elf.section_by_index(elf.elf_symbol_table().string_section());
        Names {
            bytes: table.ok().and_then(|t| t.data().ok()).unwrap_or_default(),
            endian: elf.endian(),
        }
    }

    fn of(&self, symbol: &ElfSymbol64<'_, '_, Endianness>) -> Option<&'a str> {
        let start = symbol.elf_symbol().st_name(self.endian) as usize;
        let rest = self.bytes.get(start..)?;
        let rest = rest.get(..=Self::LONGEST).unwrap_or(rest);
        let length = rest.iter().position(|&byte| byte == 0)?;
        std::str::from_utf8(&rest[..length]).ok()
    }
}

fn raw<'a>(
    symbol: &impl ObjectSymbol<'a>,
    name: Option<&str>,
    text: &Text,
    descriptors: &Descriptors,
) -> Option<Raw> {
    let name = name.filter(|name| is_name(name))?;
    if symbol.is_undefined() || matches!(symbol.kind(), Kind::File | Kind::Section) {
        return None;
    }
    let (mut address, mut size, mut section_end) = (symbol.address(), symbol.size(), None);
    if let Some((entry, end)) = descriptors.function(symbol) {
        // The size is the descriptor's. The function's own symbol, if there is one, knows better.
        (address, size, section_end) = (entry, 0, Some(end));
    } else if symbol.kind() != Kind::Data {
        section_end = symbol
            .section_index()
            .and_then(|index| text.get(&index))
            .filter(|addresses| addresses.contains(&address))
            .map(|addresses| addresses.end);
    }
    let name = match descriptors.any() && section_end.is_some() {
        true => name.strip_prefix('.').unwrap_or(name),
        false => name,
    };
    let other = match symbol.flags() {
        SymbolFlags::Elf { st_other, .. } => st_other.0,
        _ => 0,
    };
    Some(Raw {
        name: name.to_owned(),
        address,
        size,
        section_end,
        global: symbol.is_global(),
        local_entry: crate::kernel::symbols::local_entry(other),
    })
}

/// Labels of the compiler and the assembler name nothing that a person would look for.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with(".L") && !name.starts_with('$')
}

/// Gives functions their sizes.
fn finish(raw: Vec<Raw>) -> Vec<Symbol> {
    let mut symbols = Vec::with_capacity(raw.len());
    // From the end, so that the next function's address is known.
    let mut next = u64::MAX;
    let mut rest = raw.into_iter().rev().peekable();
    while let Some(symbol) = rest.next() {
        let address = symbol.address;
        let first = rest.peek().is_none_or(|before| before.address != address);
        let kind = match symbol.section_end {
            Some(_) if first => SymbolKind::Function,
            _ => SymbolKind::Other,
        };
        let size = match symbol.section_end {
            Some(end) if symbol.size == 0 => end.min(next) - address,
            Some(end) => symbol.size.min(end - address),
            None => symbol.size,
        };
        if kind == SymbolKind::Function {
            next = address;
        }
        symbols.push(Symbol {
            name: symbol.name,
            address,
            size,
            kind,
            global: symbol.global,
            local_entry: symbol.local_entry,
        });
    }
    symbols.reverse();
    symbols
}

/// Function descriptors of the ELFv1 ABI: `.opd`, entries of three doublewords of which the first
/// is the code's address.
struct Descriptors {
    section: Option<(SectionIndex, u64, Vec<u64>)>,
    /// Where code is, in order.
    text: Vec<Range<u64>>,
}

impl Descriptors {
    fn read(elf: &Elf<'_>, endian: Endian, text: &Text) -> Result<Self, String> {
        let mut text: Vec<Range<u64>> = text.values().cloned().collect();
        text.sort_unstable_by_key(|addresses| addresses.end);
        let Some(section) = elf.section_by_name(".opd") else {
            let section = None;
            return Ok(Descriptors { section, text });
        };
        let data = section
            .data()
            .map_err(|_| "is cut off or damaged".to_owned())?;
        let words = data.chunks_exact(8).map(|bytes| {
            let bytes = bytes.try_into().unwrap_or_default();
            match endian {
                Endian::Little => u64::from_le_bytes(bytes),
                Endian::Big => u64::from_be_bytes(bytes),
            }
        });
        Ok(Descriptors {
            section: Some((section.index(), section.address(), words.collect())),
            text,
        })
    }

    fn any(&self) -> bool {
        self.section.is_some()
    }

    /// The code that a descriptor's symbol stands for: its address, and the end of its section.
    fn function<'a>(&self, symbol: &impl ObjectSymbol<'a>) -> Option<(u64, u64)> {
        let (index, start, words) = self.section.as_ref()?;
        if symbol.section_index() != Some(*index) {
            return None;
        }
        let offset = symbol.address().checked_sub(*start)?;
        let entry = *words.get(usize::try_from(offset / 8).ok()?)?;
        let after = self.text.partition_point(|code| code.end <= entry);
        let code = self.text.get(after)?;
        code.contains(&entry).then_some((entry, code.end))
    }
}
