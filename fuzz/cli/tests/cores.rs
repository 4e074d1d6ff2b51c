//! Campaigns on several cores: a supervisor and its workers, of which one dies.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::thread;

use common::campaign::{Campaign, QUIET, about, names, signal, signatures, wait_for, workers};

#[test]
fn workers_share_corpus_and_findings() {
    let folder = tempfile::tempdir().expect("a folder");
    let campaign = Campaign::start(folder.path(), &["--cores", "all", "--runs", "601"]);
    let (status, summary) = campaign.end();
    assert_eq!(status, Some(1), "{summary}");
    assert_eq!(summary["executions"], 601);
    let cores = thread::available_parallelism()
        .expect("there are cores")
        .get();
    assert_eq!(summary["workers"]["count"], cores);
    assert_eq!(summary["workers"]["restarts"], 0);
    let found = signatures(&summary);
    assert_eq!(found.len(), 2, "{found:?}");
    let on_disk = names(&folder.path().join("findings"));
    assert!(
        on_disk
            .iter()
            .eq(found.iter().copied().collect::<BTreeSet<_>>())
    );
    // Nobody makes twice what another one makes or has made: the reports are of this campaign.
    for finding in summary["findings"].as_array().expect("there is a list") {
        assert_eq!(finding.get("kept_earlier"), None, "{finding}");
        let path = folder
            .path()
            .join(finding["path"].as_str().expect("a path"));
        let report = fs::read_to_string(path.join("report.txt")).expect("it is there");
        assert!(report.contains("--cores all --runs 601\n") && !report.contains("--worker"));
    }
    let kept = names(&folder.path().join("corpus/found"));
    assert_eq!(summary["corpus"], kept.len());
    assert!(kept.iter().all(|name| name.ends_with(".json")), "{kept:?}");
}

#[test]
fn workers_end_once_enough_was_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = ["--cores", "all", "--stop-after", "1", "--runs", "400000"];
    let (status, summary) = Campaign::start(folder.path(), &arguments).end();
    assert_eq!(status, Some(1), "{summary}");
    assert!(!signatures(&summary).is_empty(), "{summary}");
    assert!(summary["executions"].as_u64() < Some(400_000), "{summary}");
}

/// Two workers: what one keeps the other tries, also without a directory to share in.
#[test]
fn workers_try_what_the_others_keep() {
    if thread::available_parallelism().is_ok_and(|cores| cores.get() < 2) {
        return common::skipped("workers try what the others keep", "there is one core");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let quiet = [&QUIET[..], &["--cores", "all", "--seconds", "6"]].concat();
    let (_, summary) = Campaign::start(folder.path(), &quiet).end();
    assert!(summary["shared"]["tried"].as_u64() > Some(0), "{summary}");
    assert_eq!(summary["shared"]["refused"], 0, "{summary}");
}

#[test]
fn one_kernel_is_fuzzed_on_several_cores() {
    let folder = tempfile::tempdir().expect("a folder");
    let one = ["--kernel", "clobbering", "--cores", "all"];
    let campaign = Campaign::start(folder.path(), &[&one[..], &["--runs", "301"]].concat());
    let (status, summary) = campaign.end();
    assert_eq!(status, Some(1), "{summary}");
    assert_eq!(summary["kernel"], "clobbering");
    assert_eq!(summary["executions"], 301);
    assert!(summary["workers"]["count"].as_u64() > Some(0), "{summary}");
    assert_eq!(summary["workers"]["restarts"], 0);
    let on_disk = names(&folder.path().join("findings")).len();
    assert_eq!(on_disk, signatures(&summary).len());

    let folder = tempfile::tempdir().expect("a folder");
    let few = [&one[..], &["--stop-after", "1", "--seconds", "60"]].concat();
    let (status, summary) = Campaign::start(folder.path(), &few).end();
    assert_eq!(status, Some(1), "{summary}");
    assert!(summary["seconds"].as_f64() < Some(50.0), "{summary}");
}

#[test]
fn a_worker_that_dies_is_started_again_and_what_it_ran_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let quiet = [&QUIET[..], &["--cores", "all"]].concat();
    let mut campaign = Campaign::start(folder.path(), &quiet);
    wait_for("nothing is kept", || {
        names(&folder.path().join("corpus/found")).len() > 32
    });
    let first = workers(&campaign);
    assert!(!first.is_empty());
    signal("ABRT", first[0]);
    campaign.hear("ended with signal: 6");
    campaign.hear("findings-trouble/died-");
    wait_for("it is not started again", || {
        workers(&campaign)
            .iter()
            .any(|worker| !first.contains(worker))
    });
    campaign.interrupt();
    let (status, summary) = campaign.end();
    assert_eq!(status, Some(0), "{summary}");
    assert_eq!(summary["workers"]["restarts"], 1);
    assert_eq!(summary["interrupted"], true);
    let trouble = &summary["trouble"][0];
    assert_eq!(trouble["kernel"], "ctxfuzz");
    let path = folder
        .path()
        .join(trouble["path"].as_str().expect("a path"));
    let scenario = fs::read_to_string(path).expect("it is there");
    assert!(
        scenario.contains("ctxfuzz itself ended with signal: 6"),
        "{scenario}"
    );
}

#[test]
fn workers_end_when_their_supervisor_is_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let quiet = [&QUIET[..], &["--cores", "all"]].concat();
    let mut campaign = Campaign::start(folder.path(), &quiet);
    let mut started = Vec::new();
    wait_for("no worker is there", || {
        started = workers(&campaign);
        !started.is_empty() && names(&folder.path().join("corpus/found")).len() > 16
    });
    campaign.process.kill().expect("it is killed");
    campaign.process.wait().expect("it is dead");
    for worker in started {
        // Where nobody collects orphans one stays as a zombie, which is as dead.
        wait_for("a worker goes on", || {
            about(worker).is_none_or(|(state, _)| state == 'Z')
        });
    }
}

#[test]
fn mistakes_are_named() {
    for (arguments, why) in [
        (&["--cores", "x"][..], "`x` is no core"),
        (
            &["--cores", "5000"],
            "core 5000 is not one that may be used here",
        ),
    ] {
        let called = common::call(&[&["fuzz"], arguments].concat());
        assert_eq!(called.status, Some(2));
        assert!(called.stderr.contains(why), "{}", called.stderr);
        assert_eq!(called.stderr.lines().count(), 1, "{}", called.stderr);
    }
}
