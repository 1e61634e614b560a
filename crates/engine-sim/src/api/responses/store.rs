use std::collections::VecDeque;

use parking_lot::Mutex;
use serde_json::Value;

/// Responses that are kept; of more, the oldest go.
const MAX: usize = 1_024;

/// The responses that the server keeps, as vLLM does with `VLLM_ENABLE_RESPONSES_API_STORE=1`.
#[derive(Debug, Default)]
pub(crate) struct Store(Mutex<VecDeque<Kept>>);

/// A response and what it was made of.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// The response when it is complete.
    pub(super) response: Value,
    /// The request's input.
    pub(super) input: Value,
    /// Tokens of prompt and answer together.
    pub(super) tokens: u32,
}

// === impl Store ===

impl Store {
    pub(super) fn insert(&self, kept: Kept) {
        let mut all = self.0.lock();
        if all.len() == MAX {
            all.pop_front();
        }
        all.push_back(kept);
    }

    pub(super) fn get(&self, id: &str) -> Option<Kept> {
        self.0.lock().iter().find(|kept| kept.response["id"] == id).cloned()
    }

    pub(super) fn remove(&self, id: &str) -> bool {
        let mut all = self.0.lock();
        let before = all.len();
        all.retain(|kept| kept.response["id"] != id);
        all.len() < before
    }
}
