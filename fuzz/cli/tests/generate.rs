//! `generate`: random scenarios, and templates with holes.

mod common;

use std::fs;

use common::{call, json_lines};
use ctxfuzz_scenario::Scenario;
use ctxfuzz_scenario::event::{Event, Syscall};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

#[test]
fn the_seed_decides_everything_and_all_are_scenarios() -> Result {
    let folder = tempfile::tempdir()?;
    let into = |name: &str, seed: &str| {
        let dir = folder.path().join(name).display().to_string();
        let called = call(&[
            "generate", "--count", "20", "--seed", seed, "-o", &dir, "--json",
        ]);
        assert_eq!(called.status, Some(0), "{}", called.stderr);
        let files = json_lines(&called.stdout);
        let texts: Vec<String> = files
            .iter()
            .filter_map(|row| fs::read_to_string(row["file"].as_str()?).ok())
            .collect();
        assert_eq!(texts.len(), 20);
        texts
    };
    let (one, again, other) = (into("one", "1"), into("again", "1"), into("other", "2"));
    assert!(one == again && one != other);
    for text in &one {
        Scenario::from_json(text, "generated")?;
    }
    Ok(())
}

#[test]
fn what_a_template_says_stays_and_its_holes_are_filled() -> Result {
    let folder = tempfile::tempdir()?;
    let template = folder.path().join("template.json");
    fs::write(
        &template,
        r#"{"ctxfuzz": 1, "stage": {"tasks": [{"uses": ["fp"], "pattern": "0x1"}, "?"]}, "events": [{"syscall": {"call": "fork"}}, "*", "?", {"touch": "fp"}]}"#,
    )?;
    let dir = folder.path().join("out");
    let (template, dir) = (template.display().to_string(), dir.display().to_string());
    let called = call(&[
        "generate",
        "--count",
        "30",
        "--template",
        &template,
        "-o",
        &dir,
    ]);
    assert_eq!(called.status, Some(0), "{}", called.stderr);
    let mut lengths = std::collections::BTreeSet::new();
    for entry in fs::read_dir(&dir)? {
        let scenario = Scenario::load(&entry?.path())?;
        assert_eq!(scenario.stage.tasks.len(), 2);
        assert!(matches!(
            scenario.events.first(),
            Some(Event::Syscall {
                call: Syscall::Fork,
                ..
            })
        ));
        assert!(matches!(scenario.events.last(), Some(Event::Touch(_))));
        lengths.insert(scenario.events.len());
    }
    assert!(
        lengths.len() > 4 && lengths.iter().all(|length| (3..=11).contains(length)),
        "{lengths:?}"
    );
    Ok(())
}

#[test]
fn what_is_wrong_with_a_template_is_said() -> Result {
    let folder = tempfile::tempdir()?;
    let template = folder.path().join("t.json");
    let cases = [
        (r#"{"ctxfuzz": 1, "#, "t.json:1:"),
        (
            r#"{"ctxfuzz": 1, "stage": {"tasks": [{}]}, "events": []}"#,
            "there is no hole in it",
        ),
        (
            r#"{"ctxfuzz": 1, "stage": {"tasks": [{}]}, "events": ["?", {"tuch": "fp"}]}"#,
            "t.json:1:58: events[1]: unknown event `tuch`",
        ),
        (
            "{\"ctxfuzz\": 1, \"stage\": {\"tasks\": [{}]},\n\"events\": [\"?\", \"*\", \"*\",\n  {\"set\": {\"f77\": \"0x1\"}}]}",
            "t.json:3:",
        ),
        (
            "{\"ctxfuzz\": 1,\n\"stage\": {\"tasks\": []},\n\"events\": [\"*\"]}",
            "t.json:2:20: stage.tasks: no task",
        ),
    ];
    for (text, expected) in cases {
        fs::write(&template, text)?;
        let called = call(&["generate", "--template", &template.display().to_string()]);
        assert_eq!(called.status, Some(2), "{text}");
        assert!(
            called.stderr.contains(expected),
            "{text}: {}",
            called.stderr
        );
    }
    Ok(())
}
