//! One registry: a TOML file with a table `kernels`, a name and the path of a kernel's file in each
//! line. What a person has written there beside it stays, and so does the order.
//!
//! Not responsible for which of several registries counts.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ctxfuzz_triage::untrusted;
use toml_edit::{Document, DocumentMut, Item, Table, value};

/// The table that names are in.
const TABLE: &str = "kernels";
/// Nobody has more names.
const LARGEST: u64 = 1 << 20;
/// What a new registry begins with.
const HEADER: &str = "\
# Short names of kernels, for ctxfuzz: what `ctxfuzz kernels add` and `kernels remove` write.
# NAME = \"FILE\"; a relative FILE is relative to the folder of this file.

[kernels]
";

/// A name and what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name.
    pub name: String,
    /// The kernel's file, from where ctxfuzz was called.
    pub file: PathBuf,
    /// Line of the registry.
    pub line: usize,
}

/// See the module.
#[derive(Debug)]
pub struct RegistryFile {
    path: PathBuf,
    text: String,
    entries: Vec<Entry>,
}

/// Why names cannot be had, or kept.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The file cannot be read at all.
    #[error("{}: cannot read it: {error}", untrusted::path(.path))]
    Read {
        /// The registry.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Something in it is not as it should be.
    #[error("{}:{line}: {what}", untrusted::path(.path))]
    Content {
        /// The registry.
        path: PathBuf,
        /// Where in it.
        line: usize,
        /// What is wrong, and what was expected.
        what: String,
    },
    /// A path has characters that TOML cannot hold.
    #[error("{}: cannot be kept: its path is not UTF-8", untrusted::path(.0))]
    Path(PathBuf),
    /// There is no place for the user's registry.
    #[error(
        "neither HOME nor XDG_CONFIG_HOME is set: there is no place for your names (--project)"
    )]
    NoHome,
}

impl RegistryFile {
    /// A registry that is not there yet.
    pub fn new(path: &Path) -> Self {
        RegistryFile {
            path: path.to_owned(),
            text: HEADER.to_owned(),
            entries: Vec::new(),
        }
    }

    /// Reads one.
    pub fn read(path: &Path) -> Result<Self, Trouble> {
        let unreadable = |error| Trouble::Read {
            path: path.to_owned(),
            error,
        };
        let about = fs::metadata(path).map_err(unreadable)?;
        if !about.is_file() || about.len() > LARGEST {
            let what = format!("it is no file of at most {LARGEST} bytes");
            return Err(unreadable(io::Error::other(what)));
        }
        let text = fs::read_to_string(path).map_err(unreadable)?;
        RegistryFile::parse(path, text)
    }

    fn parse(path: &Path, text: String) -> Result<Self, Trouble> {
        let wrong = |at: usize, what: String| Trouble::Content {
            path: path.to_owned(),
            line: line(&text, at),
            what,
        };
        let document = Document::parse(text.as_str()).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            wrong(at, untrusted::shown(error.message()))
        })?;
        let mut entries = Vec::new();
        for (name, item) in document.iter() {
            let at = document.key(name).and_then(|key| key.span());
            let at = at.map_or(0, |span| span.start);
            if name != TABLE {
                let name = untrusted::shown(name);
                return Err(wrong(at, format!("`{name}`: expected [{TABLE}]")));
            }
            let Some(table) = item.as_table_like() else {
                return Err(wrong(at, format!("{TABLE}: expected a table, [{TABLE}]")));
            };
            for (name, item) in table.iter() {
                let at = table.key(name).and_then(|key| key.span());
                let at = at.map_or(0, |span| span.start);
                let file = entry(path, name, item).map_err(|what| wrong(at, what))?;
                entries.push(Entry {
                    name: name.to_owned(),
                    file,
                    line: line(&text, at),
                });
            }
        }
        Ok(RegistryFile {
            path: path.to_owned(),
            text,
            entries,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is in it, in its order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Its text with one name more, behind the others. A kernel in its folder, or below, has a path
    /// from there if the registry is one that `moves` with what is around it.
    pub fn with(&self, name: &str, kernel: &Path, moves: bool) -> Result<String, Trouble> {
        let absolute = |path: &Path| {
            std::path::absolute(path).map_err(|error| Trouble::Read {
                path: path.to_owned(),
                error,
            })
        };
        let kernel = absolute(kernel)?;
        let own = absolute(&self.path)?;
        let near = own.parent().and_then(|own| kernel.strip_prefix(own).ok());
        let written = near.filter(|_| moves).unwrap_or(&kernel);
        let written = written.to_str();
        let written = written.ok_or_else(|| Trouble::Path(kernel.clone()))?;
        let mut document = self.document()?;
        let table = document.entry(TABLE).or_insert(Item::Table(Table::new()));
        if let Some(table) = table.as_table_like_mut() {
            table.insert(name, value(written));
        }
        Ok(document.to_string())
    }

    /// Its text without a name: without the line of it, and with all others as they are.
    pub fn without(&self, name: &str) -> Result<String, Trouble> {
        let mut document = self.document()?;
        let Some(item) = document.get_mut(TABLE) else {
            return Ok(self.text.clone());
        };
        if let Some(table) = item.as_table_mut() {
            let next = table.iter().skip_while(|(key, _)| *key != name).nth(1);
            let next = next.map(|(key, _)| key.to_owned());
            let above = table.remove_entry(name).and_then(|(key, _)| {
                let above = key.leaf_decor().prefix()?.as_str()?.to_owned();
                Some(above).filter(|above| !above.trim().is_empty())
            });
            if let Some(above) = above {
                comment_stays(&mut document, next.as_deref(), &above);
            }
        } else if let Some(table) = item.as_table_like_mut() {
            table.remove(name);
        }
        Ok(document.to_string())
    }

    fn document(&self) -> Result<DocumentMut, Trouble> {
        self.text.parse().map_err(|_| Trouble::Content {
            path: self.path.clone(),
            line: 1,
            what: "is no TOML".to_owned(),
        })
    }
}

/// Puts the comment that stood above a name above the next one, or at the end.
fn comment_stays(document: &mut DocumentMut, next: Option<&str>, above: &str) {
    let table = document.get_mut(TABLE).and_then(Item::as_table_mut);
    let key = next.and_then(|next| table?.key_mut(next));
    let Some(mut key) = key else {
        let trailing = document.trailing().as_str().unwrap_or_default().to_owned();
        document.set_trailing(format!("{above}{trailing}"));
        return;
    };
    let decor = key.leaf_decor_mut();
    let own = decor.prefix().and_then(|own| own.as_str());
    let own = own.unwrap_or_default().to_owned();
    decor.set_prefix(format!("{above}{own}"));
}

/// The file that an entry names; what is wrong with the entry.
fn entry(registry: &Path, name: &str, item: &Item) -> Result<PathBuf, String> {
    let shown = untrusted::shown(name);
    if let Some(why) = super::refusal(name) {
        return Err(format!("{TABLE}.`{shown}`: no name for a kernel: {why}"));
    }
    if item.is_table_like() {
        return Err(format!(
            "{TABLE}.{shown}: expected NAME = \"FILE\"; a name with a dot in it goes into quotes too"
        ));
    }
    match item.as_str() {
        Some(file) if !file.is_empty() => {
            let folder = registry.parent().unwrap_or(Path::new(""));
            Ok(folder.join(file))
        }
        _ => Err(format!(
            "{TABLE}.{shown}: expected the path of a kernel, in quotes"
        )),
    }
}

fn line(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or(text);
    1 + before.matches('\n').count()
}

#[cfg(test)]
mod tests;
