use axum::extract::State;
use axum::response::IntoResponse;
use http::header;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use store::Health;

use crate::Manager;
use crate::status::ModelStatus;

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Names of the databases as label values.
const DATABASES: [&str; 2] = ["enginehouse.db", "ledger.db"];

/// Model names come from the document, so the number of labels is bounded by it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReplicaLabels {
    model_name: String,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DatabaseLabels {
    database: &'static str,
}

/// The manager's own metrics, taken at the moment they are asked for.
pub(crate) async fn metrics(State(manager): State<Manager>) -> impl IntoResponse {
    let mut registry = Registry::with_prefix("enginehouse");
    add_replicas(&mut registry, &manager.models());
    add_store(&mut registry, &manager.store().health().await);
    add_manager(&mut registry, &manager);
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = encode(&mut text, &registry);
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], text)
}

fn add_replicas(registry: &mut Registry, models: &[ModelStatus]) {
    let replicas = Family::<ReplicaLabels, Gauge>::default();
    for model in models {
        for replica in model.deployments.iter().flat_map(|deployment| &deployment.replicas) {
            let labels = ReplicaLabels { model_name: model.name.clone(), state: replica.state.as_str() };
            replicas.get_or_create(&labels).inc();
        }
    }
    registry.register("replicas", "Replicas by model and state", replicas);
}

fn add_store(registry: &mut Registry, health: &Health) {
    let writable = Family::<DatabaseLabels, Gauge>::default();
    for database in DATABASES {
        let is_well = !health.problems.iter().any(|problem| problem.database == database);
        writable.get_or_create(&DatabaseLabels { database }).set(i64::from(is_well));
    }
    registry.register("store_writable", "Whether the database can be written (1) or not (0)", writable);
}

fn add_manager(registry: &mut Registry, manager: &Manager) {
    let gauge = |value: u64| {
        let gauge: Gauge = Gauge::default();
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        gauge
    };
    let drain = manager.drain_status().borrow().clone();
    registry.register("revision", "Number of the revision that applies", gauge(manager.current().revision));
    registry.register_with_unit(
        "books_lag",
        "What the gateway's books hold that is not in the store yet",
        Unit::Bytes,
        gauge(drain.lagging_bytes),
    );
}
