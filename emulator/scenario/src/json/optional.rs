//! Fields that may be absent, but are not `null`; patterns, signals and switches.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::event::Switch;
use crate::json::number::{self, Number};
use crate::scenario::MAX_TASKS;

/// A field that is there has a value.
pub(crate) fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// 64 bits in hexadecimal.
pub(crate) fn hex<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    pattern(deserializer).map(Some)
}

/// A pattern: the seed of register values.
pub(crate) fn pattern<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    // `Number` has checked the width.
    Number {
        bits: 64,
        what: "a pattern".to_owned(),
    }
    .deserialize(deserializer)
    .map(|value| value as u64)
}

pub(crate) fn write_hex<S: Serializer>(
    value: &Option<u64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => write_pattern(value, serializer),
        None => serializer.serialize_none(),
    }
}

pub(crate) fn write_pattern<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&number::spell((*value).into()))
}

/// A signal that may be absent.
pub(crate) fn signal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u8>, D::Error> {
    signal_number(deserializer).map(Some)
}

/// 10 or 12.
pub(crate) fn signal_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    struct Signal;

    impl Visitor<'_> for Signal {
        type Value = u8;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("10 (SIGUSR1) or 12 (SIGUSR2)")
        }

        fn visit_u64<E: Error>(self, value: u64) -> Result<u8, E> {
            match value {
                10 | 12 => Ok(value as u8),
                _ => Err(E::invalid_value(
                    serde::de::Unexpected::Unsigned(value),
                    &self,
                )),
            }
        }
    }

    deserializer.deserialize_any(Signal)
}

/// A signal, for the schema.
pub(crate) struct SignalNumber;

impl JsonSchema for SignalNumber {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SignalNumber".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "SIGUSR1 or SIGUSR2.", "type": "integer", "enum": [10, 12] })
    }
}

impl Serialize for Switch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Switch::Any => serializer.serialize_str("any"),
            Switch::To(task) => serializer.serialize_u8(*task),
        }
    }
}

impl<'de> Deserialize<'de> for Switch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SwitchVisitor;

        impl Visitor<'_> for SwitchVisitor {
            type Value = Switch;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "\"any\" or a task index from 0 to {}", MAX_TASKS - 1)
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Switch, E> {
                match u8::try_from(value) {
                    Ok(task) if usize::from(task) < MAX_TASKS => Ok(Switch::To(task)),
                    _ => Err(E::invalid_value(
                        serde::de::Unexpected::Unsigned(value),
                        &self,
                    )),
                }
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Switch, E> {
                match text {
                    "any" => Ok(Switch::Any),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                }
            }
        }

        deserializer.deserialize_any(SwitchVisitor)
    }
}

impl JsonSchema for Switch {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Switch".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Who runs after a reschedule: the next task in turn, or the one with this index.",
            "anyOf": [{ "const": "any" }, { "type": "integer", "minimum": 0, "maximum": MAX_TASKS - 1 }]
        })
    }
}
