//! Targets that are packed with real kernels: what is written beside a target where it is built,
//! and read where it runs.
//!
//! `NAME.kernels` beside the target NAME has what its variables are if nobody sets them, as JSON. A
//! real kernel is there by the name of a file beside it, and its snapshot under the name that the
//! cache gives it. So nothing is booted where a target runs, wherever its folder is moved.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_emulator::kernel::snapshot::Cached;
use ctxfuzz_triage::{atomic, json_file};
use serde::{Deserialize, Serialize};

/// The folder to write to. A target that is told writes what it needs there, and ends.
pub const VARIABLE: &str = "CTXFUZZ_PACK";

/// What is behind the name of a target. No service takes a file with such a name for a target.
const EXTENSION: &str = "kernels";

/// What stands before the file of a real kernel.
const REAL: &str = "vmlinux:";

/// Version of the file.
const VERSION: u32 = 1;

/// What a target was packed with.
#[derive(Debug, Default)]
pub struct Packed {
    /// The file; it does not exist if nothing was packed.
    file: PathBuf,
    settings: BTreeMap<String, String>,
}

/// The file.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    /// Version of it.
    packed: u32,
    /// Variables and their values.
    settings: BTreeMap<String, String>,
    /// For people: which kernel a file is.
    kernels: BTreeMap<String, String>,
}

impl Packed {
    /// What lies beside this target; nothing, if nothing does.
    pub fn here() -> Result<Self, String> {
        let this = env::current_exe().ok();
        let this = this.or_else(|| env::args_os().next().map(PathBuf::from));
        match this {
            Some(this) => Self::beside(&this),
            None => Ok(Packed::default()),
        }
    }

    fn beside(target: &Path) -> Result<Self, String> {
        let file = file_of(target.parent().unwrap_or(Path::new("")), target);
        if fs::symlink_metadata(&file).is_err() {
            return Ok(Packed {
                file,
                settings: BTreeMap::new(),
            });
        }
        let wrong = |what: String| format!("{}{what}", file.display());
        let stored: Stored = json_file::read(&file).map_err(wrong)?;
        if stored.packed != VERSION {
            return Err(wrong(format!(
                ": packed: is version {}, this target reads version {VERSION}: pack it again",
                stored.packed
            )));
        }
        Ok(Packed {
            file,
            settings: stored.settings,
        })
    }

    /// The value that a variable was packed with.
    pub fn value(&self, variable: &str) -> Option<&str> {
        self.settings.get(variable).map(String::as_str)
    }

    /// The kernel that a variable was packed with. A real one is beside the target, and is never
    /// booted.
    pub fn kernel(&self, variable: &str) -> Option<Result<KernelName, String>> {
        let value = self.value(variable)?;
        let wrong = |what: String| format!("{}: settings.{variable}: {what}", self.file.display());
        let Some(name) = value.strip_prefix(REAL) else {
            let parsed = value.parse::<KernelName>();
            return Some(parsed.map_err(|error| wrong(error.to_string())));
        };
        let folder = self.file.parent().unwrap_or(Path::new(""));
        if Path::new(name).file_name() != Some(name.as_ref()) {
            let name = ctxfuzz_triage::untrusted::shown(name);
            return Some(Err(wrong(format!(
                "`{name}`: expected a file beside the target"
            ))));
        }
        let kernel = KernelName::packed(&folder.join(name), folder);
        Some(kernel.map_err(|error| wrong(error.to_string())))
    }
}

/// Writes what this target needs to be what it was told, if it was told to: then the process ends.
pub fn write_if_told(
    kernels: &[(&str, &KernelName)],
    others: &[(&str, &str)],
) -> Result<(), String> {
    let Some(folder) = env::var_os(VARIABLE) else {
        return Ok(());
    };
    let this = env::current_exe().map_err(|error| format!("{VARIABLE}: {error}"))?;
    let file = write(Path::new(&folder), &this, kernels, others)
        .map_err(|error| format!("{VARIABLE}: {error}"))?;
    println!("{}", file.display());
    std::process::exit(0)
}

fn write(
    folder: &Path,
    target: &Path,
    kernels: &[(&str, &KernelName)],
    others: &[(&str, &str)],
) -> Result<PathBuf, String> {
    let mut stored = Stored {
        packed: VERSION,
        settings: BTreeMap::new(),
        kernels: BTreeMap::new(),
    };
    for (variable, kernel) in kernels {
        let value = match kernel.vmlinux() {
            None => kernel.to_string(),
            Some(vmlinux) => {
                let (file, version) = add_kernel(folder, vmlinux)?;
                stored.kernels.insert(file.clone(), version);
                format!("{REAL}{file}")
            }
        };
        stored.settings.insert((*variable).to_owned(), value);
    }
    for (variable, value) in others {
        let (variable, value) = ((*variable).to_owned(), (*value).to_owned());
        stored.settings.insert(variable, value);
    }
    let file = file_of(folder, target);
    let text = serde_json::to_string_pretty(&stored).map_err(|error| error.to_string())?;
    put(&file, |to| writeln!(to, "{text}"))?;
    Ok(file)
}

