use http::{Response, StatusCode};
use serde::Serialize;

use super::json;
use crate::edge::Body;
use crate::gateway::Gateway;
use crate::serving::{ModelState, Serving};

#[derive(Serialize)]
struct Health<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details<'a>>,
}

#[derive(Serialize)]
struct Details<'a> {
    version: &'static str,
    epoch: u64,
    revision: u64,
    degraded: Vec<String>,
    models: Vec<ModelHealth<'a>>,
}

#[derive(Serialize)]
struct ModelHealth<'a> {
    model_name: &'a str,
    model_type: &'static str,
    replicas: usize,
    healthy: usize,
}

#[derive(Serialize)]
struct Readiness {
    status: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<String>,
}

/// `/health`: open and cheap; `details` for the holder of the master key.
pub(crate) fn health(gateway: &Gateway, details: Option<&Serving>) -> Response<Body> {
    let details = details.map(|serving| Details {
        version: env!("CARGO_PKG_VERSION"),
        epoch: serving.epoch,
        revision: serving.revision,
        degraded: gateway.degraded(),
        models: serving.listed.iter().map(|state| ModelHealth::of(state)).collect(),
    });
    json(StatusCode::OK, &Health { status: "healthy", details })
}

/// Lives: LiteLLM's answer, word for word, as probes compare it.
pub(crate) fn liveness() -> Response<Body> {
    json(StatusCode::OK, &"I'm alive!")
}

/// 200 as long as requests can be served, `degraded` while something behind is away; 503 only when it cannot serve.
pub(crate) fn readiness(gateway: &Gateway) -> Response<Body> {
    if let Err(reason) = gateway.can_serve() {
        let body = Readiness { status: "unavailable", reasons: vec![reason] };
        return json(StatusCode::SERVICE_UNAVAILABLE, &body);
    }
    let reasons = gateway.degraded();
    let status = if reasons.is_empty() { "healthy" } else { "degraded" };
    json(StatusCode::OK, &Readiness { status, reasons })
}

// === impl ModelHealth ===

impl<'a> ModelHealth<'a> {
    fn of(state: &'a ModelState) -> Self {
        let replicas = || state.deployments.iter().flat_map(|deployment| &deployment.replicas);
        Self {
            model_name: &state.model.name,
            model_type: state.model.model_type.as_str(),
            replicas: replicas().count(),
            healthy: replicas().filter(|replica| replica.is_up()).count(),
        }
    }
}
