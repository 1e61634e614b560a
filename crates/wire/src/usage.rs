use serde::Deserialize;
use serde_json::value::RawValue;

/// What an engine reported that it used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt, cached ones included.
    pub prompt_tokens: u64,
    /// Those of them that were cached.
    pub cached_tokens: u64,
    /// Tokens of the answer.
    pub completion_tokens: u64,
    /// Audio heard, in milliseconds, where the engine counts that instead of tokens.
    pub audio_millis: Option<u64>,
}

/// Counts above this are an engine's error, not usage: no context is that long.
const PLAUSIBLE: u64 = 1 << 32;

/// Names differ by API: completions have `prompt_tokens`, responses, images and audio `input_tokens`, rerankers of
/// some makers `total_tokens` alone, and transcriptions `seconds`.
#[derive(Deserialize)]
struct Reported<'a> {
    prompt_tokens: Option<u64>,
    input_tokens: Option<u64>,
    /// Embedding answers have none.
    completion_tokens: Option<u64>,
    output_tokens: Option<u64>,
    seconds: Option<f64>,
    /// Read apart: a fault in here must not lose the counts above.
    #[serde(borrow)]
    total_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    prompt_tokens_details: Option<&'a RawValue>,
    #[serde(borrow)]
    input_tokens_details: Option<&'a RawValue>,
}

// === impl Usage ===

impl Usage {
    /// Reads a `usage` object. Nothing that an engine sends is trusted: counts that are missing, negative,
    /// of a wrong type or absurd give none, and the caller estimates.
    pub(crate) fn read(json: &str) -> Option<Self> {
        let reported: Reported<'_> = serde_json::from_str(json).ok()?;
        let audio_millis = reported.seconds.map(millis).transpose().ok()?;
        let prompt = reported.prompt_tokens.or(reported.input_tokens).or_else(|| reported.total());
        let prompt_tokens = if audio_millis.is_some() { prompt.unwrap_or(0) } else { prompt? };
        let usage = Self {
            prompt_tokens,
            cached_tokens: reported.cached().min(prompt_tokens),
            completion_tokens: reported.completion_tokens.or(reported.output_tokens).unwrap_or(0),
            audio_millis,
        };
        (usage.prompt_tokens < PLAUSIBLE && usage.completion_tokens < PLAUSIBLE).then_some(usage)
    }
}

// === impl Reported ===

impl Reported<'_> {
    fn total(&self) -> Option<u64> {
        serde_json::from_str(self.total_tokens?.get()).ok()
    }

    fn cached(&self) -> u64 {
        #[derive(Deserialize)]
        struct Details {
            cached_tokens: Option<u64>,
        }
        let details = self.prompt_tokens_details.or(self.input_tokens_details);
        details.and_then(|details| serde_json::from_str::<Details>(details.get()).ok()?.cached_tokens).unwrap_or(0)
    }
}

/// Milliseconds of `seconds`, if there can be so many.
pub(crate) fn millis(seconds: f64) -> Result<u64, ()> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range and not negative")]
    if (0.0..1e9).contains(&seconds) { Ok((seconds * 1e3).round() as u64) } else { Err(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_counts_and_cached_tokens() {
        let json = r#"{"prompt_tokens":20,"total_tokens":28,"completion_tokens":8,"prompt_tokens_details":{"cached_tokens":16}}"#;
        assert_eq!(
            Usage::read(json),
            Some(Usage { prompt_tokens: 20, cached_tokens: 16, completion_tokens: 8, audio_millis: None })
        );
        assert_eq!(Usage::read(r#"{"prompt_tokens":3,"prompt_tokens_details":null}"#).unwrap().completion_tokens, 0);
    }

    #[test]
    fn reads_the_names_of_every_api() {
        let responses =
            r#"{"input_tokens":9,"input_tokens_details":{"cached_tokens":4},"output_tokens":3,"total_tokens":12}"#;
        let expected = Usage { prompt_tokens: 9, cached_tokens: 4, completion_tokens: 3, audio_millis: None };
        assert_eq!(Usage::read(responses), Some(expected));
        let heard = Usage::read(r#"{"type":"duration","seconds":2.5}"#).unwrap();
        assert_eq!((heard.prompt_tokens, heard.audio_millis), (0, Some(2_500)));
        assert_eq!(Usage::read(r#"{"total_tokens":7}"#).unwrap().prompt_tokens, 7);
    }

    #[test]
    fn does_not_trust_nonsense() {
        for json in [
            "null",
            "{}",
            r#"{"prompt_tokens":-1}"#,
            r#"{"prompt_tokens":"7"}"#,
            r#"{"seconds":-1}"#,
            r#"{"seconds":1e300}"#,
            r#"{"total_tokens":"9"}"#,
            r#"{"prompt_tokens":1e30,"completion_tokens":1}"#,
            r#"{"prompt_tokens":1,"completion_tokens":99999999999999}"#,
        ] {
            assert_eq!(Usage::read(json), None, "{json}");
        }
        let odd = r#"{"prompt_tokens":5,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":"x"}}"#;
        assert_eq!(Usage::read(odd).unwrap().cached_tokens, 0);
    }
}
