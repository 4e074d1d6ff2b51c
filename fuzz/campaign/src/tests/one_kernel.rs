//! Campaigns on one kernel, which is judged by itself.

use ctxfuzz_scenario::scenario::Verdict;
use ctxfuzz_triage::machines::Ran;

use super::super::queue::Queue;
use super::super::verification;
use super::*;

const FOUND_BY_HAND: &str = include_str!("../../../../corpus/io-worker-on-interrupt-return.json");

#[test]
fn what_a_kernel_does_to_its_tasks_is_found_and_the_same_again() {
    for endian in Endian::BOTH {
        let campaigns = [(); 2].map(|()| {
            let folder = tempfile::tempdir().unwrap();
            let mut config = config_of_one(folder.path(), "clobbering", 300);
            config.endian = endian;
            let summary = without_times(campaign(&config), folder.path());
            let name = folder.path().to_str().unwrap();
            let on_disk = files(folder.path()).into_iter();
            let on_disk = on_disk.map(|(file, text)| (file, text.replace(name, "")));
            (summary, on_disk.collect::<BTreeMap<String, String>>())
        });
        let [one, again] = &campaigns;
        assert_eq!(one, again);
        let (summary, on_disk) = one;
        assert_eq!(summary.kernel.as_deref(), Some("clobbering"));
        assert_eq!(summary.executions, 300);
        assert!(live(summary, "f0", "register"), "{summary}");
        assert!(summary.counts.run_twice > 2);
        assert_eq!(summary.counts.stable, summary.counts.run_twice);
        let entries = on_disk.keys().filter(|name| name.starts_with("corpus/"));
        assert_eq!(entries.count() as u64, summary.corpus);
        for finding in &summary.findings {
            reports_name_one_kernel(finding, on_disk, endian);
        }
    }
}

fn reports_name_one_kernel(
    finding: &FindingSummary,
    on_disk: &BTreeMap<String, String>,
    endian: Endian,
) {
    let read = |file: &str| &on_disk[&format!("{}/{file}", finding.path.trim_start_matches('/'))];
    let report: serde_json::Value = serde_json::from_str(read("report.json")).unwrap();
    assert_eq!(report["a"]["kernel"], "clobbering");
    assert_eq!(report.get("b"), None, "there is no other");
    let again = format!("explain --kernel clobbering --endian {} ", endian.name());
    let command = report["reproduce"].as_str().unwrap();
    assert!(command.contains(&again), "{command}");
    let text = read("report.txt");
    assert!(text.contains("\nkernel     clobbering (image "), "{text}");
    assert!(
        !text.contains("kernel a") && !text.contains("No difference"),
        "{text}"
    );
    assert!(read("report.html").contains("<dt>kernel</dt>"));
}

/// No task can tell which garbage its kernel has found.
#[test]
fn a_repaired_kernel_is_silent_in_clean_and_dirty_machines() {
    for (endian, dirty) in [
        (Endian::Little, false),
        (Endian::Little, true),
        (Endian::Big, false),
        (Endian::Big, true),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config_of_one(folder.path(), "repaired", 400);
        (config.endian, config.dirty) = (endian, dirty);
        let summary = campaign(&config);
        assert_eq!((summary.executions, summary.counts.reported), (400, 0));
        assert_eq!(summary.findings, []);
        let judged = summary.executions - summary.counts.not_comparable;
        assert!(judged > 390, "{summary}");
        assert!(summary.counts.edges > 100 && summary.corpus > 20);
    }
}

