//! Other brokers: who they are, how they are reached, and that they fuzz the same kernels.
//!
//! What they send is only passed on from here, checked for being what it says; whether it is worth anything is found out by running it.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use super::Event;
use super::message::{self, BetweenBrokers, Hello};
use super::outbox::Outbox;

/// How long a connection may take, and whoever connects may keep us waiting for the first message.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a broker may not read before it is given up.
const WRITE_PATIENCE: Duration = Duration::from_secs(60);
/// Between two attempts to reach one.
const AGAIN: Duration = Duration::from_secs(3);
/// Connections at a time.
const MOST: usize = 64;

/// What is there of another broker.
struct Peer {
    /// For people.
    name: String,
    stream: TcpStream,
    outbox: Outbox,
    /// Whether it has said who it is, and is one of ours.
    greeted: bool,
    /// The place in `remotes`, if we have called it.
    remote: Option<usize>,
}

/// A broker to be called.
struct Remote {
    address: String,
    next: Instant,
    /// Somebody is calling, or has reached it.
    busy: bool,
    /// That it cannot be reached is said once.
    complained: bool,
}

/// A connection that was made or was asked for.
pub struct Connection {
    /// It.
    pub stream: TcpStream,
    /// Who that is, for people.
    pub name: String,
    /// Which of the brokers to be called it is, if it is one.
    pub remote: Option<usize>,
}

/// See the module.
pub struct Peers {
    hello: Hello,
    peers: BTreeMap<u64, Peer>,
    remotes: Vec<Remote>,
    next: u64,
    events: Sender<Event>,
}

/// What a message of another broker asks for.
pub enum Heard {
    /// It is one of ours and should get what there is.
    Greeted,
    /// A scenario of its corpus.
    Scenario(String),
    /// The signature and scenario of a finding.
    Finding(String, String),
    /// It was sent away; this is why.
    SentAway(String),
}

impl Peers {
    /// Nobody is called before `tick`.
    pub fn new(hello: Hello, remotes: &[String], events: Sender<Event>) -> Peers {
        let remote = |address: &String| Remote {
            address: address.clone(),
            next: Instant::now(),
            busy: false,
            complained: false,
        };
        Peers {
            hello,
            peers: BTreeMap::new(),
            remotes: remotes.iter().map(remote).collect(),
            next: 0,
            events,
        }
    }

