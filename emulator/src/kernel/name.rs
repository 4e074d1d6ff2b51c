//! How kernels are named: `fixed`, `clobbering`, `repaired`, `fixed+DEFECT[+DEFECT]`, any of these
//! as `shuffled:NAME`, `vmlinux:FILE`; or by a short name that somebody has given a real kernel.
//!
//! Not responsible for where short names are kept: whoever reads them hands over the file too.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use super::defects::{self, CLOBBERING};
use super::snapshot::{Snapshot, SnapshotError};
use crate::arch::Endian;

/// How the model was built. Both have the same sources, and the same defects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Build {
    /// As everybody uses it.
    #[default]
    Usual,
    /// At another optimisation level, functions in another order: nothing that holds for causes and
    /// signatures may depend on either.
    Shuffled,
}

/// Models by themselves; defects are added to their names.
pub const MODELS: [&str; 3] = ["fixed", "clobbering", "repaired"];

/// What stands before the name of a model of the other build.
const SHUFFLED: &str = "shuffled:";

/// A kernel as named on a command line or in an `expect` row. Clones share the snapshot of a real
/// kernel once it is loaded.
#[derive(Clone, Debug)]
pub struct KernelName {
    written: String,
    build: Build,
    defects: Vec<&'static str>,
    vmlinux: Option<Arc<Vmlinux>>,
}

#[derive(Debug)]
struct Vmlinux {
    path: PathBuf,
    snapshot: OnceLock<Arc<Snapshot>>,
}

impl PartialEq for KernelName {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl Eq for KernelName {}

impl Hash for KernelName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.written.hash(state);
    }
}

/// A name that is no kernel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownKernel {
    /// The part before the first `+`.
    #[error(
        "unknown kernel `{0}`: expected `fixed`, `clobbering`, `repaired`, one of them with `+DEFECT` (`ctxfuzz defects` lists them), `shuffled:` and one of these, or `vmlinux:FILE`"
    )]
    Base(String),
    /// A part after a `+`.
    #[error("kernel `{kernel}`: unknown defect `{defect}` (`ctxfuzz defects` lists them)")]
    Defect {
        /// The whole name.
        kernel: String,
        /// The part.
        defect: String,
    },
    /// `vmlinux:` without a file.
    #[error("kernel `vmlinux:`: expected `vmlinux:FILE`")]
    NoFile,
}

impl KernelName {
    /// The model `fixed`.
    pub fn fixed() -> Self {
        KernelName {
            written: "fixed".to_owned(),
            build: Build::Usual,
            defects: Vec::new(),
            vmlinux: None,
        }
    }

    /// The defects that are put into the model, in canonical order.
    pub fn defects(&self) -> &[&'static str] {
        &self.defects
    }

    /// Which build of the model it is; of no meaning for a real kernel.
    pub fn build(&self) -> Build {
        self.build
    }

    /// The same model in another build; a real kernel stays what it is.
    pub fn in_build(&self, build: Build) -> Self {
        if self.vmlinux.is_some() {
            return self.clone();
        }
        let model = self.written.strip_prefix(SHUFFLED).unwrap_or(&self.written);
        KernelName {
            written: match build {
                Build::Usual => model.to_owned(),
                Build::Shuffled => format!("{SHUFFLED}{model}"),
            },
            build,
            ..self.clone()
        }
    }

    /// A real kernel by a short name, which is how it is shown.
    pub fn named(name: &str, vmlinux: PathBuf) -> Self {
        KernelName::real(name.to_owned(), vmlinux, OnceLock::new())
    }

    fn real(written: String, path: PathBuf, snapshot: OnceLock<Arc<Snapshot>>) -> Self {
        KernelName {
            written,
            build: Build::Usual,
            defects: Vec::new(),
            vmlinux: Some(Arc::new(Vmlinux { path, snapshot })),
        }
    }

    /// A real kernel whose snapshot was made elsewhere and lies in `folder`: it is never booted.
    pub fn packed(vmlinux: &Path, folder: &Path) -> Result<Self, SnapshotError> {
        let snapshot = Snapshot::packed(vmlinux, folder)?;
        let written = format!("vmlinux:{}", vmlinux.display());
        let snapshot = OnceLock::from(Arc::new(snapshot));
        Ok(KernelName::real(written, vmlinux.to_owned(), snapshot))
    }

    /// The file of a real kernel.
    pub fn vmlinux(&self) -> Option<&Path> {
        self.vmlinux.as_ref().map(|v| v.path.as_path())
    }

