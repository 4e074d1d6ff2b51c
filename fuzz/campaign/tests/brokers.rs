//! Campaigns of several processes: on several cores, with one that dies, and with other brokers, of which some mean no good.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Longest that is waited for anything.
const PATIENCE: Duration = Duration::from_secs(120);
/// Kernels that do not differ where anybody could see it, and a campaign that does not end by itself.
const QUIET: [&str; 6] = [
    "--a",
    "repaired+restore-math-declines",
    "--b",
    "repaired",
    "--runs",
    "100000000",
];

/// A campaign that runs.
struct Campaign {
    process: Child,
    notes: Receiver<String>,
    heard: Vec<String>,
}

impl Campaign {
    fn start(folder: &Path, arguments: &[&str]) -> Campaign {
        let mut process = Command::new(env!("CARGO_BIN_EXE_ctxfuzz"))
            .current_dir(folder)
            .args([
                "fuzz",
                "--json",
                "--corpus",
                "corpus",
                "--findings",
                "findings",
            ])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stderr = process.stderr.take().expect("it is piped");
        let (sender, notes) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Campaign {
            process,
            notes,
            heard: Vec::new(),
        }
    }

    /// Waits for a line with these words.
    fn hear(&mut self, words: &str) -> String {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if let Some(line) = self.heard.iter().find(|line| line.contains(words)) {
                return line.clone();
            }
            match self.notes.recv_timeout(Duration::from_millis(100)) {
                Ok(line) => self.heard.push(line),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        panic!("it never said `{words}`: {:#?}", self.heard);
    }

    /// Where other brokers can call it.
    fn address(&mut self) -> String {
        let line = self.hear("other brokers can call ");
        line.rsplit(' ').next().expect("it has words").to_owned()
    }

    /// Presses Ctrl-C, as a terminal does, for this process and its clients.
    fn interrupt(&self) {
        signal("INT", self.process.id());
    }

    /// Its summary.
    fn end(mut self) -> (Option<i32>, Value) {
        let mut text = String::new();
        let mut stdout = self.process.stdout.take().expect("it is piped");
        stdout.read_to_string(&mut text).expect("it is text");
        let status = self.process.wait().expect("it ends").code();
        self.heard.extend(self.notes.iter());
        let summary = serde_json::from_str(&text);
        let summary = summary.unwrap_or_else(|_| panic!("{text}: {:#?}", self.heard));
        (status, summary)
    }
}

/// A test that fails leaves nothing running; clients end with their broker.
impl Drop for Campaign {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn signal(name: &str, process: u32) {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &process.to_string()])
        .status()
        .expect("kill is there");
    assert!(sent.success());
}

