use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Cost, Endpoint, Engine, TimeoutOverrides};

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
    /// Those with a higher number are asked only where none with a lower one is left; 0 unless set.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub order: u32,
    /// What it costs whoever runs this service; only `cost-based-routing` looks at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}
