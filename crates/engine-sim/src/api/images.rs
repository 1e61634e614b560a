use axum::response::Response;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use super::multipart::Form;
use super::png;
use crate::call::Call;
use crate::deliver::{self, Work};
use crate::error::ApiError;
use crate::payload::{Payload, Raw};
use crate::text::{Seed, count};

/// Images per request, at most.
const MAX_N: u32 = 10;

#[derive(Deserialize)]
pub(super) struct GenerationRequest {
    model: Option<String>,
    prompt: Option<String>,
    n: Option<u32>,
    size: Option<String>,
}

#[derive(Serialize)]
struct Images {
    created: i64,
    data: Vec<Image>,
}

#[derive(Serialize)]
struct Image {
    b64_json: String,
    url: Option<()>,
    revised_prompt: Option<()>,
}

/// `/v1/images/generations`.
pub(super) async fn generate(call: Call, Payload(request): Payload<GenerationRequest>) -> Result<Response, ApiError> {
    let prompt = request.prompt.ok_or_else(|| ApiError::missing("prompt"))?;
    call.app.check_model(request.model.as_deref())?;
    answer(call, Seed::of(&prompt), count(&prompt), request.n, request.size.as_deref()).await
}

/// `/v1/images/edits`: a form with `image` and `prompt`.
pub(super) async fn edit(call: Call, raw: Raw) -> Result<Response, ApiError> {
    let form = Form::read(&raw)?;
    let image = form.bytes("image").or_else(|missing| form.bytes("image[]").map_err(|_| missing))?;
    let prompt = form.text("prompt").ok_or_else(|| ApiError::missing("prompt"))?;
    call.app.check_model(form.text("model"))?;
    let n = form.text("n").and_then(|n| n.parse().ok());
    let seed = Seed::of(prompt).with(&String::from_utf8_lossy(image));
    answer(call, seed, count(prompt), n, form.text("size")).await
}

/// `/v1/images/variations`: a form with `image`.
pub(super) async fn vary(call: Call, raw: Raw) -> Result<Response, ApiError> {
    let form = Form::read(&raw)?;
    let image = form.bytes("image")?;
    call.app.check_model(form.text("model"))?;
    let n = form.text("n").and_then(|n| n.parse().ok());
    answer(call, Seed::of(&String::from_utf8_lossy(image)), 0, n, form.text("size")).await
}

async fn answer(call: Call, seed: Seed, tokens: u32, n: Option<u32>, size: Option<&str>) -> Result<Response, ApiError> {
    let n = n.unwrap_or(1);
    if !(1..=MAX_N).contains(&n) {
        return Err(ApiError::bad_request(format!("n must be from 1 to {MAX_N}, got {n}."), Some("n")));
    }
    let (width, height) = dimensions(size.unwrap_or("256x256"))?;
    let image = |index| Image {
        b64_json: BASE64_STANDARD.encode(rings(seed.variant(index), width, height)),
        url: None,
        revised_prompt: None,
    };
    let images = Images { created: call.app.created(), data: (0..u64::from(n)).map(image).collect() };
    Ok(deliver::json(call, Work::prefill_only(tokens), &images).await)
}

fn dimensions(size: &str) -> Result<(u32, u32), ApiError> {
    let read = |side: &str| side.parse().ok().filter(|pixels| (1..=png::LARGEST).contains(pixels));
    let sides = if size == "auto" { Some((256, 256)) } else { None };
    let sides = sides.or_else(|| size.split_once('x').and_then(|(w, h)| Some((read(w)?, read(h)?))));
    sides.ok_or_else(|| {
        let largest = png::LARGEST;
        ApiError::bad_request(format!("size must be WIDTHxHEIGHT up to {largest}x{largest}, got {size}."), Some("size"))
    })
}

/// Rings around a point, their place, width and colours drawn from the seed.
fn rings(seed: Seed, width: u32, height: u32) -> Vec<u8> {
    let draw = |index, bound: u32| u32::try_from(seed.draw(index) % u64::from(bound.max(1))).unwrap_or(0);
    let (cx, cy, ring) = (draw(0, width), draw(1, height), 6 + draw(2, 24));
    let colour = |index: u64| seed.draw(index).to_le_bytes();
    let colours = [colour(3), colour(4)].map(|bytes| [bytes[0], bytes[1], bytes[2]]);
    png::two_colours(width, height, colours, |x, y| {
        let (dx, dy) = (x.abs_diff(cx), y.abs_diff(cy));
        ((dx * dx + dy * dy).isqrt() / ring) % 2 == 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_or_refused() {
        assert_eq!(dimensions("64x32").unwrap(), (64, 32));
        assert_eq!(dimensions("auto").unwrap(), (256, 256));
        for wrong in ["", "64", "0x5", "64x99999", "axb"] {
            assert!(dimensions(wrong).is_err(), "{wrong}");
        }
    }
}
