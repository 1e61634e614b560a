use axum::Json;
use axum::extract::{Path, State};

use super::TeamView;
use crate::Manager;
use crate::api::Problem;
use crate::compiler::limits_of_team;
use crate::teams::TeamError;

/// The teams, oldest first
#[utoipa::path(get, path = "/teams", operation_id = "list_teams", responses(
    (status = 200, body = Vec<TeamView>),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn list(State(manager): State<Manager>) -> Result<Json<Vec<TeamView>>, Problem> {
    let spend = manager.store().events().spend_of_teams().await?;
    let rows = manager.inner().teams.rows();
    let budgets = manager.budgets(rows.iter().filter_map(|row| limits_of_team(row).budget_period)).await?;
    let views = rows.iter().map(|row| {
        let run = budgets.run(limits_of_team(row).budget_period, |spending| {
            spending.teams.get(&row.id).copied().unwrap_or_default()
        });
        TeamView::new(&manager, row.clone(), spend.get(&row.id).copied().unwrap_or_default(), run)
    });
    Ok(Json(views.collect()))
}

/// A team
#[utoipa::path(get, path = "/teams/{team}", operation_id = "get_team",
    params(("team" = String, Path, description = "Its id or alias")), responses(
    (status = 200, body = TeamView),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn get(
    State(manager): State<Manager>,
    Path(team): Path<String>,
) -> Result<Json<TeamView>, Problem> {
    let row = manager.inner().teams.find(&team).ok_or(TeamError::NotFound)?;
    Ok(Json(TeamView::read(&manager, row).await?))
}
