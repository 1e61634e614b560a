use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use spec::OnFull;

use crate::RoutingSettings;

/// Settings of the gateway.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Bytes that one request body may have.
    pub max_body_bytes: usize,
    /// Bytes of request bodies held at once, all requests together; past it clients get 503.
    pub max_buffered_bytes: usize,
    /// Bytes that one non-streamed answer may have.
    pub max_response_bytes: usize,
    /// Further tries after a failed one.
    pub retries: u32,
    /// Failures in a row after which a replica is left alone.
    pub allowed_fails: u32,
    /// How long a failing replica is left alone.
    pub cooldown: Duration,
    /// What else holds for how deployments are chosen, and for fallbacks.
    #[serde(default)]
    pub routing: RoutingSettings,
    /// What happens when the books cannot be written.
    pub on_full: OnFull,
    /// The response cache; none is off.
    pub cache: Option<CacheSettings>,
}

/// How answers are kept and given again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheSettings {
    /// How long an answer is given again.
    pub ttl: Duration,
    /// Bytes of all answers together.
    pub max_bytes: u64,
    /// Bytes of one answer.
    pub max_entry_bytes: u64,
    /// The part that all keys share; none: every key has its own.
    pub namespace: Option<Arc<str>>,
    /// Whether identical requests that run at the same time are asked once.
    pub coalesce: bool,
}

/// Time-outs of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeouts {
    /// To reach the engine.
    pub connect: Duration,
    /// From sending the request to the first byte of the answer.
    pub first_byte: Duration,
    /// Between two pieces of a streamed answer.
    pub between_bytes: Duration,
    /// The whole attempt.
    pub total: Duration,
}

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_body_bytes: 64 << 20,
            max_buffered_bytes: 512 << 20,
            max_response_bytes: 64 << 20,
            retries: 2,
            allowed_fails: 3,
            cooldown: Duration::from_secs(5),
            routing: RoutingSettings::default(),
            on_full: OnFull::Refuse,
            cache: None,
        }
    }
}

// === impl Timeouts ===

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_secs(600),
            between_bytes: Duration::from_secs(300),
            total: Duration::from_secs(1800),
        }
    }
}
