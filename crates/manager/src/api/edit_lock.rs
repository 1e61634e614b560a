use axum::extract::State;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Problem;
use super::extract::Body;
use crate::{Actor, Manager};

/// Bytes that a reason may have.
const REASON_BYTES: usize = 1_000;

/// Whether items may be edited.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EditLockView {
    /// If so, items are neither staged nor applied one by one; whole documents are.
    locked: bool,
    /// Why, in the words of who locked it.
    reason: Option<String>,
    /// Who locked it.
    by: Option<String>,
    /// When.
    since: Option<String>,
}

/// Whether items are to be edited.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetEditLock {
    /// Whether editing is to be locked.
    locked: bool,
    /// Why: everybody whose edit is refused reads it.
    #[serde(default)]
    #[schema(example = "kept in https://git.example.com/llm")]
    reason: String,
}

/// Whether items may be edited
#[utoipa::path(get, path = "/lock", operation_id = "edit_lock", responses(
    (status = 200, body = EditLockView),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn get(State(manager): State<Manager>) -> Json<EditLockView> {
    Json(EditLockView::of(&manager))
}

/// Lock editing, or open it
///
/// For a desired state that is kept elsewhere, as in git: while it is locked, only whole documents are applied, and who
/// tries to stage or to apply items is told why not.
#[utoipa::path(put, path = "/lock", operation_id = "set_edit_lock", request_body = SetEditLock, responses(
    (status = 200, body = EditLockView),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn set(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Body(SetEditLock { locked, reason }): Body<SetEditLock>,
) -> Result<Json<EditLockView>, Problem> {
    if locked && reason.trim().is_empty() {
        return Err(Problem::unfit("reason", "is needed: everybody whose edit is refused reads it"));
    }
    if reason.len() > REASON_BYTES {
        return Err(Problem::unfit("reason", format!("has more than {REASON_BYTES} bytes")));
    }
    let kept = manager.finish({
        let (manager, reason) = (manager.clone(), locked.then_some(reason));
        async move { manager.set_edit_lock(reason, &actor).await }
    });
    kept.await?;
    Ok(Json(EditLockView::of(&manager)))
}

// === impl EditLockView ===

impl EditLockView {
    fn of(manager: &Manager) -> Self {
        let closed = manager.edit_lock().closed();
        Self {
            locked: closed.is_some(),
            reason: closed.as_ref().map(|closed| closed.reason.clone()),
            by: closed.as_ref().map(|closed| closed.by.clone()),
            since: closed.map(|closed| closed.since.to_string()),
        }
    }
}
