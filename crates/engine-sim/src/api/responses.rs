//! `/v1/responses`: text in, text out; what was made is kept for later.

mod kept;
mod script;
mod shape;
mod store;

pub(super) use kept::{cancel, delete, get, input_items};
pub(crate) use store::Store;

use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;

use self::script::ResponseScript;
use self::store::Kept;
use crate::answer::{Allowance, Text};
use crate::call::Call;
use crate::deliver::{self, Work};
use crate::error::ApiError;
use crate::metrics::Finish;
use crate::payload::Payload;
use crate::text::{Seed, count};

/// Tokens that the chat template adds per turn.
const PER_TURN: u32 = 3;

/// The fields of a response request that the simulation looks at; others are ignored.
#[derive(Deserialize)]
pub(super) struct ResponseRequest {
    model: Option<String>,
    input: Option<Value>,
    instructions: Option<String>,
    max_output_tokens: Option<u32>,
    temperature: Option<f64>,
    stream: Option<bool>,
    previous_response_id: Option<String>,
    background: Option<bool>,
    store: Option<bool>,
}

/// A checked request: everything that its answer is made of.
struct Plan {
    id: String,
    created: i64,
    model: String,
    instructions: Option<String>,
    previous: Option<String>,
    is_background: bool,
    max_output_tokens: u32,
    temperature: f64,
    prompt_tokens: u32,
    text: Text,
    finish: Finish,
}

/// Answers a response request, in one piece or as a stream.
pub(super) async fn respond(call: Call, Payload(request): Payload<ResponseRequest>) -> Result<Response, ApiError> {
    let stream = request.stream.unwrap_or(false);
    let (input, stores) = (request.input.clone().unwrap_or_default(), request.store != Some(false));
    let plan = Plan::new(&call, request)?;
    if stores {
        let tokens = plan.prompt_tokens.saturating_add(plan.text.len());
        call.app.responses.insert(Kept { response: plan.response(shape::Stage::Over), input, tokens });
    }
    let work = Work { prompt_tokens: plan.prompt_tokens, completion_tokens: plan.text.len(), finish: plan.finish };
    if stream {
        return Ok(deliver::stream(call, work, ResponseScript::new(plan)).await);
    }
    let stage = if plan.is_background { shape::Stage::Queued } else { shape::Stage::Over };
    Ok(deliver::json(call, work, &plan.response(stage)).await)
}

// === impl Plan ===

impl Plan {
    fn new(call: &Call, request: ResponseRequest) -> Result<Self, ApiError> {
        let app = &*call.app;
        let input = request.input.ok_or_else(|| ApiError::missing("input"))?;
        app.check_model(request.model.as_deref())?;
        let turns: Vec<&str> = request.instructions.as_deref().into_iter().chain(texts(&input)).collect();
        let tokens = turns.iter().map(|text| count(text).saturating_add(PER_TURN));
        let before = match &request.previous_response_id {
            Some(id) => kept::find(call, id)?.tokens,
            None => 0,
        };
        let prompt_tokens = tokens.fold(before, u32::saturating_add);
        let room = app.room_after(prompt_tokens)?;
        let allowance = Allowance { max_tokens: request.max_output_tokens, ..Allowance::default() };
        let (len, finish) = allowance.decide(app.settings.pace().tokens, room);
        let seed = turns.iter().fold(Seed::of("response"), |seed, text| seed.with(text));
        Ok(Self {
            id: call.id.clone(),
            created: app.created(),
            model: app.args.model.clone(),
            max_output_tokens: request.max_output_tokens.unwrap_or(room),
            temperature: request.temperature.unwrap_or(1.0),
            prompt_tokens,
            text: Text::Words { seed, len },
            finish,
            instructions: request.instructions,
            previous: request.previous_response_id,
            is_background: request.background.unwrap_or(false),
        })
    }
}

/// The texts in an input: itself, or those of its items and their parts.
fn texts(input: &Value) -> Vec<&str> {
    match input {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(item) => match item.get("content").or_else(|| item.get("text")) {
            Some(inner) => texts(inner),
            None => vec![],
        },
        _ => vec![],
    }
}
