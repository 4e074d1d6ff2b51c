//! A vmlinux: whether it is one that can be booted here, what it says about itself, its symbols.

mod symbols;

use std::path::{Path, PathBuf};

use object::read::elf::{ElfFile64, FileHeader};
use object::{Architecture, Endianness, Object, ObjectSection, ObjectSegment};

use super::error::SnapshotError;
use super::mapped::Mapped;
use super::pages::Pages;
use super::{Symbol, SymbolKind, cache, package, release};
use crate::arch::Endian;
use crate::machine::address::KERNEL;

/// What is known of a kernel before it is booted.
#[derive(Debug)]
pub struct Vmlinux {
    /// Absolute.
    pub path: PathBuf,
    /// xxh3 of the file.
    pub hash: u64,
    /// Byte order.
    pub endian: Endian,
    /// `Linux version ...`.
    pub version: String,
    /// By address.
    pub symbols: Vec<Symbol>,
    /// Executable sections: address and bytes.
    pub text: Vec<(u64, u64)>,
    /// Where `version` lies.
    banner: u64,
}

impl Vmlinux {
    /// Reads and checks a file.
    pub fn read(path: &Path) -> Result<Self, SnapshotError> {
        let file = Mapped::open(path)?;
        let parts = Self::parse(file.bytes()).map_err(|problem| SnapshotError::Kernel {
            path: path.to_owned(),
            problem,
        })?;
        Ok(Vmlinux {
            hash: file.hash(),
            path: file.path,
            ..parts
        })
    }

    /// As [`Vmlinux::read`]; of a package, the kernel in it, which is unpacked into the cache.
    pub fn find(path: &Path) -> Result<Self, SnapshotError> {
        let file = package::kernel(path, cache::folder)?;
        Self::read(&file).map_err(|error| error.of(path))
    }

    /// What `uname -r` says on this kernel.
    pub fn release(&self) -> &str {
        release(&self.version)
    }

    /// Reads and checks what is in a file, whatever that is. Time and memory are in proportion to
    /// its size. Says what is wrong with it, as the rest of a sentence that the file's name begins.
    pub fn parse(bytes: &[u8]) -> Result<Vmlinux, String> {
        let elf = elf(bytes)?;
        let endian = match elf.is_little_endian() {
            true => Endian::Little,
            false => Endian::Big,
        };
        if elf.symbols().next().is_none() {
            return Err("has no symbols: it has been stripped; use the vmlinux of the build, or that of the distribution's debug package".to_owned());
        }
        let symbols = symbols::read(&elf, endian, bytes.len())?;
        for (name, meaning) in NEEDED {
            if !symbols.iter().any(|symbol| symbol.name == *name) {
                return Err(format!("has no symbol `{name}`: {meaning}"));
            }
        }
        let banner = symbols
            .iter()
            .find(|s| s.name == "linux_banner" && s.kind == SymbolKind::Other)
            .map(|s| s.address)
            .unwrap_or_default();
        let text = symbols::executable(&elf)
            .map(|(section, _)| (section.address(), section.size()))
            .collect();
        Ok(Vmlinux {
            path: PathBuf::new(),
            hash: 0,
            endian,
            version: version(&elf, banner)?,
            symbols,
            text,
            banner,
        })
    }

    /// Makes sure that the symbols are those of the kernel that has booted: it can run elsewhere
    /// than it was linked for.
    pub fn check_memory(&self, pages: &Pages) -> Result<(), String> {
        let mut there = vec![0; self.version.len()];
        pages.read(self.banner.wrapping_sub(KERNEL), &mut there);
        match there == self.version.as_bytes() {
            true => Ok(()),
            false => Err("the kernel did not stay where it was linked".to_owned()),
        }
    }
}

type Elf<'a> = ElfFile64<'a, Endianness>;

/// Symbols that this tool cannot do without, and what their absence means.
const NEEDED: &[(&str, &str)] = &[
    ("linux_banner", "it is not a Linux kernel, or stripped"),
    (
        "process_tb",
        "it is not for Book3S-64 processors with a radix MMU",
    ),
    ("save_fpu", "it has no floating-point support"),
    (
        "prom_init",
        "it cannot be started by Open Firmware: build it with CONFIG_PPC_OF_BOOT_TRAMPOLINE",
    ),
];

