use axum::extract::State;
use axum::{Extension, Json};

use super::KeyView;
use crate::api::Problem;
use crate::api::extract::Named;
use crate::{Actor, Manager};

/// Delete a key
///
/// What it used stays in the books. The answer shows it as it was.
#[utoipa::path(delete, path = "/keys/{key}", operation_id = "delete_key",
    params(("key" = String, Path, description = "Its id, hash or alias")), responses(
    (status = 200, body = KeyView),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn delete(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Named(key): Named,
) -> Result<Json<KeyView>, Problem> {
    let changed = manager.finish({
        let manager = manager.clone();
        async move { manager.delete_key(&key, &actor).await }
    });
    let changed = changed.await?;
    Ok(Json(KeyView::of_changed(&manager, changed).await))
}
