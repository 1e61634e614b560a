//! The JSON of text completions, member for member in vLLM's order.

use serde::Serialize;

use super::{Plan, Reply};
use crate::api::logprobs::TextLogprobs;
use crate::api::usage::{StreamUsage, Usage};

/// What vLLM calls itself in `system_fingerprint`.
pub(super) const FINGERPRINT: &str = "vllm-0.32.0-simulated";

/// An answer in one piece.
#[derive(Serialize)]
pub(super) struct Completion<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: Vec<Choice>,
    service_tier: Option<()>,
    system_fingerprint: &'static str,
    usage: Usage,
    kv_transfer_params: Option<()>,
    ec_transfer_params: Option<()>,
    metrics: Option<()>,
}

/// One of the answers.
#[derive(Serialize)]
pub(super) struct Choice {
    index: u32,
    text: String,
    logprobs: Option<TextLogprobs>,
    finish_reason: &'static str,
    stop_reason: Option<()>,
    token_ids: Option<()>,
    prompt_logprobs: Option<()>,
    prompt_token_ids: Option<()>,
    routed_experts: Option<()>,
}

/// One event of a stream.
#[derive(Serialize)]
pub(super) struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: Vec<ChunkChoice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) usage: Option<StreamUsage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) system_fingerprint: Option<&'static str>,
}

/// What an event adds to one of the answers.
#[derive(Default, Serialize)]
pub(super) struct ChunkChoice {
    pub(super) index: u32,
    pub(super) text: String,
    pub(super) logprobs: Option<TextLogprobs>,
    pub(super) finish_reason: Option<&'static str>,
    pub(super) stop_reason: Option<()>,
    pub(super) prompt_token_ids: Option<()>,
    pub(super) token_ids: Option<()>,
}

// === impl Completion ===

impl<'a> Completion<'a> {
    pub(super) fn new(plan: &'a Plan, choices: Vec<Choice>, usage: Usage) -> Self {
        Self {
            id: &plan.id,
            object: "text_completion",
            created: plan.created,
            model: &plan.model,
            choices,
            service_tier: None,
            system_fingerprint: FINGERPRINT,
            usage,
            kv_transfer_params: None,
            ec_transfer_params: None,
            metrics: None,
        }
    }
}

// === impl Choice ===

impl Choice {
    pub(super) fn new(index: u32, reply: &Reply, logprobs: Option<TextLogprobs>) -> Self {
        Self {
            index,
            text: format!("{}{}", reply.echo, reply.text.whole()),
            logprobs,
            finish_reason: reply.finish_reason(),
            stop_reason: None,
            token_ids: None,
            prompt_logprobs: None,
            prompt_token_ids: None,
            routed_experts: None,
        }
    }
}

// === impl Chunk ===

impl<'a> Chunk<'a> {
    pub(super) fn new(plan: &'a Plan, choices: Vec<ChunkChoice>) -> Self {
        Self {
            id: &plan.id,
            object: "text_completion",
            created: plan.created,
            model: &plan.model,
            choices,
            usage: None,
            system_fingerprint: None,
        }
    }

    pub(super) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}
