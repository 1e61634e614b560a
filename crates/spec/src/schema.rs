use serde_json::Value;

use crate::Document;

/// The JSON Schema (draft 2020-12) of a desired state, for editors and for `enginehouse schema`.
///
/// It knows types, names and plain bounds. What ties several fields together only [`validate`](crate::validate) knows.
pub fn json_schema() -> Value {
    schemars::generate::SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Document>().to_value()
}
