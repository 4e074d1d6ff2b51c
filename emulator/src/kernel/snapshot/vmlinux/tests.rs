//! Tiny kernels, made here: an ELF file with code, read-only data, and whatever symbols a test
//! wants.

use super::*;

const TEXT: u64 = 0xc000_0000_0000_0000;
const CODE: u64 = 0x100;
const BANNER: &[u8] = b"Linux version 6.1.0 (a@b)\n\0";
const FUNC: u8 = 2;
const OBJECT: u8 = 1;
const NOTYPE: u8 = 0;
const GLOBAL: u8 = 1 << 4;
const LOCAL: u8 = 0;

/// Sections by number: 1 is `.text`, 2 `.rodata`, 3 `.opd`.
struct Wanted {
    name: &'static str,
    section: u16,
    offset: u64,
    size: u64,
    info: u8,
    other: u8,
}

fn wanted(name: &'static str, section: u16, offset: u64, size: u64, info: u8) -> Wanted {
    Wanted {
        name,
        section,
        offset,
        size,
        info,
        other: 0,
    }
}

fn needed() -> Vec<Wanted> {
    vec![
        wanted("linux_banner", 2, 0, BANNER.len() as u64, GLOBAL | OBJECT),
        wanted("process_tb", 2, 0x80, 8, GLOBAL | OBJECT),
        wanted("save_fpu", 1, 0x40, 0x20, GLOBAL | FUNC),
        wanted("prom_init", 1, 0x80, 0x20, GLOBAL | FUNC),
    ]
}

/// What is written, in the byte order of the file.
struct Writer {
    endian: Endian,
    bytes: Vec<u8>,
}

impl Writer {
    fn u16(&mut self, value: u16) -> &mut Self {
        let bytes = value.to_be_bytes();
        let ordered = match self.endian {
            Endian::Big => bytes,
            Endian::Little => [bytes[1], bytes[0]],
        };
        self.bytes.extend_from_slice(&ordered);
        self
    }

    fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes.extend_from_slice(&self.endian.bytes_u32(value));
        self
    }

    fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes.extend_from_slice(&self.endian.bytes_u64(value));
        self
    }

    fn section(&mut self, kind: u32, flags: u64, address: u64, place: (u64, u64), link: u32) {
        let entry = if kind == 2 { 24 } else { 0 };
        self.u32(0).u32(kind).u64(flags).u64(address);
        self.u64(place.0).u64(place.1).u32(link).u32(0);
        self.u64(8).u64(entry);
    }
}

struct Kernel {
    endian: Endian,
    machine: u16,
    kind: u16,
    /// Entries of `.opd`, each the address of a function.
    descriptors: Vec<u64>,
    symbols: Vec<Wanted>,
}

impl Kernel {
    fn new(endian: Endian) -> Self {
        Kernel {
            endian,
            machine: 21,
            kind: 2,
            descriptors: Vec::new(),
            symbols: needed(),
        }
    }

