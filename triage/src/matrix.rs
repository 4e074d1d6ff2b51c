//! Scenarios by kernels: what came of each scenario on each kernel, and what is worse than it was
//! at an earlier time.
//!
//! How a matrix is shown is below (`text`) and in `report::html`. Not responsible for running
//! anything, nor for choosing scenarios and kernels.

#[cfg(test)]
mod tests;
mod text;

use std::fmt;
use std::path::Path;

use ctxfuzz_scenario::scenario::Verdict;
use serde::{Deserialize, Serialize};

use crate::identity::Identity;
use crate::inconclusive::Inconclusive;
use crate::json_file;
use crate::transparency::Judgement;
use crate::untrusted;

/// Version of the JSON. Changes whenever a reader of the one before would go wrong.
pub const SCHEMA: u32 = 1;

/// What came of a scenario on a kernel, in the words of `check`, from best to worst. What says less
/// is worse than silence, and better than a violation that somebody can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum State {
    /// It ran, and every register survived.
    #[serde(rename = "silent")]
    Silent,
    /// A register did not, and nobody can see that.
    #[serde(rename = "dead")]
    Dead,
    /// The kernel cannot do what the scenario is about.
    #[serde(rename = "not applicable")]
    NotApplicable,
    /// The kernel can, was asked to, and was not seen to.
    #[serde(rename = "did not happen")]
    DidNotHappen,
    /// The run says nothing, for another reason.
    #[serde(rename = "inconclusive")]
    Inconclusive,
    /// A register did not survive, under the Linux system call ABI only.
    #[serde(rename = "abi")]
    Abi,
    /// A register did not survive, and any program can see that.
    #[serde(rename = "live")]
    Live,
}

impl State {
    /// All, from best to worst.
    pub const ALL: [State; 7] = [
        State::Silent,
        State::Dead,
        State::NotApplicable,
        State::DidNotHappen,
        State::Inconclusive,
        State::Abi,
        State::Live,
    ];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            State::Silent => "silent",
            State::Dead => "dead",
            State::NotApplicable => "not applicable",
            State::DidNotHappen => "did not happen",
            State::Inconclusive => "inconclusive",
            State::Abi => "abi",
            State::Live => "live",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A scenario on a kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// What came of it.
    pub state: State,
    /// The registers that did not survive, without those of which nobody can see it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub registers: Vec<String>,
    /// Why the run says nothing; beside a violation, what did not happen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Events whose late work came at the end of the call, as its place was never reached.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_reached: Vec<u16>,
}

impl Cell {
    /// What a judgement comes to.
    pub fn of(judgement: &Judgement) -> Cell {
        let effects = &judgement.effects;
        let cannot = effects.needs_not_applicable();
        let missing = effects.did_not_happen.iter().map(ToString::to_string);
        let missing = missing.collect::<Vec<_>>().join("; ");
        let (state, reason) = match (&judgement.inconclusive, judgement.verdict) {
            (Some(why @ Inconclusive::DidNotHappen { .. }), _) => {
                (State::DidNotHappen, why.to_string())
            }
            (Some(why), _) => (State::Inconclusive, why.to_string()),
            (None, Verdict::Live) => (State::Live, missing),
            (None, Verdict::Abi) => (State::Abi, missing),
            (None, Verdict::Dead) => (State::Dead, missing),
            (None, Verdict::None) if !cannot.is_empty() => {
                let names: Vec<String> = cannot.iter().map(ToString::to_string).collect();
                (State::NotApplicable, names.join(", "))
            }
            (None, Verdict::None) => (State::Silent, missing),
        };
        let seen = judgement.violations.iter();
        let seen = seen.filter(|violation| violation.verdict > Verdict::Dead);
        let mut registers: Vec<String> = Vec::new();
        for name in seen.map(|one| one.what.to_string()) {
            if !registers.contains(&name) {
                registers.push(name);
            }
        }
        Cell {
            state,
            registers,
            reason: Some(reason).filter(|reason| !reason.is_empty()),
            not_reached: effects.not_reached.clone(),
        }
    }
}

/// A kernel in a byte order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// The kernel.
    #[serde(flatten)]
    pub kernel: Identity,
    /// `le` or `be`.
    pub endian: String,
}

impl Column {
    /// Whether it is the same column of another matrix: the kernel has the same name. It may have
    /// been built anew.
    fn is(&self, other: &Column) -> bool {
        (&self.kernel.kernel, &self.endian) == (&other.kernel.kernel, &other.endian)
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = untrusted::shown(&self.kernel.to_string());
        write!(f, "{name} ({})", untrusted::shown(&self.endian))
    }
}

/// A scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Its name; of a finding, the finding's.
    pub scenario: String,
    /// Its file.
    pub file: String,
    /// Hash of what it does: two scenarios with the same do the same.
    pub hash: String,
    /// What came of it, a cell for each column.
    pub cells: Vec<Cell>,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matrix {
    /// Version of this form, [`SCHEMA`].
    #[serde(rename = "ctxfuzz_matrix")]
    pub schema: u32,
    /// Of the ctxfuzz that made it.
    pub version: String,
    /// The columns.
    pub kernels: Vec<Column>,
    /// The rows.
    pub scenarios: Vec<Row>,
}

/// The part of a matrix that all versions have.
#[derive(Deserialize)]
struct Head {
    ctxfuzz_matrix: u32,
}

