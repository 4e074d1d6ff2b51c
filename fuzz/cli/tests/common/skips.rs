//! Tests that cannot run here. The harness counts them as passed, so each says a line that
//! `.ci/tests` counts: one `skipped: ` for a test of which nothing ran, and a `skipped in part: `
//! for each part that did not run of a test of which something did.

use std::io::Write;

use super::kernels;

/// Real kernels by the names that `make kernels` gives them, as `ctxfuzz` is told; or why one of
/// them cannot be had or booted.
pub fn real<const N: usize>(names: [&str; N]) -> Result<[String; N], String> {
    let files = names.map(|name| kernels().join(name).join("vmlinux"));
    if let Some(missing) = files.iter().find(|file| !file.exists()) {
        let missing = missing.display();
        return Err(format!("there is no {missing}; see `make kernels`"));
    }
    let qemu = std::env::var_os("CTXFUZZ_QEMU").unwrap_or_else(|| "qemu-system-ppc64".into());
    match std::process::Command::new(&qemu).arg("--version").output() {
        Ok(_) => Ok(files.map(|file| format!("vmlinux:{}", file.display()))),
        Err(error) => Err(format!("{}: {error}; see `make kernels`", qemu.display())),
    }
}

/// Whether a cross compiler links static programs, or why not.
pub fn compiles(compiler: &str) -> Result<(), String> {
    let mut library = std::process::Command::new(compiler);
    match library.arg("--print-file-name=libc.a").output() {
        Ok(said) if String::from_utf8_lossy(&said.stdout).contains('/') => Ok(()),
        _ => Err(format!(
            "{compiler} is not there or has no static C library; see `.ci/setup confirm`"
        )),
    }
}

/// What `confirm` needs to compile for either byte order.
pub const COMPILERS: [&str; 2] = ["powerpc64le-linux-gnu-gcc", "powerpc64-linux-gnu-gcc"];

/// The kernel's vmlinux, if it can be booted and a program for it compiled.
pub fn bootable(kernel: &str) -> Result<String, String> {
    COMPILERS.into_iter().try_for_each(compiles)?;
    let [name] = real([kernel])?;
    Ok(name.trim_start_matches("vmlinux:").to_owned())
}

/// The kernels that a whole test needs. Without them it says that it was skipped, and has to
/// return.
pub fn real_kernels<const N: usize>(test: &str, names: [&str; N]) -> Option<[String; N]> {
    real(names).map_err(|why| skipped(test, &why)).ok()
}

/// Says that nothing of a test can run, which has to return then.
pub fn skipped(test: &str, why: &str) {
    say(&whole(test, why));
}

/// Says that a part of a test cannot run.
pub fn skipped_in_part(part: &str, why: &str) {
    say(&in_part(part, why));
}

fn whole(test: &str, why: &str) -> String {
    format!("skipped: {test}: {why}\n")
}

fn in_part(part: &str, why: &str) -> String {
    format!("skipped in part: {part}: {why}\n")
}

/// On stderr itself: the harness keeps what a passing test prints.
fn say(line: &str) {
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// A test of which each part needs something that may not be there. At its end it says what did not
/// run.
pub struct Parts {
    test: String,
    ran: bool,
    skipped: Vec<String>,
}

impl Parts {
    /// None yet, of this test.
    pub fn of(test: &str) -> Self {
        let test = test.to_owned();
        Parts {
            test,
            ran: false,
            skipped: Vec::new(),
        }
    }

    /// The next part, if what it needs is there.
    pub fn next<T>(&mut self, needs: Result<T, String>) -> Option<T> {
        match needs {
            Ok(there) => {
                self.ran = true;
                Some(there)
            }
            Err(why) => {
                self.skipped.push(why);
                None
            }
        }
    }

    /// What is said at the end: a line for the test if nothing of it ran, or one for each part.
    pub fn lines(&self) -> Vec<String> {
        if self.ran {
            let parts = self.skipped.iter();
            return parts.map(|why| in_part(&self.test, why)).collect();
        }
        let why = self.skipped.first().map_or("nothing is there", |why| why);
        vec![whole(&self.test, why)]
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        // A test that fails is counted as such.
        if std::thread::panicking() {
            return;
        }
        for line in self.lines() {
            say(&line);
        }
    }
}
