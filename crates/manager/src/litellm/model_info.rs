use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Value, json};
use spec::{Deployment, Model, ModelType};

use crate::Manager;

/// Tokens that prices are given for.
const PER: f64 = 1e6;

/// Which deployment.
#[derive(Debug, Deserialize)]
pub(super) struct ModelInfoParams {
    litellm_model_id: Option<String>,
}

/// `GET /model/info`
pub(super) async fn model_info(State(manager): State<Manager>, Query(params): Query<ModelInfoParams>) -> Json<Value> {
    let current = manager.current();
    let all = current.document.models.iter().flat_map(|model| model.deployments.iter().map(move |d| (model, d)));
    let asked = all.filter(|(_, d)| params.litellm_model_id.is_none() || params.litellm_model_id == d.id);
    Json(json!({ "data": asked.map(|(model, deployment)| entry(model, deployment)).collect::<Vec<_>>() }))
}

fn entry(model: &Model, deployment: &Deployment) -> Value {
    let endpoint = deployment.endpoint.as_ref();
    let upstream = endpoint.and_then(|endpoint| endpoint.model.as_deref()).unwrap_or(&model.name);
    let context = deployment.engine.as_ref().and_then(|engine| engine.max_model_len);
    let price = &model.price;
    json!({
        "model_name": model.name,
        "litellm_params": {
            "model": format!("openai/{upstream}"),
            "api_base": endpoint.map(|endpoint| &endpoint.url),
            "rpm": endpoint.and_then(|endpoint| endpoint.rpm),
            "weight": endpoint.map(|endpoint| endpoint.weight),
        },
        "model_info": {
            "id": deployment.id,
            "db_model": false,
            "key": model.name,
            "litellm_provider": "openai",
            "mode": mode(model.model_type),
            "max_tokens": context,
            "max_input_tokens": context,
            "max_output_tokens": context,
            "input_cost_per_token": price.input / PER,
            "output_cost_per_token": price.output / PER,
            "cache_read_input_token_cost": price.cached_input.map(|units| units / PER),
            "input_cost_per_request": price.request,
            "supports_vision": model.model_type == ModelType::Vision,
        },
    })
}

const fn mode(model_type: ModelType) -> &'static str {
    match model_type {
        ModelType::Chat | ModelType::Vision => "chat",
        ModelType::Embedding => "embedding",
        ModelType::Rerank => "rerank",
        ModelType::SpeechToText => "audio_transcription",
        ModelType::TextToSpeech => "audio_speech",
        ModelType::ImageGeneration => "image_generation",
    }
}
