//! What a model does, by the files that come with it; where these do not tell, by its tags at the Hub.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{fs, io::Read as _};

use hub::Hub;
use serde_json::Value;
use spec::ModelType;

use super::AddError;
use crate::Manager;

mod tags;

/// What says what a model does: for transformers, diffusers and sentence-transformers.
const CONFIG: &str = "config.json";
const PIPELINE: &str = "model_index.json";
const SENTENCES: &str = "modules.json";
const FILES: [&str; 3] = [CONFIG, PIPELINE, SENTENCES];
/// Bytes of one of them.
const MAX_BYTES: u64 = 4 << 20;

/// Times that the Hub is asked: somebody waits.
const ATTEMPTS: u32 = 2;

/// The files that were found, by name.
type Found = BTreeMap<String, Value>;

// === impl Manager ===

impl Manager {
    /// What a model does, and by what that is known: from the cache, else from the Hub; of a folder, from its files.
    pub(super) async fn kind_of(&self, source: &str, revision: Option<&str>) -> Result<(ModelType, String), AddError> {
        let found = match source.parse::<hub::Repository>() {
            Ok(repository) => self.described(&repository, revision).await?,
            Err(_) if source.starts_with('/') => (read(Path::new(source)), Vec::new()),
            Err(unfit) => return Err(AddError::Field("source", unfit.to_string())),
        };
        let (found, tags) = found;
        let known = judge(&found).or_else(|| tags::judge(&tags));
        known.ok_or_else(|| AddError::TypeUnknown(source.to_owned(), seen(&found)))
    }

    /// Its files, and its tags at the Hub where these do not tell.
    async fn described(
        &self,
        repository: &hub::Repository,
        revision: Option<&str>,
    ) -> Result<(Found, Vec<String>), AddError> {
        let mut settings = self.hub_settings().map_err(|error| AddError::Unread(error.to_string()))?;
        settings.patience.attempts = ATTEMPTS;
        let revision = revision.map(str::parse::<hub::Revision>).transpose();
        let revision =
            revision.map_err(|unfit| AddError::Field("engine.revision", unfit.to_string()))?.unwrap_or_default();
        if let Some(folder) = hub::Cache::new(&settings.cache).snapshot(repository, &revision) {
            let found = tokio::task::spawn_blocking(move || read(&folder)).await.unwrap_or_default();
            if judge(&found).is_some() {
                return Ok((found, Vec::new()));
            }
        }
        let hub = Hub::new(settings, self.config().rng.clone()).map_err(|error| AddError::Unread(error.to_string()))?;
        let look = hub.look(repository, &revision, &FILES).await;
        let look = look.map_err(|error| AddError::Unread(error.to_string()))?;
        let parsed =
            look.contents.into_iter().map(|(name, text)| (name, serde_json::from_slice(&text).unwrap_or_default()));
        Ok((parsed.collect(), look.tags))
    }
}

fn read(folder: &Path) -> Found {
    let open = |name: &&str| {
        let mut text = Vec::new();
        fs::File::open(folder.join(name)).ok()?.take(MAX_BYTES).read_to_end(&mut text).ok()?;
        Some(((*name).to_owned(), serde_json::from_slice(&text).unwrap_or_default()))
    };
    FILES.iter().filter_map(open).collect()
}

/// The type, and by what it is known.
fn judge(found: &Found) -> Option<(ModelType, String)> {
    if let Some(pipeline) = found.get(PIPELINE) {
        let class = pipeline["_class_name"].as_str()?;
        let speaks = ["Audio", "TTS", "Speech"].iter().any(|word| class.contains(word));
        let kind = if speaks { ModelType::TextToSpeech } else { ModelType::ImageGeneration };
        return Some((kind, format!("{class} in {PIPELINE}")));
    }
    let config = found.get(CONFIG)?;
    let architecture = config["architectures"].as_array().and_then(|all| all.first())?.as_str()?;
    let kind = by_architecture(architecture, config, found.contains_key(SENTENCES))?;
    Some((kind, format!("{architecture} in {CONFIG}")))
}

fn by_architecture(name: &str, config: &Value, is_for_sentences: bool) -> Option<ModelType> {
    let fields: BTreeSet<&str> = config.as_object()?.keys().map(String::as_str).collect();
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    let sees = ["vision_config", "vision_tower", "visual", "image_token_id", "thinker_config"];
    let sees = has(&["VL", "Llava", "Vision"]) || sees.iter().any(|field| fields.contains(field));
    if has(&["ForSequenceClassification", "Reranker"]) {
        return Some(ModelType::Rerank);
    }
    if has(&["TTS", "TextToSpeech", "Vits", "Bark", "Parler", "Talker"]) {
        return Some(ModelType::TextToSpeech);
    }
    if has(&["Whisper", "SpeechSeq2Seq", "ASR", "Voxtral", "ForCTC", "GraniteSpeech"]) {
        return Some(ModelType::SpeechToText);
    }
    if is_for_sentences || has(&["Embedding", "ForMaskedLM"]) {
        return Some(ModelType::Embedding);
    }
    if sees {
        return Some(ModelType::Vision);
    }
    if name.ends_with("ForCausalLM") || name.ends_with("LMHeadModel") {
        return Some(ModelType::Chat);
    }
    // An encoder without a head: vectors are all that it has.
    if name.ends_with("Model") { Some(ModelType::Embedding) } else { None }
}

/// What there was, for whom has to say it.
fn seen(found: &Found) -> String {
    let architectures = found.get(CONFIG).map(|config| &config["architectures"]).filter(|value| !value.is_null());
    match architectures {
        Some(architectures) => format!("its {CONFIG} names {architectures}"),
        None if found.is_empty() => format!("it has neither {CONFIG} nor {PIPELINE}"),
        None => format!("its {CONFIG} names no architecture"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(files: &[(&str, Value)]) -> Option<ModelType> {
        let found = files.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        judge(&found).map(|(kind, _)| kind)
    }

    #[test]
    fn types_are_known_by_architecture_and_files() {
        use ModelType as T;
        let config = |name: &str| (CONFIG, json!({ "architectures": [name] }));
        for (name, kind) in [
            ("Qwen3ForCausalLM", T::Chat),
            ("GPT2LMHeadModel", T::Chat),
            ("Qwen2_5_VLForConditionalGeneration", T::Vision),
            ("BertModel", T::Embedding),
            ("XLMRobertaForSequenceClassification", T::Rerank),
            ("WhisperForConditionalGeneration", T::SpeechToText),
            ("Qwen3TTSForConditionalGeneration", T::TextToSpeech),
        ] {
            assert_eq!(of(&[config(name)]), Some(kind), "{name}");
        }
        let gemma = json!({ "architectures": ["Gemma3ForConditionalGeneration"], "vision_config": {} });
        assert_eq!(of(&[(CONFIG, gemma)]), Some(T::Vision));
        assert_eq!(of(&[config("Qwen3ForCausalLM"), (SENTENCES, json!([]))]), Some(T::Embedding));
        let flux = (PIPELINE, json!({ "_class_name": "FluxPipeline" }));
        assert_eq!(of(&[flux, config("T5EncoderModel")]), Some(T::ImageGeneration));
        for unclear in
            [json!({}), json!({ "architectures": [] }), json!({ "architectures": ["T5ForConditionalGeneration"] })]
        {
            assert_eq!(of(&[(CONFIG, unclear)]), None);
        }
        assert_eq!(of(&[]), None);
    }
}
