use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::Problem;
use super::super::extract::Named;
use crate::Manager;
use crate::resources::ReplicaResources;
use crate::status::ModelStatus;

/// What a replica uses of the machine itself, and may use.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct ReplicaResourcesView {
    /// `<deployment id>/<number>`.
    id: String,
    /// CPUs that it uses, over the last half second; none where it does not run.
    cpus_used: Option<f64>,
    /// CPUs that it may use; all where there is none.
    cpus: Option<f64>,
    /// Bytes of memory that it holds; none where it does not run.
    memory_bytes_used: Option<u64>,
    /// Bytes of memory that it may hold; all where there is none.
    memory_bytes: Option<u64>,
}

/// What the replicas of a model use of the machine: CPUs and memory
///
/// Looked at when it is asked for, and takes half a second. Of a process engine, memory that its processes share counts for
/// each of them.
#[utoipa::path(get, path = "/models/{model}/resources", operation_id = "model_resources",
    params(("model" = String, Path, description = "Its name")), responses(
    (status = 200, body = Vec<ReplicaResourcesView>),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn resources(
    State(manager): State<Manager>,
    Named(model): Named,
) -> Result<Json<Vec<ReplicaResourcesView>>, Problem> {
    let Json(ModelStatus { name, .. }) = super::status(&manager, &model)?;
    Ok(Json(manager.resources(&name).await.into_iter().map(ReplicaResourcesView::new).collect()))
}

// === impl ReplicaResourcesView ===

impl ReplicaResourcesView {
    fn new(resources: ReplicaResources) -> Self {
        let ReplicaResources { id, used, cpus, memory_bytes } = resources;
        Self {
            id,
            cpus_used: used.map(|(_, cpus)| cpus),
            cpus,
            memory_bytes_used: used.map(|(used, _)| used.memory_bytes),
            memory_bytes,
        }
    }
}
