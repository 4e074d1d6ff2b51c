//! A campaign on several cores and several machines: a broker that starts a client for each core, passes on what they keep, and talks to other brokers.
//!
//! A client is a process with an ordinary campaign; all clients of a broker write to the same corpus and findings directories, which is safe because
//! names are made from content and everything appears whole. What goes through the broker saves work and is never the only place where something is: a
//! client that dies loses nothing, and is started again.
//!
//! This is not LibAFL's launcher and LLMP, on purpose: a killed campaign would leave its shared memory behind, a client that goes wrong can write into
//! everybody's, and brokers do not ask each other what they fuzz.

mod care;
pub mod client;
pub mod cores;
mod hear;
mod launcher;
mod merged;
mod message;
mod outbox;
mod peers;

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use ctxfuzz_emulator::run::{RunnerError, kernel_hash};
use ctxfuzz_triage::findings::{FindingStore, FindingsError};
use xxhash_rust::xxh3::xxh3_64;

use self::care::{MOST_DEATHS, SOON, Slot, slots};
use self::cores::Cores;
use self::launcher::ClientId;
use self::merged::Merged;
use self::message::{BetweenBrokers, FromClient, Hello, PROTOCOL};
use self::peers::{Connection, Peers};
use crate::campaign::progress::Progress;
use crate::campaign::summary::{Clients, Summary};
use crate::campaign::{self, CampaignError, Config};

/// How long a broker waits for something to happen before it looks around.
const TICK: Duration = Duration::from_millis(100);

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
