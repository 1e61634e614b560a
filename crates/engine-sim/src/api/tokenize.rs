use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::call::Call;
use crate::deliver::{self, Work};
use crate::error::ApiError;
use crate::payload::Payload;
use crate::text::{pieces, token_id, token_text};

#[derive(Deserialize)]
pub(super) struct EncodeRequest {
    model: Option<String>,
    prompt: Option<String>,
    messages: Option<Vec<Value>>,
}

#[derive(Deserialize)]
pub(super) struct DecodeRequest {
    model: Option<String>,
    tokens: Vec<u64>,
}

#[derive(Serialize)]
struct Encoded {
    count: usize,
    max_model_len: u32,
    tokens: Vec<u64>,
    token_strs: Option<()>,
}

#[derive(Serialize)]
struct Decoded {
    prompt: String,
}

/// The token numbers of a text, or of the texts of messages.
pub(super) async fn encode(call: Call, Payload(request): Payload<EncodeRequest>) -> Result<Response, ApiError> {
    call.app.check_model(request.model.as_deref())?;
    let texts = match (&request.prompt, &request.messages) {
        (Some(prompt), _) => vec![prompt.as_str()],
        (None, Some(messages)) => messages.iter().filter_map(|message| message.get("content")?.as_str()).collect(),
        (None, None) => return Err(ApiError::missing("prompt")),
    };
    let tokens: Vec<u64> = texts.into_iter().flat_map(pieces).map(token_id).collect();
    let answer = Encoded { count: tokens.len(), max_model_len: call.app.args.max_model_len, tokens, token_strs: None };
    Ok(deliver::json(call, Work::prefill_only(0), &answer).await)
}

/// Words for token numbers.
pub(super) async fn decode(call: Call, Payload(request): Payload<DecodeRequest>) -> Result<Response, ApiError> {
    call.app.check_model(request.model.as_deref())?;
    let words: Vec<_> = request.tokens.iter().map(|id| token_text(*id)).collect();
    Ok(deliver::json(call, Work::prefill_only(0), &Decoded { prompt: words.join(" ") }).await)
}
