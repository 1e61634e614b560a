use axum::Json;
use axum::extract::State;
use serde::Serialize;
use snapshot::Connected;
use utoipa::ToSchema;

use super::Problem;
use crate::Manager;
use crate::status::ReplicaStatus;

/// How the service is as a whole.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Status {
    /// Version of Enginehouse.
    version: &'static str,
    /// The home.
    home: String,
    /// When this manager was opened.
    started_at: String,
    /// Whether engines are supervised; not so in a one-shot command.
    running: bool,
    /// Number of the revision that applies; 0 before the first apply.
    revision: u64,
    /// SHA-256 of its document.
    digest: String,
    /// Whether the store can be written.
    store: StoreStatus,
    /// How far usage is in the store.
    books: BooksStatus,
    /// Gateways that are connected.
    gateways: Vec<GatewayStatus>,
    /// Models that take requests.
    models_ready: usize,
    /// Models in all.
    models: usize,
    /// Engines that run though nothing asks for them.
    orphans: Vec<ReplicaStatus>,
}

/// Whether the store can be written.
#[derive(Debug, Serialize, ToSchema)]
struct StoreStatus {
    /// `ok` or `degraded`.
    state: &'static str,
    /// What is wrong.
    message: Option<String>,
}

/// How far usage is in the store.
#[derive(Debug, Serialize, ToSchema)]
struct BooksStatus {
    /// Bytes of the gateway's books that are not in the store yet.
    lagging_bytes: u64,
    /// Why the last try failed.
    message: Option<String>,
}

/// A gateway that is connected.
#[derive(Debug, Serialize, ToSchema)]
struct GatewayStatus {
    /// How messages name it.
    name: String,
    /// Number of the snapshot that it serves from; 0 before the first.
    epoch: u64,
}

/// How the service is
#[utoipa::path(get, path = "/status", responses(
    (status = 200, body = Status),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn status(State(manager): State<Manager>) -> Json<Status> {
    let current = manager.current();
    let health = manager.store().health().await;
    let drain = manager.drain_status().borrow().clone();
    let trouble: Vec<_> = health.problems.iter().map(ToString::to_string).collect();
    let models = manager.models();
    Json(Status {
        version: env!("CARGO_PKG_VERSION"),
        home: manager.config().home.path().display().to_string(),
        started_at: manager.started_at().to_string(),
        running: manager.runs(),
        revision: current.revision,
        digest: current.digest.clone(),
        store: StoreStatus {
            state: if health.is_well() { "ok" } else { "degraded" },
            message: (!trouble.is_empty()).then(|| trouble.join("; ")),
        },
        books: BooksStatus {
            lagging_bytes: drain.lagging_bytes,
            message: drain.last_error.map(|error| error.to_string()),
        },
        gateways: manager.inner().outlet.connected().into_iter().map(GatewayStatus::from).collect(),
        models_ready: models.iter().filter(|model| model.ready > 0).count(),
        models: models.len(),
        orphans: manager.orphans(),
    })
}

// === impl GatewayStatus ===

impl From<Connected> for GatewayStatus {
    fn from(Connected { name, epoch }: Connected) -> Self {
        Self { name, epoch }
    }
}
