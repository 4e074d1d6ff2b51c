//! Why there is no snapshot.

use std::io;
use std::path::{Path, PathBuf};

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
    /// There is no snapshot where one was to be, and none may be made.
    #[error(
        "{}: has no snapshot that this ctxfuzz can use: there is no {}: pack it again with this ctxfuzz",
        path.display(),
        wanted.display()
    )]
    NotPacked {
        /// The vmlinux.
        path: PathBuf,
        /// The file that was looked for. Its name says which kernel and which recipe.
        wanted: PathBuf,
    },
    /// The kernel did not get to the mark.
    #[error("{}: {reason}: {}", path.display(), excerpt(console))]
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

impl SnapshotError {
    /// The same of the file that the user named, where it is about the kernel in that.
    pub(super) fn of(mut self, named: &Path) -> Self {
        if let SnapshotError::Kernel { path, .. } | SnapshotError::Boot { path, .. } = &mut self {
            *path = named.to_owned();
        }
        self
    }
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

/// What a console says about the end of a kernel, on one line: what came with a panic, or else the
/// last there is.
fn excerpt(console: &str) -> String {
    let lines: Vec<&str> = console
        .lines()
        .map(without_time)
        .filter(|line| !line.is_empty())
        .collect();
    if lines.is_empty() {
        return "it printed nothing".to_owned();
    }
    let end = lines.iter().position(|line| is_end(line));
    let start = end.unwrap_or(lines.len().saturating_sub(LINES));
    let shown: Vec<&str> = lines[start..].iter().copied().take(LINES).collect();
    match end {
        Some(_) => shown.join(" | "),
        None => format!("its console ended with: {}", shown.join(" | ")),
    }
}

const LINES: usize = 8;

/// Whether a line is the beginning of a kernel's end; registers and a backtrace follow, which say
/// less.
fn is_end(line: &str) -> bool {
    const ENDS: &[&str] = &[
        "ctxfuzz-agent:",
        "Kernel panic",
        "Oops:",
        "kernel BUG",
        "BUG:",
    ];
    ENDS.iter().any(|end| line.contains(end))
}

/// Whether a console tells of a panic.
pub(super) fn panicked(console: &str) -> bool {
    console.contains("Kernel panic")
}

/// A line as it was before printk put the time before it.
fn without_time(line: &str) -> &str {
    let line = line.trim();
    let time = line.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    match time {
        Some((time, rest)) if time.trim().parse::<f64>().is_ok() => rest.trim(),
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(console: &str) -> String {
        let boot = SnapshotError::Boot {
            path: "vmlinux".into(),
            reason: "the kernel hangs".to_owned(),
            console: console.to_owned(),
        };
        boot.to_string()
    }

    #[test]
    fn a_failed_boot_is_told_on_one_line_with_the_end_of_the_console() {
        let lines: Vec<String> = (0..20)
            .map(|n| format!("[    0.1{n}] [x] line {n}\r\n"))
            .collect();
        let end: Vec<String> = (12..20).map(|n| format!("[x] line {n}")).collect();
        let expected = format!(
            "vmlinux: the kernel hangs: its console ended with: {}",
            end.join(" | ")
        );
        assert_eq!(told(&lines.concat()), expected);
        assert!(told("\n").ends_with(": it printed nothing"));
    }

    #[test]
    fn a_panic_is_told_from_its_beginning() {
        let console = "[ 0.1] Run /init as init process\nctxfuzz-agent: cannot fork\n[ 0.2] Kernel panic - not syncing: no init\n[ 0.2] GPR00: 0\n";
        let lines = console.to_owned() + &"[ 0.2] GPR04: 0\n".repeat(20);
        assert!(panicked(&lines));
        let told = told(&lines);
        let start = "vmlinux: the kernel hangs: ctxfuzz-agent: cannot fork | Kernel panic - not syncing: no init | GPR00: 0 | ";
        assert!(told.starts_with(start), "{told}");
        assert_eq!(told.split(" | ").count(), LINES);
    }
}