    /// The snapshot of a real kernel: booted the first time ever, loaded the first time here.
    /// `None` for a model.
    pub fn snapshot(&self) -> Option<Result<Arc<Snapshot>, SnapshotError>> {
        let vmlinux = self.vmlinux.as_ref()?;
        if let Some(snapshot) = vmlinux.snapshot.get() {
            return Some(Ok(snapshot.clone()));
        }
        let loaded = Snapshot::cached(&vmlinux.path).map(Arc::new);
        Some(loaded.map(|snapshot| vmlinux.snapshot.get_or_init(|| snapshot).clone()))
    }

    /// The only byte order this kernel has; `None` for a model, which has both.
    pub fn endian(&self) -> Option<Result<Endian, SnapshotError>> {
        Some(self.snapshot()?.map(|snapshot| snapshot.endian))
    }
}

impl FromStr for KernelName {
    type Err = UnknownKernel;

    fn from_str(written: &str) -> Result<Self, Self::Err> {
        if let Some(file) = written.strip_prefix("vmlinux:") {
            if file.is_empty() {
                return Err(UnknownKernel::NoFile);
            }
            return Ok(KernelName::named(written, file.into()));
        }
        let (build, model) = match written.strip_prefix(SHUFFLED) {
            Some(model) => (Build::Shuffled, model),
            None => (Build::Usual, written),
        };
        let mut parts = model.split('+');
        let mut defects: Vec<&'static str> = match parts.next() {
            Some("fixed") => Vec::new(),
            Some("clobbering") => CLOBBERING.to_vec(),
            Some("repaired") => defects::repairs().map(|repair| repair.id).collect(),
            _ => return Err(UnknownKernel::Base(written.to_owned())),
        };
        for part in parts {
            let defect = defects::find(part).ok_or_else(|| UnknownKernel::Defect {
                kernel: written.to_owned(),
                defect: part.to_owned(),
            })?;
            defects.push(defect.id);
        }
        defects.sort_unstable();
        defects.dedup();
        Ok(KernelName {
            written: written.to_owned(),
            build,
            defects,
            vmlinux: None,
        })
    }
}

impl fmt::Display for KernelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read() {
        assert!(
            "fixed"
                .parse::<KernelName>()
                .is_ok_and(|k| k.defects().is_empty())
        );
        assert_eq!(
            "clobbering"
                .parse::<KernelName>()
                .map(|k| k.defects().len()),
            Ok(4)
        );
        assert_eq!(
            "fixed+vscr-not-restored"
                .parse::<KernelName>()
                .map(|k| k.defects().to_vec()),
            Ok(vec!["vscr-not-restored"])
        );
        assert!(
            "repaired"
                .parse::<KernelName>()
                .is_ok_and(|k| k.defects().contains(&"repair-vrsave-in-fork"))
        );
    }

    #[test]
    fn a_real_kernel_is_a_file() {
        let name: KernelName = "vmlinux:/boot/vmlinux+x".parse().unwrap();
        assert_eq!(name.vmlinux(), Some(Path::new("/boot/vmlinux+x")));
        assert_eq!(name.to_string(), "vmlinux:/boot/vmlinux+x");
    }

    #[test]
    fn a_real_kernel_with_a_short_name_is_shown_by_it() {
        let name = KernelName::named("mine", "/boot/vmlinux".into());
        assert_eq!(name.to_string(), "mine");
        assert_eq!(name.vmlinux(), Some(Path::new("/boot/vmlinux")));
        assert_eq!(name.in_build(Build::Shuffled), name);
    }

    #[test]
    fn a_model_has_two_builds_and_a_real_kernel_one() {
        let usual: KernelName = "fixed+vscr-not-restored".parse().unwrap();
        let shuffled: KernelName = "shuffled:fixed+vscr-not-restored".parse().unwrap();
        assert_eq!(
            (usual.build(), shuffled.build()),
            (Build::Usual, Build::Shuffled)
        );
        assert_eq!(shuffled.defects(), usual.defects());
        assert_ne!(shuffled, usual);
        assert_eq!(usual.in_build(Build::Shuffled), shuffled);
        assert_eq!(shuffled.in_build(Build::Usual), usual);
        let real: KernelName = "vmlinux:/boot/vmlinux".parse().unwrap();
        assert_eq!(real.in_build(Build::Shuffled), real);
    }

    #[test]
    fn wrong_names_say_what_is_wrong() {
        for name in [
            "",
            "fixd",
            "fixed+",
            "fixed+nope",
            "vmlinux:",
            "clobbering ",
            "repair",
            "shuffled:",
            "shuffled:shuffled:fixed",
            "shuffled:vmlinux:/boot/vmlinux",
        ] {
            assert!(name.parse::<KernelName>().is_err(), "{name}");
        }
    }
}
