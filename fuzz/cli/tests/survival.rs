//! A campaign that is killed, or that runs out of disk, loses nothing that it said it had, leaves
//! no half-written file, and is gone on from.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use common::findings::call_in;
use common::json_lines;
use ctxfuzz_scenario::Scenario;
use serde_json::Value;

/// Longest life of a campaign that is to be killed.
const LONGEST: Duration = Duration::from_millis(2500);
/// Longest that is waited for a finding.
const PATIENCE: Duration = Duration::from_secs(30);
/// Kernels with bugs that a campaign meets at once, so that there are findings; each has others.
const LOUD: [&str; 6] = [
    "clobbering",
    "fixed+vscr-not-restored",
    "fixed+giveup-keeps-fp-bit",
    "fixed+le-missing-swap-back",
    "fixed+half-fix-fpr0-only",
    "fixed+fpscr-low-word-only",
];
/// One that does not differ, so that nothing but the corpus grows.
const QUIET: &str = "fixed+restore-math-declines";

/// Decides when campaigns are killed. Different every time, so it is said when a test fails.
struct Random(u64);

impl Random {
    fn new() -> Random {
        use std::hash::{BuildHasher, RandomState};
        Random(RandomState::new().hash_one("moments") | 1)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// What campaigns have said that they have.
#[derive(Default)]
struct Acknowledged {
    /// Directories.
    findings: BTreeSet<String>,
    corpus: BTreeMap<PathBuf, String>,
}

/// Starts a campaign, in a process group of its own, with that of its workers.
fn start(folder: &Path, seed: u64, kernel: &str, more: &[&str]) -> Child {
    let log = File::create(folder.join("log")).expect("a log is made");
    Command::new(env!("CARGO_BIN_EXE_ctxfuzz"))
        .current_dir(folder)
        .process_group(0)
        .args(["fuzz", "--corpus", "corpus", "--findings", "findings"])
        .args(["--runs", "10000000", "--seed", &seed.to_string()])
        .args(["--b", "fixed", "--a", kernel])
        .args(more)
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("the program starts")
}

/// Entries of a directory, or none if there is none yet.
fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// How much was begun to be written and is not finished.
fn begun(folder: &Path) -> usize {
    let dirs = ["findings", "corpus", "corpus/found"].map(|dir| folder.join(dir));
    dirs.iter()
        .chain(&shared(folder))
        .map(|dir| hidden(dir))
        .sum()
}

/// The folders that campaigns share in.
fn shared(folder: &Path) -> Vec<PathBuf> {
    let below = |dir: PathBuf| names(&dir).into_iter().map(move |name| dir.join(name));
    let campaigns = below(folder.join("share")).flat_map(below);
    let kinds = |own: PathBuf| ["corpus", "findings"].map(|kind| own.join(kind));
    campaigns.flat_map(kinds).collect()
}

/// Sets the time of whatever was begun back to where nobody can be at it any more.
fn age(folder: &Path) {
    let dirs = ["findings", "corpus", "corpus/found"].map(|dir| folder.join(dir));
    for dir in dirs {
        for name in names(&dir).iter().filter(|name| name.starts_with('.')) {
            let begun = File::open(dir.join(name)).expect("it is there");
            let time = SystemTime::now() - Duration::from_secs(7200);
            begun.set_modified(time).expect("it has a time");
        }
    }
}

fn hidden(dir: &Path) -> usize {
    let names = names(dir);
    names.iter().filter(|name| name.starts_with('.')).count()
}

/// Lets a campaign live for a while: to some moment, or until something appears that it writes, or
/// until it has said that it found something.
fn live(folder: &Path, kernel: &str, round: u32, random: &mut Random) {
    let findings = || names(&folder.join("findings")).len();
    let corpus = || names(&folder.join("corpus/found")).len();
    let before = (findings(), corpus());
    let wait = |longest: Duration, until: &dyn Fn() -> bool| {
        let started = Instant::now();
        while started.elapsed() < longest && !until() {
            sleep(Duration::from_micros(200));
        }
    };
    match (kernel == QUIET, round / 2 % 2) {
        (true, 0) => sleep(LONGEST.mul_f64(random.below(1000) as f64 / 1000.0)),
        (true, _) => {
            // Nothing has been kept yet: a busy machine needs longer.
            let longest = if before.1 == 0 { PATIENCE } else { LONGEST };
            wait(longest, &|| corpus() > before.1);
        }
        (false, 1) => {
            wait(PATIENCE, &|| log(folder).contains("found "));
            sleep(Duration::from_millis(random.below(300)));
        }
        (false, _) => wait(PATIENCE, &|| {
            findings() > before.0 || log(folder).contains("found ")
        }),
    }
    sleep(Duration::from_micros(random.below(2000)));
}

/// Kills a campaign that lived for a while. Whether it was writing.
fn kill_at_random(
    folder: &Path,
    kernel: &str,
    round: u32,
    random: &mut Random,
    child: &mut Child,
) -> bool {
    let before = begun(folder);
    live(folder, kernel, round, random);
    let group = rustix::process::Pid::from_child(child);
    rustix::process::kill_process_group(group, rustix::process::Signal::KILL)
        .expect("it is killed");
    let status = child.wait().expect("it is over");
    assert_eq!(status.code(), None, "it was still running: {}", log(folder));
    begun(folder) > before
}

fn log(folder: &Path) -> String {
    fs::read_to_string(folder.join("log")).expect("the log is there")
}

impl Acknowledged {
    /// Reads what the last campaign said.
    fn read(&mut self, folder: &Path) {
        let log = log(folder);
        // The last line may be cut off: it is no promise before it ends.
        let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
        for line in whole.lines() {
            if let Some((_, path)) = line
                .strip_prefix("found ")
                .and_then(|found| found.split_once(": "))
            {
                let path = path.split(" (report of").next().unwrap_or(path);
                self.findings.insert(path.to_owned());
            }
        }
    }

    /// Holds the disk to it.
    fn check(&mut self, folder: &Path) {
        for finding in &self.findings {
            let report = folder.join(finding).join("report.json");
            assert!(report.is_file(), "{finding} was said to be there");
        }
        self.check_findings(folder);
        let mut files = BTreeMap::new();
        let own = ["corpus", "corpus/found"].map(|dir| folder.join(dir));
        for dir in own.into_iter().chain(shared(folder)) {
            for name in names(&dir).iter().filter(|name| name.ends_with(".json")) {
                let path = dir.join(name);
                if !name.starts_with('.') {
                    Scenario::load(&path).unwrap_or_else(|error| panic!("half a file: {error}"));
                    let text = fs::read_to_string(&path).expect("it is text");
                    files.insert(path, text);
                }
            }
        }
        for (path, text) in &self.corpus {
            assert_eq!(files.get(path), Some(text), "{}", path.display());
        }
        self.corpus = files;
    }

    /// Whatever is there under a finding's name is a whole finding, and nothing else is.
    fn check_findings(&self, folder: &Path) {
        if !folder.join("findings").is_dir() {
            return;
        }
        let called = call_in(folder, &["triage", "findings", "--abi", "linux", "--json"]);
        let index = &json_lines(&called.stdout)[0];
        for skipped in index["skipped"].as_array().expect("a list") {
            let path = skipped["path"].as_str().expect("a path");
            assert!(path.starts_with('.'), "{skipped}");
        }
        for name in names(&folder.join("findings")) {
            if !name.starts_with('.') {
                for file in ["report.txt", "report.html"] {
                    let text = fs::read_to_string(folder.join("findings").join(&name).join(file));
                    let text = text.unwrap_or_else(|error| panic!("{name}/{file}: {error}"));
                    let end = if file == "report.html" {
                        "</html>\n"
                    } else {
                        "\n"
                    };
                    assert!(text.ends_with(end), "{name}/{file} is cut off");
                }
            }
        }
    }
}

/// Scenarios that the corpus of a campaign begins with.
const FIRST: usize = 16;

/// Kills campaigns, checks after each, and lets one come to its end. On a busy machine all may have
/// been killed too early: then some more are.
fn kill(times: u32, more: &[&str]) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut random = Random::new();
    println!("random state {:#x}", random.0);
    let mut acknowledged = Acknowledged::default();
    let mut writing = 0;
    let mut rounds = 0;
    while rounds < times || acknowledged.corpus.len() <= FIRST && rounds < 10 * times {
        let round = rounds;
        rounds += 1;
        let kernel = match round % 2 {
            0 => QUIET,
            _ => LOUD[(round / 2) as usize % LOUD.len()],
        };
        let mut child = start(folder.path(), u64::from(round), kernel, more);
        let was_writing = kill_at_random(folder.path(), kernel, round, &mut random, &mut child);
        writing += u32::from(was_writing);
        acknowledged.read(folder.path());
        acknowledged.check(folder.path());
    }
    let before: BTreeSet<String> = names(&folder.path().join("findings")).into_iter().collect();
    let (files, said) = (acknowledged.corpus.len(), &acknowledged.findings);
    let in_corpus = |path: &&PathBuf| path.starts_with(folder.path().join("corpus"));
    let own = acknowledged.corpus.keys().filter(in_corpus).count();
    println!(
        "{rounds} kills, {writing} of them while something was written; corpus {files}, findings {said:?}"
    );
    assert!(
        files > FIRST,
        "every campaign was killed before it found anything"
    );

    let runs = (own + 100).to_string();
    let mut arguments = vec!["fuzz", "--corpus", "corpus", "--findings", "findings"];
    arguments.extend(["--runs", &runs, "--json", "--a", LOUD[0]]);
    arguments.extend(more);
    age(folder.path());
    let called = call_in(folder.path(), &arguments);
    assert_eq!(called.status, Some(1), "{}", called.stderr);
    let summary = &json_lines(&called.stdout)[0];
    let corpus = summary["corpus"].as_u64().expect("a number");
    assert!(corpus >= own as u64, "{corpus} of {own} were gone on from");
    for finding in summary["findings"].as_array().expect("a list") {
        // Not the signature: not every one is safe as a name.
        let path = Path::new(finding["path"].as_str().expect("a text"));
        let name = path.file_name().expect("a name").to_string_lossy();
        let kept_earlier = finding["kept_earlier"] == Value::Bool(true);
        // A finding that was replaced by a stronger one is this campaign's.
        assert!(
            !kept_earlier || before.contains(&*name),
            "{name} was never there"
        );
    }
    acknowledged.check(folder.path());
    // What campaigns on other kernels have begun to share, one on these does not look at.
    for kernel in std::iter::once(QUIET).chain(LOUD.into_iter().skip(1)) {
        let arguments = ["fuzz", "--corpus", "corpus", "--findings", "findings"];
        let called = call_in(
            folder.path(),
            &[&arguments[..], &["--runs", "1", "--a", kernel], more].concat(),
        );
        assert_ne!(called.status, Some(2), "{}", called.stderr);
    }
    assert_eq!(
        begun(folder.path()),
        0,
        "the next start clears away what was begun"
    );
    let visible = |name: &&String| !name.starts_with('.');
    let listed = call_in(
        folder.path(),
        &["triage", "findings", "--abi", "linux", "--json"],
    );
    let index = &json_lines(&listed.stdout)[0];
    let signatures = common::findings::signatures(&index["findings"]).len();
    let there = names(&folder.path().join("findings"));
    assert_eq!(
        there.iter().filter(visible).count(),
        signatures,
        "none is there twice"
    );
}

#[test]
fn a_killed_campaign_loses_nothing_it_said_it_had() {
    kill(5, &[]);
}

/// `cargo test --release -p ctxfuzz --test survival -- --ignored --nocapture`
#[test]
#[ignore = "takes minutes: the short form is above"]
fn a_campaign_that_is_killed_fifty_times_loses_nothing_it_said_it_had() {
    kill(50, &[]);
}

/// Several workers that share with others.
const SHARED: [&str; 4] = ["--cores", "all", "--share", "share"];

#[test]
fn a_killed_campaign_that_shares_loses_nothing_either() {
    kill(5, &SHARED);
}

#[test]
#[ignore = "takes minutes: the short form is above"]
fn a_campaign_that_shares_and_is_killed_fifty_times_loses_nothing_either() {
    kill(50, &SHARED);
}

/// A shell that is given a folder and the program.
fn shell(shell: &str, script: &str, folder: &Path) -> Command {
    let mut words = shell.split(' ');
    let mut command = Command::new(words.next().unwrap_or("sh"));
    command.args(words).args(["-c", script, "sh"]).arg(folder);
    command.arg(env!("CARGO_BIN_EXE_ctxfuzz"));
    command
}

/// What a campaign that could not write must have said and left.
fn refused_and_whole(output: &std::process::Output, folder: &Path, reason: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(stdout.trim(), "status 2", "{stderr}");
    let last = stderr.lines().last().unwrap_or_default();
    assert!(
        last.starts_with("ctxfuzz: cannot ") && last.contains(reason),
        "{stderr}"
    );
    let left = folder.join("left");
    assert_eq!(begun(&left), 0, "nothing half-written stays");
    fs::write(left.join("log"), stderr.as_bytes()).expect("a log is written");
    let mut acknowledged = Acknowledged::default();
    acknowledged.read(&left);
    acknowledged.check(&left);
}

/// Files that grow over a limit: what the kernel says then is not that a disk is full, but what is
/// to be done is the same.
#[cfg(target_os = "linux")]
#[test]
fn files_that_cannot_be_finished_are_trouble_and_leave_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // Big enough for scenarios and not for pages. The signal is ignored, so that writing fails
    // instead.
    let script = r#"mkdir "$1/left" && cd "$1/left" && trap '' XFSZ && ulimit -f 32
        "$2" fuzz --runs 2000 --corpus corpus --findings findings; echo status $?"#;
    let output = shell("sh", script, folder.path()).output();
    let output = output.expect("a shell starts");
    refused_and_whole(&output, folder.path(), "File too large");
}

/// A file system that is full, at several sizes, so that different files are the last straw.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_trouble_and_leaves_nothing_half_written() {
    for size in ["16k", "128k", "400k"] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let script = r#"cd "$1" && mkdir campaign left && mount -t tmpfs -o size=SIZE tmpfs campaign || exit 77
            cd campaign
            "$2" fuzz --runs 5000 --corpus corpus --findings findings; echo status $?
            cp -a . "$1/left""#;
        let script = script.replace("SIZE", size);
        let mut command = shell("unshare -rm sh", &script, folder.path());
        match command.output() {
            Ok(output) if output.stdout.starts_with(b"status") => {
                refused_and_whole(&output, folder.path(), "No space left on device");
            }
            Ok(output) => {
                let why = String::from_utf8_lossy(&output.stderr);
                return common::skipped("a full disk", why.trim());
            }
            Err(error) => return common::skipped("a full disk", &error.to_string()),
        }
    }
}
