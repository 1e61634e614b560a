use http::StatusCode;
use snapshot::{CausePolicy, Fallbacks};
use wire::Refusal;

use super::Fault;

/// Why a model did not answer, in the classes by which tries, cooldowns and fallbacks are told apart (LiteLLM's exceptions).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    BadRequest,
    Authentication,
    NotFound,
    Timeout,
    RateLimit,
    ContextWindow,
    ContentPolicy,
    InternalServer,
    BadGateway,
    ServiceUnavailable,
    /// Nobody was there to be asked.
    NoDeployment,
}

// === impl Reason ===

impl Reason {
    pub(crate) const fn of_fault(fault: &Fault) -> Self {
        match fault {
            Fault::FirstByte(_) | Fault::Total(_) | Fault::Stalled(_) => Self::Timeout,
            Fault::Status { status, .. } => match *status {
                401 | 403 => Self::Authentication,
                404 | 405 => Self::NotFound,
                408 => Self::Timeout,
                429 => Self::RateLimit,
                502 => Self::BadGateway,
                503 => Self::ServiceUnavailable,
                _ => Self::InternalServer,
            },
            Fault::Connect(_) => Self::ServiceUnavailable,
            Fault::Reset
            | Fault::Cut
            | Fault::ErrorEvent { .. }
            | Fault::NotJson
            | Fault::TooLarge(_)
            | Fault::Upload(_)
            | Fault::NoRoom => Self::InternalServer,
        }
    }

    /// Of a refusal of the request itself.
    pub(crate) fn of_refusal(status: StatusCode, body: &[u8]) -> Self {
        match Refusal::of(body) {
            Refusal::ContextWindow => Self::ContextWindow,
            Refusal::ContentPolicy => Self::ContentPolicy,
            Refusal::Other if status == StatusCode::PAYLOAD_TOO_LARGE => Self::ContextWindow,
            Refusal::Other => Self::BadRequest,
        }
    }

    /// What `policy` says about it.
    pub(crate) const fn in_policy(self, policy: &CausePolicy) -> Option<u32> {
        match self {
            Self::BadRequest | Self::ContextWindow => policy.bad_request,
            Self::Authentication => policy.authentication,
            Self::NotFound => policy.not_found,
            Self::Timeout => policy.timeout,
            Self::RateLimit => policy.rate_limit,
            Self::ContentPolicy => policy.content_policy_violation,
            Self::InternalServer => policy.internal_server_error,
            Self::BadGateway => policy.bad_gateway,
            Self::ServiceUnavailable => policy.service_unavailable,
            Self::NoDeployment => None,
        }
    }

    /// Those of `fallbacks` that are for it.
    pub(crate) fn among(self, fallbacks: &Fallbacks) -> &[std::sync::Arc<str>] {
        match self {
            Self::ContextWindow => &fallbacks.context_window,
            Self::ContentPolicy => &fallbacks.content_policy,
            _ => &fallbacks.general,
        }
    }

    /// The word for logs and metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::Authentication => "authentication",
            Self::NotFound => "not_found",
            Self::Timeout => "timeout",
            Self::RateLimit => "rate_limit",
            Self::ContextWindow => "context_window",
            Self::ContentPolicy => "content_policy",
            Self::InternalServer => "internal_server_error",
            Self::BadGateway => "bad_gateway",
            Self::ServiceUnavailable => "service_unavailable",
            Self::NoDeployment => "no_deployment",
        }
    }
}
