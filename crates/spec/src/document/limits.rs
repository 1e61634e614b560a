use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Period, limits};

/// What may be used, all requests together; none is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping: limits", default)]
pub struct Limits {
    /// Requests in a window of 60 s, which starts with its first request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rpm: Option<u64>,
    /// Tokens of prompts and answers in such a window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tpm: Option<u64>,
    /// Requests that run at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_parallel: Option<u64>,
    /// What may be spent in one `budget_period`, or in all where there is none, in currency units.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = limits::BUDGET))]
    pub max_budget: Option<f64>,
    /// How often the budget begins anew, as `1d`, `12h`, `1mo`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget_period: Option<Period>,
}

// === impl Limits ===

impl Limits {
    /// Whether nothing is limited.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}
