//! The root file system that the kernel is given: programs, the agent or others, and the
//! directories and the one device that they need.

use std::io::{self, Write};

use cpio::newc::{Builder, ModeFileType, trailer};

use super::error::SnapshotError;

/// An archive in the form that the kernel unpacks
/// (Documentation/driver-api/early-userspace/buffer-format.rst), with these programs, by their
/// names in the root directory. The same for the same programs: no times, no owners.
pub fn build(programs: &[(&str, &[u8])]) -> Result<Vec<u8>, SnapshotError> {
    archive(programs).map_err(|error| SnapshotError::Scratch {
        folder: "an initramfs".into(),
        error,
    })
}

fn archive(programs: &[(&str, &[u8])]) -> io::Result<Vec<u8>> {
    let mut archive = Vec::new();
    let mut inodes = 1..;
    let mut entry = |name: &str, permissions: u32, kind: ModeFileType| {
        Builder::new(name)
            .ino(inodes.next().unwrap_or_default())
            .nlink(1)
            .mode(permissions)
            .set_mode_file_type(kind)
    };
    for name in ["dev", "proc", "sys"] {
        let directory = entry(name, 0o755, ModeFileType::Directory);
        directory.write(&mut archive, 0).finish()?;
    }
    // Without it the kernel starts init with nowhere to print to.
    let console = entry("dev/console", 0o600, ModeFileType::Char);
    let console = console.rdev_major(5).rdev_minor(1);
    console.write(&mut archive, 0).finish()?;

    for (name, bytes) in programs {
        let size = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        let program = entry(name, 0o755, ModeFileType::Regular);
        let mut program = program.write(&mut archive, size);
        program.write_all(bytes)?;
        program.finish()?;
    }
    trailer(&mut archive)?;
    Ok(archive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_has_what_init_needs() {
        let archive = build(&[("init", b"agent")]).expect("it builds");
        let mut rest: &[u8] = &archive;
        let mut seen = Vec::new();
        loop {
            let reader = cpio::newc::Reader::new(rest).expect("an entry");
            let entry = reader.entry();
            if entry.is_trailer() {
                break;
            }
            seen.push((
                entry.name().to_owned(),
                entry.mode(),
                (entry.rdev_major(), entry.rdev_minor()),
                entry.file_size(),
            ));
            rest = reader.finish().expect("its end");
        }
        let expected = [
            ("dev", 0o40755, (0, 0), 0),
            ("proc", 0o40755, (0, 0), 0),
            ("sys", 0o40755, (0, 0), 0),
            ("dev/console", 0o20600, (5, 1), 0),
            ("init", 0o100755, (0, 0), 5),
        ];
        let expected = expected.map(|(name, mode, device, size)| (name.into(), mode, device, size));
        assert_eq!(seen, expected);
        assert_eq!(build(&[("init", b"agent")]).expect("it builds"), archive);
    }
}
