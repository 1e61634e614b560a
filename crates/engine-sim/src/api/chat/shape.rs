//! The JSON of chat completions, member for member in vLLM's order.

use serde::Serialize;

use super::{Plan, Reply};
use crate::api::logprobs::ChatLogprobs;
use crate::api::usage::{Null, StreamUsage, Usage};

/// What vLLM calls itself in `system_fingerprint`.
pub(super) const FINGERPRINT: &str = "vllm-0.32.0-simulated";

/// An answer in one piece.
#[derive(Serialize)]
pub(super) struct Completion<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: Vec<Choice<'a>>,
    service_tier: Option<()>,
    system_fingerprint: &'static str,
    usage: Usage,
    prompt_logprobs: Option<()>,
    prompt_token_ids: Option<()>,
    prompt_text: Option<()>,
    kv_transfer_params: Option<()>,
    ec_transfer_params: Option<()>,
    metrics: Option<()>,
}

/// One of `n` answers.
#[derive(Serialize)]
pub(super) struct Choice<'a> {
    index: u32,
    message: Message<'a>,
    logprobs: Option<ChatLogprobs>,
    finish_reason: &'static str,
    stop_reason: Option<()>,
    token_ids: Option<()>,
    routed_experts: Option<()>,
}

/// What the assistant says.
#[derive(Serialize)]
pub(super) struct Message<'a> {
    role: &'static str,
    content: String,
    refusal: Option<()>,
    annotations: Option<()>,
    audio: Option<()>,
    function_call: Option<()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[ToolCall<'a>; 1]>,
    reasoning: Option<()>,
}

/// A call of a function, whole or in parts.
#[derive(Serialize)]
pub(super) struct ToolCall<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u32>,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<String>,
}

/// One event of a stream.
#[derive(Serialize)]
pub(super) struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    pub(super) choices: Vec<ChunkChoice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) usage: Option<StreamUsage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) system_fingerprint: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_token_ids: Option<Null>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_text: Option<Null>,
}

/// What an event adds to one of `n` answers.
#[derive(Serialize)]
pub(super) struct ChunkChoice<'a> {
    index: u32,
    delta: Delta<'a>,
    logprobs: Option<ChatLogprobs>,
    finish_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_reason: Option<Null>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_ids: Option<Null>,
}

/// The new part of a message.
#[derive(Default, Serialize)]
pub(super) struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[ToolCall<'a>; 1]>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Text(&'a str),
    Null(()),
}

// === impl Completion ===

impl<'a> Completion<'a> {
    pub(super) fn new(plan: &'a Plan, choices: Vec<Choice<'a>>, usage: Usage) -> Self {
        Self {
            id: &plan.id,
            object: "chat.completion",
            created: plan.created,
            model: &plan.model,
            choices,
            service_tier: None,
            system_fingerprint: FINGERPRINT,
            usage,
            prompt_logprobs: None,
            prompt_token_ids: None,
            prompt_text: None,
            kv_transfer_params: None,
            ec_transfer_params: None,
            metrics: None,
        }
    }
}

// === impl Choice ===

impl<'a> Choice<'a> {
    pub(super) fn new(index: u32, reply: &'a Reply, logprobs: Option<ChatLogprobs>) -> Self {
        Self {
            index,
            message: reply.message(),
            logprobs,
            finish_reason: reply.finish_reason(),
            stop_reason: None,
            token_ids: None,
            routed_experts: None,
        }
    }
}

// === impl Message ===

impl<'a> Message<'a> {
    pub(super) fn text(content: String) -> Self {
        Self {
            role: "assistant",
            content,
            refusal: None,
            annotations: None,
            audio: None,
            function_call: None,
            tool_calls: None,
            reasoning: None,
        }
    }

    pub(super) fn call(call: ToolCall<'a>) -> Self {
        Self { tool_calls: Some([call]), ..Self::text(String::new()) }
    }
}

// === impl ToolCall ===

impl<'a> ToolCall<'a> {
    /// A call with all its arguments.
    pub(super) fn whole(id: &'a str, name: &'a str, arguments: String) -> Self {
        let function = Function { name: Some(name), arguments: Some(arguments) };
        Self { id: Some(id), r#type: Some("function"), index: None, function }
    }

    /// The start of a call in a stream.
    pub(super) fn opening(id: &'a str, name: &'a str) -> Self {
        let function = Function { name: Some(name), arguments: None };
        Self { id: Some(id), r#type: Some("function"), index: Some(0), function }
    }

    /// More of its arguments.
    pub(super) fn more(arguments: String) -> Self {
        Self { id: None, r#type: None, index: Some(0), function: Function { name: None, arguments: Some(arguments) } }
    }
}

// === impl Chunk ===

impl<'a> Chunk<'a> {
    pub(super) fn new(plan: &'a Plan, choices: Vec<ChunkChoice<'a>>) -> Self {
        Self {
            id: &plan.id,
            object: "chat.completion.chunk",
            created: plan.created,
            model: &plan.model,
            choices,
            usage: None,
            system_fingerprint: None,
            prompt_token_ids: None,
            prompt_text: None,
        }
    }

    /// The event that opens an answer.
    pub(super) fn opening(plan: &'a Plan, index: u32) -> Self {
        let delta = Delta { role: Some("assistant"), content: Some(Content::Text("")), tool_calls: None };
        let choice = ChunkChoice { token_ids: None, ..ChunkChoice::new(index, delta) };
        Self { prompt_token_ids: Some(Null), prompt_text: Some(Null), ..Self::new(plan, vec![choice]) }
    }

    pub(super) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

// === impl ChunkChoice ===

impl<'a> ChunkChoice<'a> {
    pub(super) fn new(index: u32, delta: Delta<'a>) -> Self {
        Self { index, delta, logprobs: None, finish_reason: None, stop_reason: None, token_ids: Some(Null) }
    }

    pub(super) fn with_logprobs(self, logprobs: Option<ChatLogprobs>) -> Self {
        Self { logprobs, ..self }
    }

    pub(super) fn finished(self, reason: &'static str) -> Self {
        Self { finish_reason: Some(reason), stop_reason: Some(Null), ..self }
    }
}

// === impl Delta ===

impl<'a> Delta<'a> {
    pub(super) fn text(text: &'a str) -> Self {
        Self { content: Some(Content::Text(text)), ..Self::default() }
    }

    pub(super) fn call(call: ToolCall<'a>) -> Self {
        Self { content: Some(Content::Null(())), tool_calls: Some([call]), role: None }
    }
}
