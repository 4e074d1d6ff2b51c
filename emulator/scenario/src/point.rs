//! Preemption points by name: a function of the kernel, which of its calls, and how far into it.
//! What is written so means the same in every build, where [`crate::event::Pending::after`] counts
//! the points of one build.
//!
//! Not responsible for where a function is in a kernel, nor for the names that it has in others
//! (the emulator's `kernel/functions`).

use std::fmt;
use std::str::FromStr;

use arrayvec::ArrayString;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error, Unexpected, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::json::bounded::{Bounded, CallNumber, Places};

/// Letters of the longest name.
const LONGEST: usize = 64;
/// What a name is, in messages.
const NAME: &str = "the name of a function of the kernel: 1 to 64 letters, digits, `_`, `.` or `$`";

/// The name of a function of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionName(ArrayString<LONGEST>);

impl FunctionName {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FunctionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is no name of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {NAME}")]
pub struct NoFunctionName;

impl FromStr for FunctionName {
    type Err = NoFunctionName;

    fn from_str(text: &str) -> Result<Self, NoFunctionName> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$');
        if text.is_empty() || !text.chars().all(fits) {
            return Err(NoFunctionName);
        }
        ArrayString::from(text)
            .map(FunctionName)
            .map_err(|_| NoFunctionName)
    }
}

impl Serialize for FunctionName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for FunctionName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;

        impl Visitor<'_> for Name {
            type Value = FunctionName;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(NAME)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<FunctionName, E> {
                text.parse()
                    .map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_any(Name)
    }
}

impl JsonSchema for FunctionName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "FunctionName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[A-Za-z0-9_.$]{1,64}$" })
    }
}

/// A preemption point by name.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct PreemptionPoint {
    /// The function, under its name in Linux or in the model.
    pub function: FunctionName,
    /// Which of its calls since user code's request: 1 is the first.
    #[serde(
        default = "first",
        skip_serializing_if = "is_first",
        deserialize_with = "Bounded::<CallNumber>::one"
    )]
    #[schemars(with = "Bounded<CallNumber>")]
    pub call: u16,
    /// How far into it.
    #[serde(default, skip_serializing_if = "Percent::is_zero")]
    pub into: Percent,
    /// How many preemption points are passed from there, in the function and in what it calls. 0:
    /// the work comes at the first one.
    #[serde(
        default,
        skip_serializing_if = "is_zero",
        deserialize_with = "Bounded::<Places>::one"
    )]
    #[schemars(with = "Bounded<Places>")]
    pub past: u16,
}

/// How far into a function of the kernel: so many hundredths of its code, in bytes, are behind.
/// About the same place in every build.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent(pub u8);

impl Percent {
    fn is_zero(&self) -> bool {
        self.0 == 0
    }
}

/// What it can be, in messages.
const PERCENT: &str = "a part of the function's code: \"1%\" to \"99%\"";

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}%", self.0))
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PercentVisitor;

        impl Visitor<'_> for PercentVisitor {
            type Value = Percent;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(PERCENT)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Percent, E> {
                // As it is printed, and nothing else: no sign, no zero before it.
                let percent = (1..100).find(|percent| format!("{percent}%") == text);
                percent
                    .map(Percent)
                    .ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_any(PercentVisitor)
    }
}

impl JsonSchema for Percent {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Percent".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Hundredths of a function's code that are behind.",
            "type": "string",
            "pattern": "^[1-9][0-9]?%$"
        })
    }
}

/// Most calls of a function that can be counted.
pub const MAX_CALL: u16 = 1000;

fn first() -> u16 {
    1
}

fn is_zero(past: &u16) -> bool {
    *past == 0
}

fn is_first(call: &u16) -> bool {
    *call == 1
}

impl PreemptionPoint {
    /// The first preemption point of a function's first call.
    pub fn first_of(function: FunctionName) -> Self {
        PreemptionPoint {
            function,
            call: 1,
            into: Percent(0),
            past: 0,
        }
    }
}

impl fmt::Display for PreemptionPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.into, self.past) {
            (Percent(0), 0) => write!(f, "in ")?,
            (Percent(0), _) => {}
            (Percent(percent), 0) => write!(f, "{percent}% into ")?,
            (Percent(percent), _) => write!(f, "{percent}% and ")?,
        }
        match self.past {
            0 => {}
            1 => write!(f, "1 preemption point into ")?,
            past => write!(f, "{past} preemption points into ")?,
        }
        write!(f, "{}", self.function)?;
        match self.call {
            1 => Ok(()),
            call => write!(f, ", call {call}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_a_symbol_table_can_have() {
        for name in [
            "f",
            "__unsafe_restore_sigcontext",
            "a.isra.0",
            "x$1",
            &"n".repeat(64),
        ] {
            assert_eq!(
                name.parse::<FunctionName>().map(|n| n.to_string()),
                Ok(name.to_owned())
            );
        }
        for text in ["", "a b", "a+0x10", "caf\u{e9}", &"n".repeat(65)] {
            assert_eq!(text.parse::<FunctionName>(), Err(NoFunctionName), "{text}");
        }
    }

    #[test]
    fn a_point_reads_as_it_is_written() {
        let read = |json: &str| serde_json::from_str::<PreemptionPoint>(json);
        for json in [
            r#"{"function":"restore_math"}"#,
            r#"{"function":"save_fpu","call":3,"past":12}"#,
            r#"{"function":"save_fpu","into":"45%","past":2}"#,
        ] {
            let point = read(json).unwrap_or_else(|error| panic!("{json}: {error}"));
            assert_eq!(serde_json::to_string(&point).ok().as_deref(), Some(json));
        }
        for (json, what) in [
            (r#"{"call":1}"#, "missing field `function`"),
            (r#"{"function":""}"#, "expected the name of a function"),
            (r#"{"function":7}"#, "expected the name of a function"),
            (
                r#"{"function":"f","call":0}"#,
                "expected a number of a call from 1 to 1000",
            ),
            (
                r#"{"function":"f","past":-1}"#,
                "expected a number of places from 0 to 4095",
            ),
            (r#"{"function":"f","into":5}"#, "\"1%\" to \"99%\""),
            (r#"{"function":"f","into":"100%"}"#, "\"1%\" to \"99%\""),
            (r#"{"function":"f","into":"+5%"}"#, "\"1%\" to \"99%\""),
            (r#"{"function":"f","offset":1}"#, "unknown field `offset`"),
        ] {
            let error = read(json).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(what), "{json}: {error}");
        }
    }

    #[test]
    fn a_point_reads_as_a_phrase() {
        let point = |call, into, past| {
            let function = "save_fpu".parse().unwrap_or_else(|error| panic!("{error}"));
            let into = Percent(into);
            PreemptionPoint {
                function,
                call,
                into,
                past,
            }
            .to_string()
        };
        assert_eq!(point(1, 0, 0), "in save_fpu");
        assert_eq!(point(2, 0, 1), "1 preemption point into save_fpu, call 2");
        assert_eq!(point(1, 0, 7), "7 preemption points into save_fpu");
        assert_eq!(point(1, 45, 0), "45% into save_fpu");
        assert_eq!(point(1, 45, 7), "45% and 7 preemption points into save_fpu");
    }
}
