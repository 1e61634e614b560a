use axum::extract::State;
use axum::{Extension, Json};
use serde::Serialize;
use serde_json::Value;
use spec::ModelType;
use utoipa::ToSchema;

use crate::api::Problem;
use crate::api::extract::Named;
use crate::models::{Trial, TrialError};
use crate::{Actor, Manager};

/// One real request, and what came of it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct TestedModel {
    /// The model.
    model: String,
    /// What it does.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    model_type: ModelType,
    /// Whether it answered.
    ok: bool,
    /// Path that was asked at the client port.
    path: &'static str,
    /// Status of the answer; 0 where the client port could not be asked.
    status: u16,
    /// Milliseconds from the question to the end of the answer.
    latency_ms: u64,
    /// What was answered, in short; of a refusal its message.
    answer: String,
    /// Tokens, as the books have them; null where they are not there yet.
    #[schema(value_type = Option<Object>)]
    usage: Value,
    /// What it cost, in units of the currency.
    cost: Option<f64>,
    /// Id of the deployment that answered.
    deployment: Option<String>,
    /// Id of the replica of it that answered.
    replica: Option<String>,
    /// Id of the request, in the books and in logs.
    request_id: Option<String>,
}

/// Send a model a real request
///
/// A small one of its type, through the client port as clients do, with a key that is made for it and deleted afterwards. It
/// is in the books as any other.
#[utoipa::path(post, path = "/models/{model}/test", operation_id = "test_model",
    params(("model" = String, Path, description = "Its name")), responses(
    (status = 200, body = TestedModel, description = "what came of it: `ok` says whether the model answered"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(in crate::api) async fn test(
    State(manager): State<Manager>,
    Extension(actor): Extension<Actor>,
    Named(model): Named,
) -> Result<Json<TestedModel>, Problem> {
    let tried = manager.finish({
        let manager = manager.clone();
        async move { manager.try_model(&model, &actor).await }
    });
    Ok(Json(TestedModel::from(tried.await?)))
}

// === impl TestedModel ===

impl From<Trial> for TestedModel {
    fn from(trial: Trial) -> Self {
        let (ok, usage) = (trial.is_well(), trial.usage());
        let booked = trial.booked.as_ref();
        Self {
            ok,
            usage,
            cost: booked.map(|event| event.cost.as_units()),
            deployment: booked.and_then(|event| Some(event.attempts.last()?.deployment.to_string())),
            replica: trial.replica,
            model: trial.model,
            model_type: trial.model_type,
            path: trial.path,
            status: trial.status.map_or(0, |status| status.as_u16()),
            latency_ms: u64::try_from(trial.latency.as_millis()).unwrap_or(u64::MAX),
            answer: trial.answer,
            request_id: trial.request_id,
        }
    }
}

// === impl Problem ===

impl From<TrialError> for Problem {
    fn from(error: TrialError) -> Self {
        match error {
            TrialError::Unknown(error) => error.into(),
            TrialError::Key(error) => error.into(),
        }
    }
}
