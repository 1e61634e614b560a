use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A count for each cause of failure, as LiteLLM's policies have it; where none is given, that of `routing` holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a mapping: counts by cause of failure", default)]
pub struct CausePolicy {
    /// The engine refused the request itself: 400 and the like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bad_request: Option<u32>,
    /// The engine refused our credential: 401, 403.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authentication: Option<u32>,
    /// The engine knows no such model or path: 404.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_found: Option<u32>,
    /// The engine took too long, or said so: 408.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
    /// The engine had too much to do: 429.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<u32>,
    /// The engine's content policy forbids the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_policy_violation: Option<u32>,
    /// The engine failed: 500, a broken connection, an answer that is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub internal_server_error: Option<u32>,
    /// Something before the engine failed: 502.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bad_gateway: Option<u32>,
    /// The engine is away, or does not take connections: 503.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_unavailable: Option<u32>,
}

// === impl CausePolicy ===

impl CausePolicy {
    /// Whether nothing is given.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What is given, by name.
    pub fn given(&self) -> impl Iterator<Item = (&'static str, u32)> {
        let all = [
            ("bad_request", self.bad_request),
            ("authentication", self.authentication),
            ("not_found", self.not_found),
            ("timeout", self.timeout),
            ("rate_limit", self.rate_limit),
            ("content_policy_violation", self.content_policy_violation),
            ("internal_server_error", self.internal_server_error),
            ("bad_gateway", self.bad_gateway),
            ("service_unavailable", self.service_unavailable),
        ];
        all.into_iter().filter_map(|(name, count)| Some((name, count?)))
    }

    /// These, and those of `other` where nothing is given.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            bad_request: self.bad_request.or(other.bad_request),
            authentication: self.authentication.or(other.authentication),
            not_found: self.not_found.or(other.not_found),
            timeout: self.timeout.or(other.timeout),
            rate_limit: self.rate_limit.or(other.rate_limit),
            content_policy_violation: self.content_policy_violation.or(other.content_policy_violation),
            internal_server_error: self.internal_server_error.or(other.internal_server_error),
            bad_gateway: self.bad_gateway.or(other.bad_gateway),
            service_unavailable: self.service_unavailable.or(other.service_unavailable),
        }
    }
}
