use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a model does; decides its surfaces, image, arguments and health.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ModelType {
    /// Text in, text out.
    Chat,
    /// Text and images in, text out.
    Vision,
    /// Text in, vectors out.
    Embedding,
    /// A query and documents in, their order out.
    Rerank,
    /// Audio in, text out.
    SpeechToText,
    /// Text in, audio out.
    TextToSpeech,
    /// Text in, images out.
    ImageGeneration,
}

// === impl ModelType ===

impl ModelType {
    /// All seven, in the order in which people list them.
    pub const ALL: [Self; 7] = [
        Self::Chat,
        Self::Vision,
        Self::Embedding,
        Self::Rerank,
        Self::SpeechToText,
        Self::TextToSpeech,
        Self::ImageGeneration,
    ];

    /// The word in documents, labels and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Vision => "vision",
            Self::Embedding => "embedding",
            Self::Rerank => "rerank",
            Self::SpeechToText => "speech-to-text",
            Self::TextToSpeech => "text-to-speech",
            Self::ImageGeneration => "image-generation",
        }
    }

    /// Whether models of both types can answer for each other: what takes a request over has to be alike.
    pub const fn is_alike(self, other: Self) -> bool {
        matches!(
            (self, other),
            (Self::Chat | Self::Vision, Self::Chat | Self::Vision)
                | (Self::Embedding | Self::Rerank, Self::Embedding | Self::Rerank)
                | (Self::SpeechToText, Self::SpeechToText)
                | (Self::TextToSpeech, Self::TextToSpeech)
                | (Self::ImageGeneration, Self::ImageGeneration)
        )
    }
}

impl fmt::Display for ModelType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
