use axum::Json;
use axum::extract::State;
use serde::Serialize;
use snapshot::{KeyKind, Reach, Way};
use utoipa::ToSchema;

use crate::Manager;
use crate::api::Problem;
use crate::api::extract::Named;

/// What the requests of a key can reach, and nothing else.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct ReachView {
    /// Id of the key.
    id: String,
    /// Name given by people.
    alias: Option<String>,
    /// What it is good for: `virtual` or `direct` routes.
    #[schema(value_type = String)]
    kind: KeyKind,
    /// Whether it is let in at all: neither it nor its team is blocked, and it has not expired.
    works: bool,
    /// The models, in the order of the document.
    models: Vec<ReachedView>,
}

/// A model that a key reaches.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct ReachedView {
    /// Public name.
    name: String,
    /// What it does, as `chat`.
    #[serde(rename = "type")]
    model_type: &'static str,
    /// How a request comes there.
    through: Vec<WayView>,
}

/// How a request comes to a model.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct WayView {
    /// `name` (its own), `alias` (a name that all keys can say), `key_alias` (one of the key's own) or `fallback`.
    by: &'static str,
    /// The name that is said; of a fallback, the model that fails.
    name: String,
    /// Of a fallback, for which causes it takes over: `any`, `context_window` or `content_policy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    when: Option<snapshot::When>,
}

/// What a key can reach
///
/// Every model that its requests can come to, by whatever name, and through which other model when that one fails.
#[utoipa::path(get, path = "/keys/{key}/reach", operation_id = "reach_of_key",
    params(("key" = String, Path, description = "Its id, hash or alias")), responses(
    (status = 200, body = ReachView),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn reach(
    State(manager): State<Manager>,
    Named(key): Named,
) -> Result<Json<ReachView>, Problem> {
    let row = manager.inner().keys.find(&key)?;
    let now = manager.config().clock.now();
    let is_out = |team: &String| manager.inner().teams.find(team).is_none_or(|team| team.blocked);
    let works = !row.blocked && row.expires_at.is_none_or(|at| now < at) && !row.team.as_ref().is_some_and(is_out);
    let models = manager.reach(&row).into_iter().map(ReachedView::of).collect();
    Ok(Json(ReachView { id: row.id, alias: row.alias, kind: row.kind, works, models }))
}

// === impl ReachedView ===

impl ReachedView {
    fn of(reach: Reach) -> Self {
        Self {
            name: reach.model.to_string(),
            model_type: reach.model_type.as_str(),
            through: reach.through.into_iter().map(WayView::of).collect(),
        }
    }
}

// === impl WayView ===

impl WayView {
    fn of(way: Way) -> Self {
        let (by, name, when) = match way {
            Way::Name { name } => ("name", name, None),
            Way::Alias { name } => ("alias", name, None),
            Way::KeyAlias { name } => ("key_alias", name, None),
            Way::Fallback { from, when } => ("fallback", from, Some(when)),
        };
        Self { by, name: name.to_string(), when }
    }
}
