//! Programs of one's own on a booted kernel, until they end the machine.
//!
//! Not responsible for what the programs are, nor for what they say.

use std::path::Path;
use std::process::Command;

use super::boot::BootOptions;
use super::error::SnapshotError;
use super::qemu::Qemu;
use super::vmlinux::Vmlinux;
use super::{cache, initramfs, package};
use crate::arch::Endian;

/// What came of a boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest {
    /// All that the kernel and the programs have printed.
    pub console: String,
    /// What happened, if the programs did not end the machine themselves.
    pub trouble: Option<String>,
}

/// The byte order of a vmlinux, or of the one in a package, and its version line.
pub fn describe(vmlinux: &Path) -> Result<(Endian, String), SnapshotError> {
    let file = package::kernel(vmlinux, cache::folder)?;
    let kernel = Vmlinux::read(&file).map_err(|error| error.of(vmlinux))?;
    Ok((kernel.endian, kernel.version))
}

/// What QEMU calls its version: `7.2.22`. `None` if it cannot be asked.
pub fn qemu_version(options: &BootOptions) -> Option<String> {
    let output = Command::new(&options.qemu).arg("--version").output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    let (_, rest) = said.split_once(" version ")?;
    Some(rest.split_whitespace().next()?.to_owned())
}

/// Boots a vmlinux, or the one in a package, with these programs in its root directory, of which
/// `init` is started. It is given `options.limit` in all.
pub fn run_programs(
    vmlinux: &Path,
    programs: &[(&str, &[u8])],
    options: &BootOptions,
) -> Result<Guest, SnapshotError> {
    let file = package::kernel(vmlinux, cache::folder)?;
    let kernel = Vmlinux::read(&file).map_err(|error| error.of(vmlinux))?;
    let initramfs = initramfs::build(programs)?;
    let mut qemu = Qemu::start(&kernel.path, &initramfs, options)?;
    let trouble = qemu.run_to_its_end(options.limit);
    Ok(Guest {
        console: qemu.console(),
        trouble,
    })
}
