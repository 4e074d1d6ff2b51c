//! What `bench detection` has done so far, as it is kept on disk. Not responsible for doing it.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use ctxfuzz_emulator::kernel::defects;
use serde::{Deserialize, Serialize};

use crate::commands::input::write_whole;

/// One search: what it is for, and what came of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The defect; empty for a kernel that was named.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub defect: String,
    /// The kernel that was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    /// The kernel without its bug, if that was named too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without: Option<String>,
    /// Whether what breaks the Linux ABI alone counts there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub linux_abi: bool,
    /// Whether there is one kernel, judged by itself.
    #[serde(default)]
    pub one_kernel: bool,
    /// Whether there is no campaign, but random scenarios.
    #[serde(default)]
    pub no_feedback: bool,
    /// Whether it started from a corpus.
    pub corpus: bool,
    /// The seed.
    pub seed: u64,
    /// The execution that showed it.
    pub found: Option<u64>,
    /// What that is called, in a kernel that was named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<String>,
    /// Executions made.
    pub executions: u64,
    /// Seconds they took.
    pub seconds: f64,
}

impl Record {
    /// Whether both are one search, whatever came of it, but for the seed.
    pub fn is_like(&self, other: &Record) -> bool {
        let what = |record: &Record| {
            let Record {
                defect,
                kernel,
                without,
                ..
            } = record.clone();
            let what = (defect, kernel, without, record.linux_abi);
            let how = (record.one_kernel, record.no_feedback, record.corpus);
            (what, how)
        };
        what(self) == what(other)
    }

    fn is_for_the_same(&self, other: &Record) -> bool {
        self.seed == other.seed && self.is_like(other)
    }

    /// Whether it needs no more executions than these: it found something, or used them up.
    pub fn is_done(&self, runs: u64) -> bool {
        self.found.is_some() || self.executions >= runs
    }
}

/// The state file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// In the order in which they were done.
    pub searches: Vec<Record>,
}

impl State {
    /// Reads it; there is nothing in one that does not exist.
    pub fn load(path: &Path) -> anyhow::Result<State> {
        match path.exists() {
            true => State::read(path),
            false => Ok(State::default()),
        }
    }

    /// Reads one that exists.
    pub fn read(path: &Path) -> anyhow::Result<State> {
        let name = path.display();
        let text = fs::read_to_string(path).with_context(|| format!("{name}: cannot read it"))?;
        let state: State = serde_json::from_str(&text)
            .with_context(|| format!("{name}: expected what an earlier `bench detection` wrote"))?;
        for record in state.searches.iter().filter(|r| r.kernel.is_none()) {
            if defects::find(&record.defect).is_none() {
                bail!("{name}: unknown defect `{}`", record.defect);
            }
        }
        Ok(state)
    }

    /// Writes it.
    pub fn save(&self, path: &Path) -> anyhow::Result<()> {
        write_whole(path, &format!("{}\n", serde_json::to_string_pretty(self)?))
    }

    /// Whether a search is done for a budget.
    pub fn has(&self, wanted: &Record, runs: u64) -> bool {
        let mut searches = self.searches.iter();
        searches.any(|record| record.is_for_the_same(wanted) && record.is_done(runs))
    }

    /// Takes a search in the place of what there is of it.
    pub fn put(&mut self, record: Record) {
        self.searches.retain(|old| !old.is_for_the_same(&record));
        self.searches.push(record);
    }

    /// Takes what another sitting has done, and this one has not.
    pub fn merge(&mut self, other: State) {
        for record in other.searches {
            if !self.has(&record, record.executions) {
                self.put(record);
            }
        }
    }

    /// All that are for the same as this one, by seed.
    pub fn like(&self, wanted: &Record) -> Vec<&Record> {
        let searches = self.searches.iter();
        let mut records: Vec<&Record> = searches.filter(|r| r.is_like(wanted)).collect();
        records.sort_by_key(|record| record.seed);
        records
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(seed: u64, found: Option<u64>, executions: u64) -> Record {
        Record {
            defect: "vscr-not-restored".to_owned(),
            seed,
            found,
            executions,
            seconds: 0.5,
            ..Record::default()
        }
    }

    /// The searches that none of these is done by.
    fn others() -> Vec<Record> {
        let change = |change: fn(&mut Record)| {
            let mut other = record(1, None, 0);
            change(&mut other);
            other
        };
        vec![
            change(|r| r.defect = "vrsave-not-saved".to_owned()),
            change(|r| r.kernel = Some("fixed".to_owned())),
            change(|r| r.without = Some("fixed".to_owned())),
            change(|r| r.linux_abi = true),
            change(|r| r.one_kernel = true),
            change(|r| r.no_feedback = true),
            change(|r| r.corpus = true),
            change(|r| r.seed = 3),
        ]
    }

    #[test]
    fn a_search_is_done_when_it_found_something_or_has_used_up_its_budget() {
        let mut state = State::default();
        state.put(record(1, Some(7), 7));
        state.put(record(2, None, 100));
        let has = |state: &State, seed, runs| state.has(&record(seed, None, 0), runs);
        assert!(has(&state, 1, 1_000));
        assert!(has(&state, 2, 100));
        assert!(!has(&state, 2, 101), "a larger budget goes on");
        for other in others() {
            assert!(!state.has(&other, 1), "{other:?}");
        }
        state.put(record(2, Some(150), 150));
        assert!(has(&state, 2, 101) && state.searches.len() == 2);
    }

    #[test]
    fn sittings_are_put_together_and_what_got_further_stays() {
        let mut state = State::default();
        state.put(record(1, None, 100));
        state.put(record(2, Some(20), 20));
        let mut other = State::default();
        for further in [record(1, None, 200), record(2, None, 5), record(3, None, 9)] {
            other.put(further);
        }
        for search in others() {
            other.put(search);
        }
        state.merge(other.clone());
        let left: Vec<_> = state
            .like(&record(1, None, 0))
            .into_iter()
            .cloned()
            .collect();
        assert_eq!(left[0], record(1, None, 200));
        assert_eq!(left[1], record(2, Some(20), 20));
        assert_eq!(left.len(), 3);
        let all = state.searches.len();
        state.merge(other);
        assert_eq!(state.searches.len(), all);
    }

    #[test]
    fn a_state_comes_back_as_it_was_also_one_from_before_there_was_one_kernel() -> anyhow::Result<()>
    {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("state.json");
        assert_eq!(State::load(&path)?, State::default());
        assert!(State::read(&path).is_err(), "it is to be there");
        let mut state = State::default();
        state.put(record(1, None, 9));
        others().into_iter().for_each(|other| state.put(other));
        state.save(&path)?;
        assert_eq!(State::load(&path)?, state);
        let old = r#"{"searches": [{"defect": "vscr-not-restored", "corpus": false, "seed": 1,
            "found": null, "executions": 9, "seconds": 0.5}]}"#;
        fs::write(&path, old)?;
        assert_eq!(State::load(&path)?.searches, [record(1, None, 9)]);
        for bad in [r#"{"searches": 3}"#, &old.replace("vscr-", "vsrc-")] {
            fs::write(&path, bad)?;
            assert!(State::load(&path).is_err(), "{bad}");
        }
        Ok(())
    }
}
