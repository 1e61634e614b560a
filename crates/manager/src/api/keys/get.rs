use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;

use super::KeyView;
use crate::api::Problem;
use crate::api::etag;
use crate::api::extract::Named;
use crate::{Actor, Manager};

/// A key
#[utoipa::path(get, path = "/keys/{key}", operation_id = "get_key",
    params(("key" = String, Path, description = "Its id, hash or alias"),
        ("if-none-match" = Option<String>, Header, description = "an `etag`: only if it is another")), responses(
    (status = 200, body = KeyView, headers(("etag" = String, description = "its version"))),
    (status = 304, description = "as it was seen"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn get(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Named(key): Named,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let row = manager.inner().keys.find(&key)?;
    let version = row.updated_at;
    Ok(etag::answer(&headers, version, &KeyView::read(&manager, row).await?.shown_to(&actor)))
}
