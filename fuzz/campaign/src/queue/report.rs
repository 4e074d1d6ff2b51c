//! The reports of a finding: for people, for a browser and for programs.
//!
//! Not responsible for where they go, nor for what is in an explanation.

use ctxfuzz_emulator::run::RunnerError;
use ctxfuzz_triage::cause::Explanation;
use ctxfuzz_triage::identity::{behind, in_report};
use ctxfuzz_triage::report::html::{self, Page};
use serde_json::{Value, json};

use super::super::Config;
use super::super::verification::{self, Blame};

/// The words for the kernels, by how many there are.
const ONE: &[&str] = &["kernel    "];
const TWO: &[&str] = &["kernel a  ", "kernel b  "];

/// What the reports are made from.
pub struct Report<'r> {
    /// The campaign.
    pub config: &'r Config,
    /// Of the kernels' images.
    pub hashes: &'r [u64],
    /// What was found.
    pub blame: &'r Blame,
    /// The command that shows it again.
    pub reproduce: &'r str,
    /// The file of the scenario that is explained.
    pub explained: &'r str,
    /// Why it shows what it shows.
    pub explanation: &'r Explanation,
    /// The execution that has met it.
    pub execution: u64,
}

impl Report<'_> {
    /// For people.
    pub fn text(&self) -> String {
        let Report { config, blame, .. } = self;
        let names = config.kernels.names();
        let words = match names.len() {
            1 => ONE,
            _ => TWO,
        };
        let kernels = words.iter().zip(names.iter().zip(self.hashes));
        let line = |(word, (name, &hash))| format!("{word} {name} ({})\n", behind(name, hash));
        let kernels: String = kernels.map(line).collect();
        let name = &self.explanation.scenario.name;
        format!(
            "{} ({})\n\n\
             show again {}\n\
             found by   {}\n           seed {}, execution {}, ctxfuzz {}\n\
             {kernels}\
             scenario   {}scenario.json in this directory, as it was found\n\
             explained  {} there\n\n{}",
            blame.signature,
            blame.verdict,
            self.reproduce,
            config.command,
            config.seed,
            self.execution,
            env!("CARGO_PKG_VERSION"),
            name.as_ref()
                .map_or_else(String::new, |name| format!("{name}: ")),
            self.explained,
            self.explanation.text(),
        )
    }

    /// For a browser.
    pub fn page(&self) -> Result<String, RunnerError> {
        let (config, explanation) = (self.config, self.explanation);
        let facts = [
            ("found by", config.command.clone()),
            ("seed", config.seed.to_string()),
            ("execution", self.execution.to_string()),
        ];
        Ok(html::page(&Page {
            signature: Some(&self.blame.signature),
            explanation,
            runs: &verification::observed(config, &explanation.scenario)?,
            hashes: self.hashes,
            facts: &facts,
            command: self.reproduce,
        }))
    }

    /// For programs. An only kernel is `a`, and there is no `b`.
    pub fn json(&self) -> Value {
        let config = self.config;
        let mut keys = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "seed": config.seed,
            "execution": self.execution,
            "endian": config.endian.name(),
        });
        let kernels = config.kernels.names().iter().zip(self.hashes);
        for (key, (name, &hash)) in ["a", "b"].into_iter().zip(kernels) {
            keys[key] = in_report(name, hash);
        }
        keys["explained"] = json!(self.explained);
        keys["explanation"] = self.explanation.json();
        keys
    }
}