fn wait_for(what: &str, mut is_there: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_there() {
        assert!(started.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// What the system knows of a process: its state and its parent; `None` if it is gone.
fn about(process: u32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut words = stat.rsplit(") ").next()?.split(' ');
    Some((words.next()?.chars().next()?, words.next()?.parse().ok()?))
}

fn clients(of: &Campaign) -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("it lists").flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|&process| about(process).is_some_and(|(_, parent)| parent == of.process.id()))
        .collect()
}

fn names(dir: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

fn signatures(summary: &Value) -> Vec<&str> {
    let findings = summary["findings"].as_array().expect("there is a list");
    findings
        .iter()
        .filter_map(|finding| finding["signature"].as_str())
        .collect()
}

#[test]
fn clients_share_corpus_and_findings() {
    let folder = tempfile::tempdir().expect("a folder");
    let campaign = Campaign::start(folder.path(), &["--cores", "all", "--runs", "601"]);
    let (status, summary) = campaign.end();
    assert_eq!(status, Some(1), "{summary}");
    assert_eq!(summary["executions"], 601);
    let cores = thread::available_parallelism()
        .expect("there are cores")
        .get();
    assert_eq!(summary["clients"]["count"], cores);
    assert_eq!(summary["clients"]["restarts"], 0);
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
        assert!(report.contains("--cores all --runs 601\n") && !report.contains("--client"));
    }
    let kept = names(&folder.path().join("corpus/found"));
    assert_eq!(summary["corpus"], kept.len());
    assert!(kept.iter().all(|name| name.ends_with(".json")), "{kept:?}");
}

#[test]
fn a_client_that_dies_is_started_again_and_what_it_ran_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let quiet = [&QUIET[..], &["--broker-port", "0"]].concat();
    let mut campaign = Campaign::start(folder.path(), &quiet);
    let running = names(&folder.path().join("corpus/found")).len();
    wait_for("nothing is kept", || {
        names(&folder.path().join("corpus/found")).len() > running + 16
    });
    let first = clients(&campaign);
    assert_eq!(first.len(), 1);
    signal("ABRT", first[0]);
    campaign.hear("client 0 was ended by signal 6: findings-trouble/died-");
    wait_for("it is not started again", || {
        clients(&campaign)
            .iter()
            .any(|client| !first.contains(client))
    });
    campaign.interrupt();
    let (status, summary) = campaign.end();
    assert_eq!(status, Some(0), "{summary}");
    assert_eq!(summary["clients"]["restarts"], 1);
    let trouble = &summary["trouble"][0];
    assert_eq!(trouble["kernel"], "ctxfuzz");
    let path = folder
        .path()
        .join(trouble["path"].as_str().expect("a path"));
    let scenario = fs::read_to_string(path).expect("it is there");
    assert!(
        scenario.contains("ctxfuzz itself was ended by signal 6"),
        "{scenario}"
    );
}

#[test]
fn clients_end_when_their_broker_is_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let quiet = [&QUIET[..], &["--cores", "all"]].concat();
    let mut campaign = Campaign::start(folder.path(), &quiet);
    let mut started = Vec::new();
    wait_for("no client is there", || {
        started = clients(&campaign);
        !started.is_empty() && names(&folder.path().join("corpus/found")).len() > 16
    });
    campaign.process.kill().expect("it is killed");
    campaign.process.wait().expect("it is dead");
    for client in started {
        // Where nobody collects orphans one stays as a zombie, which is as dead.
        wait_for("a client goes on", || {
            about(client).is_none_or(|(state, _)| state == 'Z')
        });
    }
}

/// The first broker has the witness of a defect that the other would look for for long.
#[test]
fn two_brokers_exchange_corpus_and_findings() {
    let [one, two] = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
    let defect = [
        "--a",
        "fixed",
        "--b",
        "fixed+repair-exec-preempt",
        "--runs",
        "100000000",
    ];
    let witness = "exec-preempted.json";
    fs::create_dir(one.path().join("corpus")).expect("a folder is made");
    fs::copy(
        common::project().join("corpus").join(witness),
        one.path().join("corpus").join(witness),
    )
    .expect("it is copied");
    let mut first = Campaign::start(one.path(), &[&defect[..], &["--broker-port", "0"]].concat());
    let address = first.address();
    let remote = ["--remote-broker", &address, "--seed", "2"];
    let mut second = Campaign::start(two.path(), &[&defect[..], &remote[..]].concat());
    second.hear(&format!("broker {address} is there"));
    second.hear("found ");
    second.interrupt();
    let (status, second) = second.end();
    assert_eq!(status, Some(1), "{second}");
    first.hear("is gone");
    first.interrupt();
    let (_, first) = first.end();
    let shared = &signatures(&first)[0];
    assert!(signatures(&second).contains(shared), "{second}");
    for summary in [&first, &second] {
        assert!(
            summary["clients"]["imported"].as_u64() > Some(0),
            "{summary}"
        );
    }
}

/// Says hello as a broker of the same kernels would, then says something else.
fn say(address: &str, change: impl Fn(&mut Value), lines: &[Value]) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let mut hello = String::new();
    BufReader::new(&stream)
        .read_line(&mut hello)
        .expect("it says hello");
    let mut hello: Value = serde_json::from_str(&hello).expect("it is JSON");
    change(&mut hello["hello"]);
    for line in std::iter::once(&hello).chain(lines) {
        writeln!(stream, "{line}").expect("it listens");
    }
    stream
}