/// Reads the ELF header and what it points at.
fn elf(bytes: &[u8]) -> Result<Elf<'_>, String> {
    let truncated = || "is cut off or damaged".to_owned();
    if let Some(other) = other_format(bytes) {
        return Err(other.to_owned());
    }
    let any =
        object::File::parse(bytes).map_err(|error| format!("cannot be read as ELF: {error}"))?;
    if any.architecture() != Architecture::PowerPc64 {
        return Err(format!(
            "is for {}: expected a kernel for ppc64",
            machine(any.architecture())
        ));
    }
    let object::File::Elf64(elf) = any else {
        return Err("is a 32-bit ELF file: expected a kernel for ppc64".to_owned());
    };
    if !names_can_be_read(&elf, bytes) {
        return Err(truncated());
    }
    if elf
        .sections()
        .any(|s| s.name().is_ok_and(|name| name.starts_with(".kernel:")))
    {
        return Err(COMPRESSED.to_owned());
    }
    let header = elf.elf_header();
    let kind = header.e_type(elf.endian());
    if kind != object::elf::ET_EXEC && kind != object::elf::ET_DYN {
        return Err("is an object file or a core dump: expected a vmlinux".to_owned());
    }
    if elf.segments().next().is_none() {
        return Err("has nothing to load: expected a vmlinux".to_owned());
    }
    for segment in elf.segments() {
        segment.data().map_err(|_| truncated())?;
    }
    Ok(elf)
}

/// Whether looking for sections by name ends soon: each look goes through a name to its end, which
/// in a hostile file is the file's.
fn names_can_be_read(elf: &Elf<'_>, bytes: &[u8]) -> bool {
    const MOST_SECTIONS: usize = 4096;
    const LARGEST_TABLE: u64 = 1 << 20;
    let table = elf.elf_header().shstrndx(elf.endian(), bytes);
    let size = table.ok().map(|index| {
        let index = object::SectionIndex(index as usize);
        elf.section_by_index(index).map_or(0, |table| table.size())
    });
    elf.sections().count() <= MOST_SECTIONS && size.is_some_and(|size| size <= LARGEST_TABLE)
}

const COMPRESSED: &str = "is a compressed kernel image: expected the vmlinux it was made from, as the build has it, or the distribution's package or debug package";

/// What else a file that is taken for a vmlinux may be.
fn other_format(bytes: &[u8]) -> Option<&'static str> {
    if bytes.is_empty() {
        return Some("is empty: expected a vmlinux");
    }
    if bytes.get(0x202..0x206) == Some(b"HdrS") {
        return Some("is an x86 bzImage: expected a vmlinux for ppc64");
    }
    if bytes.starts_with(b"\xed\xab\xee\xdb") {
        return Some("is an RPM package: unpack it first, and use the vmlinux in it");
    }
    const PACKED: &[&[u8]] = &[b"\x1f\x8b", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"BZh"];
    if PACKED.iter().any(|magic| bytes.starts_with(magic)) {
        return Some("is a compressed file: unpack it first");
    }
    (!bytes.starts_with(b"\x7fELF")).then_some("is not an ELF file: expected a vmlinux")
}

fn machine(architecture: Architecture) -> String {
    match architecture {
        Architecture::X86_64 => "x86-64".to_owned(),
        Architecture::I386 => "x86".to_owned(),
        Architecture::Aarch64 => "arm64".to_owned(),
        Architecture::PowerPc => "32-bit PowerPC, or a zImage".to_owned(),
        other => format!("{other:?}"),
    }
}

/// The kernel's first line, up to its end.
fn version(elf: &Elf<'_>, banner: u64) -> Result<String, String> {
    const LONGEST: u64 = 512;
    let bytes = elf
        .segments()
        .filter_map(|segment| {
            let end = segment.address().wrapping_add(segment.file_range().1);
            let length = LONGEST.min(end.checked_sub(banner)?);
            segment.data_range(banner, length).ok()?
        })
        .next()
        .unwrap_or_default();
    let line: Vec<u8> = bytes
        .iter()
        .copied()
        .take_while(|&byte| byte != 0 && byte != b'\n')
        .collect();
    String::from_utf8(line)
        .ok()
        .filter(|line| line.starts_with("Linux version "))
        .ok_or_else(|| "does not say which Linux version it is".to_owned())
}

#[cfg(test)]
pub(super) mod tests;
