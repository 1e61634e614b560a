#![expect(unused_qualifications, reason = "written by the macro that describes the route")]

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use spec::ModelType;
use utoipa::IntoParams;

use super::Problem;
use super::extract::{Named, Params};
use super::page::{Listed, Page};
use crate::Manager;
use crate::reconciler::ReplicaPlan;
use crate::status::ModelStatus;

mod add;
mod intents;
mod remove;
mod resources;
mod trial;

pub(super) use add::{__path_add, add};
pub(super) use intents::{__path_replace, __path_restart, __path_start, __path_stop, replace, restart, start, stop};
pub(super) use remove::{__path_remove, remove};
pub(super) use resources::{__path_resources, resources};
pub(super) use trial::{__path_test, test};

/// Which models.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListParams {
    /// How many at most: 1 to 1,000; 100 unless given.
    limit: Option<u32>,
    /// Where to go on, as the `link` of the page before says.
    cursor: Option<String>,
    /// Only those of this type, as `chat`.
    #[serde(rename = "type")]
    #[param(value_type = Option<String>)]
    model_type: Option<ModelType>,
    /// Only those of which every replica takes requests, or of which some do not.
    ready: Option<bool>,
}

/// The models and how they are served
///
/// By name.
#[utoipa::path(get, path = "/models", params(ListParams), responses(
    (status = 200, body = Vec<ModelStatus>, headers(("link" = Option<String>, description = "the next page, with `rel=\"next\"`"))),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn models(
    State(manager): State<Manager>,
    Params(params): Params<ListParams>,
) -> Result<Listed<ModelStatus>, Problem> {
    let page = Page::<String>::read(params.limit, params.cursor.as_deref())?;
    let mut models = manager.models();
    models.retain(|model| params.wants(model));
    models.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(page.cut(models.into_iter(), |model| model.name.clone()))
}

/// A model and how it is served
#[utoipa::path(get, path = "/models/{model}", operation_id = "model",
    params(("model" = String, Path, description = "Its name")), responses(
    (status = 200, body = ModelStatus),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn model(State(manager): State<Manager>, Named(model): Named) -> Result<Json<ModelStatus>, Problem> {
    status(&manager, &model)
}

/// What the next pass of the reconciler makes of a model's replicas
///
/// What is observed, what is wanted, what it would do, and why. Nothing is done by asking.
#[utoipa::path(get, path = "/models/{model}/plan", operation_id = "plan_model",
    params(("model" = String, Path, description = "Its name")), responses(
    (status = 200, body = Vec<ReplicaPlan>),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn plan(
    State(manager): State<Manager>,
    Named(model): Named,
) -> Result<Json<Vec<ReplicaPlan>>, Problem> {
    manager.explain(&model).map(Json).ok_or_else(|| manager.unknown_model(&model).into())
}

fn status(manager: &Manager, model: &str) -> Result<Json<ModelStatus>, Problem> {
    let found = manager.models_named(&[model.to_owned()]).into_iter().next();
    found.map(Json).ok_or_else(|| manager.unknown_model(model).into())
}

// === impl ListParams ===

impl ListParams {
    fn wants(&self, model: &ModelStatus) -> bool {
        self.model_type.is_none_or(|model_type| model.model_type == model_type)
            && self.ready.is_none_or(|ready| (model.ready >= model.replicas) == ready)
    }
}
