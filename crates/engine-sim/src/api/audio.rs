use axum::response::Response;
use serde::Serialize;
use serde_json::json;

use super::multipart::Form;
use crate::answer::{Allowance, Text};
use crate::call::Call;
use crate::deliver::{self, Event, Script, Work};
use crate::error::ApiError;
use crate::metrics::Finish;
use crate::payload::Raw;
use crate::text::Seed;

/// Bytes of one second of audio, where no WAV header says otherwise.
const BYTES_PER_SECOND: u32 = 16_000;

/// Prompt tokens of one second of audio.
const TOKENS_PER_SECOND: u32 = 50;

/// `/v1/audio/transcriptions`.
pub(super) async fn transcribe(call: Call, raw: Raw) -> Result<Response, ApiError> {
    answer(call, &raw, "transcription").await
}

/// `/v1/audio/translations`.
pub(super) async fn translate(call: Call, raw: Raw) -> Result<Response, ApiError> {
    answer(call, &raw, "translation").await
}

/// What was heard.
struct Heard {
    task: &'static str,
    id: String,
    created: i64,
    model: String,
    language: String,
    seconds: u32,
    text: Text,
    finish: Finish,
}

async fn answer(call: Call, raw: &Raw, task: &'static str) -> Result<Response, ApiError> {
    let form = Form::read(raw)?;
    let file = form.bytes("file")?;
    call.app.check_model(form.text("model"))?;
    let heard = Heard::new(&call, &form, file, task);
    let prompt_tokens = heard.seconds.saturating_mul(TOKENS_PER_SECOND);
    let work = Work { prompt_tokens, completion_tokens: heard.text.len(), finish: heard.finish };
    if form.text("stream") == Some("true") {
        let usage = form.text("stream_include_usage") == Some("true");
        return Ok(deliver::stream(call, work, AudioScript { heard, next: 0, prompt_tokens, usage }).await);
    }
    match form.text("response_format").unwrap_or("json") {
        "json" => Ok(deliver::json(call, work, &heard.short()).await),
        "verbose_json" => Ok(deliver::json(call, work, &heard.verbose()).await),
        "text" => Ok(deliver::bytes(call, work, "text/plain; charset=utf-8", heard.text.whole().into_bytes()).await),
        other => {
            let message = format!("Currently do not support response_format: `{other}`");
            Err(ApiError::bad_request(message, Some("response_format")))
        }
    }
}

// === impl Heard ===

impl Heard {
    fn new(call: &Call, form: &Form, file: &[u8], task: &'static str) -> Self {
        let app = &*call.app;
        let seed = Seed::of(&String::from_utf8_lossy(file)).with(task);
        let (len, finish) = Allowance::default().decide(app.settings.pace().tokens, app.args.max_model_len);
        Self {
            task,
            id: call.id.clone(),
            created: app.created(),
            model: app.args.model.clone(),
            language: form.text("language").unwrap_or("en").to_owned(),
            seconds: seconds(file),
            text: Text::Words { seed, len },
            finish,
        }
    }

    fn short(&self) -> impl Serialize {
        json!({"text": self.text.whole(), "usage": {"type": "duration", "seconds": self.seconds}})
    }

    fn verbose(&self) -> impl Serialize {
        let (text, end) = (self.text.whole(), f64::from(self.seconds));
        let segment = json!({
            "id": 0, "avg_logprob": -0.2, "compression_ratio": 1.0, "end": end, "no_speech_prob": null, "seek": 0,
            "start": 0.0, "temperature": 0.0, "text": text, "tokens": []
        });
        json!({"duration": end, "language": self.language, "text": text, "segments": [segment], "words": null})
    }
}

/// The events of a transcription.
struct AudioScript {
    heard: Heard,
    next: u32,
    prompt_tokens: u32,
    usage: bool,
}

// === impl AudioScript ===

impl AudioScript {
    fn event(&self, choices: &serde_json::Value, usage: bool, tokens: u32) -> Event {
        let heard = &self.heard;
        let object = format!("{}.chunk", heard.task);
        let prefix = if heard.task == "translation" { "trsl" } else { "trsc" };
        let mut chunk = json!({
            "id": format!("{prefix}-{}", heard.id), "object": object, "created": heard.created, "model": heard.model,
            "choices": choices
        });
        if usage {
            let (prompt, done) = (self.prompt_tokens, self.heard.text.len());
            let total = prompt.saturating_add(done);
            chunk["usage"] = json!({"prompt_tokens": prompt, "total_tokens": total, "completion_tokens": done});
        }
        Event::new(serde_json::to_vec(&chunk).unwrap_or_default(), tokens)
    }
}

impl Script for AudioScript {
    fn next(&mut self) -> Option<Event> {
        let (at, len) = (self.next, self.heard.text.len());
        self.next += 1;
        let reason = if self.heard.finish == Finish::Stop { "stop" } else { "length" };
        match at {
            at if at < len => {
                let token = self.heard.text.token(at).into_owned();
                Some(self.event(&json!([{"delta": {"content": token}, "finish_reason": null}]), false, 1))
            }
            at if at == len => {
                Some(self.event(&json!([{"delta": {}, "finish_reason": reason, "stop_reason": null}]), false, 0))
            }
            at if at == len + 1 && self.usage => Some(self.event(&json!([]), true, 0)),
            _ => None,
        }
    }

    fn abort(&mut self) -> Option<Event> {
        Some(self.event(&json!([{"delta": {}, "finish_reason": "abort"}]), false, 0))
    }
}

/// Length of the audio, at least a second: from a WAV header, else guessed from its size.
fn seconds(file: &[u8]) -> u32 {
    let rate = file.get(28..32).filter(|_| file.starts_with(b"RIFF")).and_then(|bytes| bytes.try_into().ok());
    let rate = rate.map_or(BYTES_PER_SECOND, u32::from_le_bytes).max(1);
    u32::try_from(file.len()).unwrap_or(u32::MAX).div_ceil(rate).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wav_header_tells_the_length() {
        let mut wav = vec![0_u8; 44 + 96_000];
        wav[..4].copy_from_slice(b"RIFF");
        wav[28..32].copy_from_slice(&48_000_u32.to_le_bytes());
        assert_eq!(seconds(&wav), 3);
        assert_eq!(seconds(&vec![0; 40_000]), 3);
        assert_eq!(seconds(b""), 1);
        assert_eq!(seconds(b"RIFF"), 1);
    }
}
