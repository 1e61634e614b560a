use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits;

/// What is cleaned up, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping: the settings of `housekeeping`", default)]
pub struct Housekeeping {
    /// Whether it runs by itself; it can be run by hand in any case.
    pub enabled: bool,
    /// Hours from one run to the next.
    #[schemars(range(min = *limits::HOUSEKEEPING_HOURS.start(), max = *limits::HOUSEKEEPING_HOURS.end()))]
    pub interval_hours: u32,
    /// Days that single requests are kept in the store. What they sum up to is kept for ever: spend, budgets and usage
    /// by day stay as they are.
    #[schemars(range(min = *limits::RETENTION_DAYS.start(), max = *limits::RETENTION_DAYS.end()))]
    pub usage_retention_days: u32,
    /// Days after its end that an expired key is deleted; never if null.
    #[schemars(range(max = *limits::RETENTION_DAYS.end()))]
    pub expired_keys_days: Option<u32>,
}

// === impl Housekeeping ===

impl Default for Housekeeping {
    fn default() -> Self {
        Self { enabled: false, interval_hours: 24, usage_retention_days: 90, expired_keys_days: Some(30) }
    }
}
