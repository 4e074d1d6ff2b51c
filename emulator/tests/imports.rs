//! Which part of this crate may import from which: the machine knows nothing of the others, kernels
//! know the machine, runs know kernels, and recordings know runs. Facts of the processor and
//! outcomes are crates of their own (`ctxfuzz-scenario`, `ctxfuzz-outcome`), which cannot import
//! from here.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders of `src/`; each may import from those before it, and from itself.
const ORDER: [&str; 4] = ["machine", "kernel", "run", "trace"];

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("it is a folder");
    let paths = entries.map(|entry| entry.expect("it lists").path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => files(&path),
            false => vec![path],
        })
        .collect()
}

/// Folders that a text imports from against the order, if it is of the folder with this place.
fn against(place: usize, text: &str) -> Vec<&'static str> {
    let later = ORDER.into_iter().skip(place + 1);
    later
        .filter(|folder| text.contains(&format!("crate::{folder}::")))
        .collect()
}

#[test]
fn no_import_runs_against_the_order() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut read = 0;
    for (place, folder) in ORDER.into_iter().enumerate() {
        for file in files(&source.join(folder)) {
            let text = fs::read_to_string(&file).expect("it is text");
            let wrong = against(place, &text);
            assert!(
                wrong.is_empty(),
                "{}: imports from {wrong:?}",
                file.display()
            );
            read += 1;
        }
    }
    let folders = fs::read_dir(&source).expect("it is a folder").flatten();
    let all = folders.filter(|entry| entry.path().is_dir()).count();
    assert_eq!(all, ORDER.len(), "each folder has its place");
    assert!(read > 50);
}

#[test]
fn an_import_against_the_order_is_seen() {
    assert_eq!(against(1, "use crate::machine::View;"), [""; 0]);
    assert_eq!(against(0, "use crate::run::outcome::End;"), ["run"]);
    assert_eq!(against(1, "    crate::trace::record()"), ["trace"]);
}
