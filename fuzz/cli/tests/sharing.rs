//! Campaigns that share by directories, with each other and with folders that mean no good.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use common::campaign::{Campaign, QUIET, names, signatures, wait_for};
use common::findings::call_in;
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

/// Kernels with a bug that a campaign looks for for long, and its witness.
const RARE: [&str; 6] = [
    "--a",
    "fixed",
    "--b",
    "fixed+repair-exec-preempt",
    "--runs",
    "100000000",
];
const WITNESS: &str = "exec-preempted.json";

fn corpus_file(name: &str) -> String {
    fs::read_to_string(common::project().join("corpus").join(name)).expect("the corpus is there")
}

/// Starts a campaign that shares in a folder beside its own.
fn start(home: &Path, kernels: &[&str], share: &Path, seed: &str) -> Campaign {
    fs::create_dir_all(home).expect("a folder is made");
    let share = share.to_string_lossy();
    Campaign::start(
        home,
        &[kernels, &["--share", &share, "--seed", seed]].concat(),
    )
}

fn with_witness(home: &Path) {
    fs::create_dir_all(home.join("corpus")).expect("a folder is made");
    fs::write(home.join("corpus").join(WITNESS), corpus_file(WITNESS)).expect("it is written");
}

/// The one folder of kernels in a shared one.
fn kernels(share: &Path) -> PathBuf {
    wait_for("nothing is shared", || names(share).len() == 1);
    share.join(names(share).first().expect("it is there"))
}

/// Puts a file where a campaign on another machine would have it.
fn put(folder: &Path, kind: &str, text: &str) {
    let folder = folder.join(kind);
    fs::create_dir_all(&folder).expect("a folder is made");
    let name = format!("{:016x}.json", xxh3_64(text.as_bytes()));
    appear(&folder.join(name), text.as_bytes(), None);
}

#[test]
fn two_campaigns_exchange_corpus_and_findings() {
    let folder = tempfile::tempdir().expect("a folder");
    let [one, two, share] = ["one", "two", "share"].map(|name| folder.path().join(name));
    with_witness(&one);
    let mut first = start(&one, &RARE, &share, "1");
    first.hear("found ");
    let mut second = start(&two, &RARE, &share, "2");
    second.hear("found ");
    second.interrupt();
    let (status, second) = second.end();
    assert_eq!(status, Some(1), "{second}");
    first.interrupt();
    let (_, first) = first.end();
    let shared = &signatures(&first)[0];
    assert!(signatures(&second).contains(shared), "{second}");
    assert!(second["shared"]["tried"].as_u64() > Some(0), "{second}");
    // A finding directory a host, and one entry for both of them.
    for home in [&one, &two] {
        let there = names(&home.join("findings"));
        let whole = there.iter().filter(|name| !name.starts_with('.')).count();
        let signatures = signatures(if home == &one { &first } else { &second }).len();
        assert_eq!(whole, signatures, "{there:?}");
    }
}

/// Nothing but a finding is there, so nothing else can be why the campaign has it.
#[test]
fn findings_travel_by_themselves() {
    let folder = tempfile::tempdir().expect("a folder");
    let [home, share] = ["home", "share"].map(|name| folder.path().join(name));
    let mut campaign = start(&home, &RARE, &share, "1");
    let own = kernels(&share);
    wait_for("it has no folder", || !names(&own).is_empty());
    put(&own.join("elsewhere-1"), "findings", &corpus_file(WITNESS));
    campaign.hear("found ");
    campaign.interrupt();
    let (status, summary) = campaign.end();
    assert_eq!(status, Some(1));
    assert_eq!(summary["shared"]["findings"], 1, "{summary}");
    // It is not shared once more.
    for name in names(&own) {
        let there = names(&own.join(&name).join("findings")).len();
        assert_eq!(there, usize::from(name == "elsewhere-1"), "{name}");
    }
}

