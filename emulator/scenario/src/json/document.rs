//! The whole file: a scenario and the version of the format.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error, Unexpected};
use serde::{Deserialize, Serialize};

use crate::effect::Effect;
use crate::event::Event;
use crate::json::{VERSION, object, optional};
use crate::scenario::{Expect, Scenario, Stage};

/// A test case: what exists, what happens, and what kernels are expected to do with it.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "ctxfuzz scenario", rename = "Scenario")]
pub(crate) struct Document {
    /// Version of the format.
    ctxfuzz: Version,
    /// Short name, as in the corpus file's name.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "optional::present"
    )]
    #[schemars(with = "String", regex(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$"))]
    name: Option<String>,
    /// One or two sentences for people.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "optional::present"
    )]
    #[schemars(with = "String")]
    about: Option<String>,
    /// Effects that the scenario is about: a run in which one of them does not happen says nothing,
    /// and a kernel that cannot do it is told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    needs: Vec<Effect>,
    /// What exists before the first event.
    #[serde(deserialize_with = "object::one")]
    stage: Stage,
    /// What happens, in order: events are taken by whichever task is running.
    #[schemars(length(max = 256))]
    events: Vec<Event>,
    /// What kernels are expected to do with it.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "object::list"
    )]
    expect: Vec<Expect>,
}

impl From<&Scenario> for Document {
    fn from(scenario: &Scenario) -> Self {
        let Scenario {
            name,
            about,
            needs,
            stage,
            events,
            expect,
        } = scenario.clone();
        Document {
            ctxfuzz: Version,
            name,
            about,
            needs,
            stage,
            events,
            expect,
        }
    }
}

impl From<Document> for Scenario {
    fn from(document: Document) -> Self {
        let Document {
            ctxfuzz: Version,
            name,
            about,
            needs,
            stage,
            events,
            expect,
        } = document;
        Scenario {
            name,
            about,
            needs,
            stage,
            events,
            expect,
        }
    }
}

/// What a text is read as: a document, which is an object.
pub(crate) struct Text(pub(crate) Document);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        object::one(deserializer).map(Text)
    }
}

/// The number [`VERSION`].
struct Version;

impl Serialize for Version {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(VERSION)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u64::deserialize(deserializer)? {
            VERSION => Ok(Version),
            other => Err(D::Error::invalid_value(
                Unexpected::Unsigned(other),
                &"version 1",
            )),
        }
    }
}

impl JsonSchema for Version {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Version".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "const": VERSION })
    }
}
