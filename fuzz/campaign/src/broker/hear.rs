//! What a broker makes of what its clients and other brokers say: who else is told, and what is believed.

use std::fs;
use std::path::Path;

use ctxfuzz_scenario::Scenario;
use ctxfuzz_triage::untrusted;

use super::launcher::{Client, ClientId};
use super::message::{BetweenBrokers, FromClient, ToClient};
use super::peers::Heard;
use super::{Broker, BrokerError, hash};
use crate::campaign::corpus;
use crate::campaign::summary::FindingSummary;

impl Broker<'_> {
    /// A client has said something.
    pub(super) fn hear_client(&mut self, id: ClientId, message: FromClient) {
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

    /// Another broker has said something.
    pub(super) fn hear_peer(&mut self, id: u64, message: BetweenBrokers) {
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
