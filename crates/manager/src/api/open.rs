use axum::extract::State;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Problem;
use super::extract::Body;
use crate::{Actor, Manager};

/// Whether models can be used without a key.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OpenRoutes {
    /// Whether the open routes are open at all.
    open: bool,
    /// The models that allow it.
    models: Vec<OpenModel>,
    /// What did not go as it should, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
}

/// A model that can be used without a key.
#[derive(Debug, Serialize, ToSchema)]
struct OpenModel {
    /// Public name.
    name: String,
    /// Base address for OpenAI clients.
    url: String,
}

/// What is wanted of the open routes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetOpenRoutes {
    /// Whether they are to be open.
    open: bool,
}

/// Whether models can be used without a key
#[utoipa::path(get, path = "/open-routes", operation_id = "open_routes", responses(
    (status = 200, body = OpenRoutes),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn get(State(manager): State<Manager>) -> Json<OpenRoutes> {
    Json(OpenRoutes::of(&manager, None))
}

/// Open or shut all open routes
///
/// At once effective. Which models they lead to is in the desired state (`open_access`).
#[utoipa::path(put, path = "/open-routes", operation_id = "set_open_routes", request_body = SetOpenRoutes, responses(
    (status = 200, body = OpenRoutes),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn set(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Body(wanted): Body<SetOpenRoutes>,
) -> Result<Json<OpenRoutes>, Problem> {
    let switched = manager.finish({
        let manager = manager.clone();
        async move { manager.set_open_routes(wanted.open, &actor).await }
    });
    let behind = switched.await?.err();
    Ok(Json(OpenRoutes::of(&manager, behind.map(|behind| behind.to_string()))))
}

// === impl OpenRoutes ===

impl OpenRoutes {
    fn of(manager: &Manager, warning: Option<String>) -> Self {
        let models =
            manager.models().into_iter().filter_map(|model| Some(OpenModel { url: model.open_url?, name: model.name }));
        Self { open: manager.inner().open_routes.are_open(), models: models.collect(), warning }
    }
}
