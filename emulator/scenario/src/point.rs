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

use crate::event::MAX_PLACES;
use crate::json::bounded::{Bounded, CallNumber};

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
    #[serde(default, skip_serializing_if = "Depth::is_begin")]
    pub into: Depth,
}

/// How far into a function of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Depth {
    /// So many preemption points are passed once it has begun, there and in what it calls. It says
    /// exactly where in one build, and nothing about another.
    Points(u16),
    /// So many hundredths of its code, in bytes, are behind: about the same in every build. The
    /// work comes at the next preemption point.
    Percent(u8),
}

impl Default for Depth {
    fn default() -> Self {
        Depth::Points(0)
    }
}

impl Depth {
    /// Preemption points that are counted; none where a part of the code is named.
    pub fn points(&self) -> u16 {
        match self {
            Depth::Points(points) => *points,
            Depth::Percent(_) => 0,
        }
    }

    fn is_begin(&self) -> bool {
        *self == Depth::Points(0)
    }
}

/// What it can be, in messages.
const DEPTH: &str =
    "a number of preemption points from 0 to 4095, or a part of the code, \"1%\" to \"99%\"";

impl Serialize for Depth {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Depth::Points(points) => serializer.serialize_u16(*points),
            Depth::Percent(percent) => serializer.collect_str(&format_args!("{percent}%")),
        }
    }
}

impl<'de> Deserialize<'de> for Depth {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DepthVisitor;

        impl Visitor<'_> for DepthVisitor {
            type Value = Depth;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(DEPTH)
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Depth, E> {
                match u16::try_from(value) {
                    Ok(points) if points <= MAX_PLACES => Ok(Depth::Points(points)),
                    _ => Err(E::invalid_value(Unexpected::Unsigned(value), &self)),
                }
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Depth, E> {
                // As it is printed, and nothing else: no sign, no zero before it.
                let percent = (1..100).find(|percent| format!("{percent}%") == text);
                percent
                    .map(Depth::Percent)
                    .ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_any(DepthVisitor)
    }
}

impl JsonSchema for Depth {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Depth".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "How far into a function: preemption points that are passed once it has begun, or hundredths of its code that are behind.",
            "anyOf": [
                { "type": "integer", "minimum": 0, "maximum": MAX_PLACES },
                { "type": "string", "pattern": "^[1-9][0-9]?%$" }
            ]
        })
    }
}

/// Most calls of a function that can be counted.
pub const MAX_CALL: u16 = 1000;

fn first() -> u16 {
    1
}

fn is_first(call: &u16) -> bool {
    *call == 1
}

impl PreemptionPoint {
    /// The same with another number of preemption points, if these are counted.
    pub fn nearer(self, points: u16) -> Self {
        match self.into {
            Depth::Points(_) => PreemptionPoint {
                into: Depth::Points(points),
                ..self
            },
            Depth::Percent(_) => self,
        }
    }

    /// The first preemption point of a function's first call.
    pub fn first_of(function: FunctionName) -> Self {
        PreemptionPoint {
            function,
            call: 1,
            into: Depth::default(),
        }
    }
}

impl fmt::Display for PreemptionPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.into {
            Depth::Points(0) => write!(f, "in {}", self.function)?,
            Depth::Points(1) => write!(f, "1 preemption point into {}", self.function)?,
            Depth::Points(points) => {
                write!(f, "{points} preemption points into {}", self.function)?;
            }
            Depth::Percent(percent) => write!(f, "{percent}% into {}", self.function)?,
        }
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
            r#"{"function":"save_fpu","call":3,"into":12}"#,
            r#"{"function":"save_fpu","into":"45%"}"#,
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
                r#"{"function":"f","into":-1}"#,
                "expected a number of preemption points from 0 to 4095",
            ),
            (r#"{"function":"f","offset":1}"#, "unknown field `offset`"),
        ] {
            let error = read(json).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(what), "{json}: {error}");
        }
    }

    #[test]
    fn a_point_reads_as_a_phrase() {
        let point = |call, into: Depth| {
            let function = "save_fpu".parse().unwrap_or_else(|error| panic!("{error}"));
            PreemptionPoint {
                function,
                call,
                into,
            }
            .to_string()
        };
        assert_eq!(point(1, Depth::Points(0)), "in save_fpu");
        assert_eq!(
            point(2, Depth::Points(1)),
            "1 preemption point into save_fpu, call 2"
        );
        assert_eq!(
            point(1, Depth::Points(7)),
            "7 preemption points into save_fpu"
        );
        assert_eq!(point(1, Depth::Percent(45)), "45% into save_fpu");
    }
}
