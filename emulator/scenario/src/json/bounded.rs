//! Integers with a range: one declaration a range, for the reader, its messages and the Schema.

use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserializer, Error, Unexpected, Visitor};

use crate::event::MAX_PLACES;

/// A range of integers.
pub(crate) trait Range {
    /// The type they have here, which holds all of them.
    type Number: TryFrom<u64> + JsonSchema;
    /// The smallest one.
    const MIN: u64;
    /// The largest one.
    const MAX: u64;
    /// What they are, in messages.
    const WHAT: &'static str;
}

/// The target of a computation.
pub(crate) struct RegisterIndex;

impl Range for RegisterIndex {
    type Number = u8;
    const MIN: u64 = 0;
    const MAX: u64 = 31;
    const WHAT: &'static str = "a register index";
}

/// The register of a load or store.
pub(crate) struct VsrIndex;

impl Range for VsrIndex {
    type Number = u8;
    const MIN: u64 = 0;
    const MAX: u64 = 63;
    const WHAT: &'static str = "a register index";
}

/// The size of a read or write.
pub(crate) struct Bytes;

impl Range for Bytes {
    type Number = u16;
    const MIN: u64 = 1;
    const MAX: u64 = 8192;
    const WHAT: &'static str = "a number of bytes";
}

/// The size of the part of a register set that is written.
pub(crate) struct RegsetBytes;

impl Range for RegsetBytes {
    type Number = u16;
    const MIN: u64 = 8;
    const MAX: u64 = 544;
    const WHAT: &'static str = "a number of bytes";
}

/// How late pending work comes.
pub(crate) struct Places;

impl Range for Places {
    type Number = u16;
    const MIN: u64 = 0;
    const MAX: u64 = MAX_PLACES as u64;
    const WHAT: &'static str = "a number of places";
}

/// A reload counter.
pub(crate) struct Counter;

impl Range for Counter {
    type Number = u8;
    const MIN: u64 = 0;
    const MAX: u64 = 255;
    const WHAT: &'static str = "a reload counter";
}

/// An integer of the range `R` in JSON: reads it, and stands for it in the Schema.
pub(crate) struct Bounded<R>(PhantomData<R>);

impl<R: Range> Bounded<R> {
    /// For a field that must be there.
    pub(crate) fn one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<R::Number, D::Error> {
        deserializer.deserialize_any(Bounded::<R>(PhantomData))
    }

    /// For a field that may be absent.
    pub(crate) fn present<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<R::Number>, D::Error> {
        Self::one(deserializer).map(Some)
    }

    /// What it can be.
    pub(crate) fn choices() -> String {
        format!("{} to {}", R::MIN, R::MAX)
    }
}

impl<R: Range> Visitor<'_> for Bounded<R> {
    type Value = R::Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from {}", R::WHAT, Self::choices())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<R::Number, E> {
        let within = (R::MIN..=R::MAX).contains(&value).then_some(value);
        let number = within.and_then(|value| R::Number::try_from(value).ok());
        number.ok_or_else(|| E::invalid_value(Unexpected::Unsigned(value), &self))
    }
}

impl<R: Range> JsonSchema for Bounded<R> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        R::WHAT.into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = R::Number::json_schema(generator);
        schema.insert("minimum".to_owned(), R::MIN.into());
        schema.insert("maximum".to_owned(), R::MAX.into());
        schema
    }
}
