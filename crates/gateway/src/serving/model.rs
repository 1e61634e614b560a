use std::sync::Arc;

use ambient::Timestamp;
use http::HeaderValue;
use snapshot::{Deployment, Model};

use crate::admit::{Applied, Kind, ScopeTable};
use crate::metrics::{Metrics, ModelMetrics};
use crate::route::DeploymentState;

/// A model, its deployments and its metrics.
#[derive(Debug)]
pub(crate) struct ModelState {
    pub(crate) model: Model,
    /// Its name, as answers say it.
    pub(crate) name: HeaderValue,
    pub(crate) deployments: Vec<Arc<DeploymentState>>,
    pub(crate) metrics: Arc<ModelMetrics>,
    pub(crate) applied: Arc<Applied>,
}

// === impl ModelState ===

impl ModelState {
    /// Goes on as `previous` where nothing differs; else counters and connections of the replicas that both have do.
    pub(super) fn next(
        previous: Option<&Arc<Self>>,
        model: &Model,
        scopes: &mut ScopeTable,
        metrics: &Metrics,
        now: Timestamp,
    ) -> Arc<Self> {
        if let Some(same) = previous.filter(|state| state.model == *model) {
            same.applied.follow(&model.spent, now);
            return same.clone();
        }
        // Metrics are told apart by the type too, also those that a deployment remembers.
        let alike = previous.filter(|state| state.model.model_type == model.model_type);
        let name = format!("model '{}'", model.name);
        Arc::new(Self {
            applied: scopes.applied((Kind::Model, &model.name), name, &model.limits, &model.spent, now),
            // Validation has seen to it that a name holds nothing that no header can.
            name: HeaderValue::from_bytes(model.name.as_bytes()).unwrap_or(HeaderValue::from_static("")),
            model: model.clone(),
            deployments: model.deployments.iter().map(|next| next_deployment(previous, alike, next)).collect(),
            metrics: alike
                .map_or_else(|| metrics.of_model(&model.name, model.model_type), |state| state.metrics.clone()),
        })
    }

    /// What serves the model: its deployments with the engine's name for it in each.
    pub(crate) fn targets(&self) -> impl Iterator<Item = (&str, &str)> {
        self.deployments.iter().map(|state| (&*state.deployment.id, &*state.deployment.upstream_model))
    }

    fn known(&self, id: &str) -> Option<&Arc<DeploymentState>> {
        self.deployments.iter().find(|state| *state.deployment.id == *id)
    }
}

fn next_deployment(
    previous: Option<&Arc<ModelState>>,
    alike: Option<&Arc<ModelState>>,
    deployment: &Deployment,
) -> Arc<DeploymentState> {
    let known = previous.and_then(|state| state.known(&deployment.id));
    match known {
        Some(same) if alike.is_some() && same.deployment == *deployment => same.clone(),
        _ => Arc::new(DeploymentState::next(known.map(Arc::as_ref), deployment)),
    }
}
