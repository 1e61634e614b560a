use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits;

/// How deployments are chosen and how long they are waited for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping: the settings of `routing`", default)]
pub struct Routing {
    /// How a deployment is chosen where the model says nothing else.
    pub strategy: Strategy,
    /// Further tries after a failed one, 0 to 7, as long as nothing was sent to the client.
    #[schemars(range(min = *limits::RETRIES.start(), max = *limits::RETRIES.end()))]
    pub retries: u32,
    /// Failures in a row after which a replica is left alone for `cooldown_seconds`.
    pub allowed_fails: u32,
    /// How long a failing replica is left alone, in seconds.
    #[schemars(range(min = 0, max = limits::SECONDS))]
    pub cooldown_seconds: f64,
    /// Time-outs of one attempt.
    pub timeouts: Timeouts,
}

/// Time-outs of one attempt, in seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping: time-outs", default)]
pub struct Timeouts {
    /// To reach the engine.
    #[schemars(extend("exclusiveMinimum" = 0), range(max = limits::SECONDS))]
    pub connect: f64,
    /// From sending the request to the first byte of the answer.
    #[schemars(extend("exclusiveMinimum" = 0), range(max = limits::SECONDS))]
    pub first_byte: f64,
    /// Between two pieces of a streamed answer.
    #[schemars(extend("exclusiveMinimum" = 0), range(max = limits::SECONDS))]
    pub between_bytes: f64,
    /// The whole attempt.
    #[schemars(extend("exclusiveMinimum" = 0), range(max = limits::SECONDS))]
    pub total: f64,
}

/// Time-outs of one deployment, in seconds; those that are not given are those of `routing`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping: time-outs", default)]
pub struct TimeoutOverrides {
    /// To reach the engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0), range(max = limits::SECONDS))]
    pub connect: Option<f64>,
    /// From sending the request to the first byte of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0), range(max = limits::SECONDS))]
    pub first_byte: Option<f64>,
    /// Between two pieces of a streamed answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0), range(max = limits::SECONDS))]
    pub between_bytes: Option<f64>,
    /// The whole attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0), range(max = limits::SECONDS))]
    pub total: Option<f64>,
}

/// How one of several deployments is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// The one with the fewest requests in flight.
    #[default]
    LeastBusy,
    /// One at random, in proportion to the weights.
    SimpleShuffle,
}

// === impl Routing ===

impl Default for Routing {
    fn default() -> Self {
        Self {
            strategy: Strategy::default(),
            retries: 2,
            allowed_fails: 3,
            cooldown_seconds: 5.0,
            timeouts: Timeouts::default(),
        }
    }
}

// === impl TimeoutOverrides ===

impl TimeoutOverrides {
    /// Whether none is given.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What holds for a deployment with these, where `routing` says the rest.
    pub fn over(&self, routing: &Timeouts) -> Timeouts {
        Timeouts {
            connect: self.connect.unwrap_or(routing.connect),
            first_byte: self.first_byte.unwrap_or(routing.first_byte),
            between_bytes: self.between_bytes.unwrap_or(routing.between_bytes),
            total: self.total.unwrap_or(routing.total),
        }
    }
}

// === impl Timeouts ===

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: 5.0, first_byte: 600.0, between_bytes: 300.0, total: 1800.0 }
    }
}
