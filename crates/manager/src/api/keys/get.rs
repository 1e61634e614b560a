use axum::Json;
use axum::extract::State;

use super::KeyView;
use crate::Manager;
use crate::api::Problem;
use crate::api::extract::Named;

/// A key
#[utoipa::path(get, path = "/keys/{key}", operation_id = "get_key",
    params(("key" = String, Path, description = "Its id, hash or alias")), responses(
    (status = 200, body = KeyView),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn get(State(manager): State<Manager>, Named(key): Named) -> Result<Json<KeyView>, Problem> {
    let row = manager.inner().keys.find(&key)?;
    Ok(Json(KeyView::read(&manager, row).await?))
}
