use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CausePolicy, Deployment, Limits, Price, Strategy};
use crate::{ModelType, limits};

/// One public name and what serves it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping: a model")]
pub struct Model {
    /// Public name, as clients put it into `"model"`; 1 to 256 bytes, may hold `/`.
    #[schemars(length(min = 1, max = limits::NAME_BYTES), extend("not" = { "enum": limits::RESERVED_NAMES }))]
    pub name: String,
    /// What the model does.
    #[serde(rename = "type")]
    pub model_type: ModelType,
    /// What can serve it; requests are spread over all that are healthy.
    #[serde(default)]
    pub deployments: Vec<Deployment>,
    /// What it costs; free unless set.
    #[serde(default)]
    pub price: Price,
    /// Whether `/open/<name>/` serves it to any bearer token.
    #[serde(default)]
    pub open_access: bool,
    /// How a deployment is chosen; `routing.strategy` unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// Further tries after a failed one, 0 to 7; `routing.retries` unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = *limits::RETRIES.start(), max = *limits::RETRIES.end()))]
    pub retries: Option<u32>,
    /// Further tries by cause of failure, in place of those of `routing.retry_policy` (LiteLLM's `model_group_retry_policy`).
    #[serde(default, skip_serializing_if = "CausePolicy::is_empty")]
    pub retry_policy: CausePolicy,
    /// What all requests to it together may use.
    #[serde(default, skip_serializing_if = "Limits::is_none")]
    pub limits: Limits,
}
