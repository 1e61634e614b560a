use serde::Deserialize;
use serde_json::value::RawValue;

/// Token counts as an engine reported them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt, cached ones included.
    pub prompt_tokens: u64,
    /// Those of them that were cached.
    pub cached_tokens: u64,
    /// Tokens of the answer.
    pub completion_tokens: u64,
}

/// Counts above this are an engine's error, not usage: no context is that long.
const PLAUSIBLE: u64 = 1 << 32;

// === impl Usage ===

impl Usage {
    /// Reads a `usage` object. Nothing that an engine sends is trusted: counts that are missing, negative,
    /// of a wrong type or absurd give none, and the caller estimates.
    pub(crate) fn read(json: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Reported<'a> {
            prompt_tokens: u64,
            /// Embedding answers have none.
            #[serde(default)]
            completion_tokens: Option<u64>,
            /// Read apart: a fault in here must not lose the counts above.
            #[serde(default, borrow)]
            prompt_tokens_details: Option<&'a RawValue>,
        }
        #[derive(Deserialize)]
        struct Details {
            cached_tokens: Option<u64>,
        }
        let reported: Reported<'_> = serde_json::from_str(json).ok()?;
        let cached = reported
            .prompt_tokens_details
            .and_then(|details| serde_json::from_str::<Details>(details.get()).ok()?.cached_tokens)
            .unwrap_or(0);
        let usage = Self {
            prompt_tokens: reported.prompt_tokens,
            cached_tokens: cached.min(reported.prompt_tokens),
            completion_tokens: reported.completion_tokens.unwrap_or(0),
        };
        (usage.prompt_tokens < PLAUSIBLE && usage.completion_tokens < PLAUSIBLE).then_some(usage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_counts_and_cached_tokens() {
        let json = r#"{"prompt_tokens":20,"total_tokens":28,"completion_tokens":8,"prompt_tokens_details":{"cached_tokens":16}}"#;
        assert_eq!(Usage::read(json), Some(Usage { prompt_tokens: 20, cached_tokens: 16, completion_tokens: 8 }));
        assert_eq!(Usage::read(r#"{"prompt_tokens":3,"prompt_tokens_details":null}"#).unwrap().completion_tokens, 0);
    }

    #[test]
    fn does_not_trust_nonsense() {
        for json in [
            "null",
            "{}",
            r#"{"prompt_tokens":-1}"#,
            r#"{"prompt_tokens":"7"}"#,
            r#"{"prompt_tokens":1e30,"completion_tokens":1}"#,
            r#"{"prompt_tokens":1,"completion_tokens":99999999999999}"#,
        ] {
            assert_eq!(Usage::read(json), None, "{json}");
        }
        let odd = r#"{"prompt_tokens":5,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":"x"}}"#;
        assert_eq!(Usage::read(odd).unwrap().cached_tokens, 0);
    }
}
