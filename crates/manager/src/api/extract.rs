//! Extractors whose refusals are problem documents that name the field.

use std::net::{IpAddr, SocketAddr};

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Path, Request};
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Problem;
use crate::nul;

mod culprit;

/// A JSON body.
pub(super) struct Body<T>(pub(super) T);

/// A query string.
pub(super) struct Params<T>(pub(super) T);

/// The one part of a path that names something.
pub(super) struct Named(pub(super) String);

/// The two parts of a path that name something.
pub(super) struct NamedPair(pub(super) String, pub(super) String);

/// Address of whoever is connected; none where there is no network.
pub(super) struct Remote(pub(super) Option<IpAddr>);

// === impl Body ===

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            let detail = "send JSON, with `content-type: application/json`";
            return Err(Problem::unreadable(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        let bytes = Bytes::from_request(request, state).await;
        let bytes = bytes.map_err(|rejection| too_large(&rejection))?;
        let mut reader = serde_json::Deserializer::from_slice(&bytes);
        let body = serde_path_to_error::deserialize(&mut reader).map_err(|error| unfit_body::<T>(&bytes, &error))?;
        reader.end().map_err(|error| Problem::bad_request(format!("the body is not JSON: {error}")))?;
        if let Some(place) = nul::place(&bytes) {
            return Err(Problem::unfit(&place, "holds a NUL character; leave it out"));
        }
        Ok(Self(body))
    }
}

// === impl Params ===

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let pairs: Vec<_> = url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).collect();
        culprit::read_pairs(&pairs).map(Self).map_err(|(message, field)| {
            let problem = Problem::bad_request(format!("the query cannot be read: {message}"));
            field.iter().fold(problem, |problem, field| problem.with_fault(field, message.clone()))
        })
    }
}

// === impl Named ===

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(name)| Self(name)).map_err(|_| unreadable_path())
    }
}

// === impl NamedPair ===

impl<S: Send + Sync> FromRequestParts<S> for NamedPair {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        path.map(|Path((first, second))| Self(first, second)).map_err(|_| unreadable_path())
    }
}

// === impl Remote ===

impl Remote {
    pub(super) fn of(extensions: &http::Extensions) -> Self {
        Self(extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Remote {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Ok(Self::of(&parts.extensions))
    }
}

fn unreadable_path() -> Problem {
    Problem::bad_request("the path is not UTF-8 once its percent signs are resolved")
}

fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
        || (essence.starts_with("application/") && essence.to_ascii_lowercase().ends_with("+json"))
}

fn too_large(rejection: &BytesRejection) -> Problem {
    Problem::unreadable(rejection.status(), rejection.body_text())
}

fn unfit_body<T: DeserializeOwned>(bytes: &[u8], error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let inner = error.inner();
    if !inner.is_data() {
        return Problem::bad_request(format!("the body is not JSON: {inner}"));
    }
    let path = culprit::path(&error.path().to_string(), &inner.to_string());
    let path = path.or_else(|| culprit::of_body::<T>(&serde_json::from_slice::<Value>(bytes).ok()?));
    let message = culprit::without_place(&inner.to_string());
    let problem = Problem::unreadable(StatusCode::UNPROCESSABLE_ENTITY, message.clone());
    problem.about(&path.unwrap_or_default(), message)
}
