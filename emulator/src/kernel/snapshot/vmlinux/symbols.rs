//! The symbols of a vmlinux, put in order: many are from assembly files and have neither type nor size, and in the ELFv1 ABI a
//! function's name is that of its descriptor.

use std::collections::HashMap;

use object::{
    Object, ObjectSection, ObjectSymbol, SectionFlags, SectionIndex, SymbolFlags,
    SymbolKind as Kind,
};

use super::super::{Symbol, SymbolKind};
use super::Elf;
use crate::run::outcome::Endian;

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

/// Whether a section has code.
pub fn is_executable<'a>(section: &impl ObjectSection<'a>) -> bool {
    match section.flags() {
        SectionFlags::Elf { sh_flags, .. } => {
            sh_flags.0 & object::elf::SHF_EXECINSTR.0 != 0 && section.size() > 0
        }
        _ => false,
    }
}

/// All symbols by address, of each address the function first.
pub fn read(elf: &Elf<'_>, endian: Endian) -> Result<Vec<Symbol>, String> {
    let descriptors = Descriptors::read(elf, endian)?;
    let text: HashMap<SectionIndex, u64> = elf
        .sections()
        .filter(is_executable)
        .map(|section| (section.index(), section.address() + section.size()))
        .collect();
    let mut raw: Vec<Raw> = elf
        .symbols()
        .filter_map(|symbol| self::raw(&symbol, &text, &descriptors))
        .collect();
    // Of several names of one address the first is the function's: the one that other files use, and that has a size.
    let rank = |s: &Raw| (s.section_end.is_none(), !s.global, s.size == 0);
    raw.sort_by(|a, b| (a.address, &a.name, rank(a)).cmp(&(b.address, &b.name, rank(b))));
    raw.dedup_by(|a, b| (a.address, &a.name) == (b.address, &b.name));
    raw.sort_by_key(|s| (s.address, rank(s)));
    Ok(finish(raw))
}

fn raw<'a>(
    symbol: &impl ObjectSymbol<'a>,
    text: &HashMap<SectionIndex, u64>,
    descriptors: &Descriptors,
) -> Option<Raw> {
    let name = symbol.name().ok().filter(|name| is_name(name))?;
    if symbol.is_undefined() || matches!(symbol.kind(), Kind::File | Kind::Section) {
        return None;
    }
    let (mut address, mut size, mut section_end) = (symbol.address(), symbol.size(), None);
    if let Some((entry, end)) = descriptors.function(symbol, text) {
        // The size is the descriptor's. The function's own symbol, if there is one, knows better.
        (address, size, section_end) = (entry, 0, Some(end));
    } else if symbol.kind() != Kind::Data {
        section_end = symbol
            .section_index()
            .and_then(|index| text.get(&index))
            .copied()
            .filter(|&end| address < end);
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
            _ => symbol.size,
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

/// Function descriptors of the ELFv1 ABI: `.opd`, entries of three doublewords of which the first is the code's address.
struct Descriptors {
    section: Option<(SectionIndex, u64, Vec<u64>)>,
}

impl Descriptors {
    fn read(elf: &Elf<'_>, endian: Endian) -> Result<Self, String> {
        let Some(section) = elf.section_by_name(".opd") else {
            return Ok(Descriptors { section: None });
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
        })
    }

    fn any(&self) -> bool {
        self.section.is_some()
    }

    /// The code that a descriptor's symbol stands for: its address, and the end of its section.
    fn function<'a>(
        &self,
        symbol: &impl ObjectSymbol<'a>,
        text: &HashMap<SectionIndex, u64>,
    ) -> Option<(u64, u64)> {
        let (index, start, words) = self.section.as_ref()?;
        if symbol.section_index() != Some(*index) {
            return None;
        }
        let offset = symbol.address().checked_sub(*start)?;
        let entry = *words.get(usize::try_from(offset / 8).ok()?)?;
        // The ends of sections are all that is kept of them; the nearest is that of the section it lies in.
        let end = text.values().copied().filter(|&end| entry < end).min()?;
        Some((entry, end))
    }
}
