use axum::extract::State;
use axum::{Extension, Json};

use super::IssuedKeyView;
use crate::api::Problem;
use crate::api::extract::Named;
use crate::keys::KeyEdit;
use crate::{Actor, Manager};

/// Give a key another secret
///
/// The old one stops working at once; id, limits and what was spent stay. The new one is shown in this answer and
/// never again.
#[utoipa::path(post, path = "/keys/{key}/rotate", operation_id = "rotate_key",
    params(("key" = String, Path, description = "Its id, hash or alias")), responses(
    (status = 200, body = IssuedKeyView),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn rotate(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Named(key): Named,
) -> Result<Json<IssuedKeyView>, Problem> {
    let issued = manager.finish({
        let manager = manager.clone();
        async move { manager.rotate_key(&key, None, &actor, KeyEdit::default()).await }
    });
    let issued = issued.await?;
    Ok(Json(IssuedKeyView::of_issued(&manager, issued).await))
}
