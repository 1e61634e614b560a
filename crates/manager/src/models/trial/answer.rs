use http::{Response, header};
use serde_json::Value;
use spec::ModelType;

/// Characters of an answer that are shown.
const SHOWN: usize = 200;

/// An answer as people see it; of a refusal its message.
pub(super) fn in_short(model_type: ModelType, response: &Response<()>, body: &[u8]) -> String {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    if !response.status().is_success() {
        return cut(value["error"]["message"].as_str().unwrap_or(&String::from_utf8_lossy(body)));
    }
    let said = match model_type {
        ModelType::Chat | ModelType::Vision => value["choices"][0]["message"]["content"].as_str().map(cut),
        ModelType::Embedding => dimensions(&value["data"][0]["embedding"]).map(|count| format!("{count} dimensions")),
        ModelType::Rerank => value["results"].as_array().map(|results| format!("{} documents in order", results.len())),
        ModelType::SpeechToText => value["text"].as_str().map(cut),
        ModelType::ImageGeneration => value["data"].as_array().map(|all| format!("{} picture", all.len())),
        ModelType::TextToSpeech => None,
    };
    said.unwrap_or_else(|| {
        let kind =
            response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("no type");
        format!("{} bytes of {}", body.len(), cut(kind))
    })
}

fn dimensions(vector: &Value) -> Option<usize> {
    vector.as_array().map(Vec::len)
}

fn cut(text: &str) -> String {
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_are_told_in_a_line() {
        let of = |model_type, status: u16, body: Value| {
            let response = Response::builder().status(status).header("content-type", "audio/wav").body(()).unwrap();
            in_short(model_type, &response, body.to_string().as_bytes())
        };
        let said = json!({ "choices": [{ "message": { "content": "Hello\nthere" } }] });
        assert_eq!(of(ModelType::Chat, 200, said), "Hello there");
        assert_eq!(of(ModelType::Embedding, 200, json!({ "data": [{ "embedding": [1, 2] }] })), "2 dimensions");
        assert_eq!(of(ModelType::Rerank, 200, json!({ "results": [1, 2] })), "2 documents in order");
        assert_eq!(of(ModelType::TextToSpeech, 200, json!("four")), "6 bytes of audio/wav");
        assert_eq!(of(ModelType::Chat, 503, json!({ "error": { "message": "no" } })), "no");
    }
}
