use std::ops::Range;

use crate::Usage;
use crate::raw::walk;

/// What the gateway needs of a whole JSON answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Where the value of `model` stands.
    pub model: Option<Range<usize>>,
    /// What was used, if the engine said so in a way that can be believed.
    pub usage: Option<Usage>,
}

/// The answer is not one JSON object.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the answer is not a JSON object")]
pub struct AnswerError;

// === impl Answer ===

impl Answer {
    /// Reads the fields out of `body`.
    pub fn parse(body: &[u8]) -> Result<Self, AnswerError> {
        let mut answer = Self::default();
        walk(body, &["model", "usage"], |name, member| {
            match name {
                "model" if member.text.starts_with('"') => answer.model = Some(member.span()),
                "usage" => answer.usage = Usage::read(member.text),
                _ => {}
            }
            Ok::<_, ()>(())
        })
        .map_err(|_| AnswerError)?;
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_model_and_usage_at_the_top_only() {
        let body = br#"{"choices":[{"message":{"model":"inner"}}],"model":"tiny","usage":{"prompt_tokens":1,"completion_tokens":2}}"#;
        let answer = Answer::parse(body).unwrap();
        assert_eq!(&body[answer.model.unwrap()], br#""tiny""#);
        assert_eq!(answer.usage.unwrap().completion_tokens, 2);
        assert_eq!(Answer::parse(b"<html>"), Err(AnswerError));
        assert_eq!(Answer::parse(br#"{"model":null}"#).unwrap().model, None);
    }
}
