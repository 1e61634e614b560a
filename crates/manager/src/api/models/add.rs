use std::path::PathBuf;

use axum::extract::State;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use spec::ModelType;
use utoipa::ToSchema;

use crate::api::Problem;
use crate::api::apply::{ApplyAnswer, ApplyParams};
use crate::api::extract::{Body, Params};
use crate::models::{AddError, Added, NewModel};
use crate::{Actor, Manager};

/// A model with one engine.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct AddModel {
    /// Hugging Face id, as `Qwen/Qwen3-8B`, or a folder.
    source: String,
    /// Public name; the last part of the source, in lower case, unless given.
    #[serde(default)]
    name: Option<String>,
    /// What it does; found out by its `config.json`, in the cache or at the Hub, unless given.
    #[serde(default, rename = "type")]
    #[schema(value_type = Option<String>, example = "chat")]
    model_type: Option<ModelType>,
    /// Whether it can be used without a key.
    #[serde(default)]
    open_access: bool,
    /// The other fields of its engine, as in a document: `gpus`, `replicas`, `runtime` ...
    #[serde(default)]
    #[schema(value_type = Object)]
    engine: Map<String, Value>,
    /// Absolute path that relative paths in it start from; the home unless given.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    base_dir: Option<PathBuf>,
    /// Why, in your words.
    #[serde(default)]
    message: String,
}

/// What was added, or would be.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct AddedModel {
    /// Its name.
    name: String,
    /// What it does.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    model_type: ModelType,
    /// By what that is known, where it was not given.
    known_by: Option<String>,
    /// The item, as documents hold it.
    #[schema(value_type = Object)]
    model: Value,
    #[serde(flatten)]
    applied: ApplyAnswer,
}

/// Add a model
///
/// A model with one engine, as a change set of its own: what is staged stays staged. Its engine is fetched and started right
/// away; how far it is, is seen at `/models/{model}`.
#[utoipa::path(post, path = "/models", operation_id = "add_model", params(ApplyParams), request_body = AddModel, responses(
    (status = 200, body = AddedModel),
    (status = 409, description = "there is one of that name, or another apply is going on", body = Problem,
        content_type = "application/problem+json"),
    (status = 422, description = "it does not fit, or what it does cannot be told", body = Problem,
        content_type = "application/problem+json"),
    (status = 423, description = "editing is locked", body = Problem, content_type = "application/problem+json"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn add(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Params(params): Params<ApplyParams>,
    Body(body): Body<AddModel>,
) -> Result<Json<AddedModel>, Problem> {
    let AddModel { source, name, model_type, open_access, engine, base_dir, message } = body;
    let how = params.of_edit(&message)?;
    if base_dir.as_ref().is_some_and(|folder| !folder.is_absolute()) {
        return Err(Problem::unfit("base_dir", "is no absolute path"));
    }
    let new = NewModel { source, name, model_type, open_access, engine, base_dir, message, how };
    let added = manager.finish({
        let manager = manager.clone();
        async move { manager.add_model(new, &actor).await }
    });
    Ok(Json(AddedModel::from(added.await?)))
}

// === impl AddedModel ===

impl From<Added> for AddedModel {
    fn from(Added { model, known_by, applied }: Added) -> Self {
        Self {
            name: model.name.clone(),
            model_type: model.model_type,
            known_by,
            // Cannot fail: every key is a string.
            model: serde_json::to_value(&model).unwrap_or_default(),
            applied: applied.into(),
        }
    }
}

// === impl Problem ===

impl From<AddError> for Problem {
    fn from(error: AddError) -> Self {
        match error {
            AddError::Exists(_) => Self::conflict(error.to_string()),
            AddError::Field(field, message) => Self::unfit(field, message),
            AddError::TypeUnknown(..) | AddError::Unread(_) => Self::unfit("type", error.to_string()),
            AddError::Apply(error) => error.into(),
        }
    }
}
