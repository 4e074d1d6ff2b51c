//! A campaign on several cores and several machines: a broker that starts a client for each core, passes on what they keep, and talks to other brokers.
//!
//! A client is a process with an ordinary campaign; all clients of a broker write to the same corpus and findings directories, which is safe because
//! names are made from content and everything appears whole. What goes through the broker saves work and is never the only place where something is: a
//! client that dies loses nothing, and is started again.
//!
//! This is not LibAFL's launcher and LLMP, on purpose: a killed campaign would leave its shared memory behind, a client that goes wrong can write into
//! everybody's, and brokers do not ask each other what they fuzz.

pub mod client;
pub mod cores;
mod launcher;
mod merged;
mod message;
mod outbox;
mod peers;

use std::collections::HashSet;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use ctxfuzz_emulator::run::{RunnerError, kernel_hash};
use ctxfuzz_scenario::Scenario;
use ctxfuzz_triage::findings::{FindingStore, FindingsError};
use ctxfuzz_triage::untrusted;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use self::client::Orders;
use self::cores::Cores;
use self::launcher::{Client, ClientId, Death};
use self::merged::Merged;
use self::message::{BetweenBrokers, FromClient, Hello, PROTOCOL, ToClient};
use self::peers::{Connection, Heard, Peers};
use crate::campaign::progress::Progress;
use crate::campaign::summary::{Clients, FindingSummary, Summary};
use crate::campaign::{self, CampaignError, Config, corpus, trouble};

/// How long a broker waits for something to happen before it looks around.
const TICK: Duration = Duration::from_millis(100);

/// A client that dies so soon did not get anywhere.
const SOON: u64 = 1000;
/// So many times in a row, and it is not started again.
const MOST_DEATHS: u64 = 3;

/// Who takes part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fleet {
    /// The cores, a client each; without them there is one, which runs where the system lets it.
    pub cores: Option<Cores>,
    /// Where other brokers can call.
    pub listen: Option<SocketAddr>,
    /// Other brokers, as `host:port`.
    pub remotes: Vec<String>,
}

/// Why a campaign of several processes could not begin or had to end.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// As any campaign.
    #[error(transparent)]
    Campaign(#[from] CampaignError),
    /// A kernel cannot be had.
    #[error(transparent)]
    Kernel(#[from] RunnerError),
    /// Findings cannot be kept.
    #[error(transparent)]
    Findings(#[from] FindingsError),
    /// No other broker can call.
    #[error("cannot listen for other brokers on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A client cannot be started.
    #[error("cannot start a client: {0}")]
    Start(#[from] io::Error),
    /// A client has failed as all would.
    #[error("{0}")]
    Client(String),
    /// A client cannot be kept alive.
    #[error(
        "client {index} {how} {MOST_DEATHS} times before it had run {SOON} scenarios; last in {scenario}"
    )]
    Dies {
        /// Which.
        index: usize,
        /// How it ended the last time.
        how: String,
        /// What it ran then.
        scenario: String,
    },
}

/// What happens to a broker.
enum Event {
    /// A client has said something.
    Client(ClientId, FromClient),
    /// A client says nothing more; why, if it is not that it has ended.
    ClientGone(ClientId, Option<String>),
    /// A connection with another broker is there.
    Connected(Connection),
    /// A broker that was called is not there.
    NotReached(usize, String),
    /// Another broker has said something.
    Peer(u64, BetweenBrokers),
    /// A connection has ended; why, if the other side did not just end it.
    PeerGone(u64, Option<String>),
}

/// A place for a client.
struct Slot {
    core: Option<usize>,
    /// What is left of its share of the executions.
    runs: Option<u64>,
    starts: u64,
    /// Deaths in a row that came soon.
    deaths: u64,
    client: Option<Client>,
}

struct Broker<'c> {
    config: &'c Config,
    progress: &'c mut dyn Progress,
    stop: &'c AtomicBool,
    started: Instant,
    slots: Vec<Slot>,
    peers: Peers,
    merged: Merged,
    /// The findings as they were when the campaign began.
    earlier: FindingStore,
    /// Scenarios that everybody has been told of, by the hash of their text.
    told: HashSet<u64>,
    /// Those of the corpus.
    corpus: HashSet<u64>,
    restarts: u64,
    imported: u64,
    /// Who gets the next finding to verify.
    turn: usize,
    ending: bool,
    error: Option<BrokerError>,
    events: Sender<Event>,
    inbox: Receiver<Event>,
}

