use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits;

/// What a model costs, in units of the one currency of the installation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping: prices")]
pub struct Price {
    /// Per 1,000,000 prompt tokens.
    #[serde(default)]
    #[schemars(range(min = 0, max = limits::PRICE))]
    pub input: f64,
    /// Per 1,000,000 prompt tokens that the engine had cached; `input` unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = limits::PRICE))]
    pub cached_input: Option<f64>,
    /// Per 1,000,000 completion tokens.
    #[serde(default)]
    #[schemars(range(min = 0, max = limits::PRICE))]
    pub output: f64,
    /// Per image.
    #[serde(default)]
    #[schemars(range(min = 0, max = limits::PRICE))]
    pub image: f64,
    /// Per second of audio.
    #[serde(default)]
    #[schemars(range(min = 0, max = limits::PRICE))]
    pub audio_second: f64,
    /// Per character spoken.
    #[serde(default)]
    #[schemars(range(min = 0, max = limits::PRICE))]
    pub character: f64,
    /// Per search unit.
    #[serde(default)]
    #[schemars(range(min = 0, max = limits::PRICE))]
    pub search: f64,
    /// Per request.
    #[serde(default)]
    #[schemars(range(min = 0, max = limits::PRICE))]
    pub request: f64,
}
