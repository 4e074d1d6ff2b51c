//! The published JSON Schema of scenario files, `docs/scenario.schema.json`.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::json::Document;

/// The JSON Schema (draft 2020-12) of scenario files, made from the types that read them.
pub fn scenario_schema() -> String {
    let mut schema = SchemaSettings::draft2020_12()
        .for_deserialize()
        .into_generator()
        .into_root_schema_for::<Document>();
    // What the file is comes first, for those who open it.
    let mut ordered = serde_json::Map::new();
    if let Some(fields) = schema.as_object_mut() {
        for key in ["$schema", "title", "description"] {
            if let Some(value) = fields.remove(key) {
                ordered.insert(key.to_owned(), value);
            }
        }
        ordered.append(fields);
    }
    format!("{:#}\n", Value::Object(ordered))
}
