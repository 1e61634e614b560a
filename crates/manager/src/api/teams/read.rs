#![expect(unused_qualifications, reason = "written by the macro that describes the route")]

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde::Deserialize;
use store::TeamRow;
use utoipa::IntoParams;

use super::TeamView;
use crate::Manager;
use crate::api::Problem;
use crate::api::etag;
use crate::api::extract::{Named, Params};
use crate::api::page::{Listed, Page};
use crate::compiler::limits_of_team;
use crate::teams::TeamError;

/// Which teams.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct ListParams {
    /// How many at most: 1 to 1,000; 100 unless given.
    limit: Option<u32>,
    /// Where to go on, as the `link` of the page before says.
    cursor: Option<String>,
    /// Only the one with this alias.
    alias: Option<String>,
    /// Only those that are blocked, or are not.
    blocked: Option<bool>,
}

/// The teams, oldest first
#[utoipa::path(get, path = "/teams", operation_id = "list_teams", params(ListParams), responses(
    (status = 200, body = Vec<TeamView>, headers(("link" = Option<String>, description = "the next page, with `rel=\"next\"`"))),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn list(
    State(manager): State<Manager>,
    Params(params): Params<ListParams>,
) -> Result<Listed<TeamView>, Problem> {
    let page = Page::<(i64, String)>::read(params.limit, params.cursor.as_deref())?;
    let spend = manager.store().events().spend_of_teams().await?;
    let all = manager.inner().teams.rows();
    let is_asked = |row: &&TeamRow| {
        (params.alias.is_none() || params.alias == row.alias)
            && params.blocked.is_none_or(|blocked| row.blocked == blocked)
    };
    let rows = all.iter().filter(is_asked).cloned();
    let rows = page.cut(rows, |row| (row.created_at.as_micros(), row.id.clone()));
    let budgets = manager.budgets(all.iter().filter_map(|row| limits_of_team(row).budget_period)).await?;
    Ok(rows.map(|row| {
        let run = budgets.run(limits_of_team(&row).budget_period, |spending| {
            spending.teams.get(&row.id).copied().unwrap_or_default()
        });
        let spent = spend.get(&row.id).copied().unwrap_or_default();
        TeamView::new(&manager, row, spent, run)
    }))
}

/// A team
#[utoipa::path(get, path = "/teams/{team}", operation_id = "get_team",
    params(("team" = String, Path, description = "Its id or alias"),
        ("if-none-match" = Option<String>, Header, description = "an `etag`: only if it is another")), responses(
    (status = 200, body = TeamView, headers(("etag" = String, description = "its version"))),
    (status = 304, description = "as it was seen"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn get(
    State(manager): State<Manager>,
    Named(team): Named,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let row = manager.inner().teams.find(&team).ok_or(TeamError::NotFound)?;
    let version = row.updated_at;
    Ok(etag::answer(&headers, version, &TeamView::read(&manager, row).await?))
}
