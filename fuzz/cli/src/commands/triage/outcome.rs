//! What came of artifacts, for people and for programs.

use std::fmt::Write;
use std::path::PathBuf;

use ctxfuzz_triage::index::Skipped;
use ctxfuzz_triage::known::Known;
use ctxfuzz_triage::untrusted;
use serde_json::{Value, json};

use crate::commands::Status;

/// What came of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It shows these signatures. Each with the reason, if it was reviewed.
    Shows(Vec<(String, Option<String>)>),
    /// It shows nothing on these kernels.
    NotShown,
    /// Its run says nothing, for this reason.
    Inconclusive(String),
    /// The target was stopped.
    Stopped(&'static str),
}

impl Outcome {
    /// It shows these.
    pub fn shows(names: Vec<String>, known: &Known) -> Outcome {
        let reviewed = |name: String| {
            let reason = known.reason(&name).map(str::to_owned);
            (name, reason)
        };
        Outcome::Shows(names.into_iter().map(reviewed).collect())
    }

    fn word(&self) -> &'static str {
        match self {
            Outcome::Shows(_) => "shown",
            Outcome::NotShown => "not shown",
            Outcome::Inconclusive(_) => "inconclusive",
            Outcome::Stopped(what) => what,
        }
    }

    fn status(&self) -> Status {
        match self {
            Outcome::Shows(names) if names.iter().any(|(_, known)| known.is_none()) => {
                Status::Found
            }
            Outcome::Inconclusive(_) => Status::Trouble,
            Outcome::Shows(_) | Outcome::NotShown | Outcome::Stopped(_) => Status::Nothing,
        }
    }

    fn text(&self) -> String {
        match self {
            Outcome::Shows(names) => {
                let names = names.iter().map(|(name, known)| {
                    let known = if known.is_some() { " (known)" } else { "" };
                    format!("{}{known}", untrusted::shown(name))
                });
                names.collect::<Vec<_>>().join(", ")
            }
            Outcome::NotShown => "not shown on these kernels".to_owned(),
            Outcome::Inconclusive(why) => format!("inconclusive: {why}"),
            Outcome::Stopped(what) => format!("{what} of the target: no finding"),
        }
    }
}

/// What came of all of them.
#[derive(Clone, Debug, Default)]
pub struct Artifacts {
    /// Each, in order.
    pub looked_into: Vec<(PathBuf, Outcome)>,
    /// Texts that lay beside them.
    pub beside: usize,
    /// What is none.
    pub skipped: Vec<Skipped>,
    /// The findings directory that was written.
    pub findings: Option<PathBuf>,
}

impl Artifacts {
    /// What they mean for the exit status; what was skipped is told with the index.
    pub fn status(&self) -> Status {
        let mut status = Status::Nothing;
        for (_, outcome) in &self.looked_into {
            status.add(outcome.status());
        }
        status
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut counts: Vec<(&str, usize)> = Vec::new();
        for (_, outcome) in &self.looked_into {
            let word = outcome.word();
            match counts.iter_mut().find(|(known, _)| *known == word) {
                Some((_, count)) => *count += 1,
                None => counts.push((word, 1)),
            }
        }
        if self.beside > 0 {
            counts.push(("beside", self.beside));
        }
        if !self.skipped.is_empty() {
            counts.push(("skipped", self.skipped.len()));
        }
        let counts: Vec<String> = counts
            .iter()
            .map(|(word, n)| format!("{n} {word}"))
            .collect();
        let mut text = match counts.is_empty() {
            true => "artifacts: none\n".to_owned(),
            false => format!("artifacts: {}\n", counts.join(", ")),
        };
        for (path, outcome) in &self.looked_into {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {}: {}", untrusted::path(path), outcome.text());
        }
        text
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let path = |path: &PathBuf| path.to_string_lossy().into_owned();
        let rows = self.looked_into.iter().map(|(file, outcome)| {
            let mut row = json!({"path": path(file), "outcome": outcome.word()});
            match outcome {
                Outcome::Shows(names) => {
                    row["shows"] = names.iter().map(|(name, _)| name.as_str()).collect();
                }
                Outcome::Inconclusive(why) => row["reason"] = json!(why),
                Outcome::NotShown | Outcome::Stopped(_) => {}
            }
            row
        });
        json!({
            "looked_into": rows.collect::<Vec<_>>(),
            "beside": self.beside,
            "skipped": self.skipped.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifacts(outcomes: &[Outcome]) -> Artifacts {
        let looked_into = outcomes.iter().enumerate();
        let named =
            |(n, outcome): (usize, &Outcome)| (format!("crash-{n}").into(), outcome.clone());
        Artifacts {
            looked_into: looked_into.map(named).collect(),
            ..Artifacts::default()
        }
    }

    #[test]
    fn only_what_is_shown_and_not_known_is_to_be_reported() {
        let shows = |known: Option<&str>| {
            Outcome::Shows(vec![("a.b".to_owned(), known.map(str::to_owned))])
        };
        for (outcome, status) in [
            (shows(None), Status::Found),
            (shows(Some("is old")), Status::Nothing),
            (Outcome::NotShown, Status::Nothing),
            (Outcome::Stopped("timeout"), Status::Nothing),
            (Outcome::Inconclusive("budget".to_owned()), Status::Trouble),
        ] {
            assert_eq!(
                artifacts(std::slice::from_ref(&outcome)).status(),
                status,
                "{outcome:?}"
            );
        }
    }

    #[test]
    fn every_artifact_has_its_line() {
        let shows = Outcome::Shows(vec![
            ("a.b".to_owned(), None),
            ("c.d".to_owned(), Some("is old".to_owned())),
        ]);
        let all = [
            shows,
            Outcome::NotShown,
            Outcome::NotShown,
            Outcome::Stopped("timeout"),
        ];
        let mut artifacts = artifacts(&all);
        artifacts.beside = 1;
        assert_eq!(
            artifacts.text(),
            "artifacts: 1 shown, 2 not shown, 1 timeout, 1 beside\n  crash-0: a.b, c.d (known)\n  \
             crash-1: not shown on these kernels\n  crash-2: not shown on these kernels\n  \
             crash-3: timeout of the target: no finding\n"
        );
        assert_eq!(Artifacts::default().text(), "artifacts: none\n");
        let json = artifacts.json();
        assert_eq!(json["looked_into"][0]["shows"], json!(["a.b", "c.d"]));
        assert_eq!(json["looked_into"][1]["outcome"], "not shown");
    }
}
