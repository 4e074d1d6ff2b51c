//! Short names for real kernels: where they are kept, and which file a name means.
//!
//! There are two registries, files that a person can edit: the project's, `ctxfuzz.toml` in the
//! working directory or the nearest folder above it that has one, and the user's. A name that both
//! have means what the project's says. Not responsible for what is in a registry ([`mod@file`]),
//! nor for whether a kernel is one.

pub mod file;

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};

use ctxfuzz_emulator::kernel::name::MODELS;
use ctxfuzz_triage::untrusted;

pub use file::{Entry, RegistryFile, Trouble};

/// What the project's registry is called.
const PROJECT: &str = "ctxfuzz.toml";
/// The user's, in the folder for configurations.
const USER: &str = "ctxfuzz/kernels.toml";
/// Characters of a name: it must leave room in a table.
const LONGEST: usize = 40;

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Goes with the project.
    Project,
    /// The user's own.
    User,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Owner::Project => "the project's",
            Owner::User => "the user's",
        })
    }
}

/// Both, as far as they are there.
#[derive(Debug)]
pub struct Registries {
    files: Vec<(Owner, RegistryFile)>,
}

impl Registries {
    /// Reads them. The first of them that cannot be understood is an error: what it would have said
    /// of a name is not known.
    pub fn read() -> Result<Self, Trouble> {
        let places = [(Owner::Project, project()), (Owner::User, user())];
        let mut files = Vec::new();
        for (owner, path) in places {
            if let Some(path) = path.filter(|path| path.exists()) {
                files.push((owner, RegistryFile::read(&path)?));
            }
        }
        Ok(Registries { files })
    }

    /// What a name means.
    pub fn find(&self, name: &str) -> Option<(&RegistryFile, &Entry)> {
        self.entries()
            .map(|(_, file, entry)| (file, entry))
            .find(|(_, entry)| entry.name == name)
    }

    /// All entries, those that count before those of the same name that do not.
    pub fn entries(&self) -> impl Iterator<Item = (Owner, &RegistryFile, &Entry)> {
        self.files.iter().flat_map(|(owner, file)| {
            let entries = file.entries().iter();
            entries.map(move |entry| (*owner, file, entry))
        })
    }

    /// The registry to write to: as it is, or a new one at its place.
    pub fn take(self, owner: Owner) -> Result<RegistryFile, Trouble> {
        let there = self.files.into_iter().find(|(whose, _)| *whose == owner);
        match (there, owner) {
            (Some((_, file)), _) => Ok(file),
            (None, Owner::Project) => Ok(RegistryFile::new(Path::new(PROJECT))),
            (None, Owner::User) => match user() {
                Some(path) => Ok(RegistryFile::new(&path)),
                None => Err(Trouble::NoHome),
            },
        }
    }
}

/// Why a kernel cannot have that name, if so.
pub fn refusal(name: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if MODELS.contains(&name) {
        return Some("it is the name of a model".to_owned());
    }
    if begins && name.chars().all(plain) && name.len() <= LONGEST {
        return None;
    }
    Some(format!(
        "expected at most {LONGEST} letters, digits, `.`, `_` and `-`, a letter or digit first"
    ))
}

/// The name among these that somebody who wrote `name` most likely meant, if one is near enough. Of
/// several the first.
pub fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = name.chars().count().div_ceil(3).min(3);
    let distance = |known: &str| strsim::damerau_levenshtein(name, known);
    let near = names.into_iter().map(|known| (distance(known), known));
    let near = near.filter(|&(distance, _)| distance <= most);
    near.min_by_key(|&(distance, _)| distance)
        .map(|(_, known)| known)
}

/// So many of these names that look most like this one, however little that is.
pub fn alike<'a>(
    name: &str,
    names: impl IntoIterator<Item = &'a str>,
    most: usize,
) -> Vec<&'a str> {
    let likeness = |known: &str| strsim::jaro_winkler(name, known);
    let mut alike: Vec<(f64, &str)> = names.into_iter().map(|n| (likeness(n), n)).collect();
    alike.sort_by(|(a, first), (b, second)| b.total_cmp(a).then(first.cmp(second)));
    alike.dedup_by_key(|(_, name)| *name);
    alike.into_iter().take(most).map(|(_, name)| name).collect()
}

/// As cargo finds its manifest: here, or in the nearest folder above.
fn project() -> Option<PathBuf> {
    if Path::new(PROJECT).is_file() {
        return Some(PROJECT.into());
    }
    let here = env::current_dir().ok()?;
    let mut above = here.ancestors().skip(1).map(|folder| folder.join(PROJECT));
    above.find(|path| path.is_file())
}

/// In `$XDG_CONFIG_HOME`, which counts if it is absolute, or in `~/.config`.
fn user() -> Option<PathBuf> {
    let absolute = |name: &str| {
        let path = PathBuf::from(env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    let folder = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))?;
    Some(folder.join(USER))
}

/// `FILE:LINE`, for messages.
pub fn place(file: &RegistryFile, entry: &Entry) -> String {
    format!("{}:{}", untrusted::path(file.path()), entry.line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_no_models() {
        for good in ["mine", "7.2-le", "a_b", &"x".repeat(LONGEST)] {
            assert_eq!(refusal(good), None, "{good}");
        }
        let long = "x".repeat(LONGEST + 1);
        for bad in [
            "", "a+b", "a:b", "a b", "a\tb", "-a", ".a", "a/b", "ä", "fixed", "repaired", &long,
        ] {
            assert!(refusal(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn a_slip_is_understood_and_anything_else_is_not() {
        let names = ["fixed", "clobbering", "debian-6.12", "debian-7.2"];
        assert_eq!(nearest("fixd", names), Some("fixed"));
        assert_eq!(nearest("clobering", names), Some("clobbering"));
        assert_eq!(nearest("debian-7.1", names), Some("debian-7.2"));
        assert_eq!(nearest("vmlinux", names), None);
        assert_eq!(nearest("", names), None);
    }
}
