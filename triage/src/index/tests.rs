use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use ctxfuzz_scenario::register::Register;
use ctxfuzz_scenario::scenario::{Place, Scenario, Stage, TaskStage, Verdict};
use serde_json::json;

use super::{Index, Standing};
use crate::compare::{Difference, What};
use crate::definedness::Abi;
use crate::findings::{Finding, FindingStore};
use crate::known::Known;

fn scenario() -> Scenario {
    let stage = Stage {
        tasks: vec![TaskStage::default()],
        io_uring: vec![],
    };
    Scenario {
        stage,
        ..Scenario::default()
    }
}

fn finding(signature: &str, verdict: Verdict) -> Finding {
    let kernel = |name: &str| json!({"kernel": name, "image": "00000000000000ff"});
    let writer = json!({"source": "kernel/fpu.S:119"});
    Finding {
        signature: signature.to_owned(),
        verdict,
        registers: vec!["f0".to_owned()],
        sightings: vec![Difference {
            task: Some(0),
            place: Place::Register,
            what: What::Register(Register::F(0)),
            verdict,
            a: 1,
            b: 2,
            frame: None,
        }],
        scenario: scenario(),
        minimized: Some(scenario()),
        command: "ctxfuzz fuzz --seed 7".to_owned(),
        reproduce: String::new(),
        report_txt: "f0 holds the FPSCR image\n".to_owned(),
        report_html: "<!DOCTYPE html>".to_owned(),
        report_json: json!({
            "version": "0.1.0", "seed": 7, "endian": "be", "a": kernel("clobbering"), "b": kernel("fixed"),
            "explanation": {"causes": [{"signature": signature, "cause": {"function": "save_fpu", "last_writer": {"a": writer, "b": null}}}]},
        }),
    }
}

/// A directory with three findings, as a campaign leaves it.
fn findings() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut store = FindingStore::open(dir.path()).unwrap();
    for (signature, verdict) in [
        ("b.weak", Verdict::Abi),
        ("a.strong", Verdict::Live),
        ("c.strong", Verdict::Live),
    ] {
        store.add(&finding(signature, verdict)).unwrap();
    }
    dir
}

fn read(dir: &Path, abi: Abi) -> Index {
    Index::read(dir, abi, &Known::default(), &[]).unwrap()
}

fn signatures(index: &Index) -> Vec<&str> {
    index
        .reported()
        .map(|entry| entry.signature.as_str())
        .collect()
}

fn skipped(index: &Index) -> BTreeMap<String, String> {
    let skipped = index.skipped.iter();
    skipped
        .map(|skipped| {
            (
                skipped.path.to_string_lossy().into_owned(),
                skipped.reason.clone(),
            )
        })
        .collect()
}

#[test]
fn what_a_campaign_wrote_is_read_whole() {
    let dir = findings();
    let index = read(dir.path(), Abi::Linux);
    assert_eq!(signatures(&index), ["a.strong", "c.strong", "b.weak"]);
    assert_eq!(index.skipped, []);
    let entry = &index.entries[0];
    assert_eq!(entry.function.as_deref(), Some("a"));
    assert_eq!(entry.writer.as_deref(), Some("save_fpu"));
    assert_eq!(entry.source.as_deref(), Some("kernel/fpu.S:119"));
    assert_eq!(
        (entry.seed, entry.places.as_slice()),
        (Some(7), &["register".to_owned()][..])
    );
    let file = dir.path().join("a.strong/minimized.json");
    let command = format!(
        "ctxfuzz explain --a clobbering --b fixed --endian be --abi linux {}",
        file.display()
    );
    assert_eq!(entry.reproduce, Some(command));
}

#[test]
fn the_policy_and_the_review_decide_what_is_reported() {
    let dir = findings();
    let elf = read(dir.path(), Abi::Elf);
    assert_eq!(signatures(&elf), ["a.strong", "c.strong"]);
    assert_eq!(elf.standing(&elf.entries[2]), Standing::Below);
    assert!(elf.text().contains("1 not reported without --abi linux"));

    let reviewed = tempfile::NamedTempFile::new().unwrap();
    fs::write(
        reviewed.path(),
        r#"{"known": [{"signature": "a.strong", "reason": "hardware of old"}]}"#,
    )
    .unwrap();
    let known = Known::load(reviewed.path()).unwrap();
    let index = Index::read(dir.path(), Abi::Elf, &known, &[]).unwrap();
    assert_eq!(signatures(&index), ["c.strong"]);
    assert!(
        index.text().contains("  a.strong: hardware of old\n"),
        "{}",
        index.text()
    );
    assert_eq!(index.json()["known"][0]["reason"], "hardware of old");
}