#[test]
fn work_is_aimed_and_late_as_for_models_that_have_the_same_places() {
    let folder = tempfile::tempdir().unwrap();
    let config = config_of_one(folder.path(), "fixed", 300);
    assert!(config.same_places().unwrap());
    campaign(&config);
    let kept = files(&folder.path().join("corpus/found"));
    let any = |what: &str| kept.values().any(|text| text.contains(what));
    assert!(any(r#""after""#) && any(r#""function""#));
}

#[test]
fn a_campaign_ends_once_enough_was_found() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config_of_one(folder.path(), "clobbering", 2000);
    config.stop_after = Some(1);
    let summary = campaign(&config);
    assert!(!summary.findings.is_empty());
    assert!(summary.executions < 1000, "{}", summary.executions);
}

/// What a run of the model shows, as one kernel's queue takes it.
fn taken(config: &Config, change: fn(&mut Ran)) -> (usize, u64) {
    let scenario = Scenario::from_json(FOUND_BY_HAND, "the corpus").unwrap();
    let never = AtomicBool::new(false);
    let mut machines = verification::machines(config).unwrap();
    let mut queue = Queue::open(config, &never, machines.hashes()).unwrap();
    let mut ran = machines.run(&scenario);
    assert!(ran.comparison.reported(config.abi));
    change(&mut ran);
    let case = queue.is_new(&scenario, &ran, 1, 0.0, true).unwrap();
    queue.take(case, true).unwrap();
    let mut counts = summary::Counts::default();
    queue.count(&mut counts);
    (queue.findings().len(), counts.not_reproduced)
}

#[test]
fn what_a_fresh_machine_does_not_show_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config_of_one(folder.path(), "clobbering", 1);
    let (kept, taken_back) = taken(&config, |_| {});
    assert!(kept > 0 && taken_back == 0);

    config.findings = folder.path().join("other");
    let other_value: fn(&mut Ran) = |ran| ran.comparison.differences[0].a ^= 1;
    assert_eq!(taken(&config, other_value), (0, 1));
    let one_more: fn(&mut Ran) = |ran| {
        let mut more = ran.comparison.differences[0].clone();
        more.task = Some(7);
        ran.comparison.differences.push(more);
    };
    assert_eq!(taken(&config, one_more), (0, 1));
    assert!(files(&config.findings).is_empty());

    // A value that is garbage is another one every time, and by chance a right one; where it is and
    // who notices is the same.
    config.dirty = true;
    let elsewhere = |ran: &mut Ran| {
        let differences = ran.comparison.differences.iter_mut();
        differences.for_each(|difference| difference.task = Some(7));
    };
    assert_eq!(taken(&config, elsewhere), (0, 1));
    for change in [other_value, one_more] {
        config.findings = tempfile::tempdir_in(folder.path()).unwrap().keep();
        let (kept, taken_back) = taken(&config, change);
        assert!(kept > 0 && taken_back == 0);
    }
}

/// This kernel has a task load what lies in a signal frame that nobody has written.
#[test]
fn garbage_that_tasks_are_given_is_found_whichever_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config_of_one(folder.path(), "repaired+used-vr-not-set", 600);
    config.corpus = None;
    let clean = campaign(&config);
    (config.dirty, config.findings) = (true, folder.path().join("dirty"));
    let dirty = campaign(&config);
    assert!(!clean.findings.is_empty() && !dirty.findings.is_empty());
    assert_eq!(dirty.counts.not_reproduced, 0);

    let mut given = [false, true].map(|dirty| {
        let config = Config {
            dirty,
            ..config.clone()
        };
        verification::machines(&config).unwrap()
    });
    let scenarios = (0..300).map(ctxfuzz_generators::any_scenario);
    let mut other = |scenario: &Scenario| {
        let [clean, dirty] = given.each_mut().map(|machines| machines.run(scenario));
        clean.comparison.differences != dirty.comparison.differences
    };
    assert!(scenarios.into_iter().any(|scenario| other(&scenario)));
}

/// What an earlier campaign, or another process of the same one, has kept is not made once more.
#[test]
fn known_signatures_are_counted_and_kept_ones_are_adopted() {
    let folder = tempfile::tempdir().unwrap();
    let config = config_of_one(folder.path(), "clobbering", 60);
    let first = campaign(&config);
    let anew = |name: &str| Some(folder.path().join(name));
    let signatures: Vec<&str> = first
        .findings
        .iter()
        .map(|f| f.signature.as_str())
        .collect();
    assert!(!signatures.is_empty());
    // What is adopted says what the report says.
    for finding in &first.findings {
        let file = Path::new(&finding.path).join("report.json");
        let text = fs::read_to_string(&file).unwrap();
        let mut report: serde_json::Value = serde_json::from_str(&text).unwrap();
        report["registers"] = serde_json::json!(["r31"]);
        fs::write(&file, report.to_string()).unwrap();
    }
    let shared = campaign(&Config {
        shares: true,
        corpus: anew("second"),
        ..config.clone()
    });
    let adopted =
        |finding: &FindingSummary| finding.kept_earlier && finding.registers.contains("r31");
    assert!(shared.findings.iter().all(adopted));
    assert_eq!(shared.findings.len(), first.findings.len());

    let rows = signatures
        .iter()
        .map(|signature| serde_json::json!({"signature": signature, "reason": "reviewed"}));
    let file = folder.path().join("known.json");
    let known = serde_json::json!({"known": rows.collect::<Vec<_>>()});
    fs::write(&file, known.to_string()).unwrap();
    let reviewed = campaign(&Config {
        known: Known::load(&file).unwrap(),
        corpus: anew("third"),
        findings: folder.path().join("none"),
        ..config.clone()
    });
    assert_eq!(reviewed.findings, []);
    assert_eq!(reviewed.known.len(), signatures.len());
}

#[test]
fn verdicts_count_as_the_policy_says() {
    let folder = tempfile::tempdir().unwrap();
    let config = config_of_one(folder.path(), "clobbering", 200);
    let summary = campaign(&config);
    let only_live = |finding: &FindingSummary| finding.verdict == Verdict::Live;
    assert!(summary.findings.iter().all(only_live), "{summary}");
}
