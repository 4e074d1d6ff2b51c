//! What is published beside the crate agrees with it: the schema, the corpus, and pages of the
//! documentation.
//!
//! `CTXFUZZ_BLESS=1 cargo test -p ctxfuzz-scenario --test published` rewrites the schema, and puts
//! corpus files and examples in canonical form.

use std::fs;
use std::path::{Path, PathBuf};

use ctxfuzz_scenario::{Scenario, scenario_schema};

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

fn blessing() -> bool {
    std::env::var_os("CTXFUZZ_BLESS").is_some()
}

fn corpus() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(project("corpus"))
        .expect("corpus is a folder")
        .map(|entry| entry.expect("corpus lists").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

fn validator() -> jsonschema::Validator {
    let schema = serde_json::from_str(&scenario_schema()).expect("the schema is JSON");
    jsonschema::validator_for(&schema).expect("the schema is a schema")
}

#[test]
fn the_published_schema_is_the_generated_one() {
    let path = project("docs/scenario.schema.json");
    if blessing() {
        fs::write(&path, scenario_schema()).expect("the schema is written");
    }
    let published = fs::read_to_string(&path).expect("the schema is published");
    assert!(
        published == scenario_schema(),
        "run with CTXFUZZ_BLESS=1 to rewrite {}",
        path.display()
    );
}

#[test]
fn corpus_files_are_valid_canonical_and_named_after_themselves() {
    for path in corpus() {
        let scenario = Scenario::load(&path).unwrap_or_else(|error| panic!("{error}"));
        // Other tests read the files at the same time: leave alone what is right.
        if blessing() && fs::read_to_string(&path).ok() != Some(scenario.to_json()) {
            fs::write(&path, scenario.to_json()).expect("the file is written");
        }
        let text = fs::read_to_string(&path).expect("the file reads");
        assert!(
            text == scenario.to_json(),
            "{}: run with CTXFUZZ_BLESS=1 to put it in canonical form",
            path.display()
        );
        let stem = path
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned());
        assert_eq!(scenario.name, stem, "{}", path.display());
        assert!(
            scenario.about.is_some() && !scenario.expect.is_empty(),
            "{}",
            path.display()
        );
    }
}

#[test]
fn corpus_files_match_the_schema() {
    let validator = validator();
    for path in corpus() {
        let text = fs::read_to_string(&path).expect("the file reads");
        let value = serde_json::from_str(&text).expect("the file is JSON");
        if let Err(error) = validator.validate(&value) {
            panic!("{}: {}: {error}", path.display(), error.instance_path());
        }
    }
}

#[test]
fn the_schema_refuses_what_the_reader_refuses() {
    let validator = validator();
    let events = [
        r#"{"set": {"f32": "0x1"}}"#,
        r#"{"set": {}}"#,
        r#"{"set": {"vscr": "0x100000000"}}"#,
        r#"{"set": {"f0": "12"}}"#,
        r#"{"touch": "tm"}"#,
        r#"{"touch": {"fp": null}}"#,
        r#"{"touch": "fp", "fill": {"facility": "fp", "pattern": 0}}"#,
        r#"{}"#,
        r#"{"interrupt": {"vector": "doorbell", "pending": {"signal": 9}}}"#,
        r#"{"interrupt": {"vector": "doorbell", "pending": {"switch": null}}}"#,
        r#"{"syscall": {"call": "read"}}"#,
        r#"{"syscall": {"call": "fork", "bytes": 16}}"#,
        r#"{"syscall": {"call": "clone", "signal": 10}}"#,
        r#"{"compute": {"op": "fadd", "register": 32}}"#,
    ];
    for event in events {
        let text =
            format!(r#"{{"ctxfuzz": 1, "stage": {{"tasks": [{{}}]}}, "events": [{event}]}}"#);
        let value = serde_json::from_str(&text).expect("JSON");
        assert!(!validator.is_valid(&value), "the schema accepts {event}");
        assert!(
            Scenario::from_json(&text, "x").is_err(),
            "the reader accepts {event}"
        );
    }
    for text in [
        r#"{"stage": {"tasks": [{}]}, "events": []}"#,
        r#"{"ctxfuzz": 2, "stage": {"tasks": [{}]}, "events": []}"#,
    ] {
        assert!(
            !validator.is_valid(&serde_json::from_str(text).expect("JSON")),
            "the schema accepts {text}"
        );
    }
}

#[test]
fn what_is_decoded_and_written_matches_the_schema() {
    let validator = validator();
    for seed in 0..500u32 {
        let bytes: Vec<u8> = (0..300u32)
            .map(|n| ((seed * 7919 + n).wrapping_mul(2_654_435_761) >> 13) as u8 | 1)
            .collect();
        let Ok(scenario) = Scenario::from_bytes(&bytes, "bytes") else {
            continue;
        };
        let value = serde_json::from_str(&scenario.to_json()).expect("JSON");
        assert!(validator.is_valid(&value), "{}", scenario.to_json());
    }
}

/// The page leads through the tree: what it names is there, and the code it shows is in one of the
/// files that it names.
#[test]
fn the_page_on_adding_an_event_shows_the_tree_as_it_is() {
    let page = fs::read_to_string(project("docs/adding-an-event.md")).expect("the page reads");
    let parts = ["corpus/", "docs/", "emulator/", "fuzz/", "triage/"];
    let quoted = page
        .split('`')
        .filter(|word| !word.contains(char::is_whitespace));
    let named: Vec<PathBuf> = quoted
        .filter(|word| parts.iter().any(|part| word.starts_with(part)))
        .map(project)
        .collect();
    assert!(named.len() > 20);
    for path in &named {
        assert!(path.exists(), "{} is named and not there", path.display());
    }
    let files: Vec<String> = named
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .collect();
    for language in ["rust", "c"] {
        let mut shown = 0;
        for block in page.split(&format!("```{language}\n")).skip(1) {
            let code = block.split("```").next().unwrap_or_default().trim();
            assert!(
                files.iter().any(|file| file.contains(code)),
                "in no file:\n{code}"
            );
            shown += 1;
        }
        assert!(shown > 0, "no code in {language}");
    }
}

#[test]
fn examples_in_the_documentation_read() {
    let path = project("docs/scenario.md");
    let page = fs::read_to_string(&path).expect("the page reads");
    let mut canonical = page.clone();
    let mut examples = 0;
    for block in page.split("\n```json").skip(1) {
        // The rest of that line is the name of a file, or nothing.
        let (_, block) = block.split_once('\n').unwrap_or_default();
        let text = block.split("```").next().unwrap_or_default();
        let scenario = Scenario::from_json(text, "docs/scenario.md")
            .unwrap_or_else(|error| panic!("{error}\n{text}"));
        canonical = canonical.replace(text, &scenario.to_json());
        examples += 1;
    }
    if blessing() {
        fs::write(&path, &canonical).expect("the page is written");
    } else {
        assert!(
            page == canonical,
            "run with CTXFUZZ_BLESS=1 to put the examples in canonical form"
        );
    }
    assert!(examples >= 3);
}