    /// Header and program header, contents, symbols, names of symbols, names of sections, section
    /// headers.
    fn bytes(&self) -> Vec<u8> {
        const CONTENTS: u64 = 0x100;
        const LOADED: u64 = 0x400;
        let part = || Writer {
            endian: self.endian,
            bytes: Vec::new(),
        };
        let mut contents = part();
        contents.bytes.resize(CODE as usize, 0x60);
        contents.bytes.extend_from_slice(BANNER);
        contents.bytes.resize(0x200, 0);
        for &entry in &self.descriptors {
            contents.u64(entry).u64(0).u64(0);
        }
        contents.bytes.resize(LOADED as usize, 0);
        let (mut symbols, mut names) = (part(), vec![0]);
        symbols.bytes.resize(24, 0);
        for symbol in &self.symbols {
            let start = [TEXT, TEXT, TEXT + CODE, TEXT + 0x200][usize::from(symbol.section)];
            symbols.u32(names.len() as u32);
            symbols
                .bytes
                .extend_from_slice(&[symbol.info, symbol.other]);
            symbols
                .u16(symbol.section)
                .u64(start.wrapping_add(symbol.offset))
                .u64(symbol.size);
            names.extend_from_slice(symbol.name.as_bytes());
            names.push(0);
        }
        let section_names = b"\0.opd\0";
        let symbols_at = CONTENTS + LOADED;
        let names_at = symbols_at + symbols.bytes.len() as u64;
        let section_names_at = names_at + names.len() as u64;
        let headers_at = section_names_at + section_names.len() as u64;

        let mut file = part();
        let order = if self.endian == Endian::Little { 1 } else { 2 };
        file.bytes.extend_from_slice(&[
            0x7f, b'E', b'L', b'F', 2, order, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ]);
        file.u16(self.kind)
            .u16(self.machine)
            .u32(1)
            .u64(TEXT)
            .u64(64)
            .u64(headers_at);
        file.u32(2).u16(64).u16(56).u16(1).u16(64).u16(7).u16(6);
        file.u32(1).u32(7).u64(CONTENTS).u64(TEXT).u64(0);
        file.u64(LOADED).u64(LOADED).u64(0x1000);
        file.bytes.resize(CONTENTS as usize, 0);
        for bytes in [
            &contents.bytes,
            &symbols.bytes,
            &names,
            &section_names.to_vec(),
        ] {
            file.bytes.extend_from_slice(bytes);
        }
        file.section(0, 0, 0, (0, 0), 0);
        file.section(1, 6, TEXT, (CONTENTS, CODE), 0);
        file.section(1, 2, TEXT + CODE, (CONTENTS + CODE, 0x100), 0);
        let opd = file.bytes.len();
        let descriptors = 24 * self.descriptors.len() as u64;
        file.section(1, 3, TEXT + 0x200, (CONTENTS + 0x200, descriptors), 0);
        if !self.descriptors.is_empty() {
            file.bytes[opd..opd + 4].copy_from_slice(&self.endian.bytes_u32(1));
        }
        file.section(2, 0, 0, (symbols_at, symbols.bytes.len() as u64), 5);
        file.section(3, 0, 0, (names_at, names.len() as u64), 0);
        file.section(3, 0, 0, (section_names_at, section_names.len() as u64), 0);
        file.bytes
    }

    fn read(&self) -> Vmlinux {
        Vmlinux::parse(&self.bytes()).expect("it is a kernel")
    }

    fn refused(&self, expected: &str) {
        refused(&self.bytes(), expected);
    }
}

fn refused(bytes: &[u8], expected: &str) {
    let problem = Vmlinux::parse(bytes).expect_err("it is refused");
    assert!(problem.contains(expected), "{problem}");
}

/// A file that passes for a kernel until it is booted.
pub fn passable() -> Vec<u8> {
    Kernel::new(Endian::Little).bytes()
}

fn find<'a>(kernel: &'a Vmlinux, name: &str) -> Vec<&'a Symbol> {
    let named = kernel.symbols.iter().filter(|s| s.name == name);
    named.collect()
}

#[test]
fn a_kernel_is_read_in_both_byte_orders() {
    for endian in Endian::BOTH {
        let kernel = Kernel::new(endian).read();
        assert_eq!(kernel.endian, endian);
        assert_eq!(kernel.version, "Linux version 6.1.0 (a@b)");
        assert_eq!(kernel.banner, TEXT + CODE);
        assert_eq!(kernel.text, [(TEXT, CODE)]);
        let save_fpu = find(&kernel, "save_fpu");
        assert_eq!(save_fpu.len(), 1);
        assert_eq!((save_fpu[0].address, save_fpu[0].size), (TEXT + 0x40, 0x20));
        assert_eq!(save_fpu[0].kind, SymbolKind::Function);
        assert_eq!(find(&kernel, "process_tb")[0].kind, SymbolKind::Other);
    }
}

#[test]
fn a_kernel_must_be_where_its_symbols_say() {
    let kernel = Kernel::new(Endian::Little).read();
    let mut memory = vec![0; 4096];
    memory[CODE as usize..CODE as usize + BANNER.len()].copy_from_slice(BANNER);
    let (mut here, mut elsewhere) = (Pages::default(), Pages::default());
    here.append(0, &memory);
    elsewhere.append(0x400_0000, &memory);
    assert_eq!(kernel.check_memory(&here), Ok(()));
    assert!(kernel.check_memory(&elsewhere).is_err());
}

