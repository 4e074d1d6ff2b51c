//! Whole campaigns, from an empty corpus.

mod one_kernel;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use ctxfuzz_scenario::Scenario;

use super::exchange::{Alone, Shared};
use super::progress::Status;
use super::summary::FindingSummary;
use super::*;

/// Nobody watches.
struct Silent;

impl Progress for Silent {
    fn due(&mut self) -> bool {
        false
    }
    fn show(&mut self, _: &Status<'_>) {}
    fn found(&mut self, _: &FindingSummary) {}
    fn note(&mut self, _: &str) {}
    fn finish(&mut self, _: &Status<'_>) {}
}

/// A campaign of two kernels in a folder.
pub fn config(folder: &Path, a: &str, b: &str, runs: u64) -> Config {
    let kernels = Kernels::pair(&a.parse().unwrap(), &b.parse().unwrap());
    config_of(folder, kernels, runs)
}

/// A campaign of one kernel in a folder.
pub fn config_of_one(folder: &Path, kernel: &str, runs: u64) -> Config {
    config_of(folder, Kernels::One(kernel.parse().unwrap()), runs)
}

fn config_of(folder: &Path, kernels: Kernels, runs: u64) -> Config {
    Config {
        kernels,
        endian: Endian::Little,
        corpus: Some(folder.join("corpus")),
        grows: true,
        findings: folder.join("findings"),
        trouble: folder.join("trouble"),
        seed: 1,
        runs: Some(runs),
        stop_after: None,
        seconds: None,
        abi: Abi::Elf,
        known: Known::default(),
        feedback: true,
        dirty: false,
        shares: false,
        command: "ctxfuzz fuzz".into(),
    }
}

fn campaign(config: &Config) -> Summary {
    run(config, &mut Silent, &mut Alone, &AtomicBool::new(false)).unwrap()
}

/// Every file below a directory.
fn files(dir: &Path) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            let below = files(&path).into_iter();
            all.extend(below.map(|(file, text)| (format!("{name}/{file}"), text)));
        } else {
            all.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
    all
}

/// What must be the same every time.
fn without_times(mut summary: Summary, folder: &Path) -> Summary {
    (summary.seconds, summary.scenarios_per_second) = (0.0, 0.0);
    for finding in &mut summary.findings {
        finding.first_seen_seconds = 0.0;
        finding.path = finding.path.replace(folder.to_str().unwrap(), "");
        for sighting in &mut finding.sightings {
            sighting.first_seen_seconds = 0.0;
        }
    }
    summary
}

fn live(summary: &Summary, register: &str, place: &str) -> bool {
    let sightings = summary
        .findings
        .iter()
        .flat_map(|finding| &finding.sightings);
    sightings.into_iter().any(|sighting| {
        sighting.verdict.name() == "live"
            && sighting.r#where.name() == place
            && sighting.registers.iter().any(|name| name == register)
    })
}

#[test]
fn the_first_bugs_are_found_and_the_same_again() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let results = folders.each_ref().map(|folder| {
        let summary = campaign(&config(folder.path(), "clobbering", "fixed", 1200));
        without_times(summary, folder.path())
    });
    let [one, again] = &results;
    assert_eq!(one, again);
    assert_eq!(one.executions, 1200);
    assert!(one.counts.run_twice > 5 && one.counts.stable == one.counts.run_twice);
    assert!(
        live(one, "f0", "register") && live(one, "v0", "register"),
        "{one}"
    );
    let [on_disk, again_on_disk] = folders.each_ref().map(|folder| {
        // The command that shows a finding again names it where it is.
        let name = folder.path().to_str().unwrap();
        let text = |(file, text): (String, String)| (file, text.replace(name, ""));
        files(folder.path())
            .into_iter()
            .map(text)
            .collect::<BTreeMap<_, _>>()
    });
    assert_eq!(on_disk, again_on_disk);
    let entries = on_disk.keys().filter(|name| name.starts_with("corpus/"));
    assert_eq!(entries.count() as u64, one.corpus);
    for finding in &one.findings {
        let file = format!(
            "findings{}/minimized.json",
            finding.path.replace("/findings", "")
        );
        let minimized = Scenario::from_json(&on_disk[&file], &file).unwrap();
        assert!(minimized.events.len() <= 3, "{}", finding.signature);
    }
}

