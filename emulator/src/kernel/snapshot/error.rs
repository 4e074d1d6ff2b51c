//! Why there is no snapshot.

use std::io;
use std::path::PathBuf;

use super::gdb::GdbError;

/// Why a snapshot could not be made, read or written. Each fits on one line.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// A file cannot be read.
    #[error("{}: cannot read it: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A file cannot be written.
    #[error("{}: cannot write it: {error}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The file is not a snapshot of this version.
    #[error("{}: {problem}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        problem: FormatProblem,
    },
    /// The file is no kernel that can be booted.
    #[error("{}: {problem}", path.display())]
    Kernel {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The kernel did not get to the mark.
    #[error("{}: {reason}{}", path.display(), tail(console))]
    Boot {
        /// The vmlinux.
        path: PathBuf,
        /// What happened instead.
        reason: String,
        /// What the kernel had printed.
        console: String,
    },
    /// QEMU cannot be started.
    #[error("{0}")]
    Qemu(String),
    /// QEMU is not what we expect.
    #[error("qemu-system-ppc64: {0}")]
    Gdb(#[from] GdbError),
    /// A temporary file.
    #[error("cannot keep a booting kernel's memory in {}: {error}", folder.display())]
    Scratch {
        /// The folder for temporary files.
        folder: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// No place for the cache.
    #[error("no folder to keep snapshots in: set CTXFUZZ_CACHE, XDG_CACHE_HOME or HOME")]
    NoCache,
}

/// What is wrong with a snapshot file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatProblem {
    /// Something else.
    #[error("is not a snapshot made by ctxfuzz")]
    Foreign,
    /// Of another ctxfuzz.
    #[error(
        "is a snapshot of format {0}, this ctxfuzz reads format {expected}: make it again",
        expected = super::file::VERSION
    )]
    Version(u32),
    /// Cut off.
    #[error("is cut off: make it again")]
    Truncated,
    /// Changed.
    #[error("is damaged ({0}): make it again")]
    Corrupt(&'static str),
}

/// The last lines of a console, on one line.
fn tail(console: &str) -> String {
    let lines: Vec<&str> = console
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    match lines.len() {
        0 => "; it printed nothing".to_owned(),
        count => format!(
            "; its console ended with: {}",
            lines[count.saturating_sub(TAIL)..].join(" | ")
        ),
    }
}

const TAIL: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_boot_is_told_on_one_line_with_the_end_of_the_console() {
        let lines: Vec<String> = (0..20).map(|n| format!("line {n}\r\n")).collect();
        let error = |console: &str| {
            let boot = SnapshotError::Boot {
                path: "vmlinux".into(),
                reason: "the kernel hangs".to_owned(),
                console: console.to_owned(),
            };
            boot.to_string()
        };
        let told = error(&lines.concat());
        assert!(
            told.starts_with(
                "vmlinux: the kernel hangs; its console ended with: line 12 | line 13"
            )
        );
        assert!(told.ends_with("| line 19"));
        assert!(error("\n").ends_with("; it printed nothing"));
    }
}
