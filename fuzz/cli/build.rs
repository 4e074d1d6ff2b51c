//! Embeds the corpus, so that the scenarios that `selftest` runs and `defects` quotes are those of
//! the build; and what docs/findings says of known findings, for mails.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    // What campaigns find lies in a folder of its own.
    embed(&root.join("corpus"), "json", "corpus.rs")?;
    embed(&root.join("docs/findings"), "md", "pages.rs")?;
    embed(&root.join("docs/findings/repairs"), "diff", "repairs.rs")
}

/// A table of the files in a folder with this extension: names without it, and texts, in order.
fn embed(folder: &Path, extension: &str, table_name: &str) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files: Vec<PathBuf> = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<PathBuf>>>()?;
    files.retain(|file| file.extension().is_some_and(|has| has == extension));
    files.sort();
    let mut table = String::from("[\n");
    for file in files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        let _ = writeln!(table, "({name:?}, include_str!({file:?})),");
    }
    table.push(']');
    let out = env::var_os("OUT_DIR")
        .map(PathBuf::from)
        .unwrap_or_default();
    fs::write(out.join(table_name), table)
}
