//! Snapshots of real kernels: a vmlinux is booted in qemu-system-ppc64 with the agent as `/init`,
//! stopped at the agent's mark, and all that a machine needs to go on from there is kept in one
//! file.
//!
//! Not responsible for running a snapshot (see `run`).

mod boot;
mod cache;
mod error;
mod file;
mod gdb;
mod guest;
mod initramfs;
mod mapped;
mod package;
mod pages;
mod qemu;
mod registers;
mod target;
mod vmlinux;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3Default;

use crate::arch::Endian;

pub use crate::machine::Registers;
pub use boot::BootOptions;
pub use cache::Cached;
pub use error::{FormatProblem, SnapshotError};
pub use file::Header;
pub use guest::{Guest, describe, qemu_version, run_programs};
pub use pages::{PAGE, Pages};
pub use vmlinux::Vmlinux;

pub(super) use mapped::Mapped;

/// A booted kernel at the agent's mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Byte order of the kernel and of the agent.
    pub endian: Endian,
    /// The kernel's own version line, `Linux version ...`.
    pub version: String,
    /// xxh3 of the vmlinux file.
    pub kernel_hash: u64,
    /// Where the vmlinux was when it was booted. It may have gone or changed since: hold it against
    /// `kernel_hash`.
    pub vmlinux: PathBuf,
    /// Bytes of physical memory.
    pub memory_size: u64,
    /// What is in it.
    pub pages: Pages,
    /// The processor.
    pub registers: Registers,
    /// Symbols of the vmlinux, by address.
    pub symbols: Vec<Symbol>,
    /// Executable sections of the vmlinux: effective address and bytes.
    pub text: Vec<(u64, u64)>,
    /// What the kernel printed while it booted, for people.
    pub console: String,
}

/// A symbol of a vmlinux.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Symbol {
    /// Name; that of a function of the ELFv1 ABI is without its dot.
    pub name: String,
    /// Effective address, for functions that of the first instruction.
    pub address: u64,
    /// Bytes; for functions never 0.
    pub size: u64,
    /// What it names.
    pub kind: SymbolKind,
    /// Whether other files of the kernel could refer to it. Of several symbols of one name that is
    /// the one to take.
    pub global: bool,
    /// Distance from the global to the local entry point (ELFv2 ABI, 3.4.1).
    pub local_entry: u64,
}

/// The release in a kernel's version line: what follows `Linux version`.
pub fn release(version: &str) -> &str {
    version.split_whitespace().nth(2).unwrap_or(version)
}

/// What a symbol names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SymbolKind {
    /// Code. No two functions have the same address.
    Function,
    /// Data, a constant, or one more name of a function.
    Other,
}

impl Snapshot {
    /// Names what a run starts from: memory and registers. Two snapshots of one kernel have the
    /// same.
    pub fn hash(&self) -> u64 {
        let mut hash = Xxh3Default::new();
        hash.update(&self.memory_size.to_le_bytes());
        for number in self.pages.numbers() {
            hash.update(&number.to_le_bytes());
        }
        hash.update(self.pages.bytes());
        self.registers.hash(&mut hash);
        hash.digest()
    }

    /// What `uname -r` says on this kernel.
    pub fn release(&self) -> &str {
        release(&self.version)
    }

    /// The function that an address lies in.
    pub fn function_at(&self, address: u64) -> Option<&Symbol> {
        let behind = self.symbols.partition_point(|s| s.address <= address);
        let mut before = self.symbols[..behind].iter().rev();
        let last = before.find(|s| s.kind == SymbolKind::Function)?;
        (address < last.address + last.size).then_some(last)
    }

    /// The address of a symbol.
    pub fn address(&self, name: &str) -> Option<u64> {
        let named = || self.symbols.iter().filter(|s| s.name == name);
        let best = named().find(|s| s.global).or_else(|| named().next());
        best.map(|s| s.address)
    }
}
