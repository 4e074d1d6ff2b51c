//! Addresses to names and source lines, from an image's own symbol table and DWARF.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use addr2line::gimli;
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};

use super::inlined::{self, Copy};
use super::snapshot::{self, Snapshot};

/// A function of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Name as in the symbol table.
    pub name: Rc<str>,
    /// Effective address of its first instruction.
    pub address: u64,
    /// Bytes.
    pub size: u64,
    /// Distance from the global to the local entry point (ELFv2 ABI, 3.4.1).
    pub local_entry: u64,
}

/// A place in an image, as Linux prints it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Location {
    /// Name of the function.
    pub function: Rc<str>,
    /// Bytes from its start.
    pub offset: u64,
    /// Bytes of the function.
    pub size: u64,
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}+{:#x}/{:#x}", self.function, self.offset, self.size)
    }
}

type Bytes = gimli::EndianSlice<'static, gimli::RunTimeEndian>;
/// Debug information, and what finds a line or a function in it.
type Dwarf = (Arc<gimli::Dwarf<Bytes>>, addr2line::Context<Bytes>);

/// The symbols of one image.
pub struct Symbols {
    functions: Vec<Function>,
    others: HashMap<String, u64>,
    dwarf: OnceCell<Option<Dwarf>>,
    vmlinux: Option<(PathBuf, u64)>,
}

/// A function that the compiler put into another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inlined {
    /// Its name in the source.
    pub name: String,
    /// Whether its lines stand in a header: a helper that many files have, as
    /// `regs_set_return_msr`.
    pub is_of_header: bool,
}

impl Symbols {
    /// Reads the symbol table and the line program of an ELF file.
    pub fn read(file: &object::File<'static>) -> Self {
        let mut functions = Vec::new();
        let mut others = HashMap::new();
        for symbol in file.symbols() {
            let Ok(name) = symbol.name() else { continue };
            if symbol.kind() == SymbolKind::Text && symbol.size() > 0 {
                let other = match symbol.flags() {
                    object::SymbolFlags::Elf { st_other, .. } => st_other.0,
                    _ => 0,
                };
                functions.push(Function {
                    name: name.into(),
                    address: symbol.address(),
                    size: symbol.size(),
                    local_entry: local_entry(other),
                });
            }
            others.insert(name.to_owned(), symbol.address());
        }
        functions.sort_by(|a, b| (a.address, &a.name).cmp(&(b.address, &b.name)));
        functions.dedup_by_key(|f| f.address);
        Symbols {
            functions,
            others,
            dwarf: OnceCell::from(dwarf(file)),
            vmlinux: None,
        }
    }

    /// Takes the symbols of a real kernel. Source lines are known as long as its vmlinux is where
    /// it was, unchanged, and has DWARF.
    pub fn from_snapshot(snapshot: &Snapshot) -> Self {
        let functions = snapshot
            .symbols
            .iter()
            .filter(|symbol| symbol.kind == snapshot::SymbolKind::Function)
            .map(|symbol| Function {
                name: symbol.name.as_str().into(),
                address: symbol.address,
                size: symbol.size,
                local_entry: symbol.local_entry,
            });
        let mut others = HashMap::with_capacity(snapshot.symbols.len());
        // Static functions can share a name; what other files call by it goes first.
        let (global, local): (Vec<_>, Vec<_>) = snapshot.symbols.iter().partition(|s| s.global);
        for symbol in global.into_iter().chain(local) {
            others.entry(symbol.name.clone()).or_insert(symbol.address);
        }
        Symbols {
            functions: functions.collect(),
            others,
            dwarf: OnceCell::new(),
            vmlinux: Some((snapshot.vmlinux.clone(), snapshot.kernel_hash)),
        }
    }

    /// All functions by address.
    pub fn functions(&self) -> &[Function] {
        &self.functions
    }

    /// The address (or absolute value) of a symbol.
    pub fn address(&self, name: &str) -> Option<u64> {
        self.others.get(name).copied()
    }

    /// The function an address lies in, as an index into [`Symbols::functions`].
    pub fn index_at(&self, address: u64) -> Option<usize> {
        let index = self
            .functions
            .partition_point(|f| f.address <= address)
            .checked_sub(1)?;
        let function = &self.functions[index];
        (address < function.address + function.size).then_some(index)
    }

