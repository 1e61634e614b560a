use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits;

/// How large requests and answers may be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping: the settings of `requests`", default)]
pub struct Requests {
    /// Bytes of one request's body; a larger one gets 413.
    #[schemars(range(min = *limits::BODY_BYTES.start(), max = *limits::BODY_BYTES.end()))]
    pub max_body_bytes: u64,
    /// Bytes of one answer that is not streamed; a larger one is a bad gateway.
    #[schemars(range(min = *limits::BODY_BYTES.start(), max = *limits::BODY_BYTES.end()))]
    pub max_response_bytes: u64,
    /// Bytes of all bodies that are held at once, requests and answers together; past it clients get 503.
    #[schemars(range(min = *limits::BODY_BYTES.start(), max = *limits::BODY_BYTES.end()))]
    pub max_buffered_bytes: u64,
}

// === impl Requests ===

impl Default for Requests {
    fn default() -> Self {
        Self { max_body_bytes: 64 << 20, max_response_bytes: 64 << 20, max_buffered_bytes: 512 << 20 }
    }
}