    /// Takes calls.
    pub fn listen(&self, address: SocketAddr) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind(address)?;
        let bound = listener.local_addr()?;
        let events = self.events.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else {
                    // Out of descriptors, say: that passes.
                    thread::sleep(AGAIN);
                    continue;
                };
                let name = match stream.peer_addr() {
                    Ok(address) => address.to_string(),
                    Err(_) => continue,
                };
                let connection = Connection {
                    stream,
                    name,
                    remote: None,
                };
                if events.send(Event::Connected(connection)).is_err() {
                    return;
                }
            }
        });
        Ok(bound)
    }

    /// Calls who is to be called and is not there.
    pub fn tick(&mut self) {
        let now = Instant::now();
        for (index, remote) in self.remotes.iter_mut().enumerate() {
            if remote.busy || remote.next > now {
                continue;
            }
            remote.busy = true;
            let (address, events) = (remote.address.clone(), self.events.clone());
            thread::spawn(move || {
                let event = match call(&address) {
                    Ok(stream) => Event::Connected(Connection {
                        stream,
                        name: address,
                        remote: Some(index),
                    }),
                    Err(error) => Event::NotReached(index, error.to_string()),
                };
                let _ = events.send(event);
            });
        }
    }

    /// A broker did not answer; what to say of it, the first time.
    pub fn not_reached(&mut self, index: usize, error: &str) -> Option<String> {
        let remote = self.remotes.get_mut(index)?;
        remote.busy = false;
        remote.next = Instant::now() + AGAIN;
        let first = !std::mem::replace(&mut remote.complained, true);
        first.then(|| format!("broker {}: {error}; going on trying", remote.address))
    }

    /// Greets who is connected.
    pub fn connected(&mut self, connection: Connection) -> io::Result<()> {
        let Connection {
            stream,
            name,
            remote,
        } = connection;
        if self.peers.len() >= MOST {
            return Err(io::Error::other("there are too many already"));
        }
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(WRITE_PATIENCE))?;
        let outbox = Outbox::start(stream.try_clone()?);
        outbox.send(&BetweenBrokers::Hello(self.hello.clone()));
        let (id, from, events) = (self.next, stream.try_clone()?, self.events.clone());
        self.next += 1;
        thread::spawn(move || {
            let read = message::read(&from, |message: BetweenBrokers| {
                // Who has said who it is may be silent for as long as it likes.
                let _ = from.set_read_timeout(None);
                events.send(Event::Peer(id, message)).is_ok()
            });
            let _ = events.send(Event::PeerGone(id, read.err()));
        });
        let peer = Peer {
            name,
            stream,
            outbox,
            greeted: false,
            remote,
        };
        self.peers.insert(id, peer);
        Ok(())
    }

    /// What a message means.
    pub fn hear(&mut self, id: u64, message: BetweenBrokers) -> Option<Heard> {
        let peer = self.peers.get_mut(&id)?;
        match message {
            BetweenBrokers::Hello(hello) => match refusal(&self.hello, &hello) {
                None => {
                    peer.greeted = true;
                    Some(Heard::Greeted)
                }
                Some(why) => {
                    // Calling it again would change nothing, so it stays busy.
                    peer.remote = None;
                    Some(self.send_away(id, &why))
                }
            },
            _ if !peer.greeted => Some(self.send_away(id, "it did not say who it is")),
            BetweenBrokers::Scenario(text) => Some(Heard::Scenario(text)),
            BetweenBrokers::Finding {
                signature,
                scenario,
            } => Some(Heard::Finding(signature, scenario)),
        }
    }

    /// Ends a connection.
    pub fn send_away(&mut self, id: u64, why: &str) -> Heard {
        let name = self.forget(id).unwrap_or_default();
        Heard::SentAway(format!("broker {name}: sent away: {why}"))
    }

    /// A connection has ended; what to say of it.
    pub fn gone(&mut self, id: u64, why: Option<String>) -> Option<String> {
        let name = self.forget(id)?;
        Some(match why {
            None => format!("broker {name} is gone"),
            Some(why) => format!("broker {name} is gone: {why}"),
        })
    }

    fn forget(&mut self, id: u64) -> Option<String> {
        let mut peer = self.peers.remove(&id)?;
        peer.outbox.close();
        let _ = peer.stream.shutdown(std::net::Shutdown::Both);
        if let Some(remote) = peer.remote.and_then(|index| self.remotes.get_mut(index)) {
            remote.busy = false;
            remote.next = Instant::now() + AGAIN;
        }
        Some(peer.name)
    }

    /// Who a connection is with, for people.
    pub fn name(&self, id: u64) -> &str {
        self.peers.get(&id).map_or("?", |peer| &peer.name)
    }

    /// Whether anybody would hear anything.
    pub fn any(&self) -> bool {
        self.peers.values().any(|peer| peer.greeted)
    }

    /// Sends to one.
    pub fn send(&self, id: u64, message: &BetweenBrokers) {
        if let Some(peer) = self.peers.get(&id) {
            peer.outbox.send(message);
        }
    }

    /// Sends to all but the one it came from.
    pub fn pass_on(&self, from: Option<u64>, message: &BetweenBrokers) {
        for (&id, peer) in &self.peers {
            if peer.greeted && Some(id) != from {
                peer.outbox.send(message);
            }
        }
    }

    /// Sends what waits and hangs up.
    pub fn finish(mut self) {
        for peer in self.peers.values_mut() {
            // Nobody waits a minute for one who does not read when all is over.
            let _ = peer.stream.set_write_timeout(Some(PATIENCE));
            peer.outbox.finish();
            let _ = peer.stream.shutdown(std::net::Shutdown::Both);
        }
    }
}

fn call(address: &str) -> io::Result<TcpStream> {
    let mut error = io::Error::new(io::ErrorKind::NotFound, "has no address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => return Ok(stream),
            Err(refused) => error = refused,
        }
    }
    Err(error)
}

/// Why a broker is none of ours.
fn refusal(ours: &Hello, theirs: &Hello) -> Option<String> {
    let differ = |what: &str, theirs: &str, ours: &str| {
        let theirs = ctxfuzz_triage::untrusted::shown(theirs);
        Some(format!("{what} is {theirs}, here it is {ours}"))
    };
    if theirs.protocol != ours.protocol {
        let (theirs, ours) = (theirs.protocol.to_string(), ours.protocol.to_string());
        return differ("its protocol", &theirs, &ours);
    }
    if theirs.endian != ours.endian {
        return differ("its byte order", &theirs.endian, &ours.endian);
    }
    let [a, b] = [0, 1].map(|kernel| (&theirs.images[kernel], &ours.images[kernel]));
    for (name, (theirs, ours)) in [("its kernel A", a), ("its kernel B", b)] {
        if theirs != ours {
            return differ(name, theirs, ours);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello() -> Hello {
        Hello {
            protocol: 1,
            version: "0.1.0".into(),
            endian: "le".into(),
            images: ["1".into(), "2".into()],
        }
    }

    #[test]
    fn only_brokers_of_the_same_kernels_are_ours() {
        let ours = hello();
        let newer = Hello {
            version: "0.2.0".into(),
            ..hello()
        };
        assert_eq!(refusal(&ours, &newer), None);
        for (theirs, why) in [
            (
                Hello {
                    protocol: 2,
                    ..hello()
                },
                "protocol is 2, here it is 1",
            ),
            (
                Hello {
                    endian: "be".into(),
                    ..hello()
                },
                "byte order is be",
            ),
            (
                Hello {
                    images: ["2".into(), "1".into()],
                    ..hello()
                },
                "kernel A is 2",
            ),
            (
                Hello {
                    images: ["1".into(), "\u{1b}[2J".into()],
                    ..hello()
                },
                "kernel B is ",
            ),
        ] {
            let told = refusal(&ours, &theirs).unwrap();
            assert!(told.contains(why) && !told.contains('\u{1b}'), "{told}");
        }
    }
}
