use axum::extract::State;
use axum::{Extension, Json};

use super::status;
use crate::api::Problem;
use crate::api::extract::Named;
use crate::status::ModelStatus;
use crate::stopped::IntentError;
use crate::{Actor, Manager};

/// Start a model's engines
///
/// At once effective, and kept over restarts. Engines run unless they were stopped.
#[utoipa::path(post, path = "/models/{model}/start", operation_id = "start_model",
    params(("model" = String, Path, description = "Its name")), responses(
    (status = 200, body = ModelStatus),
    (status = 409, description = "it has no engine here, or a GPU has no room for it", body = Problem, content_type = "application/problem+json"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn start(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Named(model): Named,
) -> Result<Json<ModelStatus>, Problem> {
    switch(&manager, actor, model, false).await
}

/// Stop a model's engines
///
/// At once effective, and kept over restarts. They get no new requests, answer those they have, and end.
#[utoipa::path(post, path = "/models/{model}/stop", operation_id = "stop_model",
    params(("model" = String, Path, description = "Its name")), responses(
    (status = 200, body = ModelStatus),
    (status = 409, description = "it has no engine here", body = Problem, content_type = "application/problem+json"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn stop(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Named(model): Named,
) -> Result<Json<ModelStatus>, Problem> {
    switch(&manager, actor, model, true).await
}

/// Restart a model's engines
#[utoipa::path(post, path = "/models/{model}/restart", operation_id = "restart_model",
    params(("model" = String, Path, description = "Its name")), responses(
    (status = 200, body = ModelStatus),
    (status = 409, description = "it is stopped, or has no engine here", body = Problem,
        content_type = "application/problem+json"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn restart(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Named(model): Named,
) -> Result<Json<ModelStatus>, Problem> {
    let done = manager.finish({
        let (manager, model) = (manager.clone(), model.clone());
        async move { manager.restart_model(&model, &actor).await }
    });
    done.await?;
    status(&manager, &model)
}

/// Replace a model's engines by others of the same definition
///
/// One after the other. Where there is room for both, the next one starts beside the one that serves, which is ended once
/// the gateways have the next one and it has answered what it has. Where there is not (its GPUs, its `host_port`), it ends
/// first, after the others of its deployment serve.
#[utoipa::path(post, path = "/models/{model}/replace", operation_id = "replace_model",
    params(("model" = String, Path, description = "Its name")), responses(
    (status = 200, body = ModelStatus),
    (status = 409, description = "it is stopped, or has no engine here", body = Problem,
        content_type = "application/problem+json"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn replace(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Named(model): Named,
) -> Result<Json<ModelStatus>, Problem> {
    let done = manager.finish({
        let (manager, model) = (manager.clone(), model.clone());
        async move { manager.replace_model(&model, &actor).await }
    });
    done.await?;
    status(&manager, &model)
}

async fn switch(manager: &Manager, actor: Actor, model: String, stopped: bool) -> Result<Json<ModelStatus>, Problem> {
    let done = manager.finish({
        let (manager, model) = (manager.clone(), model.clone());
        async move { manager.set_stopped(&model, stopped, &actor).await }
    });
    done.await?;
    status(manager, &model)
}

// === impl Problem ===

impl From<IntentError> for Problem {
    fn from(error: IntentError) -> Self {
        match error {
            IntentError::Unknown { .. } => Self::not_found(error.to_string()),
            IntentError::NoEngine | IntentError::Stopped | IntentError::Overbooked(_) => {
                Self::conflict(error.to_string())
            }
            IntentError::Store(error) => error.into(),
        }
    }
}
