use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

/// An error with vLLM's body.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    kind: &'static str,
    message: String,
    param: Option<String>,
    /// The word that a service says; vLLM repeats the status.
    code: Option<&'static str>,
}

/// The body of an [`ApiError`]; also an event in a stream.
#[derive(Serialize)]
pub(crate) struct Body<'a> {
    error: Inner<'a>,
}

#[derive(Serialize)]
struct Inner<'a> {
    message: &'a str,
    r#type: &'a str,
    param: Option<&'a str>,
    code: Code<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Code<'a> {
    Status(u16),
    Word(&'a str),
}

// === impl ApiError ===

impl ApiError {
    /// A 400 about the value of `param`.
    pub(crate) fn bad_request(message: impl Into<String>, param: Option<&str>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequestError", message, param)
    }

    /// A 400 about the form of the body.
    pub(crate) fn invalid(message: impl Into<String>, param: Option<&str>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Bad Request", message, param)
    }

    /// A field that must be there is not.
    pub(crate) fn missing(field: &str) -> Self {
        let loc = format!("body.{field}");
        let message = format!(
            "1 validation error:\n  {{'type': 'missing', 'loc': '{loc}', 'msg': 'Field required', 'input': '<dict>'}}"
        );
        Self::invalid(message, Some(&loc))
    }

    pub(crate) fn unknown_model(asked: &str, served: &str) -> Self {
        let message = format!("The model `{asked}` does not exist. Valid aliases: {served}.");
        Self::new(StatusCode::NOT_FOUND, "NotFoundError", message, Some("model"))
    }

    pub(crate) fn unknown_response(id: &str) -> Self {
        let message = format!("Response with id '{id}' not found.");
        Self::new(StatusCode::NOT_FOUND, "invalid_request_error", message, Some("response_id"))
    }

    /// The prompt does not fit.
    pub(crate) fn too_long(limit: u32) -> Self {
        let over = limit.saturating_add(1);
        let message = format!(
            "This model's maximum context length is {limit} tokens. However, your prompt contains at least {over} \
             input tokens, which exceeds this limit even without any output tokens. Please reduce the length of the \
             input prompt. (parameter=input_tokens, value={over})"
        );
        Self::bad_request(message, Some("input_tokens"))
    }

    /// What the prompt says is forbidden, in the words of a service that judges that.
    pub(crate) fn forbidden() -> Self {
        let message = "Your request was rejected as a result of our safety system.";
        Self { code: Some("content_policy_violation"), ..Self::bad_request(message, None) }
    }

    /// The engine behind the server is gone.
    pub(crate) fn engine_dead() -> Self {
        let message = "EngineCore encountered an issue. See stack trace (above) for the root cause.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", message, None)
    }

    /// A simulated failure with `status`.
    pub(crate) fn simulated(status: StatusCode) -> Self {
        let kind = match status {
            StatusCode::INTERNAL_SERVER_ERROR => return Self::engine_dead(),
            StatusCode::TOO_MANY_REQUESTS => "RateLimitError",
            StatusCode::SERVICE_UNAVAILABLE => "ServiceUnavailableError",
            StatusCode::NOT_FOUND => "NotFoundError",
            status if status.is_client_error() => "BadRequestError",
            _ => "InternalServerError",
        };
        Self::new(status, kind, format!("Simulated failure {}.", status.as_u16()), None)
    }

    pub(crate) fn body(&self) -> Body<'_> {
        let code = self.code.map_or(Code::Status(self.status.as_u16()), Code::Word);
        Body { error: Inner { message: &self.message, r#type: self.kind, param: self.param.as_deref(), code } }
    }

    fn new(status: StatusCode, kind: &'static str, message: impl Into<String>, param: Option<&str>) -> Self {
        Self { status, kind, message: message.into(), param: param.map(str::to_owned), code: None }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        if matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// The bare bodies of the framework below vLLM: a route or a method that does not exist, a missing key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bare {
    NotFound,
    MethodNotAllowed,
    Unauthorized,
    NotReady,
}

impl IntoResponse for Bare {
    fn into_response(self) -> Response {
        let (status, body) = match self {
            Self::NotFound => (StatusCode::NOT_FOUND, r#"{"detail":"Not Found"}"#),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, r#"{"detail":"Method Not Allowed"}"#),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, r#"{"error":"Unauthorized"}"#),
            Self::NotReady => (StatusCode::SERVICE_UNAVAILABLE, ""),
        };
        (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
    }
}