/// Nothing but a finding is sent, so nothing else can be why the campaign has it; and it tells of its own.
#[test]
fn findings_travel_by_themselves() {
    let folder = tempfile::tempdir().expect("a folder");
    let defect = ["--b", "fixed+repair-exec-preempt", "--runs", "100000000"];
    let arguments = [&["--a", "fixed", "--broker-port", "0"][..], &defect[..]].concat();
    let mut campaign = Campaign::start(folder.path(), &arguments);
    let address = campaign.address();
    let witness = fs::read_to_string(common::project().join("corpus/exec-preempted.json"));
    let finding = json!({"finding": {
        "signature": "as-they-call-it",
        "scenario": witness.expect("the corpus is there"),
    }});
    let peer = say(&address, |_| (), &[finding]);
    let found = campaign.hear("found ");
    let told = BufReader::new(peer)
        .lines()
        .map_while(Result::ok)
        .map(|line| serde_json::from_str::<Value>(&line).expect("it is JSON"))
        .find(|message| message.get("finding").is_some())
        .expect("it tells of findings");
    let signature = told["finding"]["signature"].as_str().expect("a signature");
    assert!(found.contains(signature), "{found}: {told}");
}

#[test]
fn what_other_brokers_say_is_not_believed() {
    let folder = tempfile::tempdir().expect("a folder");
    let quiet = [&QUIET[..], &["--broker-port", "0"]].concat();
    let mut campaign = Campaign::start(folder.path(), &quiet);
    let address = campaign.address();
    let mut noise = TcpStream::connect(&address).expect("it listens");
    noise
        .write_all(b"GET / HTTP/1.1\r\n\r\n")
        .expect("it listens");
    campaign.hear("is gone: no message: expected value at line 1");
    let other = |hello: &mut Value| hello["images"][1] = json!("0123");
    let _other = say(&address, other, &[]);
    campaign.hear("sent away: its kernel B is 0123, here it is ");
    let _late = say(&address, |_| (), &[json!({"scenario": "{\"ctxfuzz\": 1}"})]);
    campaign.hear("sent away: 127.0.0.1:");
    let silent = fs::read_to_string(common::project().join("corpus/context-switch-poison.json"));
    let lie = json!({"finding": {
        "signature": "../../made-up",
        "scenario": silent.expect("the corpus is there"),
    }});
    let _liar = say(&address, |_| (), &[lie]);
    let taken = names(&folder.path().join("corpus/found")).len() + 1;
    wait_for("it does not go on", || {
        names(&folder.path().join("corpus/found")).len() > taken
    });
    campaign.interrupt();
    let (status, summary) = campaign.end();
    assert_eq!(status, Some(0), "{summary}");
    assert_eq!(summary["clients"]["imported"], 1, "{summary}");
    assert!(names(&folder.path().join("findings")).is_empty());
}

#[test]
fn mistakes_are_named() {
    for (arguments, why) in [
        (&["--cores", "x"][..], "`x` is no core"),
        (
            &["--cores", "5000"],
            "core 5000 is not one that may be used here",
        ),
        (&["--remote-broker", "host"], "expected a host and a port"),
        (&["--broker-bind", "::1"], "--broker-port <PORT>"),
    ] {
        let called = common::call(&[&["fuzz"], arguments].concat());
        assert_eq!(called.status, Some(2));
        assert!(called.stderr.contains(why), "{}", called.stderr);
        assert_eq!(called.stderr.lines().count(), 1, "{}", called.stderr);
    }
}

#[test]
fn a_port_that_is_taken_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = taken.local_addr().expect("it has one").port().to_string();
    let mut campaign = Campaign::start(folder.path(), &["--broker-port", &port]);
    campaign.hear(&format!(
        "cannot listen for other brokers on 127.0.0.1:{port}: "
    ));
    assert_eq!(campaign.process.wait().expect("it ends").code(), Some(2));
}
