use axum::extract::State;
use axum::{Extension, Json};

use super::KeyView;
use crate::api::Problem;
use crate::api::extract::Named;
use crate::keys::KeyEdit;
use crate::{Actor, Manager};

/// Block a key
///
/// It stops working at once, and works again when it is unblocked.
#[utoipa::path(post, path = "/keys/{key}/block", operation_id = "block_key",
    params(("key" = String, Path, description = "Its id, hash or alias")), responses(
    (status = 200, body = KeyView),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn block(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Named(key): Named,
) -> Result<Json<KeyView>, Problem> {
    set(manager, key, "key.block", actor, true).await
}

/// Unblock a key
#[utoipa::path(post, path = "/keys/{key}/unblock", operation_id = "unblock_key",
    params(("key" = String, Path, description = "Its id, hash or alias")), responses(
    (status = 200, body = KeyView),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn unblock(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Named(key): Named,
) -> Result<Json<KeyView>, Problem> {
    set(manager, key, "key.unblock", actor, false).await
}

async fn set(
    manager: Manager,
    key: String,
    action: &'static str,
    actor: Actor,
    blocked: bool,
) -> Result<Json<KeyView>, Problem> {
    let changed = manager.finish({
        let manager = manager.clone();
        async move { manager.update_key(&key, action, &actor, KeyEdit::blocked(blocked)).await }
    });
    let changed = changed.await?;
    Ok(Json(KeyView::of_changed(&manager, changed).await))
}
