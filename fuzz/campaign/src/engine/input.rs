//! A scenario as LibAFL sees it.

use ctxfuzz_scenario::Scenario;
use libafl::inputs::Input;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A scenario; serialized as the JSON it has on disk, which is its only format.
#[derive(Clone, Debug, Hash)]
pub struct ScenarioInput(pub Scenario);

impl Input for ScenarioInput {}

impl Serialize for ScenarioInput {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_json())
    }
}

impl<'de> Deserialize<'de> for ScenarioInput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Scenario::from_json(&text, "engine")
            .map(ScenarioInput)
            .map_err(de::Error::custom)
    }
}
