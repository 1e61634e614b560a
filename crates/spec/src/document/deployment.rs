use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Endpoint, Engine, TimeoutOverrides};

/// One target that can serve a model: exactly one of `endpoint` and `engine`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping: a deployment")]
#[schemars(extend("oneOf" = [
    { "required": ["endpoint"], "properties": { "endpoint": { "type": "object" } } },
    { "required": ["engine"], "properties": { "engine": { "type": "object" } } }
]))]
pub struct Deployment {
    /// Given once and kept for ever; made when the document is applied, if absent. Lower-case letters, digits and `-`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[a-z0-9-]{1,64}$"))]
    pub id: Option<String>,
    /// A service that runs elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Endpoint>,
    /// A program that Enginehouse starts and supervises.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<Engine>,
    /// Time-outs of its own, each in place of the one in `routing`.
    #[serde(default, skip_serializing_if = "TimeoutOverrides::is_empty")]
    pub timeouts: TimeoutOverrides,
}
