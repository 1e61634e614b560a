use axum::Json;
use axum::extract::State;

use super::KeyView;
use crate::Manager;
use crate::api::Problem;

/// The keys, oldest first
#[utoipa::path(get, path = "/keys", operation_id = "list_keys", responses(
    (status = 200, body = Vec<KeyView>),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn list(State(manager): State<Manager>) -> Result<Json<Vec<KeyView>>, Problem> {
    let spend = manager.store().events().spend().await?;
    let now = manager.config().clock.now();
    let rows = manager.inner().keys.rows();
    let live = rows.iter().filter(|row| row.deleted_at.is_none());
    let views = live.map(|row| KeyView::new(row.clone(), spend.get(&row.id).copied().unwrap_or_default(), now));
    Ok(Json(views.collect()))
}
