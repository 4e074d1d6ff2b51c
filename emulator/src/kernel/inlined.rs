//! Functions that the compiler has made a part of their callers, by DWARF: where their copies are.
//!
//! Not responsible for functions that have code of their own, which the symbol table has
//! (`symbols`).

use addr2line::gimli;
use gimli::constants::{
    DW_AT_abstract_origin, DW_AT_entry_pc, DW_AT_name, DW_TAG_inlined_subroutine, DW_TAG_subprogram,
};
use gimli::{AttributeValue, Dwarf, Reader, Unit, UnitOffset};

/// A function as a part of another one: where its code is. Addresses are effective.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// Where it begins.
    pub entry: u64,
    /// First byte and the one behind the last, of each piece: the compiler mixes it with the code
    /// around it.
    pub pieces: Vec<(u64, u64)>,
}

/// All copies of the function of that name. Units that cannot be read have none.
pub fn copies<R: Reader>(dwarf: &Dwarf<R>, name: &str) -> Vec<Copy> {
    let mut copies = Vec::new();
    let mut units = dwarf.units();
    while let Ok(Some(header)) = units.next() {
        if let Ok(unit) = dwarf.unit(header) {
            let _ = add_copies(dwarf, &unit, name, &mut copies);
        }
    }
    copies.sort_by_key(|copy| copy.entry);
    copies.dedup_by_key(|copy| copy.entry);
    copies
}

fn add_copies<R: Reader>(
    dwarf: &Dwarf<R>,
    unit: &Unit<R>,
    name: &str,
    copies: &mut Vec<Copy>,
) -> gimli::Result<()> {
    let origins = subprograms(dwarf, unit, name)?;
    if origins.is_empty() {
        return Ok(());
    }
    let mut entries = unit.entries();
    while let Some(entry) = entries.next_dfs()? {
        if entry.tag() != DW_TAG_inlined_subroutine {
            continue;
        }
        let origin = match entry.attr_value(DW_AT_abstract_origin) {
            Some(AttributeValue::UnitRef(offset)) => Some(offset),
            Some(AttributeValue::DebugInfoRef(offset)) => offset.to_unit_offset(&unit.header),
            _ => None,
        };
        if !origin.is_some_and(|origin| origins.contains(&origin)) {
            continue;
        }
        let mut pieces = Vec::new();
        let mut ranges = dwarf.die_ranges(unit, entry)?;
        while let Some(range) = ranges.next()? {
            if range.begin < range.end {
                pieces.push((range.begin, range.end));
            }
        }
        // The base address (DWARF 5, 2.17).
        let Some(&(base, _)) = pieces.first() else {
            continue;
        };
        let entry = match entry.attr_value(DW_AT_entry_pc) {
            // Bytes from there (2.18).
            Some(AttributeValue::Udata(offset)) => base.wrapping_add(offset),
            Some(value) => dwarf.attr_address(unit, value)?.unwrap_or(base),
            None => base,
        };
        copies.push(Copy { entry, pieces });
    }
    Ok(())
}

/// The functions of that name in a unit.
fn subprograms<R: Reader>(
    dwarf: &Dwarf<R>,
    unit: &Unit<R>,
    name: &str,
) -> gimli::Result<Vec<UnitOffset<R::Offset>>> {
    let mut found = Vec::new();
    let mut entries = unit.entries_raw(None)?;
    while !entries.is_empty() {
        let offset = entries.next_offset();
        let Some(abbreviation) = entries.read_abbreviation()? else {
            continue;
        };
        let attributes = abbreviation.attributes();
        if abbreviation.tag() != DW_TAG_subprogram {
            entries.skip_attributes(attributes)?;
            continue;
        }
        for specification in attributes {
            let attribute = entries.read_attribute(*specification)?;
            if attribute.name() == DW_AT_name
                && dwarf.attr_string(unit, attribute.value())?.to_slice()? == name.as_bytes()
            {
                found.push(offset);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use object::{Object, ObjectSection};

    use super::*;

    #[inline(always)]
    fn a_part_of_its_callers(seed: u64) -> u64 {
        let mut sum = black_box(seed);
        for value in 0..black_box(9) {
            sum = black_box(sum.rotate_left(3) ^ value);
        }
        sum
    }

    #[inline(never)]
    fn first_caller(seed: u64) -> u64 {
        a_part_of_its_callers(seed) + 1
    }

    #[inline(never)]
    fn second_caller(seed: u64) -> u64 {
        a_part_of_its_callers(seed) * 5
    }

    /// Of the program that runs this.
    #[test]
    fn each_caller_has_its_copy() {
        assert_ne!(first_caller(7), second_caller(7));
        let bytes = std::fs::read("/proc/self/exe").expect("this program");
        let file = object::File::parse(&*bytes).expect("it is ELF");
        let load = |id: gimli::SectionId| -> Result<_, gimli::Error> {
            let section = file.section_by_name(id.name());
            let data = section.map(|section| section.uncompressed_data().expect("it is whole"));
            Ok(data.unwrap_or_default())
        };
        let sections = gimli::DwarfSections::load(load).expect("it has sections");
        let dwarf =
            sections.borrow(|section| gimli::EndianSlice::new(section, gimli::LittleEndian));
        let found = copies(&dwarf, "a_part_of_its_callers");
        assert_eq!(found.len(), 2, "{found:?}");
        for copy in &found {
            let holds = |(begin, end): &(u64, u64)| (*begin..*end).contains(&copy.entry);
            assert!(copy.pieces.iter().any(holds), "{copy:?}");
        }
        assert_eq!(copies(&dwarf, "nobodys_function"), []);
    }
}
