#![expect(unused_qualifications, reason = "written by the macro that describes the route")]

use axum::Extension;
use axum::extract::State;
use serde::Deserialize;
use store::KeyRow;
use utoipa::IntoParams;

use super::KeyView;
use super::view::spent_by;
use crate::api::Problem;
use crate::api::extract::Params;
use crate::api::page::{Listed, Page};
use crate::compiler::key_period;
use crate::{Actor, Manager};

/// Which keys.
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
    /// Only those of this team, by its id or alias.
    team: Option<String>,
    /// Only those that belong to this one.
    owner: Option<String>,
    /// Only those that may use this model.
    model: Option<String>,
    /// Only those that are blocked, or are not.
    blocked: Option<bool>,
}

/// The keys, oldest first
#[utoipa::path(get, path = "/keys", operation_id = "list_keys", params(ListParams), responses(
    (status = 200, body = Vec<KeyView>, headers(("link" = Option<String>, description = "the next page, with `rel=\"next\"`"))),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn list(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Params(params): Params<ListParams>,
) -> Result<Listed<KeyView>, Problem> {
    let page = Page::<(i64, String)>::read(params.limit, params.cursor.as_deref())?;
    let all = manager.inner().keys.rows();
    let asked = params.resolve_team(&manager);
    let rows = all.iter().filter(|row| row.deleted_at.is_none() && asked.wants(row)).cloned();
    let rows = page.cut(rows, |row| (row.created_at.as_micros(), row.id.clone()));
    let spend = manager.store().events().spend().await?;
    let now = manager.config().clock.now();
    let budgets = manager.budgets(all.iter().filter_map(key_period)).await?;
    Ok(rows.map(|row| {
        let run = budgets.run(key_period(&row), |spending| spent_by(spending, &row.id));
        let spent = spend.get(&row.id).copied().unwrap_or_default();
        KeyView::new(row, spent, run, now).shown_to(&actor)
    }))
}

// === impl ListParams ===

impl ListParams {
    /// With the team's id for its name.
    fn resolve_team(mut self, manager: &Manager) -> Self {
        self.team = self.team.map(|name| manager.inner().teams.find(&name).map_or(name, |team| team.id));
        self
    }

    fn wants(&self, row: &KeyRow) -> bool {
        let is = |asked: &Option<String>, value: &Option<String>| asked.is_none() || asked == value;
        is(&self.alias, &row.alias)
            && is(&self.team, &row.team)
            && is(&self.owner, &row.owner)
            && self.model.as_ref().is_none_or(|model| row.models.is_empty() || row.models.contains(model))
            && self.blocked.is_none_or(|blocked| row.blocked == blocked)
    }
}