/// Everything that is wrong, and what is said of it.
fn spoil(dir: &Path) -> Vec<(&'static str, &'static str)> {
    let report = fs::read_to_string(dir.join("a.strong/report.json")).unwrap();
    let folder = |name: &str, report: &[u8]| {
        fs::create_dir(dir.join(name)).unwrap();
        fs::write(dir.join(name).join("report.json"), report).unwrap();
    };
    fs::create_dir(dir.join("empty")).unwrap();
    folder("cut", &report.as_bytes()[..report.len() / 2]);
    folder("binary", b"{\n\xff");
    folder("nothing", b"");
    folder("deep", "[".repeat(100_000).as_bytes());
    folder(
        "deeper",
        format!("{{\"explanation\": {}", "[".repeat(100_000)).as_bytes(),
    );
    folder("other", report.as_bytes());
    folder(
        "type",
        br#"{"signature": "type", "verdict": "live", "registers": 5}"#,
    );
    folder("<img src=x>\x1b[2J\n", b"{}");
    fs::create_dir(dir.join("huge")).unwrap();
    let huge = fs::File::create(dir.join("huge/report.json")).unwrap();
    huge.set_len(1 << 40).unwrap();
    fs::write(dir.join("README"), "x").unwrap();
    symlink("/etc", dir.join("link")).unwrap();
    symlink(dir.join("a.strong"), dir.join("inside")).unwrap();
    fs::create_dir(dir.join("linked")).unwrap();
    symlink("/etc/passwd", dir.join("linked/report.json")).unwrap();
    fs::create_dir(dir.join("dir")).unwrap();
    fs::create_dir(dir.join("dir/report.json")).unwrap();
    fs::create_dir(dir.join(".a.strong.77.1")).unwrap();
    fs::create_dir(dir.join(".git")).unwrap();
    // The findings that stay have bad files too.
    fs::write(dir.join("a.strong/minimized.json"), "{\n\"ctxfuzz\": 1,\n").unwrap();
    symlink("/dev/zero", dir.join("a.strong/seen-child.json")).unwrap();
    fs::write(dir.join("c.strong/core"), "x").unwrap();
    fs::remove_file(dir.join("c.strong/scenario.json")).unwrap();
    vec![
        ("empty", "report.json is missing"),
        ("cut", "report.json:"),
        ("binary", "report.json:2: is not UTF-8 text"),
        ("nothing", "report.json: is empty"),
        ("deep", "report.json:1: expected a JSON object"),
        ("deeper", "recursion limit exceeded"),
        ("other", "`a.strong` does not belong"),
        (
            "type",
            "report.json:1:55: registers: invalid type: integer `5`",
        ),
        ("<img src=x>\x1b[2J\n", "missing field `signature`"),
        ("huge", "report.json is larger than"),
        ("README", "is not a directory"),
        ("link", "is a symbolic link"),
        ("inside", "is a symbolic link"),
        ("linked", "report.json is a symbolic link"),
        ("dir", "report.json is a directory"),
        (".a.strong.77.1", "was left behind"),
        ("a.strong/minimized.json", "line 3:"),
        ("a.strong/seen-child.json", "is a symbolic link"),
        ("c.strong/core", "is not a file of a finding"),
        ("c.strong/scenario.json", "is missing"),
    ]
}

#[test]
fn what_is_no_finding_is_named_and_the_rest_is_reported() {
    let dir = findings();
    let expected = spoil(dir.path());
    let index = read(dir.path(), Abi::Elf);
    let skipped = skipped(&index);
    for (name, reason) in &expected {
        let said = skipped
            .get(*name)
            .unwrap_or_else(|| panic!("{name:?} is not named"));
        assert!(said.contains(reason), "{name:?}: {said}");
        assert!(
            !said.chars().any(char::is_control) && said.len() < 1000,
            "{said:?}"
        );
    }
    assert_eq!(skipped.len(), expected.len(), "{skipped:#?}");
    assert_eq!(signatures(&index), ["a.strong", "c.strong"]);
    // What is left to show them with.
    let shows = |index: usize, entries: &Index| {
        entries.entries[index].reproduce.clone().unwrap_or_default()
    };
    assert!(shows(0, &index).ends_with("a.strong/scenario.json"));
    assert!(shows(1, &index).ends_with("c.strong/minimized.json"));
}

