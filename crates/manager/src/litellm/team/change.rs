use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use serde_json::{Map, Value, json};

use super::fields::TeamBody;
use super::read::shown;
use super::row;
use crate::Manager;
use crate::keys::Seen;
use crate::litellm::fields::{object, texts};
use crate::litellm::row::{Spent, warn};
use crate::litellm::{LiteError, actor};
use crate::teams::{TeamEdit, TeamError, TeamFields};

/// `POST /team/new`
pub(in crate::litellm) async fn new(
    State(manager): State<Manager>,
    body: Bytes,
) -> Result<Json<Map<String, Value>>, LiteError> {
    let TeamBody { id, edit } = TeamBody::read(&body)?;
    let mut fields = TeamFields::default();
    edit.apply(&mut fields);
    let made = manager.finish({
        let manager = manager.clone();
        async move { manager.create_team(id, fields, &actor()).await }
    });
    let team = made.await?.row;
    let mut answer = row::table(&team, &Spent::default());
    warn(&mut answer, manager.unknown_models(&team.models));
    Ok(Json(answer))
}

/// `POST /team/update`
pub(in crate::litellm) async fn update(State(manager): State<Manager>, body: Bytes) -> Result<Json<Value>, LiteError> {
    let sent = TeamBody::read(&body)?;
    let row = set(&manager, sent.name()?, "team.update", sent.edit).await?;
    Ok(Json(json!({ "team_id": row["team_id"], "data": row })))
}

/// `POST /team/block`
pub(in crate::litellm) async fn block(
    State(manager): State<Manager>,
    body: Bytes,
) -> Result<Json<Map<String, Value>>, LiteError> {
    let name = TeamBody::read(&body)?.name()?;
    set(&manager, name, "team.block", TeamEdit::blocked(true)).await.map(Json)
}

/// `POST /team/unblock`
pub(in crate::litellm) async fn unblock(
    State(manager): State<Manager>,
    body: Bytes,
) -> Result<Json<Map<String, Value>>, LiteError> {
    let name = TeamBody::read(&body)?.name()?;
    set(&manager, name, "team.unblock", TeamEdit::blocked(false)).await.map(Json)
}

/// `POST /team/delete`
pub(in crate::litellm) async fn delete(State(manager): State<Manager>, body: Bytes) -> Result<Json<Value>, LiteError> {
    let asked = object(&body)?.remove("team_ids").map_or(Ok(Vec::new()), |value| texts("team_ids", value))?;
    if asked.is_empty() {
        return Err(LiteError::bad_request(Some("team_ids"), "name the teams in `team_ids`"));
    }
    for team in &asked {
        manager.inner().teams.find(team).ok_or_else(|| LiteError::no_team(team))?;
    }
    for team in asked.clone() {
        let gone = manager.finish({
            let (manager, team) = (manager.clone(), team.clone());
            async move { manager.delete_team(&team, &Seen::default(), &actor()).await }
        });
        gone.await.map_err(|error| named(error, &team))?;
    }
    Ok(Json(json!({ "deleted_teams": asked })))
}

async fn set(
    manager: &Manager,
    name: String,
    action: &'static str,
    edit: TeamEdit,
) -> Result<Map<String, Value>, LiteError> {
    let asked = name.clone();
    let changed = manager.finish({
        let manager = manager.clone();
        async move { manager.update_team(&name, action, &actor(), edit).await }
    });
    let team = changed.await.map_err(|error| named(error, &asked))?.row;
    let mut row = shown(manager, &team).await?;
    warn(&mut row, manager.unknown_models(&team.models));
    Ok(row)
}

/// A failure that says which team was asked for.
fn named(error: TeamError, asked: &str) -> LiteError {
    match error {
        TeamError::NotFound => LiteError::no_team(asked),
        error => error.into(),
    }
}
