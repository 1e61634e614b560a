use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits;

/// What a deployment costs whoever runs this service, by which `cost-based-routing` chooses. Clients pay the model's price.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping: what a deployment costs")]
pub struct Cost {
    /// A million tokens of prompt, in currency units.
    #[serde(default)]
    #[schemars(range(min = 0, max = limits::PRICE))]
    pub input: f64,
    /// A million tokens of answer, in currency units.
    #[serde(default)]
    #[schemars(range(min = 0, max = limits::PRICE))]
    pub output: f64,
}