    /// The function an address lies in.
    pub fn function_at(&self, address: u64) -> Option<&Function> {
        self.index_at(address).map(|i| &self.functions[i])
    }

    /// The place of an address.
    pub fn locate(&self, address: u64) -> Option<Location> {
        self.function_at(address).map(|f| Location {
            function: f.name.clone(),
            offset: address - f.address,
            size: f.size,
        })
    }

    /// Source file (its last two path components) and line of an address.
    pub fn source(&self, address: u64) -> Option<(String, u32)> {
        let (_, context) = self.dwarf()?;
        let found = context.find_location(address).ok()??;
        Some((short(found.file?), found.line?))
    }

    /// The same, of the innermost place that is not in a header: what Linux's headers do is asked
    /// for where they are used.
    pub fn source_outside_headers(&self, address: u64) -> Option<(String, u32)> {
        let (_, context) = self.dwarf()?;
        let mut frames = context.find_frames(address).skip_all_loads().ok()?;
        while let Ok(Some(frame)) = frames.next() {
            let place = frame.location.and_then(|at| Some((at.file?, at.line?)));
            if let Some((file, line)) = place.filter(|(file, _)| !file.ends_with(".h")) {
                return Some((short(file), line));
            }
        }
        self.source(address)
    }

    /// The functions that the compiler put into another one at an address, innermost first, without
    /// that other one.
    pub fn inlined(&self, address: u64) -> Vec<Inlined> {
        let frames = self
            .dwarf()
            .map(|(_, context)| context.find_frames(address).skip_all_loads());
        let Some(Ok(mut frames)) = frames else {
            return Vec::new();
        };
        let mut functions = Vec::new();
        while let Ok(Some(frame)) = frames.next() {
            let name = frame.function.as_ref().and_then(|f| f.raw_name().ok());
            let file = frame.location.and_then(|location| location.file);
            functions.push(Inlined {
                name: name.map_or_else(String::new, |name| name.into_owned()),
                is_of_header: file.is_none_or(|file| file.ends_with(".h")),
            });
        }
        functions.pop();
        functions
    }

    /// The copies of a function in its callers: none without debug information. Reads all of that.
    pub fn copies(&self, name: &str) -> Vec<Copy> {
        let dwarf = self.dwarf();
        dwarf.map_or_else(Vec::new, |(dwarf, _)| inlined::copies(dwarf, name))
    }

    fn dwarf(&self) -> Option<&Dwarf> {
        let dwarf = self.dwarf.get_or_init(|| {
            // Hundreds of megabytes in a distribution's kernel, and most runs never ask.
            let (path, hash) = self.vmlinux.as_ref()?;
            let bytes = snapshot::Mapped::for_good(path, *hash)?;
            dwarf(&object::File::parse(bytes).ok()?)
        });
        dwarf.as_ref()
    }
}

/// Distance from the global to the local entry point, from a symbol's `st_other`: bits 7:5 hold
/// log2 of it, from 2 on (ELFv2 ABI, 3.4.1).
pub(super) fn local_entry(st_other: u8) -> u64 {
    match st_other >> 5 {
        n @ 2..=6 => 1 << n,
        _ => 0,
    }
}

fn dwarf(file: &object::File<'static>) -> Option<Dwarf> {
    let endian = if file.is_little_endian() {
        gimli::RunTimeEndian::Little
    } else {
        gimli::RunTimeEndian::Big
    };
    let load = |id: gimli::SectionId| -> Result<_, gimli::Error> {
        let section = file.section_by_name(id.name());
        // Compressed ones (CONFIG_DEBUG_INFO_COMPRESSED) are as good as none.
        let data = match section.map(|s| s.uncompressed_data()) {
            Some(Ok(Cow::Borrowed(data))) => data,
            _ => &[],
        };
        Ok(gimli::EndianSlice::new(data, endian))
    };
    let dwarf = Arc::new(gimli::Dwarf::load(load).ok()?);
    let context = addr2line::Context::from_arc_dwarf(Arc::clone(&dwarf)).ok()?;
    Some((dwarf, context))
}
/// The last two components of a path.
fn short(file: &str) -> String {
    let mut parts: Vec<&str> = file.rsplit('/').take(2).collect();
    parts.reverse();
    parts.join("/")
}
