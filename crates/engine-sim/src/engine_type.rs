use clap::ValueEnum;

/// Which kind of model the server pretends to hold; decides its routes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum EngineType {
    /// Text in, text out.
    #[default]
    Chat,
    /// Text and images in, text out.
    Vision,
    /// Text in, vectors out (vLLM's pooling server).
    Embedding,
    /// A query and documents in, scores out (vLLM's pooling server with a cross-encoder).
    Rerank,
    /// Audio in, text out.
    SpeechToText,
    /// Text in, audio out (vLLM-Omni).
    TextToSpeech,
    /// Text in, images out (vLLM-Omni).
    ImageGeneration,
}
