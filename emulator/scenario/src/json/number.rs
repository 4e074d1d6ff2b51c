//! Numbers of registers: hexadecimal strings, because JSON's own numbers are exact to 53 bits only
//! in many programs.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{DeserializeSeed, Deserializer, Error, Visitor};

/// Reads a number of at most `bits` bits; `what` is what it is for, as in "vscr".
pub(crate) struct Number {
    pub(crate) bits: u32,
    pub(crate) what: String,
}

impl Number {
    fn fitting<E: Error>(&self, value: u128) -> Result<u128, E> {
        if value.checked_shr(self.bits).unwrap_or(0) == 0 {
            Ok(value)
        } else {
            Err(E::custom(format_args!(
                "value {value:#x} is too wide: {} has {} bits",
                self.what, self.bits
            )))
        }
    }
}

impl<'de> DeserializeSeed<'de> for Number {
    type Value = u128;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u128, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Number {
    type Value = u128;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a hexadecimal string like \"0x1f\" of at most {} bits",
            self.bits
        )
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<u128, E> {
        self.fitting(value.into())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<u128, E> {
        let malformed = || {
            E::custom(format_args!(
                "`{text}` is no number: expected {}",
                Shown(&self)
            ))
        };
        let digits = text
            .strip_prefix("0x")
            .ok_or_else(malformed)?
            .replace('_', "");
        if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(malformed());
        }
        let significant = digits.trim_start_matches('0');
        if significant.len() > 32 {
            return Err(E::custom(format_args!(
                "value {text} is too wide: {} has {} bits",
                self.what, self.bits
            )));
        }
        self.fitting(u128::from_str_radix(significant, 16).unwrap_or(0))
    }
}

struct Shown<'a>(&'a Number);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }
}

/// The spelling of a number.
pub(crate) fn spell(value: u128) -> String {
    format!("{value:#x}")
}

/// Schema of a number of so many bits.
pub(crate) fn schema(bits: u32) -> Schema {
    json_schema!({
        "description": format!("A number of at most {bits} bits: a hexadecimal string, or a plain integer if small."),
        "anyOf": [
            { "type": "string", "pattern": format!("^0x_*(0_*)*([0-9a-fA-F]_*){{1,{}}}$", bits / 4) },
            { "type": "integer", "minimum": 0, "maximum": if bits < 64 { (1u64 << bits) - 1 } else { u64::MAX } }
        ]
    })
}

/// 64 bits, for the schema.
pub(crate) struct U64;

impl JsonSchema for U64 {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "U64".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schema(64)
    }
}