#[test]
fn what_the_caller_writes_there_is_nothing_foreign() {
    let dir = findings();
    let page = dir.path().join("index.html");
    fs::write(&page, "").unwrap();
    let own = |own: &[PathBuf]| {
        let index = Index::read(dir.path(), Abi::Elf, &Known::default(), own).unwrap();
        index.skipped.len()
    };
    assert_eq!(own(&[page]), 0);
    assert_eq!(own(&[]), 1);
}

#[test]
fn several_directories_are_one_index() {
    let (first, second) = (findings(), findings());
    let mut store = FindingStore::open(second.path()).unwrap();
    // It says more than the same one in the first.
    let mut stronger = finding("b.weak", Verdict::Live);
    stronger.registers = vec!["vs0".to_owned()];
    stronger.sightings[0].place = Place::Child;
    store.replace(&stronger).unwrap();
    store.add(&finding("d.new", Verdict::Live)).unwrap();
    fs::write(second.path().join("README"), "x").unwrap();
    let dirs = [first.path(), second.path()].map(Path::to_owned);
    let all = |dirs: &[PathBuf]| Index::read_all(dirs, Abi::Elf, &Known::default(), &[]).unwrap();
    let index = all(&dirs);
    assert_eq!(
        signatures(&index),
        ["a.strong", "b.weak", "c.strong", "d.new"]
    );
    let also = |entry: usize| -> Vec<PathBuf> {
        let others = index.entries[entry].also.iter();
        others.map(|other| other.path.clone()).collect()
    };
    let same = &index.entries[0];
    assert_eq!(same.path, dirs[0].join("a.strong"));
    assert_eq!(also(0), [dirs[1].join("a.strong")]);
    let merged = &index.entries[1];
    assert_eq!(merged.path, dirs[1].join("b.weak"));
    assert_eq!(also(1), [dirs[0].join("b.weak")]);
    assert_eq!(merged.registers, ["f0", "vs0"]);
    assert_eq!(merged.places, ["child", "register"]);
    assert!(also(3).is_empty());
    assert_eq!(index.skipped.len(), 1);
    let readme = dirs[1].join("README");
    assert_eq!(index.skipped[0].full(), readme);
    assert_eq!(index.name_of(&index.skipped[0]), readme);
    let text = index.text();
    let head = format!(
        "{}, {}: 4 findings, 1 skipped\n",
        dirs[0].display(),
        dirs[1].display()
    );
    assert!(text.starts_with(&head), "{text}");
    let line = format!("    also in {}, abi\n", dirs[0].join("b.weak").display());
    assert!(text.contains(&line), "{text}");
    assert_eq!(index.json()["findings"][1]["also"][0]["verdict"], "abi");

    // The order decides nothing but who comes first where both say the same.
    let [one, two] = dirs.clone();
    let turned = all(&[two.clone(), one.clone()]);
    assert_eq!(signatures(&turned), signatures(&index));
    assert_eq!(turned.entries[1].path, merged.path);
    // A directory that is named twice is one.
    let twice = all(&[one.clone(), one.join("../").join(one.file_name().unwrap())]);
    assert!(twice.entries.iter().all(|entry| entry.also.is_empty()));
    assert_eq!(twice.dirs, [one]);
}

#[test]
fn a_directory_that_is_not_there_is_an_error() {
    let error = Index::read(Path::new("nowhere"), Abi::Elf, &Known::default(), &[]).unwrap_err();
    assert!(error.to_string().starts_with("nowhere: cannot list it: "));
    let empty = tempfile::tempdir().unwrap();
    let index = read(empty.path(), Abi::Elf);
    assert_eq!((index.entries.len(), index.skipped.len()), (0, 0));
    assert!(index.text().ends_with(": 0 findings\n"));
}
