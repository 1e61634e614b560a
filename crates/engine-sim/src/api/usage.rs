use serde::Serialize;

/// The usage of an answer in one piece.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Usage {
    prompt_tokens: u32,
    total_tokens: u32,
    completion_tokens: u32,
    prompt_tokens_details: Option<()>,
    completion_tokens_details: Option<()>,
}

/// The usage at the end of a stream.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct StreamUsage {
    prompt_tokens: u32,
    total_tokens: u32,
    completion_tokens: u32,
    /// Only in usage that comes with every chunk.
    #[serde(skip_serializing_if = "Option::is_none")]
    completion_tokens_details: Option<Null>,
}

/// A member that is there and `null`; as an `Option`, it can also not be there.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Null;

// === impl Usage ===

impl Usage {
    pub(super) fn new(prompt_tokens: u32, completion_tokens: u32) -> Self {
        Self {
            prompt_tokens,
            total_tokens: prompt_tokens.saturating_add(completion_tokens),
            completion_tokens,
            prompt_tokens_details: None,
            completion_tokens_details: None,
        }
    }
}

// === impl StreamUsage ===

impl StreamUsage {
    /// At the end.
    pub(super) fn last(prompt_tokens: u32, completion_tokens: u32) -> Self {
        let total_tokens = prompt_tokens.saturating_add(completion_tokens);
        Self { prompt_tokens, total_tokens, completion_tokens, completion_tokens_details: None }
    }

    /// With every chunk.
    pub(super) fn running(prompt_tokens: u32, completion_tokens: u32) -> Self {
        Self { completion_tokens_details: Some(Null), ..Self::last(prompt_tokens, completion_tokens) }
    }
}
