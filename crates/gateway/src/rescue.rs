//! The one place where causes of failure become responses: OpenAI's shape, types, codes and statuses, so that
//! the official SDKs raise the right exception.

use std::sync::Arc;

use ambient::Timestamp;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use snapshot::ModelType;
use wire::{ErrorBody, FormError, PeekError};

use crate::admit::{Limit, Rejection};
use crate::edge::{Body, BodyFault};
use crate::load::FormFault;
use crate::upstream::Fault;

/// Why a request cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cause {
    #[error("You didn't provide an API key. Send it as header 'Authorization: Bearer sk-…'.")]
    NoKey,
    #[error("The header 'Authorization' is not of the form 'Bearer sk-…'.")]
    NotBearer,
    #[error("Incorrect API key provided. Ask whoever runs this service for a valid one.")]
    UnknownKey,
    #[error("This API key is blocked. Ask whoever runs this service to unblock it.")]
    KeyBlocked,
    #[error("The team of this API key is blocked. Ask whoever runs this service to unblock it.")]
    TeamBlocked,
    #[error("This API key expired at {0}. Ask whoever runs this service for a new one.")]
    KeyExpired(Timestamp),
    #[error("This API key is good for direct routes only, as '/models/<name>/v1/chat/completions'.")]
    DirectRouteKey,
    #[error("Direct routes need a direct-route key. With this API key, use '/v1/…' and name the model in the body.")]
    NotADirectRouteKey,
    #[error("This path needs the master key.")]
    MasterKeyRequired,
    #[error("Open access is switched off on this service. Use a key.")]
    OpenRoutesShut,
    #[error("You must provide the parameter 'model'.")]
    NoModel,
    #[error("The model '{0}' does not exist. GET /v1/models lists those that you can use.")]
    ModelNotFound(String),
    #[error("This API key may not use the model '{0}'. GET /v1/models lists those that it may.")]
    ModelNotAllowed(String),
    #[error("The model '{model}' is of type {model_type}, which does not serve '{path}'.")]
    WrongApi { model: Arc<str>, model_type: ModelType, path: &'static str },
    #[error("No response with id '{0}' was found.")]
    NoResponse(String),
    #[error("No previous response with id '{0}' was found.")]
    NoPreviousResponse(String),
    #[error(transparent)]
    Request(#[from] PeekError),
    #[error(transparent)]
    Body(#[from] BodyFault),
    #[error(transparent)]
    Form(#[from] FormError),
    #[error("{0}")]
    Upload(FormFault),
    #[error("Reached the {} of {}.", .0.limit, .0.scope)]
    Rejected(#[from] Rejection),
    #[error("The books cannot be written, so nothing is served: {0}. See the server's log.")]
    Books(String),
    #[error("No healthy deployment of the model '{0}' is there now. Try again shortly.")]
    NoReplica(Arc<str>),
    #[error(
        "This model's maximum context length is {most} tokens, but the prompt has {tokens} by estimate (model '{model}'). \
         Shorten the prompt, or use a model with a longer context."
    )]
    TooLong { model: Arc<str>, tokens: u64, most: u32 },
    #[error("The deployment '{deployment}' of the model '{model}' {fault}.")]
    Upstream { model: Arc<str>, deployment: Arc<str>, fault: Fault },
    #[error("The manager is away, so this path does not work now; models are still served.")]
    ManagerAway,
    #[error("The gateway has not been told yet what to serve. Try again shortly.")]
    NotReady,
    #[error("Unknown request URL: {method} {path}. See /v1/models for the models and the documentation for the paths.")]
    UnknownUrl { method: http::Method, path: String },
    #[error("Method not allowed: this path takes {0}.")]
    WrongMethod(&'static str),
}

/// Status, OpenAI's type, parameter and code of a cause.
type Class = (StatusCode, &'static str, Option<&'static str>, &'static str);

const INVALID: &str = "invalid_request_error";
const SERVER: &str = "server_error";

// === impl Cause ===

impl From<FormFault> for Cause {
    fn from(fault: FormFault) -> Self {
        match fault {
            FormFault::Body(fault) => Self::Body(fault),
            FormFault::Form(error) => Self::Form(error),
        }
    }
}

impl Cause {
    /// The response that the client gets.
    pub(crate) fn rescue(&self) -> Response<Body> {
        let (status, kind, param, code) = self.class();
        let error = ErrorBody { message: self.message(), kind, param, code };
        let mut response = Response::new(Body::full(error.to_json()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = self.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Self::Rejected(rejection) = self {
            rejection.allowance.write(headers);
        }
        if let Self::WrongMethod(allowed) = self {
            headers.insert(ALLOW, HeaderValue::from_static(allowed));
        }
        response
    }

    /// The event that ends a stream which cannot go on.
    pub(crate) fn to_event(&self) -> bytes::Bytes {
        let (_, kind, param, code) = self.class();
        ErrorBody { message: self.message(), kind, param, code }.to_event()
    }

    /// Whether the request was refused before it was admitted; what comes later is in the books.
    pub(crate) fn is_refusal(&self) -> bool {
        !matches!(self, Self::Upstream { .. } | Self::NoReplica(_) | Self::TooLong { .. } | Self::Upload(_))
    }

    /// What the client reads: what happened, and what the engine said about it.
    fn message(&self) -> String {
        match self {
            Self::Upstream { fault, .. } => match fault.words() {
                Some(words) => format!("{self} It said: {words}"),
                None => self.to_string(),
            },
            _ => self.to_string(),
        }
    }

    /// The status that the client gets.
    pub(crate) fn status(&self) -> StatusCode {
        self.class().0
    }

    /// Whether an engine said when it wants to be asked again.
    pub(crate) fn asks_to_wait(&self) -> bool {
        matches!(self, Self::Upstream { fault: Fault::Status { retry_after: Some(1..), .. }, .. })
    }

    /// The word for metrics.
    pub(crate) fn code(&self) -> &'static str {
        self.class().3
    }

    fn class(&self) -> Class {
        match self {
            // Who asks is not known, or is known and out.
            Self::NoKey
            | Self::NotBearer
            | Self::UnknownKey
            | Self::KeyBlocked
            | Self::TeamBlocked
            | Self::KeyExpired(_) => (StatusCode::UNAUTHORIZED, INVALID, None, "invalid_api_key"),
            // Known, but not for this.
            Self::DirectRouteKey => (StatusCode::FORBIDDEN, INVALID, None, "direct_route_key"),
            Self::NotADirectRouteKey => (StatusCode::FORBIDDEN, INVALID, None, "direct_route_key_required"),
            Self::MasterKeyRequired => (StatusCode::FORBIDDEN, INVALID, None, "master_key_required"),
            Self::OpenRoutesShut => (StatusCode::FORBIDDEN, INVALID, None, "open_access_off"),
            Self::ModelNotAllowed(_) => (StatusCode::FORBIDDEN, INVALID, Some("model"), "model_not_allowed"),
            // There is no such thing.
            Self::ModelNotFound(_) => (StatusCode::NOT_FOUND, INVALID, Some("model"), "model_not_found"),
            Self::NoResponse(_) => (StatusCode::NOT_FOUND, INVALID, Some("response_id"), "response_not_found"),
            Self::NoPreviousResponse(_) => {
                (StatusCode::NOT_FOUND, INVALID, Some("previous_response_id"), "previous_response_not_found")
            }
            Self::UnknownUrl { .. } => (StatusCode::NOT_FOUND, INVALID, None, "unknown_url"),
            Self::WrongMethod(_) => (StatusCode::METHOD_NOT_ALLOWED, INVALID, None, "method_not_allowed"),
            // The request itself is wrong.
            Self::NoModel => (StatusCode::BAD_REQUEST, INVALID, Some("model"), "missing_required_parameter"),
            Self::TooLong { .. } => (StatusCode::BAD_REQUEST, INVALID, Some("messages"), "context_length_exceeded"),
            Self::WrongApi { .. } => (StatusCode::BAD_REQUEST, INVALID, Some("model"), "model_not_supported"),
            Self::Request(PeekError::NotJson(_)) => (StatusCode::BAD_REQUEST, INVALID, None, "invalid_json"),
            Self::Request(PeekError::Duplicate(field)) => {
                (StatusCode::BAD_REQUEST, INVALID, Some(field), "duplicate_parameter")
            }
            Self::Request(PeekError::WrongType { field, .. }) => {
                (StatusCode::BAD_REQUEST, INVALID, Some(field), "invalid_type")
            }
            Self::Body(fault) => body_class(fault),
            Self::Form(error) => form_class(error),
            Self::Upload(fault) => match fault {
                FormFault::Body(fault) => body_class(fault),
                FormFault::Form(error) => form_class(error),
            },
            // Too much at once for this key. Money is not a matter of waiting.
            Self::Rejected(Rejection { limit: Limit::Budget(..), .. }) => {
                (StatusCode::TOO_MANY_REQUESTS, "insufficient_quota", None, "insufficient_quota")
            }
            Self::Rejected(Rejection { limit: Limit::Tpm { .. }, .. }) => {
                (StatusCode::TOO_MANY_REQUESTS, "tokens", None, "rate_limit_exceeded")
            }
            Self::Rejected(_) => (StatusCode::TOO_MANY_REQUESTS, "requests", None, "rate_limit_exceeded"),
            // What is not written down is not served.
            Self::Books(_) => (StatusCode::SERVICE_UNAVAILABLE, SERVER, None, "books_unavailable"),
            // Something behind us is away.
            Self::NoReplica(_) => (StatusCode::SERVICE_UNAVAILABLE, SERVER, None, "no_healthy_deployment"),
            Self::ManagerAway => (StatusCode::SERVICE_UNAVAILABLE, SERVER, None, "manager_unavailable"),
            Self::NotReady => (StatusCode::SERVICE_UNAVAILABLE, SERVER, None, "not_ready"),
            Self::Upstream { fault, .. } => upstream_class(fault),
        }
    }

    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Rejected(rejection) => {
                rejection.retry_after.map(|wait| wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
            }
            Self::Upstream { fault: Fault::Status { retry_after, .. }, .. } => retry_after.map(u64::from),
            Self::Body(BodyFault::Overloaded) | Self::NoReplica(_) | Self::NotReady | Self::Books(_) => Some(1),
            _ => None,
        }
    }
}

fn body_class(fault: &BodyFault) -> Class {
    match fault {
        BodyFault::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, INVALID, None, "request_too_large"),
        BodyFault::Slow(_) => (StatusCode::REQUEST_TIMEOUT, INVALID, None, "request_timeout"),
        BodyFault::Broken => (StatusCode::BAD_REQUEST, INVALID, None, "incomplete_body"),
        // Too much at once, for all of us.
        BodyFault::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, SERVER, None, "overloaded"),
    }
}

fn form_class(error: &FormError) -> Class {
    let (param, code) = match error {
        FormError::NotAForm | FormError::Malformed(_) => (None, "invalid_multipart"),
        FormError::Duplicate(field) => (Some(*field), "duplicate_parameter"),
        FormError::NotText(field) => (Some(*field), "invalid_type"),
    };
    (StatusCode::BAD_REQUEST, INVALID, param, code)
}

/// An engine's failure as the client sees it: 429 and 503 keep their meaning, time-outs are 504, and all
/// else, also an endpoint that refuses *our* credential, is a bad gateway.
fn upstream_class(fault: &Fault) -> Class {
    match fault {
        Fault::FirstByte(_) | Fault::Total(_) | Fault::Stalled(_) => {
            (StatusCode::GATEWAY_TIMEOUT, SERVER, None, "upstream_timeout")
        }
        // Told as the client's own fault; this is for completeness.
        Fault::Upload(_) => (StatusCode::BAD_REQUEST, INVALID, None, "incomplete_body"),
        Fault::NoRoom => (StatusCode::SERVICE_UNAVAILABLE, SERVER, None, "overloaded"),
        Fault::Status { status: 429, .. } => (StatusCode::TOO_MANY_REQUESTS, "requests", None, "rate_limit_exceeded"),
        Fault::Status { status: 503, .. } | Fault::Connect(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, SERVER, None, "upstream_unavailable")
        }
        Fault::Status { status: 401 | 403 | 404 | 405, .. } => {
            (StatusCode::BAD_GATEWAY, SERVER, None, "upstream_misconfigured")
        }
        Fault::Status { .. }
        | Fault::Reset
        | Fault::Cut
        | Fault::ErrorEvent { .. }
        | Fault::NotJson
        | Fault::TooLarge(_) => (StatusCode::BAD_GATEWAY, SERVER, None, "upstream_error"),
    }
}