#[test]
fn functions_of_assembly_files_get_their_sizes() {
    let mut kernel = Kernel::new(Endian::Little);
    kernel.symbols.extend([
        wanted("entry", 1, 0, 0, LOCAL | NOTYPE),
        wanted("alias", 1, 0, 0, LOCAL | NOTYPE),
        wanted("global_entry", 1, 0, 0, GLOBAL | NOTYPE),
        wanted("last", 1, 0xc0, 0, LOCAL | NOTYPE),
        wanted("constant", 1, 0x10, 8, LOCAL | OBJECT),
        wanted(".Llabel", 1, 0x20, 0, LOCAL | NOTYPE),
        wanted("$x", 1, 0x24, 0, LOCAL | NOTYPE),
        wanted("section_end", 1, CODE, 0, GLOBAL | NOTYPE),
    ]);
    let kernel = kernel.read();
    let seen = |name: &str| find(&kernel, name).first().map(|s| (s.kind, s.size));
    // Up to save_fpu at 0x40; data in between does not count.
    assert_eq!(seen("global_entry"), Some((SymbolKind::Function, 0x40)));
    assert_eq!(seen("entry"), Some((SymbolKind::Other, 0x40)));
    assert_eq!(seen("alias"), Some((SymbolKind::Other, 0x40)));
    assert_eq!(seen("last"), Some((SymbolKind::Function, 0x40)));
    assert_eq!(seen("constant"), Some((SymbolKind::Other, 8)));
    assert_eq!(seen("section_end"), Some((SymbolKind::Other, 0)));
    assert_eq!((seen(".Llabel"), seen("$x")), (None, None));
}

#[test]
fn local_entry_points_are_kept() {
    let mut kernel = Kernel::new(Endian::Little);
    kernel.symbols[2].other = 3 << 5;
    let kernel = kernel.read();
    assert_eq!(find(&kernel, "save_fpu")[0].local_entry, 8);
}

#[test]
fn descriptors_stand_for_their_functions() {
    let mut kernel = Kernel::new(Endian::Big);
    kernel.descriptors = vec![TEXT + 0x40, TEXT + 0x80, TEXT + 0xc0];
    kernel.symbols = needed().into_iter().take(2).collect();
    kernel.symbols.extend([
        wanted("save_fpu", 3, 0, 24, LOCAL | NOTYPE),
        wanted(".save_fpu", 1, 0x40, 0x20, LOCAL | FUNC),
        wanted("prom_init", 3, 24, 24, GLOBAL | FUNC),
        wanted(".prom_init", 1, 0x80, 0, GLOBAL | FUNC),
        wanted("undotted", 3, 48, 24, GLOBAL | FUNC),
    ]);
    let kernel = kernel.read();
    for (name, offset, size) in [
        ("save_fpu", 0x40, 0x20),
        ("prom_init", 0x80, 0x40),
        ("undotted", 0xc0, 0x40),
    ] {
        let found = find(&kernel, name);
        assert_eq!(found.len(), 1, "{name}");
        assert_eq!(
            (found[0].address, found[0].size),
            (TEXT + offset, size),
            "{name}"
        );
        assert_eq!(found[0].kind, SymbolKind::Function);
    }
    assert!(find(&kernel, ".save_fpu").is_empty());
}

#[test]
fn what_is_no_kernel_for_us_is_refused() {
    let with = |change: fn(&mut Kernel)| {
        let mut kernel = Kernel::new(Endian::Little);
        change(&mut kernel);
        kernel
    };
    with(|k| k.machine = 62).refused("is for x86-64: expected a kernel for ppc64");
    with(|k| k.machine = 183).refused("is for arm64");
    with(|k| k.kind = 1).refused("is an object file or a core dump");
    with(|k| k.symbols.clear()).refused("has been stripped");
    for (index, name) in ["linux_banner", "process_tb", "save_fpu", "prom_init"]
        .into_iter()
        .enumerate()
    {
        let mut kernel = Kernel::new(Endian::Little);
        kernel.symbols.remove(index);
        kernel.refused(&format!("has no symbol `{name}`"));
    }
    with(|k| k.symbols[0].offset = 4).refused("does not say which Linux version");
    with(|k| k.symbols[0].offset = 1 << 40).refused("does not say which Linux version");
}

#[test]
fn other_files_are_told_apart() {
    let mut x86 = vec![0; 0x300];
    x86[0x202..0x206].copy_from_slice(b"HdrS");
    refused(&x86, "x86 bzImage");
    refused(b"\x1f\x8b\x08", "compressed");
    refused(b"#!/bin/sh\n", "not an ELF file");
    refused(b"", "is empty");
    refused(b"\x7fELF", "cannot be read as ELF");
}

/// Never more than a refusal, wherever it ends.
#[test]
fn a_kernel_that_is_cut_off_is_refused() {
    let whole = Kernel::new(Endian::Big).bytes();
    for length in 0..whole.len() {
        assert!(Vmlinux::parse(&whole[..length]).is_err(), "{length}");
    }
}

/// Where [`Kernel::bytes`] puts symbols, each of 24 bytes that begin with the place of its name.
const SYMBOLS: usize = 0x500;

