use serde::{Deserialize, Serialize};

/// What one request used, in the units that prices are given in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the prompt, cached ones included (OpenAI's `prompt_tokens`).
    pub prompt_tokens: u64,
    /// Those of `prompt_tokens` that the engine had in its prefix cache.
    pub cached_tokens: u64,
    /// Tokens of the answer (OpenAI's `completion_tokens`).
    pub completion_tokens: u64,
    /// Images made or edited.
    pub images: u64,
    /// Audio heard or spoken, in milliseconds.
    pub audio_millis: u64,
    /// Characters turned into speech.
    pub characters: u64,
    /// Search units of a rerank request.
    pub searches: u64,
}

// === impl Usage ===

impl Usage {
    /// Prompt and completion together (OpenAI's `total_tokens`).
    pub const fn total_tokens(&self) -> u64 {
        self.prompt_tokens.saturating_add(self.completion_tokens)
    }
}
