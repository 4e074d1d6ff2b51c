//! Fields that may be absent, but are not `null`; and small integers with a range.

use std::fmt;
use std::ops::RangeInclusive;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::event::{MAX_PLACES, Switch};
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

/// An integer in a range.
struct Ranged {
    range: RangeInclusive<u64>,
    what: &'static str,
}

impl Visitor<'_> for Ranged {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} from {} to {}",
            self.what,
            self.range.start(),
            self.range.end()
        )
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<u64, E> {
        if self.range.contains(&value) {
            Ok(value)
        } else {
            Err(E::invalid_value(
                serde::de::Unexpected::Unsigned(value),
                &self,
            ))
        }
    }
}

/// The target of a computation.
pub(crate) fn register_index<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    deserializer
        .deserialize_any(Ranged {
            range: 0..=31,
            what: "a register index",
        })
        .map(|value| value as u8)
}

/// The register of a load or store.
pub(crate) fn vsr_index<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    deserializer
        .deserialize_any(Ranged {
            range: 0..=63,
            what: "a register index",
        })
        .map(|value| value as u8)
}

/// The size of a read or write.
pub(crate) fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u16>, D::Error> {
    deserializer
        .deserialize_any(Ranged {
            range: 1..=8192,
            what: "a number of bytes",
        })
        .map(|value| Some(value as u16))
}

/// The size of the part of a register set that is written.
pub(crate) fn regset_bytes<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<u16>, D::Error> {
    deserializer
        .deserialize_any(Ranged {
            range: 8..=544,
            what: "a number of bytes",
        })
        .map(|value| Some(value as u16))
}

/// How late pending work comes.
pub(crate) fn places<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    deserializer
        .deserialize_any(Ranged {
            range: 0..=MAX_PLACES.into(),
            what: "a number of places",
        })
        .map(|value| value as u16)
}

/// A reload counter.
pub(crate) fn counter<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u8>, D::Error> {
    deserializer
        .deserialize_any(Ranged {
            range: 0..=255,
            what: "a reload counter",
        })
        .map(|value| Some(value as u8))
}

/// 10 or 12.
pub(crate) fn signal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u8>, D::Error> {
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

    deserializer.deserialize_any(Signal).map(Some)
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