/// Puts a kernel and its snapshot into the folder, unless they are there. The file's name, and the
/// kernel's version.
fn add_kernel(folder: &Path, vmlinux: &Path) -> Result<(String, String), String> {
    let Cached { snapshot, path, .. } = Cached::get(vmlinux).map_err(|error| error.to_string())?;
    let name = format!("{:016x}.vmlinux", snapshot.kernel_hash);
    for (from, name) in [
        (&snapshot.vmlinux, name.as_ref()),
        (&path, path.file_name().unwrap_or_default()),
    ] {
        let to = folder.join(name);
        if !to.exists() {
            put(&to, |to| io::copy(&mut File::open(from)?, to).map(drop))?;
        }
    }
    Ok((name, snapshot.version))
}

/// Writes a file whole or not at all. It is no program, so that nobody takes it for a target.
fn put(file: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), String> {
    atomic::write_with(file, |to| {
        write(to)?;
        to.set_permissions(Permissions::from_mode(0o644))
    })
    .map_err(|error| format!("{}: cannot write it: {error}", file.display()))
}

fn file_of(folder: &Path, target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(EXTENSION);
    folder.join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beside(text: &str) -> Result<Packed, String> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("target.kernels"), text).expect("it is written");
        Packed::beside(&folder.path().join("target"))
            .map_err(|error| error.replace(&*folder.path().to_string_lossy(), "T"))
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let target = folder.path().join("target");
        assert_eq!(
            Packed::beside(&target).map(|packed| packed.settings.len()),
            Ok(0)
        );
        let kernel: KernelName = "fixed+vscr-not-restored".parse().expect("a kernel");
        let kernels = [("CTXFUZZ_KERNEL", &kernel)];
        let file = write(
            folder.path(),
            &target,
            &kernels,
            &[("CTXFUZZ_ENDIAN", "be")],
        );
        assert_eq!(file, Ok(folder.path().join("target.kernels")));
        let packed = Packed::beside(&target).expect("it is read");
        assert_eq!(packed.value("CTXFUZZ_ENDIAN"), Some("be"));
        assert_eq!(packed.kernel("CTXFUZZ_KERNEL"), Some(Ok(kernel)));
        assert_eq!(packed.kernel("CTXFUZZ_A"), None);
        assert_eq!(fs::read_dir(folder.path()).expect("it lists").count(), 1);
    }

    #[test]
    fn what_is_wrong_in_the_file_is_told_with_its_place() {
        for (text, expected) in [
            ("", "T/target.kernels: is empty: expected JSON"),
            ("{\n\"packed\": 1,\n", "T/target.kernels:3:"),
            (
                "{\"packed\": 1, \"settings\": {\"CTXFUZZ_A\": 5}, \"kernels\": {}}",
                "settings.CTXFUZZ_A: invalid type: integer `5`",
            ),
            (
                "{\"packed\": 1, \"settings\": {}, \"kernels\": {}, \"x\": 1}",
                "unknown field `x`",
            ),
            (
                "{\"packed\": 2, \"settings\": {}, \"kernels\": {}}",
                "packed: is version 2, this target reads version 1",
            ),
        ] {
            let error = beside(text).expect_err(text);
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_kernel_elsewhere_or_without_its_snapshot_is_refused() {
        let kernel = |value: &str| {
            let text = format!(
                "{{\"packed\": 1, \"settings\": {{\"CTXFUZZ_A\": \"{value}\"}}, \"kernels\": {{}}}}"
            );
            let packed = beside(&text).expect("it is read");
            packed
                .kernel("CTXFUZZ_A")
                .expect("it is there")
                .expect_err("no kernel")
        };
        for elsewhere in [
            "vmlinux:/boot/vmlinux",
            "vmlinux:../x",
            "vmlinux:a/b",
            "vmlinux:",
        ] {
            let error = kernel(elsewhere);
            assert!(
                error.contains("settings.CTXFUZZ_A: ") && error.contains("expected a file beside"),
                "{error}"
            );
        }
        assert!(kernel("vmlinux:none.vmlinux").contains("none.vmlinux: cannot read it"));
        assert!(kernel("fixd").contains("settings.CTXFUZZ_A: unknown kernel `fixd`"));
    }

    #[test]
    fn nothing_is_left_of_a_file_that_cannot_be_written() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let failed = put(&folder.path().join("x"), |to| {
            to.write_all(b"half")?;
            Err(io::Error::other("full"))
        });
        assert!(failed.is_err_and(|error| error.ends_with("x: cannot write it: full")));
        assert_eq!(fs::read_dir(folder.path()).expect("it lists").count(), 0);
    }
}
