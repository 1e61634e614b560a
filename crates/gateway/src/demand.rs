mod audio;

use std::sync::Arc;

use ledger::Usage;
use wire::Peek;

pub(crate) use audio::Audio;

use crate::surface::{Api, Meter};

/// Tokens that an answer is expected to have where the request does not say.
const DEFAULT_COMPLETION_TOKENS: u64 = 1_024;

/// Bytes of a prompt that make a token, roughly, in every tokenizer that we know.
const BYTES_PER_TOKEN: u64 = 4;

/// Tokens that a speech model makes of one second of audio, as Whisper does.
const TOKENS_PER_AUDIO_SECOND: u64 = 50;

/// Tokens that a form with an image is taken for at most: its bytes say little.
const MAX_IMAGE_FORM_TOKENS: u64 = 4_096;

/// What a request asks for, by estimate: what is set aside for it, and what it is billed by where the engine does
/// not count it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Demand {
    /// Tokens of the prompt.
    pub(crate) prompt_tokens: u64,
    /// Tokens of one answer at most.
    pub(crate) completion_tokens: u64,
    /// Answers to the one prompt.
    pub(crate) answers: u64,
    /// All that is not counted in tokens.
    pub(crate) units: Usage,
    /// The audio that is being sent.
    pub(crate) audio: Option<Arc<Audio>>,
}

// === impl Demand ===

impl Demand {
    /// What a JSON request asks for.
    pub(crate) fn of(api: Api, peek: &Peek, body_bytes: usize) -> Self {
        let n = peek.n.unwrap_or(1).max(1);
        let meter = api.meter();
        let mut units = Usage::default();
        match meter {
            Meter::Searches => units.searches = 1,
            Meter::Images => units.images = n,
            Meter::Characters => units.characters = peek.input_characters.unwrap_or(0),
            Meter::Generated | Meter::Prompt | Meter::Audio | Meter::Nothing => {}
        }
        let is_generated = meter == Meter::Generated;
        Self {
            prompt_tokens: if meter == Meter::Nothing { 0 } else { (body_bytes as u64).div_ceil(BYTES_PER_TOKEN) },
            completion_tokens: if is_generated { peek.max_tokens.unwrap_or(DEFAULT_COMPLETION_TOKENS) } else { 0 },
            answers: if is_generated { n } else { 1 },
            units,
            audio: None,
        }
    }

    /// What a form of `bytes` asks for.
    pub(crate) fn of_form(api: Api, n: Option<u64>, bytes: u64, audio: &Arc<Audio>) -> Self {
        let mut demand = Self { answers: 1, ..Self::default() };
        if api.meter() == Meter::Audio {
            let seconds = Audio::guess_seconds(bytes);
            demand.prompt_tokens = seconds * TOKENS_PER_AUDIO_SECOND;
            demand.units.audio_millis = seconds * 1_000;
            demand.audio = Some(audio.clone());
        } else {
            demand.prompt_tokens = bytes.div_ceil(BYTES_PER_TOKEN).min(MAX_IMAGE_FORM_TOKENS);
            demand.units.images = n.unwrap_or(1).max(1);
        }
        demand
    }

    /// The most that is used, where prompt and answer fit into `context_length`.
    pub(crate) fn at_most(&self, context_length: Option<u32>) -> Usage {
        let fits = context_length.map_or(u64::MAX, |length| u64::from(length).saturating_sub(self.prompt_tokens));
        Usage {
            prompt_tokens: self.prompt_tokens.saturating_mul(self.answers),
            completion_tokens: self.completion_tokens.min(fits).saturating_mul(self.answers),
            ..self.units
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(api: Api, peek: &Peek) -> Usage {
        Demand::of(api, peek, 400).at_most(Some(150))
    }

    #[test]
    fn each_api_asks_for_its_own_units() {
        let peek = Peek { n: Some(3), input_characters: Some(9), ..Peek::default() };
        let chat = Usage { prompt_tokens: 300, completion_tokens: 150, ..Usage::default() };
        assert_eq!(asked(Api::ChatCompletions, &peek), chat);
        assert_eq!(asked(Api::Images, &peek), Usage { prompt_tokens: 100, images: 3, ..Usage::default() });
        assert_eq!(asked(Api::Speech, &peek), Usage { prompt_tokens: 100, characters: 9, ..Usage::default() });
        assert_eq!(asked(Api::Rerank, &peek), Usage { prompt_tokens: 100, searches: 1, ..Usage::default() });
        assert_eq!(asked(Api::Embeddings, &peek), Usage { prompt_tokens: 100, ..Usage::default() });
        let audio = Arc::new(Audio::default());
        let heard = Demand::of_form(Api::Transcriptions, None, 31_000, &audio).at_most(None);
        assert_eq!(heard, Usage { prompt_tokens: 100, audio_millis: 2_000, ..Usage::default() });
        let edited = Demand::of_form(Api::ImageEdits, Some(2), 1 << 20, &audio).at_most(None);
        assert_eq!(edited, Usage { prompt_tokens: 4_096, images: 2, ..Usage::default() });
        assert_eq!(asked(Api::Tokenize, &peek), Usage::default());
    }
}
