use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use store::TeamRow;

use super::row::{self, spent_by};
use crate::Manager;
use crate::compiler::limits_of_team;
use crate::litellm::LiteError;
use crate::litellm::row::{Spent, table as key_table};

/// Which team.
#[derive(Debug, Deserialize)]
pub(in crate::litellm) struct InfoParams {
    team_id: Option<String>,
}

/// `GET /team/info`
pub(in crate::litellm) async fn info(
    State(manager): State<Manager>,
    Query(params): Query<InfoParams>,
) -> Result<Json<Value>, LiteError> {
    let asked = params.team_id.unwrap_or_default();
    let team = manager.inner().teams.find(&asked).ok_or_else(|| LiteError::no_team(&asked))?;
    let row = shown(&manager, &team).await?;
    let mut keys = Vec::new();
    for key in manager.keys_of_team(&team.id) {
        let spent = Spent::by_key(&manager, &key).await?;
        keys.push(Value::from(key_table(&key, &spent)));
    }
    Ok(Json(json!({ "team_id": team.id, "team_info": row, "keys": keys, "team_memberships": [] })))
}

/// `GET /team/list`
pub(in crate::litellm) async fn list(State(manager): State<Manager>) -> Result<Json<Vec<Value>>, LiteError> {
    let rows = manager.inner().teams.rows();
    let totals = manager.store().events().spend_of_teams().await?;
    let budgets = manager.budgets(rows.iter().filter_map(|team| limits_of_team(team).budget_period)).await?;
    let shown = rows.iter().map(|team| {
        let total = totals.get(&team.id).copied().unwrap_or_default().cost;
        let run = budgets.run(limits_of_team(team).budget_period, |spending| spent_by(spending, &team.id));
        let mut row = row::table(team, &Spent { total, run });
        row.insert("team_memberships".to_owned(), json!([]));
        row.insert("keys".to_owned(), json!([]));
        row.into()
    });
    Ok(Json(shown.collect()))
}

/// A team with what it spent.
pub(super) async fn shown(manager: &Manager, team: &TeamRow) -> Result<Map<String, Value>, LiteError> {
    let total = manager.store().events().spend_of_teams().await?.get(&team.id).copied().unwrap_or_default().cost;
    let period = limits_of_team(team).budget_period;
    let run = manager.budgets(period).await?.run(period, |spending| spent_by(spending, &team.id));
    Ok(row::table(team, &Spent { total, run }))
}
