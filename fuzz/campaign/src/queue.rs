//! What becomes of a divergence: the path from a difference to a finding on disk.
//!
//! Nearly every divergence of a campaign is one that was seen before, so the path begins with what
//! is cheap:
//! 1. Is it of a kind that is known? Then it is counted, and that is all.
//! 2. What causes it? Looked for once a kind, on fresh machines: at once if it shows a register in
//!    a new place, else when its turn comes.
//! 3. A known cause gets one more sighting, and that is all.
//! 4. Do more fresh machines show it too, every time? If not, it is no finding.
//! 5. It is minimized, explained and kept.

mod report;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;

use ctxfuzz_scenario::scenario::{Place, Scenario, Verdict};
use ctxfuzz_triage::bucket::BucketKey;
use ctxfuzz_triage::cause::{self, Explainer, Explanation};
use ctxfuzz_triage::command;
use ctxfuzz_triage::compare::{Comparison, Difference};
use ctxfuzz_triage::findings::{Added, Finding, FindingStore};
use ctxfuzz_triage::machines::Ran;
use serde_json::Value;

use super::kinds::Kinds;
use super::summary::{Counts, FindingSummary, KnownSummary, Sighting};
use super::verification::{self, Blame};
use super::{CampaignError, Config, heap};
use report::Report;
use waiting::Waiting;

/// Root causes that kinds with nothing new in them may cost a campaign from the start.
const FREE_CAUSES: u64 = 16;
/// Executions that pay for one more. Finding one takes as long as a hundred executions, so they
/// cost a tenth of a campaign at most.
const EXECUTIONS_A_CAUSE: u64 = 1000;
/// The same with one kernel: one recorded run takes as long as ten executions. Its bugs, which a
/// second kernel would share, show in the same registers, so there is more to look into.
const EXECUTIONS_A_CAUSE_OF_ONE: u64 = 100;

/// Root causes that what others say are findings may cost a campaign from the start.
const FREE_CLAIMS: u64 = 64;

/// So many executions pass before a finding that another process makes is looked for.
const CLAIMS: u64 = 64;

/// A divergence that is to be looked into.
#[derive(Clone)]
pub struct Case {
    scenario: Scenario,
    comparison: Comparison,
    bucket: BucketKey,
    /// What it is called if no cause is found.
    kinds: Vec<(String, Vec<Difference>)>,
    execution: u64,
    /// For people.
    seconds: f64,
}

/// See the module.
pub struct Queue<'c> {
    config: &'c Config,
    stop: &'c AtomicBool,
    /// Of the kernels' images.
    hashes: Vec<u64>,
    store: FindingStore,
    /// Those that were seen.
    kinds: Kinds,
    waiting: Waiting<Case>,
    /// Findings that another process makes, with what this one has seen of them.
    elsewhere: Vec<(String, Case)>,
    findings: Vec<FindingSummary>,
    known: Vec<KnownSummary>,
    looked_into: u64,
    /// How often that was because somebody else says that there is a finding.
    claims: u64,
    not_reproduced: u64,
    /// Of one kernel, once something was to be explained.
    explainer: Option<Box<Explainer>>,
}

impl<'c> Queue<'c> {
    /// Opens the findings directory.
    pub fn open(
        config: &'c Config,
        stop: &'c AtomicBool,
        hashes: Vec<u64>,
    ) -> Result<Self, CampaignError> {
        Ok(Queue {
            config,
            stop,
            hashes,
            store: FindingStore::open(&config.findings)?,
            kinds: Kinds::new(config.abi),
            waiting: Waiting::new(),
            elsewhere: Vec::new(),
            findings: Vec::new(),
            known: Vec::new(),
            looked_into: 0,
            claims: 0,
            not_reproduced: 0,
            explainer: None,
        })
    }

    /// The findings of this campaign so far, also those that an earlier one has kept already.
    pub fn findings(&self) -> &[FindingSummary] {
        &self.findings
    }

    /// What was found and is known.
    pub fn known(&self) -> &[KnownSummary] {
        &self.known
    }

    /// Whether the executions so far pay for looking into what somebody else says is a finding.
    pub fn has_time(&self, executions: u64) -> bool {
        self.claims < FREE_CLAIMS + executions / EXECUTIONS_A_CAUSE
    }

    /// Fills in what is counted here.
    pub fn count(&self, counts: &mut Counts) {
        counts.buckets = self.kinds.count();
        counts.waiting = self.waiting.count() + self.elsewhere.len() as u64;
        counts.not_reproduced = self.not_reproduced;
    }

    /// A divergence that the policy reports, if it is one to be looked into; `claimed` if somebody
    /// else says that there is a finding in it.
    pub fn is_new(
        &self,
        scenario: &Scenario,
        ran: &Ran,
        execution: u64,
        seconds: f64,
        claimed: bool,
    ) -> Option<Case> {
        let bucket = ran.bucket(scenario)?;
        let new = self.kinds.is_new(&bucket, &ran.comparison);
        (new || claimed).then(|| Case {
            scenario: scenario.clone(),
            comparison: ran.comparison.clone(),
            kinds: ran.kinds(scenario, self.config.abi),
            bucket,
            execution,
            seconds,
        })
    }