/// An earlier matrix that this one cannot be held against.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadBaseline {
    /// It cannot be read, or is none.
    #[error("{0}")]
    Unreadable(String),
    /// It has another form.
    #[error(
        "is a matrix of version {0}: this ctxfuzz reads version {SCHEMA}, so make the baseline anew"
    )]
    Schema(u32),
    /// A row has not as many cells as there are kernels.
    #[error("scenarios[{row}].cells: {cells} cells for {kernels} kernels")]
    Cells {
        /// Index of the row.
        row: usize,
        /// How many it has.
        cells: usize,
        /// How many it should have.
        kernels: usize,
    },
    /// It is about other kernels.
    #[error("is about other kernels: {0}")]
    Kernels(String),
}

/// A cell that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The scenario.
    pub scenario: String,
    /// The kernel, and its byte order.
    pub kernel: String,
    /// See there.
    pub endian: String,
    /// What the cell was.
    pub before: State,
    /// What it is.
    pub now: State,
}

/// What has changed since an earlier matrix.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Since {
    /// Cells that got worse.
    pub worse: Vec<Change>,
    /// Cells that got better.
    pub better: Vec<Change>,
    /// Scenarios that it does not have, or that do something else since: nothing is said of them.
    pub new: Vec<String>,
    /// Scenarios that only it has.
    pub gone: Vec<String>,
}

impl Matrix {
    /// Reads an earlier matrix. The reason if it cannot be used is the rest of a sentence that the
    /// file's name begins.
    pub fn read(path: &Path) -> Result<Matrix, BadBaseline> {
        let head: Head = json_file::read(path).map_err(BadBaseline::Unreadable)?;
        if head.ctxfuzz_matrix != SCHEMA {
            return Err(BadBaseline::Schema(head.ctxfuzz_matrix));
        }
        let matrix: Matrix = json_file::read(path).map_err(BadBaseline::Unreadable)?;
        let kernels = matrix.kernels.len();
        for (row, scenario) in matrix.scenarios.iter().enumerate() {
            let cells = scenario.cells.len();
            if cells != kernels {
                return Err(BadBaseline::Cells {
                    row,
                    cells,
                    kernels,
                });
            }
        }
        Ok(matrix)
    }

    /// For each of these columns, the one of this matrix that is the same kernel in the same byte
    /// order. An error if one of them has none, or if this matrix has others.
    pub fn places(&self, columns: &[Column]) -> Result<Vec<usize>, BadBaseline> {
        let names = |all: Vec<&Column>| {
            let names: Vec<String> = all.iter().map(ToString::to_string).collect();
            names.join(", ")
        };
        let lacks = |these: &[Column], those: &[Column]| -> Vec<Column> {
            let missing = |column: &&Column| !these.iter().any(|own| own.is(column));
            those.iter().filter(missing).cloned().collect()
        };
        let (lacking, more) = (lacks(&self.kernels, columns), lacks(columns, &self.kernels));
        if !lacking.is_empty() || !more.is_empty() {
            let lacking = Some(names(lacking.iter().collect()))
                .filter(|names| !names.is_empty())
                .map(|names| format!("it lacks {names}"));
            let more = Some(names(more.iter().collect()))
                .filter(|names| !names.is_empty())
                .map(|names| format!("it has {names}"));
            let parts: Vec<String> = lacking.into_iter().chain(more).collect();
            return Err(BadBaseline::Kernels(parts.join(", and ")));
        }
        let place = |column: &Column| self.kernels.iter().position(|own| own.is(column));
        Ok(columns.iter().filter_map(place).collect())
    }

    /// What has changed since an earlier matrix of the same kernels.
    pub fn since(&self, baseline: &Matrix) -> Result<Since, BadBaseline> {
        let places = baseline.places(&self.kernels)?;
        let same = |a: &Row, b: &Row| (&a.scenario, &a.hash) == (&b.scenario, &b.hash);
        let mut since = Since::default();
        for row in &self.scenarios {
            let Some(old) = baseline.scenarios.iter().find(|old| same(old, row)) else {
                since.new.push(row.scenario.clone());
                continue;
            };
            for ((column, cell), &place) in self.kernels.iter().zip(&row.cells).zip(&places) {
                let (before, now) = (old.cells[place].state, cell.state);
                let list = match before.cmp(&now) {
                    std::cmp::Ordering::Less => &mut since.worse,
                    std::cmp::Ordering::Greater => &mut since.better,
                    std::cmp::Ordering::Equal => continue,
                };
                list.push(Change {
                    scenario: row.scenario.clone(),
                    kernel: column.kernel.kernel.clone(),
                    endian: column.endian.clone(),
                    before,
                    now,
                });
            }
        }
        let gone = |old: &&Row| {
            !self
                .scenarios
                .iter()
                .any(|row| row.scenario == old.scenario)
        };
        let gone = baseline.scenarios.iter().filter(gone);
        since.gone = gone.map(|old| old.scenario.clone()).collect();
        Ok(since)
    }

    /// How many cells of a column are in a state.
    pub fn count(&self, column: usize, state: State) -> usize {
        let cells = self
            .scenarios
            .iter()
            .filter_map(|row| row.cells.get(column));
        cells.filter(|cell| cell.state == state).count()
    }

    /// The matrix for people.
    pub fn text(&self) -> String {
        text::text(self)
    }
}

impl Since {
    /// `1 cell got worse, 2 cells got better`.
    pub fn counts(&self) -> String {
        let count = |what: &[Change], how: &str| match what.len() {
            1 => format!("1 cell got {how}"),
            many => format!("{many} cells got {how}"),
        };
        let (worse, better) = (count(&self.worse, "worse"), count(&self.better, "better"));
        format!("{worse}, {better}")
    }

    /// What has changed, for people.
    pub fn text(&self) -> String {
        text::since(self)
    }
}
