use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};
use spec::{Deployment, Document, Endpoint, Model, ModelType, Provider, environment_variable};

use super::price;
use crate::{Facts, timeouts, variable};

/// What stays as it is in a segment of a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What LiteLLM balances over. Endpoints it reaches by itself. Engines come and go, so a model with engines is one entry
/// that leads to its direct route through Enginehouse, which chooses among all of the model's deployments.
pub(super) fn list(document: &Document, facts: &Facts<'_>, notes: &mut Vec<String>) -> Vec<Value> {
    let mut list = Vec::new();
    for model in &document.models {
        note(document, model, notes);
        match model.deployments.iter().find(|deployment| deployment.engine.is_some()) {
            Some(engine) => list.push(routed(document, model, engine, facts)),
            None => list.extend(model.deployments.iter().filter_map(|deployment| direct(document, model, deployment))),
        }
    }
    list
}

/// What LiteLLM cannot be told of a model.
fn note(document: &Document, model: &Model, notes: &mut Vec<String>) {
    let name = &model.name;
    if !model.limits.is_none() {
        notes.push(format!("model {name}: its limits hold for requests through Enginehouse only"));
    }
    if model.open_access {
        notes.push(format!("model {name}: it is open through Enginehouse only; LiteLLM asks for a key"));
    }
    if model.strategy.is_some_and(|strategy| strategy != document.routing.strategy) {
        notes.push(format!("model {name}: its own strategy holds through Enginehouse only; LiteLLM has one for all"));
    }
    if model.deployments.is_empty() {
        notes.push(format!("model {name}: it has no deployment and is left out"));
    }
}

/// A model with engines, through Enginehouse.
fn routed(document: &Document, model: &Model, engine: &Deployment, facts: &Facts<'_>) -> Value {
    let name = utf8_percent_encode(&model.name, SEGMENT);
    let mut params = Map::new();
    params.insert("model".to_owned(), json!(format!("{}/{}", provider(model.model_type, false), model.name)));
    params.insert("api_base".to_owned(), json!(format!("http://{}/models/{name}/v1", facts.client_here())));
    params.insert("api_key".to_owned(), json!(variable::reference(variable::DIRECT_KEY)));
    finish(document, model, engine, params)
}

/// An endpoint, reached by LiteLLM itself.
fn direct(document: &Document, model: &Model, deployment: &Deployment) -> Option<Value> {
    let endpoint = deployment.endpoint.as_ref()?;
    let mut params = Map::new();
    let provider =
        provider(model.model_type, endpoint.provider == Provider::OpenaiCompatible && endpoint.credential.is_none());
    let name = endpoint.model.as_ref().unwrap_or(&model.name);
    if environment_variable(name).is_some() {
        // A reference is replaced only where it is the whole value.
        params.insert("model".to_owned(), json!(name));
        params.insert("custom_llm_provider".to_owned(), json!(provider));
    } else {
        params.insert("model".to_owned(), json!(format!("{provider}/{name}")));
    }
    params.insert("api_base".to_owned(), json!(endpoint.url));
    if let Some(credential) = &endpoint.credential {
        params.insert("api_key".to_owned(), json!(variable::reference(&variable::of_endpoint(document, credential))));
    }
    limits(&mut params, endpoint);
    Some(finish(document, model, deployment, params))
}

/// LiteLLM's word for the dialect. Of OpenAI's own it presents `OPENAI_API_KEY` where no key is given, and asks no one to
/// rerank; vLLM's it presents nothing of, and it does.
const fn provider(model_type: ModelType, is_without_key: bool) -> &'static str {
    if is_without_key || matches!(model_type, ModelType::Rerank) { "hosted_vllm" } else { "openai" }
}

fn limits(params: &mut Map<String, Value>, endpoint: &Endpoint) {
    params.insert("weight".to_owned(), json!(endpoint.weight));
    for (name, limit) in [("rpm", endpoint.rpm), ("tpm", endpoint.tpm)] {
        if let Some(limit) = limit {
            params.insert(name.to_owned(), json!(limit));
        }
    }
}

fn finish(document: &Document, model: &Model, deployment: &Deployment, mut params: Map<String, Value>) -> Value {
    let timeouts = timeouts::of(document, deployment);
    params.insert("timeout".to_owned(), json!(timeouts.total));
    // LiteLLM has one bound for the first piece of a stream and for what is between two.
    params.insert("stream_timeout".to_owned(), json!(timeouts.first_byte.max(timeouts.between_bytes)));
    price::insert(&mut params, &model.price);
    let mut info = Map::new();
    if let Some(id) = &deployment.id {
        info.insert("id".to_owned(), json!(id));
    }
    info.insert("mode".to_owned(), json!(mode(model.model_type)));
    // A probe of somebody else's service may be billed.
    info.insert("disable_background_health_check".to_owned(), json!(deployment.engine.is_none()));
    json!({ "model_name": model.name, "litellm_params": params, "model_info": info })
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
