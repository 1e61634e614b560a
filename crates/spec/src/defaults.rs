use crate::ModelType;

/// What a model type brings along unless a model says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypeDefaults {
    /// Container image of its engines, with its tag: what was tested is what runs.
    pub image: &'static str,
    /// Arguments of the engine, in front of those that a model adds. For vLLM and vLLM-Omni; a command of one's own
    /// gets none.
    pub args: &'static [&'static str],
    /// Paths below `/v1` that such a model answers.
    pub surfaces: &'static [&'static str],
    /// Path at the engine's root that answers 200 once it can serve.
    pub health_path: &'static str,
    /// Path at the engine's root of its metrics, in Prometheus' format.
    pub metrics_path: &'static str,
    /// Seconds from start to healthy before the start counts as failed.
    pub start_timeout: u32,
}

const VLLM: &str = "vllm/vllm-openai:v0.32.0";
const VLLM_OMNI: &str = "vllm/vllm-omni:v0.26.0";

/// Generation: the ledger reads cached tokens from `prompt_tokens_details`, which vLLM leaves out unless asked.
const GENERATE: &[&str] = &["--runner", "generate", "--enable-prompt-tokens-details"];
/// Pooling: else vLLM takes a model that can also generate for a chat model, and has none of the pooling routes.
const POOLING: &[&str] = &["--runner", "pooling"];
const OMNI: &[&str] = &["--omni"];

const TEXT: &[&str] = &["chat/completions", "completions", "responses", "tokenize"];

/// Large language models: hundreds of gigabytes of weights from a slow disk, compilation and graph capture come before
/// the first answer. A start that hangs is rarer than one that is merely slow.
const LARGE: u32 = 1800;
/// Encoders and audio models: a few gigabytes and no graph capture worth naming, so a hang is told apart early.
const SMALL: u32 = 600;
/// Diffusion and speech pipelines: several models load one after the other.
const PIPELINE: u32 = 1200;

const CHAT: TypeDefaults = TypeDefaults {
    image: VLLM,
    args: GENERATE,
    surfaces: TEXT,
    health_path: "/health",
    metrics_path: "/metrics",
    start_timeout: LARGE,
};
const VISION: TypeDefaults = CHAT;
const EMBEDDING: TypeDefaults =
    TypeDefaults { args: POOLING, surfaces: &["embeddings", "tokenize"], start_timeout: SMALL, ..CHAT };
const RERANK: TypeDefaults =
    TypeDefaults { args: POOLING, surfaces: &["rerank", "score", "tokenize"], start_timeout: SMALL, ..CHAT };
const SPEECH_TO_TEXT: TypeDefaults = TypeDefaults {
    args: &["--runner", "generate"],
    surfaces: &["audio/transcriptions", "audio/translations"],
    start_timeout: SMALL,
    ..CHAT
};
const TEXT_TO_SPEECH: TypeDefaults =
    TypeDefaults { image: VLLM_OMNI, args: OMNI, surfaces: &["audio/speech"], start_timeout: PIPELINE, ..CHAT };
const IMAGE_GENERATION: TypeDefaults = TypeDefaults {
    image: VLLM_OMNI,
    args: OMNI,
    surfaces: &["images/generations", "images/edits"],
    start_timeout: PIPELINE,
    ..CHAT
};

/// The defaults of a model type.
///
/// ```
/// use spec::{ModelType, defaults};
///
/// assert!(defaults(ModelType::Embedding).surfaces.contains(&"embeddings"));
/// ```
pub const fn defaults(model_type: ModelType) -> &'static TypeDefaults {
    match model_type {
        ModelType::Chat => &CHAT,
        ModelType::Vision => &VISION,
        ModelType::Embedding => &EMBEDDING,
        ModelType::Rerank => &RERANK,
        ModelType::SpeechToText => &SPEECH_TO_TEXT,
        ModelType::TextToSpeech => &TEXT_TO_SPEECH,
        ModelType::ImageGeneration => &IMAGE_GENERATION,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_surface_belongs_to_some_type_and_paths_have_no_slash_in_front() {
        let served: BTreeSet<&str> = ModelType::ALL.iter().flat_map(|t| defaults(*t).surfaces).copied().collect();
        let all = "audio/speech audio/transcriptions audio/translations chat/completions completions embeddings \
                   images/edits images/generations rerank responses score tokenize";
        assert_eq!(served.into_iter().collect::<Vec<_>>().join(" "), all);
    }

    #[test]
    fn media_types_run_on_omni_and_pooling_types_ask_for_the_pooling_runner() {
        for model_type in ModelType::ALL {
            let TypeDefaults { image, args, .. } = defaults(model_type);
            let media = matches!(model_type, ModelType::TextToSpeech | ModelType::ImageGeneration);
            let pooling = matches!(model_type, ModelType::Embedding | ModelType::Rerank);
            assert_eq!(image.starts_with("vllm/vllm-omni:"), media, "{model_type}");
            assert_eq!(args.contains(&"pooling"), pooling, "{model_type}");
        }
    }
}
