//! Runs that say nothing about a kernel, kept so that somebody can look at them: an emulator fault,
//! or a run that was cut off by its budget.
//!
//! They are no findings and never among them. A few of each kind are kept, whatever a campaign
//! meets; the others are only counted, which is not done here.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ctxfuzz_scenario::Scenario;
use ctxfuzz_triage::inconclusive::Inconclusive;
use ctxfuzz_triage::kernels::Kernels;
use ctxfuzz_triage::machines::Ran;
use ctxfuzz_triage::{command, names};
use xxhash_rust::xxh3::xxh3_64;

use super::summary::TroubleSummary;
use super::{CampaignError, Config, corpus, verification};

/// Scenarios of one kind that are kept: of each kernel, and of what happened there.
const MOST_OF_A_KIND: usize = 4;
/// Files in the directory, those of earlier campaigns included.
const MOST: usize = 64;

/// See the module.
pub struct Troubles<'c> {
    config: &'c Config,
    /// How many of each kind were kept.
    kinds: BTreeMap<String, usize>,
    kept: Vec<TroubleSummary>,
}

impl<'c> Troubles<'c> {
    /// Nothing is made or looked at before there is something to keep.
    pub fn new(config: &'c Config) -> Self {
        Troubles {
            config,
            kinds: BTreeMap::new(),
            kept: Vec::new(),
        }
    }

    /// What was kept, in order of appearance.
    pub fn kept(&self) -> &[TroubleSummary] {
        &self.kept
    }

    /// Keeps the scenario of a run that says nothing, if there are not enough of its kind.
    pub fn take(
        &mut self,
        scenario: &Scenario,
        ran: &Ran,
        execution: u64,
    ) -> Result<(), CampaignError> {
        let mut sides = self.config.kernels.names().iter().zip(&ran.outcomes);
        let trouble =
            |(kernel, outcome)| Some((kernel, outcome, Inconclusive::of_end(None, outcome)?));
        let Some((kernel, outcome, why)) = sides.find_map(trouble) else {
            return Ok(());
        };
        let what = names::end_with_detail(&outcome.end);
        let kept = self
            .kinds
            .entry(format!("{kernel} {}", kind(&what)))
            .or_default();
        if *kept >= MOST_OF_A_KIND {
            return Ok(());
        }
        *kept += 1;
        let again = seen_again(self.config, scenario, ran)?;
        let (dir, side) = (&self.config.trouble, kernel.to_string());
        let once = match again {
            true => "",
            false => " Fresh machines did not end so.",
        };
        let word = what.split(':').next().unwrap_or(&what);
        let about = format!("On {side} {why}.{once}");
        if let Some(path) = keep(self.config, dir, scenario, word, &about)? {
            self.kept.push(TroubleSummary {
                kernel: side,
                end: what,
                place: why.place(),
                execution,
                seen_again: again,
                path: path.display().to_string(),
            });
        }
        Ok(())
    }
}

/// What happened, without the addresses and values, which are different every time.
fn kind(what: &str) -> String {
    what.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty() && !word.contains(|c: char| c.is_ascii_digit()))
        .collect::<Vec<&str>>()
        .join(" ")
}

/// Whether fresh machines end the same way: if not, it is a matter of what ran before.
fn seen_again(config: &Config, scenario: &Scenario, ran: &Ran) -> Result<bool, CampaignError> {
    let again = verification::machines(config)?.run(scenario);
    let ends = again.outcomes.iter().zip(&ran.outcomes);
    Ok(ends.into_iter().all(|(again, once)| again.end == once.end))
}

/// Keeps the scenario that ctxfuzz itself ran when its process ended as it must not. Where it is,
/// or why it is nowhere, for people; and what the summary has, unless it is there already, or there
/// is enough.
pub fn died(
    config: &Config,
    scenario: Option<&str>,
    how: &str,
    execution: u64,
) -> (String, Option<TroubleSummary>) {
    let Some(scenario) = scenario.and_then(|text| Scenario::from_json(text, "worker").ok()) else {
        return ("what it ran is not known".to_owned(), None);
    };
    let about = format!("ctxfuzz itself {how} when it ran this, or after it.");
    let path = match keep(config, &config.trouble, &scenario, "died", &about) {
        Ok(Some(path)) => path.display().to_string(),
        Ok(None) => return ("its scenario was kept before".to_owned(), None),
        Err(error) => return (format!("its scenario was not kept: {error}"), None),
    };
    let trouble = TroubleSummary {
        kernel: "ctxfuzz".to_owned(),
        end: how.to_owned(),
        place: None,
        execution,
        seen_again: false,
        path: path.clone(),
    };
    (path, Some(trouble))
}

