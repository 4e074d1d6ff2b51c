//! Signatures that were reviewed: they are counted and said, but they are no findings.
//!
//! The file is written by people: `{"known": [{"signature": "...", "reason": "..."}]}`. One without
//! a reason is refused: nobody could review it. So is one that has another name since, which would
//! be waited for in vain.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::cause::Explanation;
use crate::compare::Difference;
use crate::definedness::Abi;
use crate::json_file;
use crate::renamed::renamed;

/// Why a file of known signatures is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", path.display())]
pub struct KnownError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong, with the line and field in front.
    pub message: String,
}

/// Known signatures, each with its reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    reasons: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    known: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    #[serde(deserialize_with = "words")]
    signature: String,
    #[serde(deserialize_with = "words")]
    reason: String,
}

/// A text that says something.
fn words<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    struct Words;

    impl serde::de::Visitor<'_> for Words {
        type Value = String;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a text that is not empty")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<String, E> {
            match text.trim() {
                "" => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                text => Ok(text.to_owned()),
            }
        }
    }

    deserializer.deserialize_str(Words)
}

impl Known {
    /// Reads a file.
    pub fn load(path: &Path) -> Result<Known, KnownError> {
        let wrong = |message| KnownError {
            path: path.to_owned(),
            message,
        };
        let text: Text = json_file::read(path).map_err(wrong)?;
        let mut reasons = BTreeMap::new();
        for (index, row) in text.known.into_iter().enumerate() {
            if reasons.contains_key(&row.signature) {
                let signature = crate::untrusted::shown(&row.signature);
                return Err(wrong(format!(
                    ": known[{index}].signature: `{signature}` is there twice"
                )));
            }
            if let Some(names) = renamed(&row.signature) {
                let signature = crate::untrusted::shown(&row.signature);
                let names = crate::untrusted::shown(&names.join("` or `"));
                return Err(wrong(format!(
                    ": known[{index}].signature: `{signature}` is `{names}` now: `ctxfuzz migrate {}` \
                     puts the names of today into the file",
                    crate::untrusted::path(path)
                )));
            }
            reasons.insert(row.signature, row.reason);
        }
        Ok(Known { reasons })
    }

    /// All of them, in order.
    pub fn signatures(&self) -> impl Iterator<Item = &str> {
        self.reasons.keys().map(String::as_str)
    }

    /// Those of an explanation's signatures that are known, with their reasons, and whether
    /// everything that the policy reports goes back to them.
    pub fn excuses(&self, explanation: &Explanation, abi: Abi) -> (Vec<(String, String)>, bool) {
        let mut known = Vec::new();
        for signature in explanation.signatures() {
            if let Some(reason) = self.reason(&signature) {
                known.push((signature, reason.to_owned()));
            }
        }
        // A difference that no cause explains is nobody's.
        let excused = |difference: &Difference| {
            explanation.causes.iter().any(|cause| {
                self.reason(&cause.signature).is_some() && cause.differences.contains(difference)
            })
        };
        let mut reported = explanation
            .comparison
            .visible()
            .filter(|difference| abi.reports(difference.verdict))
            .peekable();
        let all = reported.peek().is_some() && reported.all(excused);
        (known, all)
    }

    /// The reason why a signature is known; `None` if it is not.
    pub fn reason(&self, signature: &str) -> Option<&str> {
        self.reasons.get(signature).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn load(text: &str) -> Result<Known, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("known.json");
        fs::write(&path, text).unwrap();
        Known::load(&path).map_err(|error| {
            let folder = format!("{}/", dir.path().display());
            error.to_string().replace(&folder, "")
        })
    }

    #[test]
    fn what_is_known_has_a_reason() {
        let known = load(r#"{"known": [{"signature": "a.b", "reason": " of old "}]}"#).unwrap();
        assert_eq!(known.reason("a.b"), Some("of old"));
        assert_eq!(known.reason("a"), None);
        assert_eq!(load(r#"{"known": []}"#), Ok(Known::default()));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let cases = [
            ("", "known.json: is empty: expected JSON"),
            ("{\n", "known.json:2:1: EOF while parsing an object"),
            ("[[]]", "known.json:1: expected a JSON object"),
            ("{}", "known.json:1:2: missing field `known`"),
            (
                "{\"known\": [\n{\"signature\": \"a\"}]}",
                "known.json:2:18: known[0]: missing field `reason`",
            ),
            (
                "{\"known\": [\n{\"signature\": \"a\", \"reason\": \" \"}]}",
                "known.json:2:32: known[0].reason: invalid value: string \" \", expected a text that is not empty",
            ),
            (
                r#"{"known": [{"signature": "a", "why": "x"}]}"#,
                "known.json:1:35: known[0].why: unknown field `why`, expected `signature` or `reason`",
            ),
            (
                r#"{"known": [{"signature": "a", "reason": "x"}, {"signature": "a", "reason": "y"}]}"#,
                "known.json: known[1].signature: `a` is there twice",
            ),
            (
                r#"{"known": [{"signature": "a.b", "reason": "x"}, {"signature": "f.msr-vec", "reason": "y"}]}"#,
                "known.json: known[1].signature: `f.msr-vec` is `f.msr-facility` now: `ctxfuzz migrate known.json` puts the names of today into the file",
            ),
            (r#"{"known": []} x"#, "known.json:1:15: trailing characters"),
        ];
        for (text, expected) in cases {
            assert_eq!(load(text), Err(expected.to_owned()), "{text}");
        }
        let missing = Known::load(Path::new("none.json")).unwrap_err().to_string();
        assert!(missing.starts_with("none.json: cannot read it: No such file"));
    }
}