#[test]
fn what_others_share_is_not_believed() {
    let folder = tempfile::tempdir().expect("a folder");
    let [home, share] = ["home", "share"].map(|name| folder.path().join(name));
    let mut campaign = start(&home, &QUIET, &share, "1");
    let own = kernels(&share);
    let other = own.join("elsewhere-1");
    let witness = corpus_file("context-switch-poison.json");
    // No difference of these kernels, whatever they say; and what is no scenario.
    put(&other, "findings", &witness);
    put(&other, "findings", "{\"ctxfuzz\": 1}");
    put(&other, "corpus", "GET / HTTP/1.1");
    appear(
        &other.join("corpus/0123456789abcdef.json"),
        witness.as_bytes(),
        None,
    );
    // Other kernels have another folder, which nobody here reads.
    put(
        &share.join("0123456789abcdef/elsewhere-1"),
        "corpus",
        "no scenario either",
    );
    campaign.hear("0123456789abcdef.json: skipped: it is not what its name says");
    let taken = names(&home.join("corpus/found")).len() + 1;
    wait_for("it does not go on", || {
        names(&home.join("corpus/found")).len() > taken
    });
    campaign.interrupt();
    let (status, summary) = campaign.end();
    assert_eq!(status, Some(0), "{summary}");
    assert_eq!(summary["shared"]["findings"], 1, "{summary}");
    assert_eq!(summary["shared"]["refused"], 3, "{summary}");
    assert!(names(&home.join("findings")).is_empty());
}

/// What a campaign's status file says, once it is there.
fn status(home: &Path) -> Option<Value> {
    serde_json::from_str(&fs::read_to_string(home.join("status")).ok()?).ok()
}

/// A file appears whole, as campaigns and rsync have it: the campaign under test reads meanwhile.
fn appear(path: &Path, bytes: &[u8], seconds: Option<u64>) {
    let unfinished = path.with_file_name(".unfinished");
    fs::write(&unfinished, bytes).expect("it is written");
    if let Some(seconds) = seconds {
        let file = File::open(&unfinished).expect("it is there");
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        file.set_modified(time).expect("it has a time");
    }
    fs::rename(&unfinished, path).expect("it is renamed");
}

/// A folder of another campaign that is full of files: scenarios with old times, some that somebody
/// else has too, some cut off, some that are none, pipes, links, folders, and files of other
/// kernels. Nothing is lost, nothing is read twice, and the campaign goes on with its own work.
fn foreign_files(count: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let [home, share] = ["home", "share"].map(|name| folder.path().join(name));
    let arguments = [&RARE[..], &["--status-json", "status"]].concat();
    let mut campaign = start(&home, &arguments, &share, "1");
    let own = kernels(&share);
    let [one, two] = ["elsewhere-1", "elsewhere-2"].map(|name| own.join(name).join("corpus"));
    for folder in [&one, &two] {
        fs::create_dir_all(folder).expect("a folder is made");
    }
    let name = |text: &[u8]| format!("{:016x}.json", xxh3_64(text));
    let (mut tried, mut refused) = (BTreeSet::new(), 0);
    for seed in 0..count {
        let text = ctxfuzz_generators::random_scenario(seed).to_json();
        let (bytes, path) = (text.as_bytes(), one.join(name(text.as_bytes())));
        refused += u64::from(seed % 4 != 0);
        match seed % 8 {
            0 | 4 => {
                appear(&path, bytes, Some(seed));
                if seed % 16 == 0 {
                    appear(&two.join(name(bytes)), bytes, None);
                }
                tried.insert(text);
            }
            1 | 2 => fs::write(&path, &bytes[..bytes.len() / 2]).expect("it is written"),
            3 => {
                let nonsense = format!("{{\"ctxfuzz\": {seed}, \"\u{1b}[2J\": []}}");
                fs::write(one.join(name(nonsense.as_bytes())), nonsense).expect("it is written");
            }
            5 => {
                let noise = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
                fs::write(one.join(name(&noise)), noise).expect("it is written");
            }
            6 => std::os::unix::fs::symlink("/dev/zero", &path).expect("it is linked"),
            _ => fs::create_dir(&path).expect("it is made"),
        }
        if seed % 5 == 0 {
            put(
                &share.join("0123456789abcdef/elsewhere-1"),
                "corpus",
                "of other kernels",
            );
        }
    }
    put(&own.join("elsewhere-1"), "findings", &corpus_file(WITNESS));
    let number = |name: &str| status(&home).and_then(|status| status[name].as_u64());
    wait_for("not all is handled", || {
        let (all, none) = (number("shared_tried"), number("shared_refused"));
        all >= Some(tried.len() as u64) && none >= Some(refused)
    });
    campaign.hear("found ");
    // What was refused is not looked at again, even if it were a scenario now; what is new is.
    let late = ctxfuzz_generators::random_scenario(1).to_json();
    appear(&one.join(name(late.as_bytes())), late.as_bytes(), None);
    let new = ctxfuzz_generators::random_scenario(count).to_json();
    appear(&one.join(name(new.as_bytes())), new.as_bytes(), None);
    wait_for("what is new is not tried", || {
        number("shared_tried") > Some(tried.len() as u64)
    });
    campaign.interrupt();
    let (code, summary) = campaign.end();
    assert_eq!(code, Some(1), "{summary}");
    let shared = &summary["shared"];
    assert_eq!(shared["tried"], tried.len() + 1, "{shared}");
    assert_eq!(shared["refused"], refused, "{shared}");
    assert_eq!(shared["findings"], 1, "{shared}");
    // It has run more than what it was given, and found what it was told of.
    let executions = summary["executions"].as_u64().expect("a number");
    assert!(
        executions > tried.len() as u64 + tried.len() as u64 / 4,
        "{executions}"
    );
    assert!(!signatures(&summary).is_empty());
}

