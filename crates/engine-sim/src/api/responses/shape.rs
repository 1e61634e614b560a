//! The JSON of responses, member for member in vLLM's order.

use serde_json::{Value, json};

use super::Plan;
use crate::metrics::Finish;

/// How far a response is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not begun, as it is made in the background.
    Queued,
    /// Nothing said yet.
    Open,
    /// All said.
    Over,
}

// === impl Plan ===

impl Plan {
    /// The response as a whole.
    pub(super) fn response(&self, stage: Stage) -> Value {
        let over = stage == Stage::Over;
        let cut = over && self.finish == Finish::Length;
        json!({
            "id": format!("resp_{}", self.id),
            "created_at": self.created,
            "incomplete_details": cut.then(|| json!({"reason": "max_output_tokens"})),
            "instructions": self.instructions,
            "metadata": null,
            "model": self.model,
            "object": "response",
            "output": if over { vec![self.item(stage)] } else { vec![] },
            "parallel_tool_calls": true,
            "temperature": self.temperature,
            "tool_choice": "none",
            "tools": [],
            "top_p": 1.0,
            "background": self.is_background,
            "max_output_tokens": self.max_output_tokens,
            "max_tool_calls": null,
            "previous_response_id": self.previous,
            "prompt": null,
            "reasoning": null,
            "service_tier": "auto",
            "status": match (stage, cut) {
                (Stage::Queued, _) => "queued",
                (Stage::Open, _) => "in_progress",
                (Stage::Over, true) => "incomplete",
                (Stage::Over, false) => "completed",
            },
            "text": null,
            "top_logprobs": null,
            "truncation": "disabled",
            "usage": over.then(|| self.usage()),
            "user": null,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "kv_transfer_params": null,
            "ec_transfer_params": null,
            "input_messages": null,
            "output_messages": null
        })
    }

    /// The one message of the output.
    pub(super) fn item(&self, stage: Stage) -> Value {
        let over = stage == Stage::Over;
        json!({
            "id": self.item_id(),
            "content": if over { vec![part(&self.text.whole(), &Value::Null)] } else { vec![] },
            "role": "assistant",
            "status": if over { "completed" } else { "in_progress" },
            "type": "message",
            "phase": null
        })
    }

    pub(super) fn item_id(&self) -> String {
        format!("msg_{}", self.id)
    }

    fn usage(&self) -> Value {
        let (input, output) = (self.prompt_tokens, self.text.len());
        json!({
            "input_tokens": input,
            "input_tokens_details": {
                "cached_tokens": 0, "cache_write_tokens": 0, "input_tokens_per_turn": [], "cached_tokens_per_turn": []
            },
            "output_tokens": output,
            "output_tokens_details": {
                "reasoning_tokens": 0, "tool_output_tokens": 0, "output_tokens_per_turn": [],
                "tool_output_tokens_per_turn": []
            },
            "total_tokens": input.saturating_add(output)
        })
    }
}

/// A part of the message.
pub(super) fn part(text: &str, logprobs: &Value) -> Value {
    json!({"annotations": [], "text": text, "type": "output_text", "logprobs": logprobs})
}
