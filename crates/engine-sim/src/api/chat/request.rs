use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::sampling::{Sampling, StreamOptions};

/// The fields of a chat completion request that the simulation looks at; others are ignored.
#[derive(Deserialize)]
pub(in crate::api) struct ChatRequest {
    pub(super) model: Option<String>,
    pub(super) messages: Option<Vec<Message>>,
    pub(super) stream: Option<bool>,
    pub(super) stream_options: Option<StreamOptions>,
    max_tokens: Option<i64>,
    max_completion_tokens: Option<i64>,
    min_tokens: Option<u32>,
    ignore_eos: Option<bool>,
    n: Option<i64>,
    temperature: Option<f64>,
    logprobs: Option<bool>,
    top_logprobs: Option<i64>,
    #[serde(default)]
    tools: Option<Vec<Value>>,
    tool_choice: Option<Value>,
    response_format: Option<Value>,
}

/// One turn.
#[derive(Deserialize)]
pub(super) struct Message {
    pub(super) role: Option<String>,
    pub(super) content: Option<Content>,
}

/// What was said: a text, or parts.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Content {
    Text(String),
    Parts(Vec<Part>),
}

/// One part: a text, or something else by its type.
#[derive(Deserialize)]
pub(super) struct Part {
    pub(super) r#type: Option<String>,
    pub(super) text: Option<String>,
}

/// What the answer must look like.
pub(super) enum Format {
    /// Free text.
    Words,
    /// JSON that fits a schema.
    Json(Value),
    /// A call of a function with arguments that fit a schema.
    Call { name: String, schema: Value, named: bool },
}

// === impl ChatRequest ===

impl ChatRequest {
    pub(super) fn sampling(&self) -> Sampling {
        Sampling {
            max_tokens: self.max_completion_tokens.or(self.max_tokens),
            min_tokens: self.min_tokens,
            ignore_eos: self.ignore_eos.unwrap_or(false),
            n: self.n,
            temperature: self.temperature,
            top_logprobs: self.top_logprobs,
        }
    }

    /// Candidates per token, if log probabilities are wanted.
    pub(super) fn top_logprobs(&self) -> Option<u32> {
        let wanted = self.logprobs.unwrap_or(false);
        wanted.then(|| self.top_logprobs.and_then(|top| u32::try_from(top).ok()).unwrap_or(0))
    }

    /// Tools win over a response format; `auto` never calls.
    pub(super) fn format(&self) -> Format {
        let choice = self.tool_choice.as_ref();
        let named = choice.and_then(|choice| choice.pointer("/function/name")).and_then(Value::as_str);
        let required = choice.and_then(Value::as_str) == Some("required");
        let function = self.tools.iter().flatten().filter_map(|tool| tool.get("function")).find(|function| {
            let name = function.get("name").and_then(Value::as_str);
            required || (named.is_some() && name == named)
        });
        if let Some(function) = function {
            let name = function.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
            let schema = function.get("parameters").cloned().unwrap_or(Value::Null);
            return Format::Call { name, schema, named: named.is_some() };
        }
        self.json_schema().map_or(Format::Words, Format::Json)
    }

    fn json_schema(&self) -> Option<Value> {
        let format = self.response_format.as_ref()?;
        match format.get("type").and_then(Value::as_str)? {
            "json_object" => Some(json!({"properties": {"answer": {"type": "string"}}})),
            "json_schema" => Some(format.pointer("/json_schema/schema").cloned().unwrap_or(Value::Null)),
            _ => None,
        }
    }
}