#[test]
fn many_foreign_files() {
    foreign_files(1_600);
}

/// `cargo test --release -p ctxfuzz --test sharing -- --ignored`
#[test]
#[ignore = "takes a minute: the short form is above"]
fn twenty_thousand_foreign_files() {
    foreign_files(20_000);
}

/// Copies what is new as `rsync` does: under another name first, dot files left out, times kept or
/// not.
fn copy(from: &Path, to: &Path, keep_times: bool) {
    for name in names(from).iter().filter(|name| !name.starts_with('.')) {
        let (from, to) = (from.join(name), to.join(name));
        if from.is_dir() {
            fs::create_dir_all(&to).expect("a folder is made");
            copy(&from, &to, keep_times);
        } else if !to.exists() {
            let scratch = to.with_file_name(format!(".{name}.copy"));
            fs::copy(&from, &scratch).expect("it is copied");
            let time = match keep_times {
                true => SystemTime::now() - Duration::from_secs(100_000),
                false => SystemTime::now(),
            };
            let file = File::open(&scratch).expect("it is there");
            file.set_modified(time).expect("it has a time");
            fs::rename(&scratch, &to).expect("it is put in place");
        }
    }
}

/// Each has a folder of its own, and they are copied to each other.
fn three_hosts(keep_times: bool) {
    let folder = tempfile::tempdir().expect("a folder");
    let homes = ["one", "two", "three"].map(|name| folder.path().join(name));
    let shares = homes.each_ref().map(|home| home.join("share"));
    shares
        .iter()
        .for_each(|share| fs::create_dir_all(share).expect("a folder is made"));
    with_witness(&homes[0]);
    let over = AtomicBool::new(false);
    let summaries: Vec<Value> = thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                for (from, to) in [(0, 1), (1, 2), (2, 0), (2, 1), (1, 0)] {
                    copy(&shares[from], &shares[to], keep_times);
                }
                thread::sleep(Duration::from_millis(200));
            }
        });
        let mut campaigns: Vec<Campaign> = (0..3)
            .map(|host| start(&homes[host], &RARE, &shares[host], &(host + 1).to_string()))
            .collect();
        campaigns
            .iter_mut()
            .for_each(|campaign| drop(campaign.hear("found ")));
        campaigns.iter().for_each(Campaign::interrupt);
        let summaries = campaigns
            .into_iter()
            .map(|campaign| campaign.end().1)
            .collect();
        over.store(true, Ordering::Relaxed);
        summaries
    });
    // The first finds it at once, and may be over before anything has come from the others. They
    // have it from there.
    for summary in &summaries[1..] {
        assert!(summary["shared"]["tried"].as_u64() > Some(0), "{summary}");
    }
    let mut hosts: BTreeMap<&str, usize> = BTreeMap::new();
    for (summary, home) in summaries.iter().zip(&homes) {
        assert_eq!(summary["shared"]["refused"], 0, "{summary}");
        let found = signatures(summary);
        assert_eq!(names(&home.join("findings")).len(), found.len());
        found
            .into_iter()
            .for_each(|one| *hosts.entry(one).or_default() += 1);
    }
    assert!(hosts.values().any(|&hosts| hosts == 3), "{hosts:?}");
}

