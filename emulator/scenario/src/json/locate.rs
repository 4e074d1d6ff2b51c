//! The place of a field in a text: line and column for what is wrong only when the whole is looked
//! at.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::error::ScenarioError;

/// Gives an error about a field the place of that field in the text it came from.
pub(crate) fn in_text(text: &str, origin: &str, mut error: ScenarioError) -> ScenarioError {
    let steps = steps(&error.field);
    // serde_json tells its position through errors only, so the walk ends with one on purpose.
    let end = text.trim_end();
    if let Err(place) =
        (Walk { steps: &steps }).deserialize(&mut serde_json::Deserializer::from_str(end))
    {
        (error.line, error.column) = value_from(end, place.line(), place.column());
    }
    error.path = origin.to_owned();
    error
}

/// serde_json stands right before a value, or before the blanks in front of it: the place of the
/// value itself, columns from 1.
fn value_from(text: &str, line: usize, column: usize) -> (usize, usize) {
    let start: usize = text
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .sum();
    let before = start + column;
    let blanks = text
        .as_bytes()
        .iter()
        .skip(before)
        .take_while(|byte| byte.is_ascii_whitespace())
        .count();
    let value = before + blanks;
    match text.get(..value) {
        Some(passed) => {
            let line_start = passed.rfind('\n').map_or(0, |newline| newline + 1);
            (1 + passed.matches('\n').count(), 1 + value - line_start)
        }
        None => (line, column),
    }
}

enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// `events[3].set.f0` as steps.
fn steps(field: &str) -> Vec<Step<'_>> {
    field
        .split(['.', '['])
        .filter(|part| !part.is_empty())
        .map(
            |part| match part.strip_suffix(']').and_then(|index| index.parse().ok()) {
                Some(index) => Step::Index(index),
                None => Step::Key(part),
            },
        )
        .collect()
}

struct Walk<'a> {
    steps: &'a [Step<'a>],
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.steps.first() {
            None => Err(D::Error::custom("here")),
            Some(Step::Key(_)) => deserializer.deserialize_map(self),
            Some(Step::Index(_)) => deserializer.deserialize_seq(self),
        }
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the way to a field")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        if let Some((Step::Key(wanted), steps)) = self.steps.split_first() {
            while let Some(key) = map.next_key::<String>()? {
                if key == *wanted {
                    return map.next_value_seed(Walk { steps });
                }
                map.next_value::<IgnoredAny>()?;
            }
        }
        // Absent (a default): the end of the object it would be in.
        Err(A::Error::custom("not here"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        if let Some((Step::Index(index), steps)) = self.steps.split_first() {
            for _ in 0..*index {
                if seq.next_element::<IgnoredAny>()?.is_none() {
                    break;
                }
            }
            seq.next_element_seed(Walk { steps })?;
        }
        Err(A::Error::custom("not here"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str, field: &str) -> (usize, usize) {
        let error = in_text(text, "", ScenarioError::of_field(field, ""));
        (error.line, error.column)
    }

    #[test]
    fn the_place_is_on_the_line_of_the_value() {
        let text =
            "{\n  \"a\": 1,\n  \"b\": [\n    {\"c\": 2},\n    {\n      \"c\": 3\n    }\n  ]\n}\n";
        assert_eq!(place(text, "a"), (2, 8));
        assert_eq!(place(text, "b").0, 3);
        assert_eq!(place(text, "b[0]").0, 4);
        assert_eq!(place(text, "b[0].c").0, 4);
        assert_eq!(place(text, "b[1].c").0, 6);
        assert_eq!(place(text, "nothing").0, 9);
        assert_eq!(place(text, "").0, 1);
    }
}
