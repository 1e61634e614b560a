use axum::Json;
use axum::extract::State;

use super::KeyView;
use super::view::spent_by;
use crate::Manager;
use crate::api::Problem;
use crate::compiler::key_period;

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
    let budgets = manager.budgets(rows.iter().filter_map(key_period)).await?;
    let views = live.map(|row| {
        let run = budgets.run(key_period(row), |spending| spent_by(spending, &row.id));
        KeyView::new(row.clone(), spend.get(&row.id).copied().unwrap_or_default(), run, now)
    });
    Ok(Json(views.collect()))
}
