//! The kinds of arguments that calls have, as JSON, its Schema, generators and the minimizer know
//! them. A kind is a Rust type: a new one needs an `impl` here and a method of [`Draw`].

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

use super::Draw;
use crate::event::FpExceptions;
use crate::facility::Facility;
use crate::json::bounded::{Bounded, Bytes};
use crate::json::names::listed;
use crate::json::optional::{self, SignalNumber};

/// A kind of argument.
pub(crate) trait Argument: Copy + PartialEq + Serialize {
    /// What a file means that leaves it out; `None` if it must not.
    const LEFT_OUT: Option<Self> = None;

    /// What it can be, for a file that leaves it out and must not.
    fn choices() -> String;

    /// Reads it.
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;

    /// The Schema of it.
    fn schema(generator: &mut SchemaGenerator) -> Schema;

    /// Has one made up.
    fn draw(draw: &mut impl Draw) -> Self;

    /// How much a reader has to take in.
    fn weight(self) -> u64;
}

/// A flag, which is off where a file does not have it.
impl Argument for bool {
    const LEFT_OUT: Option<bool> = Some(false);

    fn choices() -> String {
        listed(&["true", "false"], "or")
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
        bool::deserialize(deserializer)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<bool>()
    }

    fn draw(draw: &mut impl Draw) -> bool {
        draw.flag()
    }

    fn weight(self) -> u64 {
        self.into()
    }
}

/// The size of a copy.
impl Argument for u16 {
    fn choices() -> String {
        Bounded::<Bytes>::choices()
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
        Bounded::<Bytes>::one(deserializer)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Bounded<Bytes>>()
    }

    fn draw(draw: &mut impl Draw) -> u16 {
        draw.bytes()
    }

    fn weight(self) -> u64 {
        self.into()
    }
}

/// The number of a signal.
impl Argument for u8 {
    fn choices() -> String {
        listed(&["10", "12"], "or")
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
        optional::signal_number(deserializer)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<SignalNumber>()
    }

    fn draw(draw: &mut impl Draw) -> u8 {
        draw.signal()
    }

    fn weight(self) -> u64 {
        self.into()
    }
}

impl Argument for Facility {
    fn choices() -> String {
        listed(Facility::NAMES, "or")
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Facility, D::Error> {
        Facility::deserialize(deserializer)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Facility>()
    }

    fn draw(draw: &mut impl Draw) -> Facility {
        draw.facility()
    }

    fn weight(self) -> u64 {
        Facility::weight(self)
    }
}

impl Argument for FpExceptions {
    fn choices() -> String {
        listed(FpExceptions::NAMES, "or")
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<FpExceptions, D::Error> {
        FpExceptions::deserialize(deserializer)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<FpExceptions>()
    }

    fn draw(draw: &mut impl Draw) -> FpExceptions {
        draw.fpexc()
    }

    /// The modes are equally simple.
    fn weight(self) -> u64 {
        0
    }
}

/// An argument as a file gives it: `None` where it is left out or says what leaving it out means.
pub(crate) struct Given<T>(Option<T>);

impl<T: Argument> Given<T> {
    /// An argument as it is written.
    pub(crate) fn of(argument: T) -> Self {
        Given(Some(argument).filter(|_| T::LEFT_OUT != Some(argument)))
    }

    /// Whether a file does not have it, or need not.
    pub(crate) fn is_left_out(&self) -> bool {
        self.0.is_none()
    }

    /// The argument, or what it can be if a file must not leave it out and does.
    pub(crate) fn get(&self) -> Result<T, String> {
        self.0.or(T::LEFT_OUT).ok_or_else(T::choices)
    }
}

impl<T> Default for Given<T> {
    fn default() -> Self {
        Given(None)
    }
}

impl<T: Argument> Serialize for Given<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: Argument> Deserialize<'de> for Given<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::read(deserializer).map(Given::of)
    }
}

impl<T: Argument> JsonSchema for Given<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Argument".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::schema(generator)
    }
}
