//! The tables of docs/kernels.md are what `matrix` prints. `CTXFUZZ_BLESS=1` writes them.

mod common;

use std::fmt::Write as _;
use std::fs;

use common::pages;

const PAGE: &str = "docs/kernels.md";
const MODELS: [&str; 3] = ["fixed", "clobbering", "repaired"];
/// As many as fit into two tables.
const REAL: [&str; 14] = [
    "fixed-le",
    "fixed-be",
    "debian",
    "fixed-6.12-le",
    "fixed-6.12-be",
    "debian-6.12",
    "fixed-7.2-le",
    "fixed-7.2-be",
    "debian-7.2",
    "debian-7.2-64k",
    "clobbering-le",
    "repaired-le",
    "repaired-6.12-le",
    "repaired-7.2-le",
];

/// What `matrix` prints of these kernels, which a project's registry names.
fn printed(kernels: &[&str], registry: &str) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("ctxfuzz.toml"), registry).expect("it is written");
    let corpus = common::project()
        .canonicalize()
        .expect("it is there")
        .join("corpus");
    let output = common::ctxfuzz()
        .current_dir(folder.path())
        .args(["matrix", "--corpus"])
        .arg(corpus)
        .args(kernels)
        .output()
        .expect("the program starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    String::from_utf8(output.stdout).expect("it is text")
}

/// The parts of a page before a table, the table, and what is behind it.
fn parts<'p>(page: &'p str, name: &str) -> [&'p str; 3] {
    let start = format!("<!-- made: {name} -->\n```text\n");
    let (before, rest) = page.split_once(&start).expect("the page has the table");
    let at = before.len() + start.len();
    let end = at + rest.find("```\n").expect("it ends");
    [&page[..at], &page[at..end], &page[end..]]
}

/// A table without what is another one in each build of a kernel: its release and its hash.
fn cells(text: &str) -> String {
    let from = text.find("\nscenario").expect("there is a table");
    text[from..].to_owned()
}

fn hold(name: &str, made: &str) {
    let page = pages::read(PAGE);
    let [before, table, behind] = parts(&page, name);
    match std::env::var_os("CTXFUZZ_BLESS") {
        Some(_) => {
            let page = format!("{before}{made}{behind}");
            fs::write(pages::path(PAGE), page).expect("it is written");
        }
        None => assert_eq!(cells(table), cells(made), "{PAGE}: {name}"),
    }
}

#[test]
fn the_tables_are_what_matrix_prints() {
    let mut parts = common::Parts::of("the_tables_are_what_matrix_prints");
    if parts.next(Ok(())).is_some() {
        hold("models", &printed(&MODELS, ""));
    }
    if let Some(kernels) = parts.next(common::real(REAL)) {
        let mut registry = String::from("[kernels]\n");
        for (name, kernel) in REAL.iter().zip(&kernels) {
            let file = kernel.strip_prefix("vmlinux:").expect("a file");
            let file = fs::canonicalize(file).expect("it is there");
            let _ = writeln!(registry, "\"{name}\" = {file:?}");
        }
        hold("real", &printed(&REAL, &registry));
    }
}
