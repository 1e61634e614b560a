use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What stands in files for other programs beside what Enginehouse puts there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping: what is passed through", default)]
pub struct Passthrough {
    /// Merged into LiteLLM's file. What Enginehouse sets there itself wins.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub litellm: Map<String, Value>,
}

// === impl Passthrough ===

impl Passthrough {
    /// Whether nothing is passed through.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
