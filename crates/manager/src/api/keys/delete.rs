use axum::extract::State;
use axum::{Extension, Json};
use http::HeaderMap;

use super::KeyView;
use crate::api::Problem;
use crate::api::etag;
use crate::api::extract::Named;
use crate::keys::KeyError;
use crate::{Actor, Manager};

/// Delete a key
///
/// What it used stays in the books. The answer shows it as it was.
#[utoipa::path(delete, path = "/keys/{key}", operation_id = "delete_key",
    params(("key" = String, Path, description = "Its id, hash or alias"),
        ("if-match" = Option<String>, Header, description = "its `etag`: only if it is still what was seen")), responses(
    (status = 200, body = KeyView),
    (status = 412, description = "it was changed meanwhile; who did what stands in it", body = Problem,
        content_type = "application/problem+json"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn delete(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Named(key): Named,
    headers: HeaderMap,
) -> Result<Json<KeyView>, Problem> {
    let seen = etag::seen(&headers);
    let changed = manager.finish({
        let manager = manager.clone();
        async move { manager.delete_key(&key, &seen, &actor).await }
    });
    let changed = match changed.await {
        Err(KeyError::Stale(id)) => return Err(etag::stale(&manager, &id).await),
        changed => changed?,
    };
    Ok(Json(KeyView::of_changed(&manager, changed).await))
}