#[test]
fn a_harmless_change_is_silent() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(
        folder.path(),
        "repaired",
        "repaired+restore-math-declines",
        600,
    );
    config.dirty = true;
    let summary = campaign(&config);
    assert_eq!(summary.findings, []);
    assert_eq!(summary.counts.reported, 0);
    assert!(files(&folder.path().join("findings")).is_empty());
}

#[test]
fn a_corpus_is_gone_on_from() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "fixed", "fixed", 100);
    let first = campaign(&config);
    let second = campaign(&config);
    assert!(second.corpus >= first.corpus && second.executions == 100);
}

/// Presses Ctrl-C at the first finding.
struct Interrupts<'a>(&'a AtomicBool);

impl Progress for Interrupts<'_> {
    fn due(&mut self) -> bool {
        true
    }
    fn show(&mut self, status: &Status<'_>) {
        assert!(status.executions > 0);
    }
    fn found(&mut self, _: &FindingSummary) {
        self.0.store(true, Ordering::Relaxed);
    }
    fn note(&mut self, _: &str) {}
    fn finish(&mut self, _: &Status<'_>) {}
}

#[test]
fn an_interrupted_campaign_keeps_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "clobbering", "fixed", 1_000_000);
    let stop = AtomicBool::new(false);
    let summary = run(&config, &mut Interrupts(&stop), &mut Alone, &stop).unwrap();
    assert!(summary.executions < 5_000 && !summary.findings.is_empty());
    for finding in &summary.findings {
        let report = fs::read_to_string(Path::new(&finding.path).join("report.txt")).unwrap();
        assert!(report.starts_with(&finding.signature), "{report}");
    }
    assert!(!files(&folder.path().join("corpus")).is_empty());
}

#[test]
fn what_cannot_be_is_said_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path(), "clobbering", "fixed", 10);
    fs::create_dir(folder.path().join("corpus")).unwrap();
    fs::write(folder.path().join("corpus/x.json"), "{}").unwrap();
    let error = run(&config, &mut Silent, &mut Alone, &AtomicBool::new(false)).unwrap_err();
    assert!(error.to_string().contains("x.json:1:"), "{error}");

    config.corpus = None;
    config.findings = folder.path().join("corpus/x.json");
    let error = run(&config, &mut Silent, &mut Alone, &AtomicBool::new(false)).unwrap_err();
    assert!(error.to_string().ends_with("not a directory"), "{error}");
}

/// Workers of a campaign read what they have kept themselves: it is not run once more.
#[test]
fn what_a_campaign_has_already_it_does_not_try_again() {
    struct Once(Vec<Shared>);
    impl Exchange for Once {
        fn receive(&mut self, _: bool) -> Vec<Shared> {
            std::mem::take(&mut self.0)
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        shares: true,
        ..config(folder.path(), "fixed", "fixed", 300)
    };
    let mut own = corpus::initial(None, config.seed).unwrap().scenarios;
    own.push(ctxfuzz_generators::random_scenario(12_345));
    let mut exchange = Once(own.into_iter().map(Shared::Scenario).collect());
    let never = AtomicBool::new(false);
    let summary = run(&config, &mut Silent, &mut exchange, &never).unwrap();
    assert_eq!(summary.shared.unwrap().tried, 1);
}

#[test]
fn a_campaign_ends_once_enough_was_found() {
    let folder = tempfile::tempdir().unwrap();
    let whole = config(folder.path(), "clobbering", "fixed", 1000);
    let whole = campaign(&whole);
    assert!(whole.findings.len() > 1, "{:?}", whole.findings);
    for enough in [1, 2] {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path(), "clobbering", "fixed", 1000);
        config.stop_after = Some(enough);
        let summary = campaign(&config);
        let last = &whole.findings[enough as usize - 1];
        // A scenario may show two.
        assert!(summary.findings.len() as u64 >= enough);
        assert!(summary.executions >= last.first_seen_execution);
        assert!(summary.executions < whole.executions);
    }
}
