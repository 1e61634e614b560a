use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Json, Router};
use http::{StatusCode, header};
use serde::Serialize;
use serde_json::json;

use super::{Routes, open};
use crate::app::App;
use crate::error::Bare;
use crate::metrics;

/// What tells about the server itself.
pub(super) fn routes() -> Routes {
    Router::new()
        .route("/ping", any(health))
        .merge(open("/health", health))
        .merge(open("/version", version))
        .merge(open("/load", load))
        .merge(open("/metrics", expose))
        .merge(open("/v1/models", models))
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: [ModelCard<'a>; 1],
}

#[derive(Serialize)]
struct ModelCard<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    owned_by: &'static str,
    root: &'a str,
    parent: Option<()>,
    max_model_len: u32,
    permission: [Permission; 1],
}

#[derive(Serialize)]
struct Permission {
    id: &'static str,
    object: &'static str,
    created: i64,
    #[serde(flatten)]
    rights: serde_json::Value,
}

async fn health(State(app): State<Arc<App>>) -> StatusCode {
    if app.ready() { app.settings.health() } else { StatusCode::SERVICE_UNAVAILABLE }
}

async fn version() -> Response {
    Json(json!({"version": "0.32.0"})).into_response()
}

async fn load(State(app): State<Arc<App>>) -> Response {
    Json(json!({"server_load": app.books.running()})).into_response()
}

async fn expose(State(app): State<Arc<App>>) -> Response {
    let text = metrics::expose(&app);
    ([(header::CONTENT_TYPE, "text/plain; version=1.0.0; charset=utf-8")], text).into_response()
}

async fn models(State(app): State<Arc<App>>, headers: http::HeaderMap) -> Response {
    if !app.ready() {
        return Bare::NotReady.into_response();
    }
    if !crate::call::authorized(&app, &headers) {
        return Bare::Unauthorized.into_response();
    }
    let created = app.created();
    let rights = json!({
        "allow_create_engine": false, "allow_sampling": true, "allow_logprobs": true, "allow_search_indices": false,
        "allow_view": true, "allow_fine_tuning": false, "organization": "*", "group": null, "is_blocking": false
    });
    let permission = Permission { id: "modelperm-0000000000000000", object: "model_permission", created, rights };
    let card = ModelCard {
        id: &app.args.model,
        object: "model",
        created,
        owned_by: "vllm",
        root: &app.args.model,
        parent: None,
        max_model_len: app.args.max_model_len,
        permission: [permission],
    };
    Json(List { object: "list", data: [card] }).into_response()
}
