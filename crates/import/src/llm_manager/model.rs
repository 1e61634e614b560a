use serde_json::{Map, Value};
use spec::{Deployment, Document, Model, ModelType, Price, TimeoutOverrides};

use super::engine;
use super::fields::Fields;
use crate::{Finding, Verdict};

/// Fields of a model that say how it was, not how it is to be.
const STATE: [&str; 8] =
    ["container_id", "container_name", "created_at", "updated_at", "port", "host_port", "last_error", "label"];

/// The model, or why it is left out as a whole.
pub(super) fn convert(
    name: &str,
    data: &Map<String, Value>,
    subject: &str,
    findings: &mut Vec<Finding>,
) -> Result<Model, String> {
    let mut fields = Fields::new(data);
    let own = fields.text(&["name", "model_name", "alias", "id"]);
    let name = if name.is_empty() { own.ok_or("it has no name")? } else { name.to_owned() };
    let model_type = model_type(fields.text(&["type", "model_type", "task"]), subject, findings)?;
    let engine = engine::convert(&mut fields, model_type, subject, findings)?;
    let model = Model {
        name,
        model_type,
        deployments: vec![Deployment {
            id: None,
            endpoint: None,
            engine: Some(engine),
            timeouts: TimeoutOverrides::default(),
            order: 0,
            cost: None,
        }],
        price: Price::default(),
        open_access: open_access(&mut fields, model_type, subject, findings),
        strategy: None,
        retries: None,
        retry_policy: spec::CausePolicy::default(),
        limits: spec::Limits::default(),
    };
    state(&mut fields, subject, findings);
    for field in fields.unseen() {
        findings.push(Finding::new(subject, field, Verdict::LeftOut, "this field is not known"));
    }
    check(model)
}

fn model_type(word: Option<String>, subject: &str, findings: &mut Vec<Finding>) -> Result<ModelType, String> {
    let Some(word) = word else {
        findings.push(Finding::new(subject, "type", Verdict::Changed, "it had none; chat is taken"));
        return Ok(ModelType::Chat);
    };
    Ok(match word.to_ascii_lowercase().replace([' ', '_'], "-").as_str() {
        "chat" | "llm" | "text" | "text-generation" | "generate" => ModelType::Chat,
        "vision" | "vlm" | "multimodal" | "image-text-to-text" => ModelType::Vision,
        "embedding" | "embeddings" | "embed" => ModelType::Embedding,
        "rerank" | "reranker" | "reranking" | "score" => ModelType::Rerank,
        "speech-to-text" | "stt" | "asr" | "transcription" | "whisper" => ModelType::SpeechToText,
        "text-to-speech" | "tts" | "speech" => ModelType::TextToSpeech,
        "image-generation" | "image" | "text-to-image" | "diffusion" => ModelType::ImageGeneration,
        _ => return Err(format!("its type `{}` is not known", word.chars().take(40).collect::<String>())),
    })
}

fn open_access(fields: &mut Fields<'_>, model_type: ModelType, subject: &str, findings: &mut Vec<Finding>) -> bool {
    let open = fields.flag(&["open_access", "open", "public", "open_access_enabled"]).unwrap_or(false);
    let can_be = matches!(model_type, ModelType::Chat | ModelType::Vision | ModelType::Embedding);
    if open && !can_be {
        let note = format!("it had no effect there on models of type {model_type}, and would have one here");
        findings.push(Finding::new(subject, "open_access", Verdict::LeftOut, note));
    } else if open {
        let note = "reached at /open/<name>/v1/* without a key, as before";
        findings.push(Finding::new(subject, "open_access", Verdict::Taken, note));
    }
    open && can_be
}

fn state(fields: &mut Fields<'_>, subject: &str, findings: &mut Vec<Finding>) {
    let status = fields.text(&["status", "state"]);
    let is_running = fields.flag(&["running", "enabled", "autostart"]).unwrap_or(true);
    let is_stopped = |status: &String| ["stopped", "exited", "disabled"].contains(&status.as_str());
    if status.as_ref().is_some_and(is_stopped) || !is_running {
        let note = "it was stopped; once it is applied it starts. Discard it if that is not wanted";
        findings.push(Finding::new(subject, "status", Verdict::Changed, note));
    }
    let _ = fields.take(&STATE);
}

/// The model, if it is valid by itself.
fn check(model: Model) -> Result<Model, String> {
    let mut document = Document { models: vec![model], ..Document::default() };
    let faults = |faults: spec::Faults| {
        let each = faults.as_slice().iter().map(|fault| {
            let path = fault.path.strip_prefix("models[0].").unwrap_or(&fault.path);
            format!("{path}: {}", fault.message)
        });
        each.collect::<Vec<_>>().join("; ")
    };
    spec::validate(&document).map_err(faults)?;
    document.models.pop().ok_or_else(String::new)
}
