use axum::response::Response;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::json;

use crate::call::Call;
use crate::deliver::{self, Event, Script, Work};
use crate::error::ApiError;
use crate::payload::Payload;
use crate::text::{Seed, count};

/// Samples per second.
const RATE: u32 = 24_000;

/// Samples per character of text: a twentieth of a second.
const PER_CHARACTER: u32 = RATE / 20;

/// Longest text spoken, in characters; what comes after is not heard.
const LONGEST: usize = 4096;

#[derive(Deserialize)]
pub(super) struct SpeechRequest {
    model: Option<String>,
    input: Option<String>,
    response_format: Option<String>,
    stream: Option<bool>,
    stream_format: Option<String>,
}

/// Sound, piece by piece: as it is, or in events.
struct SpeechScript {
    pieces: std::vec::IntoIter<Vec<u8>>,
    /// The type of the sound, where it goes as it is.
    raw_type: Option<&'static str>,
    prompt_tokens: u32,
    /// Pieces; also the tokens of the answer.
    total: u32,
    is_over: bool,
}

/// Bytes of one piece of sound.
const PIECE: usize = 4_800;

/// `/v1/audio/speech`: a beep per character, high or low by the text.
pub(super) async fn speak(call: Call, Payload(request): Payload<SpeechRequest>) -> Result<Response, ApiError> {
    let input = request.input.ok_or_else(|| ApiError::missing("input"))?;
    call.app.check_model(request.model.as_deref())?;
    let (content_type, audio) = match request.response_format.as_deref().unwrap_or("wav") {
        "wav" => ("audio/wav", wav(&samples(&input))),
        "pcm" => ("audio/pcm", pcm(&samples(&input))),
        other => {
            let message = format!("The simulated engine speaks wav and pcm, not `{other}`.");
            return Err(ApiError::bad_request(message, Some("response_format")));
        }
    };
    let is_sse = request.stream_format.as_deref() == Some("sse");
    if is_sse || request.stream == Some(true) {
        let script = SpeechScript::new(&audio, (!is_sse).then_some(content_type), count(&input));
        let work = Work { completion_tokens: script.total, ..Work::prefill_only(count(&input)) };
        return Ok(deliver::stream(call, work, script).await);
    }
    Ok(deliver::bytes(call, Work::prefill_only(count(&input)), content_type, audio).await)
}

// === impl SpeechScript ===

impl SpeechScript {
    fn new(audio: &[u8], raw_type: Option<&'static str>, prompt_tokens: u32) -> Self {
        let pieces: Vec<_> = audio.chunks(PIECE).map(<[u8]>::to_vec).collect();
        let total = u32::try_from(pieces.len()).unwrap_or(u32::MAX);
        Self { pieces: pieces.into_iter(), raw_type, prompt_tokens, total, is_over: false }
    }

    fn done(&self) -> Event {
        let (input, output) = (self.prompt_tokens, self.total);
        let usage =
            json!({"input_tokens": input, "output_tokens": output, "total_tokens": input.saturating_add(output)});
        let done = json!({"type": "speech.audio.done", "usage": usage});
        Event::new(serde_json::to_vec(&done).unwrap_or_default(), 0)
    }
}

impl Script for SpeechScript {
    fn next(&mut self) -> Option<Event> {
        match (self.pieces.next(), self.raw_type) {
            (Some(piece), Some(_)) => Some(Event::new(piece, 1)),
            (Some(piece), None) => {
                let delta = json!({"type": "speech.audio.delta", "audio": BASE64_STANDARD.encode(piece)});
                Some(Event::new(serde_json::to_vec(&delta).unwrap_or_default(), 1))
            }
            (None, None) if !std::mem::replace(&mut self.is_over, true) => Some(self.done()),
            (None, _) => None,
        }
    }

    fn abort(&mut self) -> Option<Event> {
        None
    }

    fn says_done(&self) -> bool {
        false
    }

    fn raw_type(&self) -> Option<&'static str> {
        self.raw_type
    }
}

fn samples(text: &str) -> Vec<i16> {
    let seed = Seed::of(text);
    let mut samples = Vec::new();
    for (character, index) in text.chars().take(LONGEST).zip(0_u64..) {
        let silent = character.is_whitespace();
        let half_wave = 20 + seed.draw(index) % 60;
        let wave = (0..u64::from(PER_CHARACTER)).map(|t| if (t / half_wave).is_multiple_of(2) { 4000 } else { -4000 });
        samples.extend(wave.map(|level| if silent { 0 } else { level }));
    }
    samples
}

fn pcm(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

/// A mono, 16 bit WAV file.
fn wav(samples: &[i16]) -> Vec<u8> {
    let data = pcm(samples);
    let size = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut file = Vec::with_capacity(44 + data.len());
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&size.saturating_add(36).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt ");
    file.extend_from_slice(&16_u32.to_le_bytes());
    file.extend_from_slice(&[1, 0, 1, 0]);
    file.extend_from_slice(&RATE.to_le_bytes());
    file.extend_from_slice(&(RATE * 2).to_le_bytes());
    file.extend_from_slice(&[2, 0, 16, 0]);
    file.extend_from_slice(b"data");
    file.extend_from_slice(&size.to_le_bytes());
    file.extend_from_slice(&data);
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sound_is_as_long_as_the_text_and_the_header_agrees() {
        let file = wav(&samples("hi you"));
        assert_eq!(file.len(), 44 + 6 * 2 * usize::try_from(PER_CHARACTER).unwrap());
        assert_eq!(file[40..44], u32::try_from(file.len() - 44).unwrap().to_le_bytes());
        assert_eq!(samples("a"), samples("a"));
        assert_ne!(samples("a"), samples("b"));
    }
}