#[test]
fn three_hosts_share_by_copies_that_keep_times() {
    three_hosts(true);
}

#[test]
fn three_hosts_share_by_copies_that_do_not_keep_times() {
    three_hosts(false);
}

#[test]
fn a_campaign_that_comes_again_has_the_same_folder_and_shares_nothing_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |home: &str, seed: &str| {
        fs::create_dir_all(folder.path().join(home)).expect("a folder is made");
        let arguments = [
            "fuzz", "--share", "../share", "--runs", "400", "--seed", seed, "--json",
        ];
        let called = call_in(&folder.path().join(home), &arguments);
        assert_eq!(called.status, Some(1), "{}", called.stderr);
    };
    let share = folder.path().join("share");
    run("one", "1");
    let own = kernels(&share);
    let all = |kind: &str| {
        let folders = names(&own).into_iter();
        let files = folders.flat_map(|name| names(&own.join(name).join(kind)));
        files.filter(|name| !name.starts_with('.')).count()
    };
    let (folders, first) = (names(&own), [all("corpus"), all("findings")]);
    assert!(first[0] >= 16 && first[1] > 0, "{first:?}");
    // What this one keeps of what it is given is not shared by it too.
    put(&own.join("elsewhere-1"), "corpus", &corpus_file(WITNESS));
    let given = all("corpus");
    run("one", "1");
    assert_eq!(names(&own).len(), folders.len() + 1);
    assert!(all("corpus") >= given, "nothing goes");
    let texts = |name: &String| names(&own.join(name).join("corpus"));
    let shared = folders.iter().flat_map(texts).collect::<Vec<String>>();
    assert!(
        texts(&"elsewhere-1".to_owned())
            .iter()
            .all(|name| !shared.contains(name))
    );
    assert_eq!(all("findings"), first[1]);
}

#[test]
fn what_was_there_before_says_what_to_use_instead() {
    for arguments in [
        &["--broker-port", "1337"][..],
        &["--broker-bind", "0.0.0.0"],
        &["--remote-broker", "fuzzer-1:1337"],
        &["--remote-broker"],
    ] {
        let called = common::call(&[&["fuzz"], arguments].concat());
        assert_eq!(called.status, Some(2));
        let wanted = format!("ctxfuzz: {} is gone: ", arguments[0]);
        assert!(called.stderr.starts_with(&wanted), "{}", called.stderr);
        assert!(called.stderr.contains("--share DIR"), "{}", called.stderr);
        assert_eq!(called.stderr.lines().count(), 1, "{}", called.stderr);
    }
}

#[test]
fn a_directory_that_cannot_be_shared_in_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("file"), "").expect("it is written");
    let called = call_in(
        folder.path(),
        &["fuzz", "--share", "file/share", "--runs", "1"],
    );
    assert_eq!(called.status, Some(2));
    let wanted = "ctxfuzz: cannot share in the directory `file/share/";
    assert!(called.stderr.contains(wanted), "{}", called.stderr);
}
