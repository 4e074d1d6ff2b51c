//! Has a C program compiled for a byte order, with a cross compiler and its static C library.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Command;

use ctxfuzz_emulator::arch::Endian;
use thiserror::Error;

/// As `docs/findings/` and the programs themselves say.
const FLAGS: &[&str] = &["-O1", "-static", "-Wall", "-Wextra"];

/// Why there is no program.
#[derive(Debug, Error)]
pub enum CompileError {
    /// There is no compiler, or it cannot be started.
    #[error("cannot start {}: {error}: run `.ci/setup confirm`, or name a compiler in {variable}", compiler.to_string_lossy())]
    Start {
        /// What was tried.
        compiler: OsString,
        /// What the system said.
        error: io::Error,
        /// The environment variable for another one.
        variable: &'static str,
    },
    /// The compiler refuses.
    #[error("{} does not compile the program: {said}", compiler.to_string_lossy())]
    Refused {
        /// Which.
        compiler: OsString,
        /// The first of what it said.
        said: String,
    },
    /// The files cannot be written or read.
    #[error("{}: {error}", folder.display())]
    Scratch {
        /// Where.
        folder: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// The compiler, and the variable that names another one.
fn compiler(endian: Endian) -> (OsString, &'static str) {
    let (variable, usual) = match endian {
        Endian::Little => ("CTXFUZZ_CC_LE", "powerpc64le-linux-gnu-gcc"),
        Endian::Big => ("CTXFUZZ_CC_BE", "powerpc64-linux-gnu-gcc"),
    };
    (
        std::env::var_os(variable).unwrap_or_else(|| usual.into()),
        variable,
    )
}

/// Compiles and links it; returns the program's file.
pub fn compile(source: &str, endian: Endian) -> Result<Vec<u8>, CompileError> {
    let scratch = |error| CompileError::Scratch {
        folder: std::env::temp_dir(),
        error,
    };
    let folder = tempfile::Builder::new()
        .prefix("ctxfuzz-")
        .tempdir()
        .map_err(scratch)?;
    let (input, output) = (folder.path().join("test.c"), folder.path().join("test"));
    std::fs::write(&input, source).map_err(scratch)?;
    let (compiler, variable) = compiler(endian);
    let made = Command::new(&compiler)
        .args(FLAGS)
        .arg("-o")
        .arg(&output)
        .arg(&input)
        .output()
        .map_err(|error| CompileError::Start {
            compiler: compiler.clone(),
            error,
            variable,
        })?;
    if !made.status.success() {
        let said = String::from_utf8_lossy(&made.stderr);
        let first = said.lines().find(|line| line.contains("rror"));
        let said = first
            .or(said.lines().next())
            .unwrap_or("it does not say why");
        let said = said.replace(&input.display().to_string(), "test.c");
        return Err(CompileError::Refused { compiler, said });
    }
    std::fs::read(&output).map_err(scratch)
}