    /// Takes such a divergence; `at_once` if it cannot wait.
    pub fn take(&mut self, case: Case, at_once: bool) -> Result<(), CampaignError> {
        let new_shape = self.kinds.add(&case.bucket, &case.comparison);
        self.claims += u64::from(at_once);
        if new_shape || at_once {
            return self.look_into(&case);
        }
        self.waiting.push(case);
        Ok(())
    }

    /// Takes over the finding of a signature that another process has kept in the same directory:
    /// it is not minimized once more. Where it is among the findings.
    fn adopt(&mut self, signature: &str, case: &Case) -> Option<usize> {
        let kept = self.store.kept(signature).filter(|_| self.config.shares)?;
        self.findings.push(FindingSummary {
            signature: signature.to_owned(),
            verdict: kept.verdict,
            registers: kept.registers,
            first_seen_execution: case.execution,
            first_seen_seconds: case.seconds,
            path: self.store.path(signature).display().to_string(),
            kept_earlier: true,
            sightings: Vec::new(),
        });
        Some(self.findings.len() - 1)
    }

    /// Looks into what is waiting, as far as the executions so far pay for it.
    pub fn work(&mut self, executions: u64) -> Result<(), CampaignError> {
        while self.looked_into < self.most_looks(executions) {
            let Some(case) = self.waiting.pop() else {
                break;
            };
            self.look_into(&case)?;
        }
        if executions.is_multiple_of(CLAIMS) {
            self.see_elsewhere()?;
        }
        Ok(())
    }

    /// Whether somebody else has made the findings that this campaign has left to others.
    fn see_elsewhere(&mut self) -> Result<(), CampaignError> {
        for (signature, case) in std::mem::take(&mut self.elsewhere) {
            let made = self.store.kept(&signature).is_some();
            if made || self.store.claim(&signature).is_some() {
                // It may have been seen here in a new place; and if nobody makes it any more, it is
                // made here.
                self.look_into(&case)?;
            } else {
                self.elsewhere.push((signature, case));
            }
        }
        Ok(())
    }

    fn look_into(&mut self, case: &Case) -> Result<(), CampaignError> {
        let found_out = self.find_out(case);
        // Machines, recordings and candidates are gone. What they took is needed when the next case
        // comes, a thousand executions from now.
        heap::give_back();
        found_out
    }

    fn find_out(&mut self, case: &Case) -> Result<(), CampaignError> {
        self.looked_into += 1;
        let explanation = self.explain(&case.scenario)?;
        let mut blames = verification::blame(self.config, &explanation, &case.kinds, &case.bucket);
        blames.retain(|blame| !self.is_known(&blame.signature));
        let known = |queue: &mut Self, blame: &Blame| {
            let mut findings = queue.findings.iter();
            let known = findings.position(|finding| finding.signature == blame.signature);
            known.or_else(|| queue.adopt(&blame.signature, case))
        };
        // Replays are for what is to be kept. That a known cause is seen once more needs none: its
        // analysis was one.
        let keeps = blames.iter().any(|blame| {
            known(self, blame).is_none_or(|index| self.findings[index].verdict < blame.verdict)
        });
        if keeps && !verification::reproduces(self.config, &case.scenario, &case.comparison)? {
            self.not_reproduced += 1;
            return Ok(());
        }
        for blame in &blames {
            let index = known(self, blame);
            let makes = index.is_none_or(|index| self.findings[index].verdict < blame.verdict);
            let claim = match makes {
                true => self.store.claim(&blame.signature),
                false => None,
            };
            if makes && claim.is_none() {
                self.elsewhere.push((blame.signature.clone(), case.clone()));
                continue;
            }
            match index {
                // A stronger verdict is what the finding should show.
                Some(index) if self.findings[index].verdict < blame.verdict => {
                    let stronger = self.finding(blame, &explanation, case)?;
                    self.store.replace(&stronger)?;
                    self.note_sightings(index, blame, case);
                    self.findings[index].kept_earlier = false;
                }
                Some(index) => self.seen_again(index, blame, case)?,
                None => self.keep(blame, &explanation, case)?,
            }
        }
        Ok(())
    }

    /// Looks for the causes. Of one kernel that is soon done, if the machine is kept.
    fn explain(&mut self, scenario: &Scenario) -> Result<Explanation, CampaignError> {
        let (kernels, endian) = (&self.config.kernels, self.config.endian);
        if kernels.only().is_none() {
            return Ok(cause::explain(kernels, endian, scenario)?);
        }
        let mut explainer = match self.explainer.take() {
            Some(explainer) => explainer,
            None => Box::new(Explainer::new(kernels, endian)?),
        };
        let explanation = explainer.explain(scenario);
        self.explainer = Some(explainer);
        Ok(explanation)
    }

    /// Root causes that kinds with nothing new in them may have cost by now.
    fn most_looks(&self, executions: u64) -> u64 {
        let executions_a_cause = match self.config.kernels.only() {
            Some(_) => EXECUTIONS_A_CAUSE_OF_ONE,
            None => EXECUTIONS_A_CAUSE,
        };
        FREE_CAUSES + executions / executions_a_cause
    }

