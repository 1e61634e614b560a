use axum::Json;
use axum::extract::State;

use super::Problem;
use crate::Manager;
use crate::status::ModelStatus;

/// The models and how they are served
#[utoipa::path(get, path = "/models", responses(
    (status = 200, body = Vec<ModelStatus>),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn models(State(manager): State<Manager>) -> Json<Vec<ModelStatus>> {
    Json(manager.models())
}
