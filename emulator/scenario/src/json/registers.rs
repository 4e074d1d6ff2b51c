//! Register values: an object from register names to numbers.

use std::collections::BTreeSet;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::ser::Serializer;
use serde_json::{Map, Value};

use crate::event::RegisterValues;
use crate::json::number::{self, Number};
use crate::register::{self, Register};

pub(crate) fn serialize<S: Serializer>(
    values: &RegisterValues,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(
        values
            .iter()
            .map(|(register, &value)| (register, number::spell(value))),
    )
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<RegisterValues, D::Error> {
    deserializer.deserialize_map(ValuesVisitor)
}

struct ValuesVisitor;

impl<'de> Visitor<'de> for ValuesVisitor {
    type Value = RegisterValues;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object from register names to values, like {\"f0\": \"0x1\"}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RegisterValues, A::Error> {
        let mut values = RegisterValues::new();
        while let Some(register) = map.next_key::<Register>()? {
            if values.contains_key(&register) {
                return Err(A::Error::custom(format_args!(
                    "duplicate register `{register}`"
                )));
            }
            let value = map.next_value_seed(Number {
                bits: register.bits(),
                what: register.to_string(),
            })?;
            values.insert(register, value);
        }
        Ok(values)
    }
}

/// The names of the registers of each width, and the numbers of that width.
fn by_width() -> Map<String, Value> {
    let mut widths: Vec<u32> = Register::CLASSES.map(Register::bits).to_vec();
    let mut seen = BTreeSet::new();
    widths.retain(|bits| seen.insert(*bits));
    let row = |bits: u32| {
        let mut classes = Register::CLASSES.to_vec();
        classes.retain(|class| class.bits() == bits);
        (register::pattern(&classes), number::schema(bits).into())
    };
    widths.into_iter().map(row).collect()
}

/// Stands for [`RegisterValues`] in the schema.
pub(crate) struct Values;

impl JsonSchema for Values {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RegisterValues".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Register values by name. f<n>: doubleword 0 of VSR n; vs<n>: its doubleword 1; v<n>: VR n.",
            "type": "object",
            "patternProperties": by_width(),
            "additionalProperties": false
        })
    }
}