    /// Whether a signature was reviewed; it is counted then.
    fn is_known(&mut self, signature: &str) -> bool {
        let Some(reason) = self.config.known.reason(signature) else {
            return false;
        };
        match self
            .known
            .iter_mut()
            .find(|known| known.signature == signature)
        {
            Some(known) => known.kinds += 1,
            None => self.known.push(KnownSummary {
                signature: signature.to_owned(),
                reason: reason.to_owned(),
                kinds: 1,
            }),
        }
        true
    }

    fn seen_again(
        &mut self,
        index: usize,
        blame: &Blame,
        case: &Case,
    ) -> Result<(), CampaignError> {
        if !self.note_sightings(index, blame, case) {
            return Ok(());
        }
        // It leaves a scenario where the place is new.
        self.store.add(&Finding {
            signature: blame.signature.clone(),
            verdict: blame.verdict,
            registers: registers(&blame.differences).into_iter().collect(),
            sightings: blame.differences.clone(),
            scenario: case.scenario.clone(),
            minimized: None,
            command: self.config.command.clone(),
            reproduce: String::new(),
            report_txt: String::new(),
            report_html: String::new(),
            report_json: Value::Null,
        })?;
        Ok(())
    }

    /// Adds what is new to the summary of a finding; whether anything is.
    fn note_sightings(&mut self, index: usize, blame: &Blame, case: &Case) -> bool {
        let Some(finding) = self.findings.get_mut(index) else {
            return false;
        };
        let sightings = sightings(&finding.sightings, &blame.differences, case);
        let new = !sightings.is_empty();
        finding.verdict = finding.verdict.max(blame.verdict);
        finding.registers.extend(registers(&blame.differences));
        finding.sightings.extend(sightings);
        new
    }

    /// Also what an earlier campaign has kept is minimized again: the same command has the same
    /// findings, whatever is on disk.
    fn keep(
        &mut self,
        blame: &Blame,
        found: &Explanation,
        case: &Case,
    ) -> Result<(), CampaignError> {
        let finding = self.finding(blame, found, case)?;
        let added = self.store.add(&finding)?;
        self.findings.push(FindingSummary {
            signature: blame.signature.clone(),
            verdict: blame.verdict,
            registers: registers(&blame.differences),
            first_seen_execution: case.execution,
            first_seen_seconds: case.seconds,
            path: self.store.path(&blame.signature).display().to_string(),
            kept_earlier: matches!(added, Added::Again { .. }),
            sightings: sightings(&[], &blame.differences, case),
        });
        Ok(())
    }

    /// Minimizes and explains.
    fn finding(
        &self,
        blame: &Blame,
        found: &Explanation,
        case: &Case,
    ) -> Result<Finding, CampaignError> {
        let config = self.config;
        let minimized = verification::minimized(config, &case.scenario, blame, self.stop)?
            .map(|minimized| minimized.scenario);
        // The report is about the scenario that is easier to read.
        let (explained, explanation) = match &minimized {
            Some(scenario) => (
                "minimized.json",
                cause::explain(&config.kernels, config.endian, scenario)?,
            ),
            None => ("scenario.json", found.clone()),
        };
        let file = self.store.path(&blame.signature).join(explained);
        let reproduce = command::explain(config.kernels.names(), config.endian.name(), &file);
        let report = Report {
            config,
            hashes: &self.hashes,
            blame,
            reproduce: &reproduce,
            explained,
            explanation: &explanation,
            execution: case.execution,
        };
        Ok(Finding {
            signature: blame.signature.clone(),
            verdict: blame.verdict,
            registers: registers(&blame.differences).into_iter().collect(),
            sightings: blame.differences.clone(),
            scenario: case.scenario.clone(),
            minimized,
            command: config.command.clone(),
            report_txt: report.text(),
            report_html: report.page()?,
            report_json: report.json(),
            reproduce,
        })
    }
}

fn registers(differences: &[Difference]) -> BTreeSet<String> {
    differences.iter().map(|d| d.what.to_string()).collect()
}

/// What is new, by place and verdict.
fn sightings(known: &[Sighting], differences: &[Difference], case: &Case) -> Vec<Sighting> {
    let mut new: BTreeMap<(Place, Verdict), Vec<String>> = BTreeMap::new();
    for difference in differences {
        let (place, verdict) = (difference.place, difference.verdict);
        let register = difference.what.to_string();
        let seen = known.iter().any(|sighting| {
            sighting.r#where == place
                && sighting.verdict == verdict
                && sighting.registers.contains(&register)
        });
        let group = new.entry((place, verdict)).or_default();
        if !seen && !group.contains(&register) {
            group.push(register);
        }
    }
    new.into_iter()
        .filter(|(_, registers)| !registers.is_empty())
        .map(|((place, verdict), registers)| Sighting {
            r#where: place,
            registers,
            verdict,
            first_seen_execution: case.execution,
            first_seen_seconds: case.seconds,
        })
        .collect()
}
