use bytes::Bytes;
use serde_json::{Value, json};
use spec::ModelType;

/// A red square of 64 by 64 pixels.
const PICTURE: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAEAAAABACAIAAAAlC+aJAAAAT0lEQVR42u3PQQkAAAgEsAtx/ZMZxgi+hcEKLNO+FgEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQGBywKqxUDxqh7TUQAAAABJRU5ErkJggg==";
/// Between the parts of a form. Samples of sound are far from it.
const BOUNDARY: &str = "enginehouse-7c9e6679f3b24e8d";
/// Samples a second.
const RATE: u32 = 16_000;
/// Samples of half a wave: 440 Hz, nearly.
const HALF_WAVE: u32 = 18;
/// How loud.
const LOUD: i16 = 6_000;

/// What is asked.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) path: &'static str,
    pub(super) content_type: String,
    pub(super) body: Bytes,
}

/// A small one for a model of this type.
pub(super) fn question(model: &str, model_type: ModelType) -> Question {
    let hello = json!([{ "role": "user", "content": "Say hello." }]);
    match model_type {
        ModelType::Chat => {
            json_question("/v1/chat/completions", &json!({ "model": model, "messages": hello, "max_tokens": 16 }))
        }
        ModelType::Vision => {
            let content = json!([
                { "type": "text", "text": "Which colour is this? One word." },
                { "type": "image_url", "image_url": { "url": PICTURE } },
            ]);
            let messages = json!([{ "role": "user", "content": content }]);
            json_question("/v1/chat/completions", &json!({ "model": model, "messages": messages, "max_tokens": 16 }))
        }
        ModelType::Embedding => json_question("/v1/embeddings", &json!({ "model": model, "input": "hello" })),
        ModelType::Rerank => {
            let documents = ["Paris is the capital of France.", "Bread is made of flour."];
            let query = "What is the capital of France?";
            json_question("/v1/rerank", &json!({ "model": model, "query": query, "documents": documents }))
        }
        ModelType::SpeechToText => form_question("/v1/audio/transcriptions", model, &wav()),
        ModelType::TextToSpeech => {
            let body = json!({ "model": model, "input": "Hello.", "response_format": "wav" });
            json_question("/v1/audio/speech", &body)
        }
        ModelType::ImageGeneration => {
            let body = json!({ "model": model, "prompt": "A red square", "n": 1, "size": "512x512" });
            json_question("/v1/images/generations", &body)
        }
    }
}

fn json_question(path: &'static str, body: &Value) -> Question {
    Question { path, content_type: "application/json".to_owned(), body: body.to_string().into() }
}

fn form_question(path: &'static str, model: &str, sound: &[u8]) -> Question {
    // A name is JSON's business elsewhere; in a form a line feed would end its part, and names have none.
    let model: String = model.chars().filter(|c| !c.is_control()).collect();
    let mut body = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n{model}\r\n--{BOUNDARY}\r\n\
         Content-Disposition: form-data; name=\"file\"; filename=\"test.wav\"\r\nContent-Type: audio/wav\r\n\r\n"
    )
    .into_bytes();
    body.extend_from_slice(sound);
    body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    Question { path, content_type: format!("multipart/form-data; boundary={BOUNDARY}"), body: body.into() }
}

/// A second of a tone: mono, 16 bits a sample.
fn wav() -> Vec<u8> {
    let bytes = RATE * 2;
    let mut wav = b"RIFF".to_vec();
    wav.extend((36 + bytes).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16_u32.to_le_bytes());
    wav.extend([1_u16.to_le_bytes(), 1_u16.to_le_bytes()].concat());
    wav.extend([RATE.to_le_bytes(), (RATE * 2).to_le_bytes()].concat());
    wav.extend([2_u16.to_le_bytes(), 16_u16.to_le_bytes()].concat());
    wav.extend(b"data");
    wav.extend(bytes.to_le_bytes());
    wav.extend((0..RATE).flat_map(|n| if (n / HALF_WAVE).is_multiple_of(2) { LOUD } else { -LOUD }.to_le_bytes()));
    wav
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_a_question() {
        for model_type in ModelType::ALL {
            let Question { path, content_type, body } = question("org/m", model_type);
            let surface = path.strip_prefix("/v1/").unwrap();
            assert!(spec::defaults(model_type).surfaces.contains(&surface), "{model_type}: {path}");
            let names_model = body.windows(5).any(|bytes| bytes == b"org/m");
            assert!(names_model && !content_type.is_empty(), "{model_type}");
        }
    }

    #[test]
    fn the_sound_is_a_second_long() {
        let wav = wav();
        assert_eq!((wav.len(), &wav[..4], &wav[8..16]), (44 + 32_000, &b"RIFF"[..], &b"WAVEfmt "[..]));
        assert_eq!(wav[40..44], 32_000_u32.to_le_bytes());
    }
}
