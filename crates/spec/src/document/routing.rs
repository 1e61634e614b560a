use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::unique_map::unique_map;
use super::{CausePolicy, Strategy};
use crate::limits;

/// Which models take over from which one, in order. `*` stands for every model that is not named.
pub type Fallbacks = BTreeMap<String, Vec<String>>;

/// How deployments are chosen, how long they are waited for, and what takes over when a model fails.
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
    /// Further tries by cause of failure, in place of `retries`.
    #[serde(skip_serializing_if = "CausePolicy::is_empty")]
    pub retry_policy: CausePolicy,
    /// Failures in a row by cause after which a replica is left alone, in place of `allowed_fails`.
    #[serde(skip_serializing_if = "CausePolicy::is_empty")]
    pub allowed_fails_policy: CausePolicy,
    /// Models that take over from a model that failed, whatever the cause.
    #[serde(deserialize_with = "unique_map", skip_serializing_if = "BTreeMap::is_empty")]
    pub fallbacks: Fallbacks,
    /// Models that take over where a prompt does not fit. Where none are given for any model, `fallbacks` do.
    #[serde(deserialize_with = "unique_map", skip_serializing_if = "BTreeMap::is_empty")]
    pub context_window_fallbacks: Fallbacks,
    /// Models that take over where the content policy of an engine forbids a request. Where none are given for any
    /// model, `fallbacks` do.
    #[serde(deserialize_with = "unique_map", skip_serializing_if = "BTreeMap::is_empty")]
    pub content_policy_fallbacks: Fallbacks,
    /// Models that take over from those that have no `fallbacks` of their own: `*` in `fallbacks`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub default_fallbacks: Vec<String>,
    /// Models that one request is passed on to at most, 0 to 16; those that the fallbacks of a fallback lead to count too.
    #[schemars(range(max = limits::MAX_FALLBACKS))]
    pub max_fallbacks: u32,
    /// Whether deployments whose context is shorter than a prompt, by estimate, are left out beforehand.
    pub enable_pre_call_checks: bool,
    /// Under `latency-based-routing`, by which share of the lowest latency others may be slower and still be chosen.
    #[schemars(range(min = 0, max = limits::LATENCY_BUFFER))]
    pub lowest_latency_buffer: f64,
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

// === impl Routing ===

impl Default for Routing {
    fn default() -> Self {
        Self {
            strategy: Strategy::default(),
            retries: 2,
            allowed_fails: 3,
            cooldown_seconds: 5.0,
            timeouts: Timeouts::default(),
            retry_policy: CausePolicy::default(),
            allowed_fails_policy: CausePolicy::default(),
            fallbacks: Fallbacks::default(),
            context_window_fallbacks: Fallbacks::default(),
            content_policy_fallbacks: Fallbacks::default(),
            default_fallbacks: Vec::new(),
            max_fallbacks: 5,
            enable_pre_call_checks: false,
            lowest_latency_buffer: 0.0,
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
