use serde::Deserialize;
use serde_json::Value;

/// Why an engine refused a request, where another model may take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The prompt does not fit.
    ContextWindow,
    /// A content policy forbids it.
    ContentPolicy,
    /// Anything else.
    Other,
}

/// Codes, and parts of messages, of engines and services that refuse a prompt that is too long.
const CONTEXT_WINDOW: [&str; 9] = [
    "context_length_exceeded",
    "maximum context length",
    "maximum context limit",
    "longer than the model's context length",
    "longer than the maximum model length",
    "exceeds the context window",
    "exceed context limit",
    "input tokens exceed",
    "prompt is too long",
];

/// The same of those that forbid what it says.
const CONTENT_POLICY: [&str; 7] = [
    "content_policy_violation",
    "content_filter",
    "responsibleaipolicyviolation",
    "content management policy",
    "content filtering policy",
    "result of our safety system",
    "violates our usage policies",
];

#[derive(Deserialize)]
struct Body {
    error: Inner,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Inner {
    Object {
        #[serde(default)]
        message: String,
        #[serde(default, rename = "type")]
        kind: Value,
        #[serde(default)]
        code: Value,
    },
    Text(String),
}

// === impl Refusal ===

impl Refusal {
    /// What an engine's error answer says, by its code or, where that says nothing, by its words.
    pub fn of(body: &[u8]) -> Self {
        let said = match serde_json::from_slice(body) {
            Ok(Body { error: Inner::Object { message, kind, code } }) => {
                format!("{} {} {message}", code.as_str().unwrap_or_default(), kind.as_str().unwrap_or_default())
            }
            Ok(Body { error: Inner::Text(text) }) => text,
            Err(_) => super::ErrorBody::message_of(body, usize::MAX).unwrap_or_default(),
        };
        let said = said.to_ascii_lowercase();
        let holds = |words: &[&str]| words.iter().any(|word| said.contains(word));
        if holds(&CONTEXT_WINDOW) {
            Self::ContextWindow
        } else if holds(&CONTENT_POLICY) {
            Self::ContentPolicy
        } else {
            Self::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_engines_and_services_say_is_understood() {
        let of = |body: &str| Refusal::of(body.as_bytes());
        for body in [
            r#"{"error":{"message":"Too long.","type":"invalid_request_error","code":"context_length_exceeded"}}"#,
            r#"{"error":{"message":"This model's maximum context length is 16 tokens.","code":400}}"#,
            r#"{"error":"This model's maximum context length is 16 tokens."}"#,
            r#"{"detail":"prompt is too long: 9 tokens > 8 maximum"}"#,
        ] {
            assert_eq!(of(body), Refusal::ContextWindow, "{body}");
        }
        for body in [
            r#"{"error":{"message":"No.","code":"content_policy_violation"}}"#,
            r#"{"error":{"message":"The response was filtered due to the prompt triggering Azure OpenAI's content management policy.","code":"content_filter"}}"#,
            r#"{"error":{"message":"Your request was rejected as a result of our safety system."}}"#,
        ] {
            assert_eq!(of(body), Refusal::ContentPolicy, "{body}");
        }
        for body in [r#"{"error":{"message":"temperature must be at most 2","code":400}}"#, "<html>", "", "[]", "{}"] {
            assert_eq!(of(body), Refusal::Other, "{body}");
        }
    }
}
