use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;
use http::header;
use serde::Serialize;

use super::events::FLUSH;
use super::session::{Session, Work};
use super::tamper::{tamper, tamper_usage};
use crate::Fault;
use crate::call::Call;
use crate::error::ApiError;

/// Answers with `body` in one piece, once all its tokens are due.
pub(crate) async fn json<T: Serialize>(call: Call, work: Work, body: &T) -> Response {
    let fault = call.fault;
    let json = serde_json::to_vec(body).unwrap_or_default();
    bytes(call, work, "application/json", tamper(fault, tamper_usage(fault, json))).await
}

/// Answers with `body` as it is, once all its tokens are due.
pub(crate) async fn bytes(call: Call, work: Work, content_type: &'static str, body: Vec<u8>) -> Response {
    let mut session = Session::start(call, work, false).await;
    let generation = u64::from(work.completion_tokens.saturating_sub(1)) * session.pace.inter_token_ms;
    let due = session.first_due();
    let result = match session.wait(due).await {
        Ok(()) => session.wait(due + Duration::from_millis(generation)).await,
        error => error,
    };
    if let Err(error) = result {
        session.call.entry.fail();
        return error.into_response();
    }
    if let Some(Fault::ErrorEvent { .. }) = session.call.fault {
        session.call.entry.fail();
        return ApiError::engine_dead().into_response();
    }
    session.sent(work.completion_tokens);
    respond(session, content_type, body.into())
}

fn respond(session: Session, content_type: &'static str, body: Bytes) -> Response {
    let length = body.len();
    let (length, body) = match session.call.fault {
        Some(Fault::Cut { .. } | Fault::Stall { .. }) => {
            (length, broken(session, [body.slice(..length / 2), body.slice(length / 2..)]))
        }
        Some(Fault::LyingLength { excess }) => {
            (length + usize::try_from(excess).unwrap_or(0), broken(session, [body, Bytes::new()]))
        }
        _ => {
            session.finish();
            return ([(header::CONTENT_TYPE, content_type)], body).into_response();
        }
    };
    let headers = [(header::CONTENT_TYPE, content_type.to_owned()), (header::CONTENT_LENGTH, length.to_string())];
    (headers, body).into_response()
}

/// The first part; then nothing more comes, or the connection is closed before the second.
fn broken(session: Session, parts: [Bytes; 2]) -> Body {
    Body::from_stream(stream::unfold((session, parts, 0), |(session, parts, at)| async move {
        let part = parts.get(at).cloned()?;
        if at == 1 {
            tokio::time::sleep(FLUSH).await;
            if matches!(session.call.fault, Some(Fault::Stall { .. })) {
                session.call.app.stopping.cancelled().await;
            }
            session.call.entry.fail();
            session.call.wire.close();
        }
        Some((Ok::<_, Infallible>(part), (session, parts, at + 1)))
    }))
}