/// Writes the scenario, with what it is about; `None` if it is there, or if there is enough.
fn keep(
    config: &Config,
    dir: &Path,
    scenario: &Scenario,
    word: &str,
    about: &str,
) -> Result<Option<PathBuf>, CampaignError> {
    fs::create_dir_all(dir).map_err(corpus::refused("create the directory", dir))?;
    let name = format!("{word}-{:016x}", xxh3_64(scenario.to_json().as_bytes()));
    let path = dir.join(format!("{name}.json"));
    let listed = corpus::list(dir)?;
    if path.exists() || listed.files.len() >= MOST {
        return Ok(None);
    }
    let command = replay(config, &path);
    let text = Scenario {
        name: Some(name),
        about: Some(format!("No finding. {about} {command}")),
        ..scenario.clone()
    }
    .to_json();
    corpus::write_whole(&path, &text)?;
    Ok(Some(path))
}

/// The command that runs a scenario again.
fn replay(config: &Config, path: &Path) -> String {
    let (endian, file) = (config.endian.name(), path.to_string_lossy());
    match &config.kernels {
        Kernels::Pair(pair) => {
            let [a, b] = pair.each_ref().map(ToString::to_string);
            command::line(["run", "--a", &a, "--b", &b, "--endian", endian, &file])
        }
        Kernels::One(kernel) => {
            let kernel = kernel.to_string();
            command::line(["check", "--kernel", &kernel, "--endian", endian, &file])
        }
    }
}

#[cfg(test)]
mod tests {
    use ctxfuzz_emulator::run::outcome::End;
    use ctxfuzz_generators::random_scenario;

    use super::super::tests::{config, config_of_one};
    use super::*;

    #[test]
    fn a_kind_has_no_addresses() {
        assert_eq!(
            kind("emulator-fault: INSN_INVALID at 0xc000000000001234"),
            "emulator fault INSN INVALID at"
        );
    }

    #[test]
    fn a_few_of_each_kind_are_kept_and_can_be_replayed() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), "fixed", "fixed", 1);
        let mut troubles = Troubles::new(&config);
        let mut machines = verification::machines(&config).unwrap();
        for seed in 0..10 {
            let scenario = random_scenario(seed);
            let mut ran = machines.run(&scenario);
            troubles.take(&scenario, &ran, seed).unwrap();
            assert!(seed > 0 || !config.trouble.exists(), "nothing is wrong yet");
            ran.outcomes[1].end = End::EmulatorFault(format!("what is this at {seed:#x}"));
            troubles.take(&scenario, &ran, seed).unwrap();
            ran.outcomes[1].end = End::Budget;
            troubles.take(&scenario, &ran, seed).unwrap();
        }
        let kept = troubles.kept();
        assert_eq!(kept.len(), 2 * MOST_OF_A_KIND);
        for (index, trouble) in kept.iter().enumerate() {
            let scenario = Scenario::load(Path::new(&trouble.path)).unwrap();
            let about = scenario.about.clone().unwrap();
            assert!(about.contains(&trouble.end), "{about}");
            // It was made up: no machine shows it.
            assert!(!trouble.seen_again && about.contains("Fresh machines did not"));
            let original = Scenario {
                name: None,
                about: None,
                ..scenario
            };
            assert_eq!(original, random_scenario(index as u64 / 2));
        }
        // The same campaign again keeps nothing twice.
        let mut again = Troubles::new(&config);
        let scenario = random_scenario(0);
        let mut ran = machines.run(&scenario);
        ran.outcomes[1].end = End::Budget;
        again.take(&scenario, &ran, 1).unwrap();
        assert!(again.kept().is_empty());
    }

    #[test]
    fn the_trouble_of_one_kernel_is_run_again_by_check() {
        let folder = tempfile::tempdir().unwrap();
        let config = config_of_one(folder.path(), "fixed", 1);
        let scenario = random_scenario(1);
        let mut ran = verification::machines(&config).unwrap().run(&scenario);
        let mut troubles = Troubles::new(&config);
        troubles.take(&scenario, &ran, 1).unwrap();
        assert!(troubles.kept().is_empty(), "nothing is wrong yet");
        ran.outcomes[0].end = End::Budget;
        troubles.take(&scenario, &ran, 1).unwrap();
        let [trouble] = troubles.kept() else {
            panic!("{:?}", troubles.kept());
        };
        assert!(trouble.kernel == "fixed" && !trouble.seen_again);
        let about = Scenario::load(Path::new(&trouble.path)).unwrap().about;
        let command = format!("check --kernel fixed --endian le {}", trouble.path);
        assert!(about.unwrap().ends_with(&command));
    }

    #[test]
    fn a_full_directory_takes_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), "fixed", "fixed", 1);
        let write = |seed| {
            let scenario = random_scenario(seed);
            keep(&config, &config.trouble, &scenario, "budget", "").unwrap()
        };
        let kept = (0..MOST as u64 + 5).filter(|&seed| write(seed).is_some());
        assert_eq!(kept.count(), MOST);
    }
}
