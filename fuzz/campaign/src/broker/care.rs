//! Keeps a broker's clients alive: starts them, with a share of the work each, and again when one dies.

use ctxfuzz_scenario::Scenario;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::client::Orders;
use super::launcher::{Client, ClientId, Death};
use super::message::ToClient;
use super::{Broker, BrokerError, Fleet};
use crate::campaign::trouble;

/// A client that dies so soon did not get anywhere.
pub(super) const SOON: u64 = 1000;
/// So many times in a row, and it is not started again.
pub(super) const MOST_DEATHS: u64 = 3;

/// A place for a client.
pub(super) struct Slot {
    core: Option<usize>,
    /// What is left of its share of the executions.
    runs: Option<u64>,
    starts: u64,
    /// Deaths in a row that came soon.
    deaths: u64,
    /// It, if it runs.
    pub(super) client: Option<Client>,
}

impl Broker<'_> {
    /// Starts every client.
    pub(super) fn start_all(&mut self) {
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
        let command = self.config.command.clone();
        let orders = |running| Orders {
            command,
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

    /// A client says nothing more.
    pub(super) fn client_gone(&mut self, id: ClientId, nonsense: Option<String>) {
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
}

/// A client each, with its share of the executions.
pub(super) fn slots(fleet: &Fleet, runs: Option<u64>) -> Vec<Slot> {
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
