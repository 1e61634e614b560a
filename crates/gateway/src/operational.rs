//! What is not a model's API: the list of models, health, metrics, and the way to the manager.

mod forward;
mod health;
mod models;

pub(crate) use forward::forward;
pub(crate) use health::{health, liveness, readiness};
pub(crate) use models::{list_models, one_model};

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

use crate::edge::Body;

/// A JSON response.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    let body = serde_json::to_vec(value).unwrap_or_default();
    let mut response = Response::new(Body::full(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A page of metrics.
pub(crate) fn metrics_page(page: String) -> Response<Body> {
    const FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let mut response = Response::new(Body::full(page));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(FORMAT));
    response
}
