use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use spec::{CausePolicy, Strategy};

/// Which models take over from one that failed, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fallbacks {
    /// Whatever the cause.
    pub general: Vec<Arc<str>>,
    /// Where the prompt does not fit.
    pub context_window: Vec<Arc<str>>,
    /// Where the content policy of an engine forbids the request.
    pub content_policy: Vec<Arc<str>>,
}

/// What another name stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias {
    /// Name of the model.
    pub model: Arc<str>,
    /// Whether lists of models leave it out.
    pub hidden: bool,
}

/// What holds for everybody's requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RoutingSettings {
    /// Further tries by cause.
    pub retry_policy: CausePolicy,
    /// Failures in a row by cause after which a replica is left alone.
    pub allowed_fails_policy: CausePolicy,
    /// Models that one request is passed on to at most.
    pub max_fallbacks: u32,
    /// Whether deployments that a prompt does not fit in are left out beforehand.
    pub pre_call_checks: bool,
    /// Share of the lowest latency by which others may be slower.
    pub latency_buffer: f64,
}

/// What a key has in place of what holds for everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeyRouting {
    /// How a deployment is chosen, of whatever model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// Models that take over from one that failed, in place of its `fallbacks`; an empty list: none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fallbacks: BTreeMap<Arc<str>, Vec<Arc<str>>>,
    /// Whether no other model ever takes over.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub disable_fallbacks: bool,
}

// === impl Fallbacks ===

impl Fallbacks {
    /// Whether none takes over, whatever happens.
    pub fn is_empty(&self) -> bool {
        self.general.is_empty() && self.context_window.is_empty() && self.content_policy.is_empty()
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Arc<str>> {
        self.general.iter().chain(&self.context_window).chain(&self.content_policy)
    }
}

// === impl RoutingSettings ===

impl Default for RoutingSettings {
    fn default() -> Self {
        Self {
            retry_policy: CausePolicy::default(),
            allowed_fails_policy: CausePolicy::default(),
            max_fallbacks: 5,
            pre_call_checks: false,
            latency_buffer: 0.0,
        }
    }
}

// === impl KeyRouting ===

impl KeyRouting {
    /// Whether all is as for everybody.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
