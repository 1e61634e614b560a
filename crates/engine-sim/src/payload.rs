use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::header;
use http_body_util::{BodyExt as _, Limited};
use serde::de::DeserializeOwned;

use crate::error::ApiError;

/// Largest request body, in bytes.
const LIMIT: usize = 256 << 20;

/// A JSON request body, refused as vLLM refuses it.
pub(crate) struct Payload<T>(pub(crate) T);

/// A request body as it came, with its content type.
pub(crate) struct Raw {
    pub(crate) content_type: String,
    pub(crate) bytes: Bytes,
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Payload<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let raw = Raw::from_request(request, state).await?;
        if raw.bytes.is_empty() {
            let message = "1 validation error:\n  {'type': 'missing', 'loc': 'body', 'msg': 'Field required', \
                           'input': 'None'}";
            return Err(ApiError::invalid(message, Some("body")));
        }
        if !raw.content_type.starts_with("application/json") {
            let message = "1 validation error:\n  Unsupported Media Type: Only 'application/json' is allowed";
            return Err(ApiError::invalid(message, None));
        }
        serde_json::from_slice(&raw.bytes).map(Payload).map_err(|error| refusal(&error, &raw.bytes))
    }
}

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let content_type = request.headers().get(header::CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let body = Limited::new(request.into_body(), LIMIT).collect().await;
        let body = body.map_err(|error| ApiError::invalid(format!("The body could not be read: {error}"), None))?;
        Ok(Self { content_type, bytes: body.to_bytes() })
    }
}

fn refusal(error: &serde_json::Error, bytes: &[u8]) -> ApiError {
    if error.is_data() {
        let message = format!("1 validation error:\n  {{'type': 'value_error', 'loc': 'body', 'msg': '{error}'}}");
        return ApiError::invalid(message, Some("body"));
    }
    let loc = format!("body.{}", offset(error, bytes));
    let message = format!(
        "1 validation error:\n  {{'type': 'json_invalid', 'loc': '{loc}', 'msg': 'JSON decode error', 'input': \
         '<dict of 0 items>', 'ctx': {{'error': 'Expecting value'}}}}"
    );
    ApiError::invalid(message, Some(&loc))
}

/// Bytes before the place of a syntax error.
fn offset(error: &serde_json::Error, bytes: &[u8]) -> usize {
    let lines_before = bytes.split_inclusive(|&b| b == b'\n').take(error.line().saturating_sub(1));
    (lines_before.map(<[u8]>::len).sum::<usize>() + error.column()).min(bytes.len())
}