#[test]
fn names_that_outgrow_their_file_are_refused() {
    let long = "n".repeat(1000).leak();
    let mut kernel = Kernel::new(Endian::Little);
    let many = (0..100).map(|offset| wanted(long, 1, offset, 0, LOCAL | NOTYPE));
    kernel.symbols.splice(0..0, many);
    let apart = kernel.bytes();
    // Each with a name of its own: the file is as long as its names.
    assert!(Vmlinux::parse(&apart).is_ok());

    let mut shared = kernel;
    for symbol in &mut shared.symbols[1..100] {
        symbol.name = "x";
    }
    let mut bytes = shared.bytes();
    let name = bytes[SYMBOLS + 24..][..4].to_vec();
    for symbol in 1..100 {
        bytes[SYMBOLS + 24 + symbol * 24..][..4].copy_from_slice(&name);
    }
    refused(&bytes, "is cut off or damaged");

    // Nobody's function has such a name.
    let mut longer = Kernel::new(Endian::Little);
    longer
        .symbols
        .push(wanted("n".repeat(1025).leak(), 1, 0, 0, GLOBAL | FUNC));
    assert_eq!(longer.read().symbols.len(), needed().len());
}

#[test]
fn code_that_is_not_in_the_file_is_none() {
    let whole = Kernel::new(Endian::Little).bytes();
    let headers = u64::from_le_bytes(whole[40..48].try_into().unwrap()) as usize;
    let text = headers + 64;
    const NOBITS: u32 = 8;
    for (kind, field, value) in [
        (1, 32, u64::MAX - 0x1000),
        (1, 32, 1 << 40),
        (1, 16, u64::MAX - 4),
        (NOBITS, 32, 1 << 40),
    ] {
        let mut bytes = whole.clone();
        bytes[text + 4..][..4].copy_from_slice(&kind.to_le_bytes());
        bytes[text + field..][..8].copy_from_slice(&value.to_le_bytes());
        let kernel = Vmlinux::parse(&bytes).expect("its symbols are there");
        assert_eq!(kernel.text, []);
        assert_eq!(find(&kernel, "save_fpu")[0].kind, SymbolKind::Other);
    }
}

#[test]
fn a_function_ends_where_its_section_does() {
    let mut kernel = Kernel::new(Endian::Little);
    kernel.symbols[2].size = u64::MAX - 1;
    assert_eq!(find(&kernel.read(), "save_fpu")[0].size, CODE - 0x40);
}

#[test]
fn more_sections_than_any_kernel_has_are_refused() {
    let mut bytes = Kernel::new(Endian::Little).bytes();
    let headers = bytes[40..48].try_into().map(u64::from_le_bytes).unwrap() as usize;
    let text = bytes[headers + 64..headers + 128].to_vec();
    for _ in 0..5000 {
        bytes.extend_from_slice(&text);
    }
    bytes[60..62].copy_from_slice(&5007u16.to_le_bytes());
    refused(&bytes, "is cut off or damaged");
}

/// The seeds of the libFuzzer target `vmlinux_loader` are such kernels. `CTXFUZZ_BLESS=1` writes
/// them.
#[test]
fn seeds_of_the_loader_target_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/vmlinux_loader");
    for endian in Endian::BOTH {
        let mut kernel = Kernel::new(endian);
        if endian == Endian::Big {
            kernel.descriptors = vec![TEXT + 0x40, TEXT + 0xc0];
            kernel
                .symbols
                .push(wanted("described", 3, 24, 24, GLOBAL | FUNC));
        }
        let file = folder.join(format!("{}.elf", endian.name()));
        if std::env::var_os("CTXFUZZ_BLESS").is_some() {
            std::fs::create_dir_all(&folder).expect("the folder is made");
            std::fs::write(&file, kernel.bytes()).expect("the seed is written");
        }
        let seed = std::fs::read(&file).expect("run with CTXFUZZ_BLESS=1 to make the seeds");
        assert_eq!(seed, kernel.bytes(), "CTXFUZZ_BLESS=1 makes the seeds anew");
        assert!(Vmlinux::parse(&seed).is_ok());
    }
}

/// Found by the target `vmlinux_loader`.
#[test]
fn what_lies_before_its_section_is_no_function() {
    let mut kernel = Kernel::new(Endian::Big);
    kernel.descriptors = vec![TEXT - 8];
    kernel.symbols.extend([
        wanted("early", 1, u64::MAX - 7, 8, GLOBAL | FUNC),
        wanted("described", 3, 0, 24, GLOBAL | FUNC),
    ]);
    let kernel = kernel.read();
    for name in ["early", "described"] {
        assert_eq!(find(&kernel, name)[0].kind, SymbolKind::Other, "{name}");
    }
}
