use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::Problem;
use super::extract::Named;
use crate::Manager;
use crate::jobs::{Job, JobState};
use crate::status::{ModelStatus, ModelSummary};

/// A job that verifies what was applied.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct JobView {
    /// Its id.
    id: String,
    /// How far it is.
    state: JobState,
    /// Number of the revision that it verifies.
    revision: u64,
    /// The models that it waits for: as they are now, or as they were when it ended.
    models: Vec<ModelSummary>,
    /// Why it failed.
    message: Option<String>,
}

/// A job
///
/// The manager remembers its last hundred jobs, until it ends.
#[utoipa::path(get, path = "/jobs/{id}", params(("id" = String, Path, description = "As an apply answered it")), responses(
    (status = 200, body = JobView),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn job(State(manager): State<Manager>, Named(id): Named) -> Result<Json<JobView>, Problem> {
    let job = manager.inner().jobs.get(&id).ok_or_else(|| Problem::not_found("there is no such job (any more)"))?;
    let Job { id, state, revision, models, message, outcome } = job;
    let models = outcome.unwrap_or_else(|| manager.models_named(&models));
    Ok(Json(JobView { id, state, revision, models: models.iter().map(ModelStatus::summary).collect(), message }))
}
