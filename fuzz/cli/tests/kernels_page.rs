//! The tables of docs/kernels.md are what `matrix` prints. `CTXFUZZ_BLESS=1` writes them.

mod common;

use std::fmt::Write as _;
use std::fs;

use common::pages;
use ctxfuzz_emulator::kernel::defects::{self, Origin};
use serde_json::Value;

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

/// Those among them that nobody has put a bug into, or repaired.
const AS_RELEASED: usize = 10;

/// What `matrix` prints of these kernels, which a project's registry names.
fn printed(kernels: &[&str], registry: &str, more: &[&str]) -> String {
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
        .args(more)
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

/// What the catalogue says of Linux, and what its witnesses do on kernels as they were released:
/// `matrix` is the JSON of `matrix`.
fn claims(matrix: &str) -> String {
    let matrix: Value = serde_json::from_str(matrix).expect("it is JSON");
    let rows = matrix["scenarios"].as_array().expect("there are rows");
    let cells = |witness: &str| {
        let row = rows.iter().find(|row| row["scenario"] == witness);
        let cells = row.expect("the corpus has the witness")["cells"].as_array();
        let cells = cells.expect("it has cells").iter();
        cells.map(shown).collect::<Vec<_>>()
    };
    let mut text = String::new();
    for (title, wanted) in [
        ("suspected of Linux 6.1", true),
        ("Linux had it before", false),
    ] {
        let numbers = (1..=AS_RELEASED).map(|number| format!("{number:<5}"));
        line(&mut text, title, numbers);
        for defect in defects::all() {
            let suspected = match defect.origin {
                Origin::Suspected { .. } => true,
                Origin::Upstream { .. } | Origin::Titled(_) => false,
                Origin::Mutation | Origin::Control => continue,
            };
            if suspected != wanted {
                continue;
            }
            match defect.witness {
                Some(witness) => line(&mut text, defect.id, cells(witness).into_iter()),
                None => line(
                    &mut text,
                    defect.id,
                    ["nobody can see it".to_owned()].into_iter(),
                ),
            }
        }
        text.push('\n');
    }
    text.trim_end().to_owned() + "\n"
}

fn line(text: &mut String, name: &str, cells: impl Iterator<Item = String>) {
    let cells: String = cells.collect();
    let _ = writeln!(text, "{}", format!("{name:<32} {cells}").trim_end());
}

/// A cell as the tables have it.
fn shown(cell: &Value) -> String {
    let word = match cell["state"].as_str().expect("it has a state") {
        "silent" => ".",
        "not applicable" => "n/a",
        "did not happen" => "lack",
        "inconclusive" => "?",
        word => word,
    };
    let mark = if cell["not_reached"].is_array() {
        "*"
    } else {
        ""
    };
    format!("{:<5}", format!("{word}{mark}"))
}

fn hold(name: &str, made: &str) {
    let page = pages::read(PAGE);
    let [before, table, behind] = parts(&page, name);
    match std::env::var_os("CTXFUZZ_BLESS") {
        Some(_) => {
            let page = format!("{before}{made}{behind}");
            fs::write(pages::path(PAGE), page).expect("it is written");
        }
        None if name == "claims" => assert_eq!(table, made, "{PAGE}: {name}"),
        None => assert_eq!(cells(table), cells(made), "{PAGE}: {name}"),
    }
}

#[test]
fn the_tables_are_what_matrix_prints() {
    let mut parts = common::Parts::of("the_tables_are_what_matrix_prints");
    if parts.next(Ok(())).is_some() {
        hold("models", &printed(&MODELS, "", &[]));
    }
    if let Some(kernels) = parts.next(common::real(REAL)) {
        let mut registry = String::from("[kernels]\n");
        for (name, kernel) in REAL.iter().zip(&kernels) {
            let file = kernel.strip_prefix("vmlinux:").expect("a file");
            let file = fs::canonicalize(file).expect("it is there");
            let _ = writeln!(registry, "\"{name}\" = {file:?}");
        }
        hold("real", &printed(&REAL, &registry, &[]));
        let released = printed(&REAL[..AS_RELEASED], &registry, &["--json"]);
        hold("claims", &claims(&released));
    }
}
