use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits;

/// The response cache: answers to exactly the same request, given again without asking an engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping: the settings of `cache`", default)]
pub struct Cache {
    /// Whether answers are kept at all.
    pub enabled: bool,
    /// How long an answer is given again, in seconds.
    #[schemars(extend("exclusiveMinimum" = 0), range(max = limits::SECONDS))]
    pub ttl_seconds: f64,
    /// Bytes of all answers together; past it those that are used least go.
    #[schemars(range(min = *limits::CACHE_BYTES.start(), max = *limits::CACHE_BYTES.end()))]
    pub max_bytes: u64,
    /// Bytes of one answer; larger ones are not kept.
    #[schemars(range(min = *limits::CACHE_BYTES.start(), max = *limits::CACHE_BYTES.end()))]
    pub max_entry_bytes: u64,
    /// Name of a part of the cache that all keys share, each for the models that it may use. Without one, every key
    /// has a part of its own.
    pub namespace: Option<String>,
    /// Whether identical requests that are not streamed and run at the same time are asked once.
    pub coalesce: bool,
}

// === impl Cache ===

impl Default for Cache {
    fn default() -> Self {
        Self {
            enabled: false,
            ttl_seconds: 600.0,
            max_bytes: 256 << 20,
            max_entry_bytes: 1 << 20,
            namespace: None,
            coalesce: false,
        }
    }
}
