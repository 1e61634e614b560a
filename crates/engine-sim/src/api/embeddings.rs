use axum::response::Response;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use super::usage::Usage;
use crate::call::Call;
use crate::deliver::{self, Work};
use crate::error::ApiError;
use crate::payload::Payload;
use crate::text::{Seed, count};

/// The fields of an embedding request that the simulation looks at; others are ignored.
#[derive(Deserialize)]
pub(super) struct EmbeddingRequest {
    model: Option<String>,
    input: Option<Input>,
    encoding_format: Option<Encoding>,
    dimensions: Option<u32>,
}

/// One text or several, as text or as token numbers.
#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    Text(String),
    Texts(Vec<String>),
    Tokens(Vec<u64>),
    TokenLists(Vec<Vec<u64>>),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    #[default]
    Float,
    Base64,
}

#[derive(Serialize)]
struct List<T> {
    id: String,
    object: &'static str,
    created: i64,
    model: String,
    data: Vec<T>,
    usage: Usage,
}

#[derive(Serialize)]
struct Embedding {
    index: usize,
    object: &'static str,
    #[serde(rename = "embedding")]
    vector: Vector,
}

#[derive(Serialize)]
struct Pooled {
    index: usize,
    object: &'static str,
    data: Vector,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Vector {
    Floats(Vec<f32>),
    Base64(String),
}

/// `/v1/embeddings`.
pub(super) async fn embed(call: Call, Payload(request): Payload<EmbeddingRequest>) -> Result<Response, ApiError> {
    let embedding = |index, vector| Embedding { index, object: "embedding", vector };
    answer(call, &request, "embd", embedding).await
}

/// vLLM's own `/pooling`.
pub(super) async fn pool(call: Call, Payload(request): Payload<EmbeddingRequest>) -> Result<Response, ApiError> {
    answer(call, &request, "pooling", |index, data| Pooled { index, object: "pooling", data }).await
}

async fn answer<T: Serialize>(
    call: Call,
    request: &EmbeddingRequest,
    prefix: &str,
    item: impl Fn(usize, Vector) -> T,
) -> Result<Response, ApiError> {
    let app = call.app.clone();
    let inputs = request.input.as_ref().ok_or_else(|| ApiError::missing("input"))?.read();
    app.check_model(request.model.as_deref())?;
    check(&app.args.model, request.dimensions, &inputs)?;
    for (_, tokens) in &inputs {
        app.room_after(*tokens)?;
    }
    let encoding = request.encoding_format.unwrap_or_default();
    let vectors = inputs.iter().map(|(seed, _)| Vector::new(*seed, app.args.dimensions, encoding));
    let prompt_tokens = inputs.iter().map(|(_, tokens)| *tokens).fold(0, u32::saturating_add);
    let list = List {
        id: format!("{prefix}-{}", call.id),
        object: "list",
        created: app.created(),
        model: app.args.model.clone(),
        data: vectors.enumerate().map(|(index, vector)| item(index, vector)).collect(),
        usage: Usage::new(prompt_tokens, 0),
    };
    Ok(deliver::json(call, Work::prefill_only(prompt_tokens), &list).await)
}

fn check(model: &str, dimensions: Option<u32>, inputs: &[(Seed, u32)]) -> Result<(), ApiError> {
    if inputs.is_empty() {
        return Err(ApiError::bad_request("You must pass at least one prompt", None));
    }
    if let Some(dimensions) = dimensions {
        let message = format!(
            "Model '{model}' does not support Matryoshka embeddings; dimensions must be unset (received \
             dimensions={dimensions})."
        );
        return Err(ApiError::bad_request(message, None));
    }
    Ok(())
}

// === impl Input ===

impl Input {
    /// Each text's seed and tokens; two of the tokens are marks around it.
    fn read(&self) -> Vec<(Seed, u32)> {
        let text = |text: &String| (Seed::of(text), count(text).saturating_add(2));
        let list = |ids: &Vec<u64>| {
            let seed = ids.iter().fold(Seed::of(""), |seed, id| seed.with(&id.to_string()));
            (seed, u32::try_from(ids.len()).unwrap_or(u32::MAX))
        };
        match self {
            Self::Text(one) => vec![text(one)],
            Self::Texts(texts) => texts.iter().map(text).collect(),
            Self::Tokens(ids) => vec![list(ids)],
            Self::TokenLists(lists) => lists.iter().map(list).collect(),
        }
    }
}

// === impl Vector ===

impl Vector {
    /// A vector of length 1 that depends on the seed alone.
    #[expect(clippy::cast_possible_truncation, reason = "the wire format is single precision")]
    fn new(seed: Seed, dimensions: u16, encoding: Encoding) -> Self {
        let raw: Vec<f64> = (0..u64::from(dimensions)).map(|index| seed.fraction(index) - 0.5).collect();
        let norm = raw.iter().map(|x| x * x).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
        let floats = raw.iter().map(|x| (x / norm) as f32);
        match encoding {
            Encoding::Float => Self::Floats(floats.collect()),
            Encoding::Base64 => {
                Self::Base64(BASE64_STANDARD.encode(floats.flat_map(f32::to_le_bytes).collect::<Vec<_>>()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_encodings_hold_the_same_unit_vector() {
        let Vector::Floats(floats) = Vector::new(Seed::of("a"), 8, Encoding::Float) else { panic!("floats") };
        let Vector::Base64(text) = Vector::new(Seed::of("a"), 8, Encoding::Base64) else { panic!("base64") };
        let bytes = BASE64_STANDARD.decode(text).unwrap();
        let decoded: Vec<f32> = bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        assert_eq!(decoded, floats);
        assert!((floats.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5);
    }
}