/// Runs a campaign on several processes until its executions or seconds are over, or `stop` is set. What was found is on disk when it returns, also
/// with an error.
pub fn run(
    config: &Config,
    fleet: &Fleet,
    progress: &mut dyn Progress,
    stop: &AtomicBool,
) -> Result<Summary, BrokerError> {
    let mut initial = campaign::read_corpus(config, progress)?;
    let images = [
        kernel_hash(&config.a, config.endian)?,
        kernel_hash(&config.b, config.endian)?,
    ];
    let earlier = FindingStore::open(&config.findings)?;
    let delays = campaign::same_places(config, images);
    campaign::prepare_corpus(config, delays, &mut initial)?;
    let mut broker = Broker::new(config, fleet, images, earlier, progress, stop);
    broker.corpus = initial.iter().map(|s| hash(&s.to_json())).collect();
    broker.told.clone_from(&broker.corpus);
    broker.listen(fleet.listen)?;
    broker.start_all();
    while broker.slots.iter().any(|slot| slot.client.is_some()) {
        match broker.inbox.recv_timeout(TICK) {
            Ok(event) => broker.hear(event),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
        broker.tick();
    }
    broker.finish()
}

fn hash(text: &str) -> u64 {
    xxh3_64(text.as_bytes())
}

impl<'c> Broker<'c> {
    fn new(
        config: &'c Config,
        fleet: &Fleet,
        images: [u64; 2],
        earlier: FindingStore,
        progress: &'c mut dyn Progress,
        stop: &'c AtomicBool,
    ) -> Self {
        let (events, inbox) = mpsc::channel();
        let hello = Hello {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            endian: config.endian.name().to_owned(),
            images: images.map(|image| format!("{image:016x}")),
        };
        Broker {
            config,
            progress,
            stop,
            started: Instant::now(),
            slots: slots(fleet, config.runs),
            peers: Peers::new(hello, &fleet.remotes, events.clone()),
            merged: Merged::default(),
            earlier,
            told: HashSet::new(),
            corpus: HashSet::new(),
            restarts: 0,
            imported: 0,
            turn: 0,
            ending: false,
            error: None,
            events,
            inbox,
        }
    }

    fn listen(&mut self, address: Option<SocketAddr>) -> Result<(), BrokerError> {
        if let Some(address) = address {
            let listen = self.peers.listen(address);
            let bound = listen.map_err(|source| BrokerError::Listen { address, source })?;
            self.progress
                .note(&format!("other brokers can call {bound}"));
        }
        Ok(())
    }

    fn start_all(&mut self) {
        for index in 0..self.slots.len() {
            self.start(index);
        }
    }

    /// Starts the client of a slot, unless there is nothing left for it to do.
    fn start(&mut self, index: usize) {
        let elapsed = self.started.elapsed().as_secs();
        let seconds = self
            .config
            .seconds
            .map(|seconds| seconds.saturating_sub(elapsed));
        let slot = &mut self.slots[index];
        if slot.runs == Some(0) || seconds == Some(0) {
            return;
        }
        let id = ClientId {
            index,
            start: slot.starts,
        };
        let (core, runs) = (slot.core, slot.runs);
        let orders = |running| Orders {
            core,
            seed: seed(self.config.seed, id),
            runs,
            seconds,
            running,
        };
        slot.starts += 1;
        match Client::start(id, orders, &self.events) {
            Ok(client) => {
                for finding in self.merged.findings() {
                    client.send(&ToClient::Kept(finding.clone()));
                }
                slot.client = Some(client);
            }
            Err(error) => self.fail(error.into()),
        }
    }

    /// The first error is what the campaign ends with; what runs is asked to end.
    fn fail(&mut self, error: BrokerError) {
        self.error.get_or_insert(error);
        self.end();
    }

    fn end(&mut self) {
        self.ending = true;
        for slot in &mut self.slots {
            if let Some(client) = &mut slot.client {
                client.stop();
            }
        }
    }

    fn tick(&mut self) {
        if self.stop.load(Ordering::Relaxed) && !self.ending {
            self.end();
        }
        if !self.ending {
            self.peers.tick();
        }
        if self.progress.due() {
            self.show(|progress, status| progress.show(status));
        }
    }

    fn show(
        &mut self,
        tell: impl FnOnce(&mut dyn Progress, &crate::campaign::progress::Status<'_>),
    ) {
        let running = running(&self.slots);
        let corpus = self.corpus.len() as u64;
        self.merged
            .show(running, corpus, self.started, self.progress, tell);
    }

    fn executions(&self) -> u64 {
        self.merged.executions(running(&self.slots))
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Client(id, message) => self.hear_client(id, message),
            Event::ClientGone(id, nonsense) => self.client_gone(id, nonsense),
            Event::Connected(connection) => {
                let name = connection.name.clone();
                if let Err(error) = self.peers.connected(connection) {
                    self.progress.note(&format!("broker {name}: {error}"));
                }
            }
            Event::NotReached(index, error) => {
                if let Some(note) = self.peers.not_reached(index, &error) {
                    self.progress.note(&note);
                }
            }
            Event::Peer(id, message) => self.hear_peer(id, message),
            Event::PeerGone(id, why) => {
                if let Some(note) = self.peers.gone(id, why) {
                    self.progress.note(&note);
                }
            }
        }
    }

    fn hear_client(&mut self, id: ClientId, message: FromClient) {
        match message {
            FromClient::Kept(text) => {
                let hash = hash(&text);
                self.corpus.insert(hash);
                if self.told.insert(hash) {
                    self.peers
                        .pass_on(None, &BetweenBrokers::Scenario(text.clone()));
                    self.tell_clients(Some(id), &ToClient::Scenario(text));
                }
            }
            FromClient::Found(finding) => self.found(id, finding),
            FromClient::Status(status) => {
                self.merged.cover(&status.covered);
                if let Some(client) = self.client(id) {
                    client.status = status;
                }
            }
            FromClient::Note(line) => self.progress.note(&line),
            FromClient::Done(summary) => {
                if let Some(client) = self.client(id) {
                    client.done = true;
                    // Its summary counts from here on.
                    client.status = Default::default();
                    let seconds = self.started.elapsed().as_secs_f64();
                    self.merged.finish(summary, seconds);
                }
            }
            FromClient::Failed(error) => {
                if let Some(client) = self.client(id) {
                    client.done = true;
                }
                self.fail(BrokerError::Client(error));
            }
        }
    }

    fn client(&mut self, id: ClientId) -> Option<&mut Client> {
        let client = self.slots.get_mut(id.index)?.client.as_mut()?;
        (client.id == id).then_some(client)
    }

    fn tell_clients(&self, except: Option<ClientId>, message: &ToClient) {
        let clients = self.slots.iter().filter_map(|slot| slot.client.as_ref());
        for client in clients.filter(|client| Some(client.id) != except) {
            client.send(message);
        }
    }

    fn found(&mut self, id: ClientId, mut finding: FindingSummary) {
        // Another client may have been faster, which is nothing to tell.
        finding.kept_earlier &= self.earlier.contains(&finding.signature);
        if let Some(client) = self.client(id) {
            let executions = &mut client.status.executions;
            *executions = finding.first_seen_execution.max(*executions);
        }
        let (executions, seconds) = (self.executions(), self.started.elapsed().as_secs_f64());
        if !self.merged.found(&finding, executions, seconds) {
            return;
        }
        if let Some(finding) = self.merged.findings().last() {
            self.progress.found(finding);
            if self.peers.any()
                && let Some(message) = told(finding)
            {
                self.peers.pass_on(None, &message);
            }
        }
        self.tell_clients(Some(id), &ToClient::Kept(finding));
    }

    fn client_gone(&mut self, id: ClientId, nonsense: Option<String>) {
        let Some(slot) = self.slots.get_mut(id.index) else {
            return;
        };
        let Some(client) = slot.client.take_if(|client| client.id == id) else {
            return;
        };
        let (done, status) = (client.done, client.status.clone());
        let death = client.bury(nonsense);
        if done {
            return;
        }
        self.merged.bury(&status);
        let slot = &mut self.slots[id.index];
        slot.runs = slot.runs.map(|runs| runs.saturating_sub(status.executions));
        slot.deaths = match status.executions < SOON {
            true => slot.deaths + 1,
            false => 0,
        };
        let last = slot.deaths >= MOST_DEATHS;
        let kept = self.keep(&death);
        let how = death.how;
        self.progress
            .note(&format!("client {} {how}: {kept}", id.index));
        if last {
            let index = id.index;
            let scenario = kept;
            return self.fail(BrokerError::Dies {
                index,
                how,
                scenario,
            });
        }
        if !self.ending {
            self.restarts += 1;
            self.start(id.index);
        }
    }

    /// Keeps what a dead client ran; where, for people.
    fn keep(&mut self, death: &Death) -> String {
        let Some(text) = &death.scenario else {
            return "no scenario was run".to_owned();
        };
        let Ok(scenario) = Scenario::from_json(text, "client") else {
            return "what it ran cannot be read".to_owned();
        };
        match trouble::died(self.config, &scenario, &death.how, self.executions()) {
            Ok(Some(kept)) => {
                let path = kept.path.clone();
                self.merged.keep_trouble(kept);
                path
            }
            Ok(None) => "its scenario was kept before".to_owned(),
            Err(error) => format!("its scenario was not kept: {error}"),
        }
    }

    fn hear_peer(&mut self, id: u64, message: BetweenBrokers) {
        match self.peers.hear(id, message) {
            Some(Heard::Greeted) => {
                let name = self.peers.name(id).to_owned();
                self.progress.note(&format!("broker {name} is there"));
                self.welcome(id);
            }
            Some(Heard::Scenario(text)) => {
                if let Some((text, true)) = self.read(id, &text) {
                    self.imported += 1;
                    self.peers
                        .pass_on(Some(id), &BetweenBrokers::Scenario(text.clone()));
                    self.tell_clients(None, &ToClient::Scenario(text));
                }
            }
            Some(Heard::Finding(signature, text)) => self.claimed(id, signature, &text),
            Some(Heard::SentAway(note)) => self.progress.note(&note),
            None => {}
        }
    }

    /// Reads what another broker calls a scenario, as it is written here, and whether it is new. Who sends anything else is sent away.
    fn read(&mut self, id: u64, text: &str) -> Option<(String, bool)> {
        let name = self.peers.name(id).to_owned();
        match Scenario::from_json(text, &name) {
            Ok(scenario) => {
                let text = scenario.to_json();
                let new = self.told.insert(hash(&text));
                Some((text, new))
            }
            Err(error) => {
                let why = untrusted::shown(&error.to_string()).to_string();
                if let Heard::SentAway(note) = self.peers.send_away(id, &why) {
                    self.progress.note(&note);
                }
                None
            }
        }
    }

    /// Another broker has a finding: one client sees whether that is so.
    fn claimed(&mut self, id: u64, signature: String, text: &str) {
        let Some((scenario, new)) = self.read(id, text) else {
            return;
        };
        let mut findings = self.merged.findings().iter();
        if !new || findings.any(|finding| finding.signature == signature) {
            return;
        }
        self.imported += 1;
        let clients: Vec<&Client> = self
            .slots
            .iter()
            .filter_map(|slot| slot.client.as_ref())
            .collect();
        if let Some(client) = clients.get(self.turn % clients.len().max(1)) {
            client.send(&ToClient::Claimed(scenario.clone()));
        }
        self.turn += 1;
        let message = BetweenBrokers::Finding {
            signature,
            scenario,
        };
        self.peers.pass_on(Some(id), &message);
    }

    /// Sends a new broker all there is.
    fn welcome(&self, id: u64) {
        let Ok(initial) = corpus::initial(self.config.corpus.as_deref(), self.config.seed) else {
            return;
        };
        for finding in self.merged.findings() {
            if let Some(message) = told(finding) {
                self.peers.send(id, &message);
            }
        }
        for scenario in initial.scenarios {
            self.peers
                .send(id, &BetweenBrokers::Scenario(scenario.to_json()));
        }
    }

    fn finish(mut self) -> Result<Summary, BrokerError> {
        self.show(|progress, status| progress.finish(status));
        self.peers.finish();
        if let Some(error) = self.error {
            return Err(error);
        }
        let clients = Clients {
            count: self.slots.len() as u64,
            restarts: self.restarts,
            imported: self.imported,
        };
        let seconds = self.started.elapsed().as_secs_f64();
        Ok(self
            .merged
            .into_summary(self.corpus.len() as u64, seconds, clients))
    }
}

fn running(slots: &[Slot]) -> impl Iterator<Item = &message::ClientStatus> + Clone {
    let clients = slots.iter().filter_map(|slot| slot.client.as_ref());
    clients.map(|client| &client.status)
}

/// What other brokers are told of a finding: the smallest scenario that shows it, as it is on disk.
fn told(finding: &FindingSummary) -> Option<BetweenBrokers> {
    let folder = Path::new(&finding.path);
    let scenario = ["minimized.json", "scenario.json"]
        .iter()
        .find_map(|name| fs::read_to_string(folder.join(name)).ok())?;
    Some(BetweenBrokers::Finding {
        signature: finding.signature.clone(),
        scenario,
    })
}

/// A client each, with its share of the executions.
fn slots(fleet: &Fleet, runs: Option<u64>) -> Vec<Slot> {
    let cores = match &fleet.cores {
        Some(cores) => cores.0.iter().copied().map(Some).collect(),
        None => vec![None],
    };
    let count = cores.len() as u64;
    let share = |index: u64| runs.map(|runs| runs / count + u64::from(index < runs % count));
    (0..)
        .zip(cores)
        .map(|(index, core)| Slot {
            core,
            runs: share(index),
            starts: 0,
            deaths: 0,
            client: None,
        })
        .collect()
}

/// The first client does what a campaign on its own would begin with; no other does the same, and none again what it has died of.
fn seed(seed: u64, id: ClientId) -> u64 {
    match (id.index, id.start) {
        (0, 0) => seed,
        (index, start) => {
            let place = [index as u64, start].map(u64::to_le_bytes).concat();
            xxh3_64_with_seed(&place, seed)
        }
    }
}
