use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use http::header;
use http_body_util::BodyExt as _;

use super::Routes;
use crate::app::App;

/// What comes before and after the text of the one answer.
const HEAD: &str = r#"{"id":"chatcmpl-fixed","object":"chat.completion","created":0,"model":"fixed","choices":[{"index":0,"message":{"role":"assistant","content":""#;
const TAIL: &str =
    r#""},"finish_reason":"stop"}],"usage":{"prompt_tokens":1000,"total_tokens":1100,"completion_tokens":100}}"#;

/// Every surface answers with the same `length` bytes, or as few as the shape allows.
pub(super) fn routes(length: usize) -> Routes {
    let text = "x".repeat(length.saturating_sub(HEAD.len() + TAIL.len()));
    let body = Bytes::from(format!("{HEAD}{text}{TAIL}"));
    let answer = move |request: Request| answer(request, body.clone());
    Router::<Arc<App>>::new().route("/v1/{*surface}", post(answer))
}

async fn answer(request: Request, body: Bytes) -> Response {
    let mut asked = request.into_body();
    while let Some(Ok(_)) = asked.frame().await {}
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_json() {
        assert!(serde_json::from_str::<serde_json::Value>(&format!("{HEAD}x{TAIL}")).is_ok());
    }
}
