//! Integers with a range: one declaration a range, for the reader, its messages and the Schema.

use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserializer, Error, Unexpected, Visitor};

use crate::event::MAX_PLACES;
use crate::point::MAX_CALL;

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

/// Declares ranges: a type a row, with what its integers are called in messages.
macro_rules! ranges {
    ($($(#[doc = $doc:tt])+ $range:ident: $number:ty = $min:literal => $max:expr, $what:literal;)+) => {
        $(
            $(#[doc = $doc])+
            pub(crate) struct $range;

            impl Range for $range {
                type Number = $number;
                const MIN: u64 = $min;
                const MAX: u64 = $max;
                const WHAT: &'static str = $what;
            }
        )+
    };
}

ranges! {
    /// The target of a computation.
    RegisterIndex: u8 = 0 => 31, "a register index";
    /// The register of a load or store.
    VsrIndex: u8 = 0 => 63, "a register index";
    /// The size of a read or write.
    Bytes: u16 = 1 => 8192, "a number of bytes";
    /// The size of the part of a register set that is written.
    RegsetBytes: u16 = 8 => 544, "a number of bytes";
    /// How late pending work comes.
    Places: u16 = 0 => MAX_PLACES as u64, "a number of places";
    /// Which call of a function.
    CallNumber: u16 = 1 => MAX_CALL as u64, "a number of a call";
    /// A reload counter.
    Counter: u8 = 0 => 255, "a reload counter";
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
