//! Embeds the corpus: the scenarios that `selftest` runs and `defects` quotes are those of the
//! build.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus");
    println!("cargo::rerun-if-changed={}", corpus.display());
    // What campaigns find lies in a folder of its own.
    let mut files: Vec<PathBuf> = fs::read_dir(&corpus)?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<PathBuf>>>()?;
    files.retain(|file| {
        file.extension()
            .is_some_and(|extension| extension == "json")
    });
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
    fs::write(out.join("corpus.rs"), table)
}
