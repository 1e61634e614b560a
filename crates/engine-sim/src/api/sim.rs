use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Routes, open};
use crate::app::App;
use crate::error::ApiError;
use crate::payload::Payload;
use crate::settings::Standing;

/// What a test asks of the simulator, beside what it asks of the engine.
pub(super) fn routes() -> Routes {
    Router::new()
        .route("/sim/faults", get(faults).post(change))
        .route("/sim/requests", get(requests).delete(clear))
        .merge(open("/sim/state", state))
}

/// A change of behaviour; what is not named stays as it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    /// `KIND[:N]` for the next requests; `null` ends it.
    #[serde(default)]
    fault: Wish,
    /// How many requests the fault is for; all if not given.
    times: Option<u32>,
    ttft_ms: Option<u64>,
    inter_token_ms: Option<u64>,
    tokens: Option<u32>,
    /// Status of `/health`.
    health: Option<u16>,
    /// Time in milliseconds for which the port is shut, so that connecting is refused.
    refuse_for_ms: Option<u64>,
}

/// A member that can be missing, `null` or a text.
#[derive(Default, Deserialize)]
#[serde(from = "Option<String>")]
enum Wish {
    #[default]
    Keep,
    End,
    Set(String),
}

// === impl Wish ===

impl From<Option<String>> for Wish {
    fn from(member: Option<String>) -> Self {
        member.map_or(Self::End, Self::Set)
    }
}

async fn faults(State(app): State<Arc<App>>) -> Response {
    Json(current(&app)).into_response()
}

async fn change(State(app): State<Arc<App>>, Payload(change): Payload<Change>) -> Result<Response, ApiError> {
    match &change.fault {
        Wish::Keep => {}
        Wish::End => app.settings.set_standing(None),
        Wish::Set(text) => {
            let fault = text.parse().map_err(|error| ApiError::bad_request(format!("{error}"), Some("fault")))?;
            let standing = Standing { fault, times: change.times };
            app.settings.set_standing(Some(standing).filter(|standing| standing.times != Some(0)));
        }
    }
    if let Some(code) = change.health {
        let status = StatusCode::from_u16(code);
        app.settings.set_health(status.map_err(|error| ApiError::bad_request(format!("{error}"), Some("health")))?);
    }
    app.settings.change_pace(|pace| {
        pace.ttft_ms = change.ttft_ms.unwrap_or(pace.ttft_ms);
        pace.inter_token_ms = change.inter_token_ms.unwrap_or(pace.inter_token_ms);
        pace.tokens = change.tokens.unwrap_or(pace.tokens);
    });
    if let Some(ms) = change.refuse_for_ms {
        app.gate.shut_for(Duration::from_millis(ms));
    }
    Ok(Json(current(&app)).into_response())
}

async fn requests(State(app): State<Arc<App>>) -> Response {
    Json(app.books.lines()).into_response()
}

async fn clear(State(app): State<Arc<App>>) -> Response {
    app.books.clear();
    Json(app.books.state()).into_response()
}

async fn state(State(app): State<Arc<App>>) -> Response {
    Json(app.books.state()).into_response()
}

fn current(app: &App) -> Value {
    let (standing, pace) = (app.settings.standing(), app.settings.pace());
    json!({
        "fault": standing.map(|standing| standing.fault.to_string()),
        "times": standing.and_then(|standing| standing.times),
        "ttft_ms": pace.ttft_ms,
        "inter_token_ms": pace.inter_token_ms,
        "tokens": pace.tokens,
        "health": app.settings.health().as_u16(),
    })
}
