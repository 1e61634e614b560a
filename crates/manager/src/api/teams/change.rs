use axum::extract::State;
use axum::{Extension, Json};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::TeamView;
use crate::api::Problem;
use crate::api::etag;
use crate::api::extract::{Body, Named};
use crate::api::limits::{LimitsPatch, NewLimits};
use crate::keys::Edit;
use crate::teams::{ChangedTeam, TeamEdit, TeamError, TeamFields};
use crate::{Actor, Manager};

/// A team to be made. Whatever is left out does not limit it.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::api) struct NewTeam {
    /// Its id, if it is not to be made.
    id: Option<String>,
    /// Name, unique among teams.
    alias: Option<String>,
    /// Models that its keys may use; empty allows all.
    models: Vec<String>,
    #[serde(flatten)]
    limits: NewLimits,
    /// Whether all its keys are blocked from the start.
    blocked: bool,
    /// Whatever is to be attached.
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
}

/// What is to be changed. Whatever is left out stays; null takes a limit away.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct TeamPatch {
    /// Name, unique among teams.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    alias: Edit<Option<String>>,
    /// Models that its keys may use; empty allows all.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    models: Edit<Vec<String>>,
    #[serde(flatten)]
    limits: LimitsPatch,
    /// Whether all its keys are blocked.
    #[serde(default)]
    #[schema(value_type = bool)]
    blocked: Edit<bool>,
    /// Whatever is to be attached instead of what was.
    #[serde(default)]
    #[schema(value_type = Object)]
    metadata: Edit<Map<String, Value>>,
}

/// Make a team
#[utoipa::path(post, path = "/teams", operation_id = "create_team", request_body = NewTeam, responses(
    (status = 201, body = TeamView),
    (status = 409, description = "the id or the alias is taken", body = Problem,
        content_type = "application/problem+json"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn create(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Body(new): Body<NewTeam>,
) -> Result<(StatusCode, Json<TeamView>), Problem> {
    let NewTeam { id, alias, models, limits, blocked, metadata } = new;
    let fields = TeamFields { alias, models, limits: limits.into_row()?, blocked, metadata };
    let changed = manager.finish({
        let manager = manager.clone();
        async move { manager.create_team(id, fields, &actor).await }
    });
    let changed = changed.await?;
    Ok((StatusCode::CREATED, Json(TeamView::of_changed(&manager, changed).await)))
}

/// Change a team
#[utoipa::path(patch, path = "/teams/{team}", operation_id = "update_team", request_body = TeamPatch,
    params(("team" = String, Path, description = "Its id or alias"),
        ("if-match" = Option<String>, Header, description = "its `etag`: only if it is still what was seen")), responses(
    (status = 200, body = TeamView),
    (status = 412, description = "it was changed meanwhile; who did what stands in it", body = Problem,
        content_type = "application/problem+json"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn update(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Named(team): Named,
    headers: HeaderMap,
    Body(patch): Body<TeamPatch>,
) -> Result<Json<TeamView>, Problem> {
    let TeamPatch { alias, models, limits, blocked, metadata } = patch;
    let seen = etag::seen(&headers);
    let edit = TeamEdit { seen, alias, models, limits: limits.into_edit()?, blocked, metadata };
    set(manager, team, "team.update", actor, edit).await
}

/// Block a team
///
/// All its keys stop working at once, and work again when it is unblocked.
#[utoipa::path(post, path = "/teams/{team}/block", operation_id = "block_team",
    params(("team" = String, Path, description = "Its id or alias")), responses(
    (status = 200, body = TeamView),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn block(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Named(team): Named,
) -> Result<Json<TeamView>, Problem> {
    set(manager, team, "team.block", actor, TeamEdit::blocked(true)).await
}

/// Unblock a team
#[utoipa::path(post, path = "/teams/{team}/unblock", operation_id = "unblock_team",
    params(("team" = String, Path, description = "Its id or alias")), responses(
    (status = 200, body = TeamView),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn unblock(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Named(team): Named,
) -> Result<Json<TeamView>, Problem> {
    set(manager, team, "team.unblock", actor, TeamEdit::blocked(false)).await
}

/// Delete a team and all its keys
///
/// What they used stays in the books. The answer shows the team as it was.
#[utoipa::path(delete, path = "/teams/{team}", operation_id = "delete_team",
    params(("team" = String, Path, description = "Its id or alias"),
        ("if-match" = Option<String>, Header, description = "its `etag`: only if it is still what was seen")), responses(
    (status = 200, body = TeamView),
    (status = 412, description = "it was changed meanwhile; who did what stands in it", body = Problem,
        content_type = "application/problem+json"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn delete(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Named(team): Named,
    headers: HeaderMap,
) -> Result<Json<TeamView>, Problem> {
    let seen = etag::seen(&headers);
    let changed = manager.finish({
        let manager = manager.clone();
        async move { manager.delete_team(&team, &seen, &actor).await }
    });
    shown(&manager, changed.await).await
}

async fn set(
    manager: Manager,
    team: String,
    action: &'static str,
    actor: Actor,
    edit: TeamEdit,
) -> Result<Json<TeamView>, Problem> {
    let changed = manager.finish({
        let manager = manager.clone();
        async move { manager.update_team(&team, action, &actor, edit).await }
    });
    shown(&manager, changed.await).await
}

async fn shown(manager: &Manager, changed: Result<ChangedTeam, TeamError>) -> Result<Json<TeamView>, Problem> {
    match changed {
        Err(TeamError::Stale(id)) => Err(etag::stale(manager, &id).await),
        changed => Ok(Json(TeamView::of_changed(manager, changed?).await)),
    }
}
