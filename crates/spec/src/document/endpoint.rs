use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::one;
use crate::limits;

/// A service that runs elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping: an endpoint")]
pub struct Endpoint {
    /// Which dialect it speaks.
    #[serde(default)]
    pub provider: Provider,
    /// Base address with the version, as `http://127.0.0.1:8000/v1`; or `os.environ/NAME`.
    #[schemars(regex(pattern = "^([hH][tT][tT][pP][sS]?://[^?#@\\s]+|os\\.environ/.+)$"))]
    pub url: String,
    /// Name of the model there; the public name unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::NAME_BYTES))]
    pub model: Option<String>,
    /// What is presented there as bearer token: the name of one of `credentials`, or `os.environ/NAME`; null for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^(os\\.environ/[A-Za-z_][A-Za-z0-9_]*|[a-z0-9-]{1,64})$"))]
    pub credential: Option<String>,
    /// Share of the traffic under `simple-shuffle`, from 0 to 1,000; 0 takes none.
    #[serde(default = "one")]
    #[schemars(range(min = *limits::WEIGHT.start(), max = *limits::WEIGHT.end()))]
    pub weight: u32,
    /// Requests a minute that it takes at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpm: Option<u64>,
    /// Tokens a minute that it takes at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tpm: Option<u64>,
    /// Tokens that a prompt may have there, for `routing.enable_pre_call_checks`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_input_tokens: Option<u32>,
}

/// The dialect of an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Provider {
    /// Anything that speaks OpenAI's API: vLLM, llama.cpp, another gateway.
    #[default]
    OpenaiCompatible,
    /// OpenAI itself.
    Openai,
}
