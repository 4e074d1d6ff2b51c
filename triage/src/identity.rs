//! Which kernel something was seen on, as reports have it: the name that was given, and of a real
//! kernel its release and its hash. Those stay true when the file has changed or gone.
//!
//! Not responsible for how a name becomes a kernel.

use std::fmt;

use ctxfuzz_emulator::kernel::name::KernelName;
use ctxfuzz_emulator::kernel::snapshot::SnapshotError;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::untrusted;

/// A kernel in a report. Its JSON is part of several objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// As on the command line.
    pub kernel: String,
    /// Of a real kernel: what `uname -r` says there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// Of a real kernel: hash of its vmlinux.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

impl Identity {
    /// Of a kernel; a real one is booted if it has not been before.
    pub fn of(name: &KernelName) -> Result<Identity, SnapshotError> {
        let snapshot = name.snapshot().transpose()?;
        let snapshot = snapshot.as_deref();
        Ok(Identity {
            kernel: name.to_string(),
            release: snapshot.map(|snapshot| snapshot.release().to_owned()),
            image: snapshot.map(|snapshot| format!("{:016x}", snapshot.kernel_hash)),
        })
    }
}

/// A kernel as `report.json` has it: with the hash of what it consists of, a model too.
pub fn in_report(name: &KernelName, image: u64) -> Value {
    let mut kernel = json!({"kernel": name.to_string(), "image": format!("{image:016x}")});
    if let Some(release) = release(name) {
        kernel["release"] = json!(release);
    }
    kernel
}

/// The same for people: what stands behind the name.
pub fn behind(name: &KernelName, image: u64) -> String {
    match release(name) {
        Some(release) => format!("{}, image {image:016x}", untrusted::shown(&release)),
        None => format!("image {image:016x}"),
    }
}

/// What `uname -r` says on a real kernel that can be had.
pub fn release(name: &KernelName) -> Option<String> {
    Some(name.snapshot()?.ok()?.release().to_owned())
}

/// As reports for people have it. `vmlinux:FILE` says which kernel it is; a short name does not.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kernel)?;
        match (&self.release, &self.image) {
            (Some(release), Some(image)) if !self.kernel.starts_with("vmlinux:") => {
                write!(f, " ({}, image {image})", untrusted::shown(release))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_name_is_told_with_its_kernel_and_a_path_as_it_was_given() {
        let real = |kernel: &str| Identity {
            kernel: kernel.to_owned(),
            release: Some("6.1.0-49".to_owned()),
            image: Some("00ff".to_owned()),
        };
        assert_eq!(real("mine").to_string(), "mine (6.1.0-49, image 00ff)");
        assert_eq!(real("vmlinux:/x/y").to_string(), "vmlinux:/x/y");
        let json = serde_json::json!(real("vmlinux:/x/y"));
        assert_eq!(json["release"], "6.1.0-49");
    }

    #[test]
    fn a_model_is_its_name() -> Result<(), Box<dyn std::error::Error>> {
        let model = Identity::of(&"fixed".parse()?)?;
        assert_eq!(model.to_string(), "fixed");
        assert_eq!(serde_json::to_string(&model)?, r#"{"kernel":"fixed"}"#);
        Ok(())
    }
}
