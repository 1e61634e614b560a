use std::ops::Range;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::Usage;
use crate::raw::{Member, walk};
use crate::usage::millis;

/// What the gateway needs of a whole JSON answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Where the value of `model` stands.
    pub model: Option<Range<usize>>,
    /// What was used, if the engine said so in a way that can be believed.
    pub usage: Option<Usage>,
    /// Where the value of `id` stands, if it is a string.
    pub id: Option<Range<usize>>,
    /// Where the value of `data` stands: the images of an image answer.
    pub data: Option<Range<usize>>,
    /// `duration` in milliseconds: the length of the audio that was heard.
    pub audio_millis: Option<u64>,
    /// Whether it says that it is still being made, as responses do that are made in the background.
    pub is_pending: bool,
    /// Search units that a reranker reported.
    pub searches: Option<u64>,
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
        walk(body, &["model", "usage", "id", "data", "duration", "meta", "status"], |name, member| {
            match name {
                "model" if member.text.starts_with('"') => answer.model = Some(member.span()),
                "usage" => answer.usage = Usage::read(member.text),
                "id" if member.text.starts_with('"') => answer.id = Some(member.span()),
                "data" => answer.data = Some(member.span()),
                "duration" => answer.audio_millis = duration(&member),
                "status" => answer.is_pending = matches!(member.text, r#""queued""# | r#""in_progress""#),
                "meta" => answer.searches = search_units(&member),
                _ => {}
            }
            Ok::<_, ()>(())
        })
        .map_err(|_| AnswerError)?;
        Ok(answer)
    }
}

/// Elements of a JSON array; none if `json` is not one.
pub fn count_elements(json: &[u8]) -> Option<u64> {
    serde_json::from_slice::<Vec<IgnoredAny>>(json).ok().map(|elements| elements.len() as u64)
}

/// Seconds as a number, or as OpenAI writes them at times, a string.
fn duration(member: &Member<'_>) -> Option<u64> {
    let seconds = member.text.trim_matches('"').parse().ok()?;
    millis(seconds).ok()
}

/// `meta.billed_units.search_units`, as Cohere's and Jina's rerankers report it.
fn search_units(member: &Member<'_>) -> Option<u64> {
    #[derive(Deserialize)]
    struct Meta {
        billed_units: Units,
    }
    #[derive(Deserialize)]
    struct Units {
        search_units: u64,
    }
    let units = member.read::<Meta>()?.billed_units.search_units;
    (units < 1 << 32).then_some(units)
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

    #[test]
    fn finds_what_other_apis_are_billed_by() {
        let images = br#"{"created":1,"data":[{"b64_json":"a,b"},{"b64_json":"[]"}]}"#;
        assert_eq!(count_elements(&images[Answer::parse(images).unwrap().data.unwrap()]), Some(2));
        assert_eq!(count_elements(br#"{"a":1}"#), None);
        assert_eq!(Answer::parse(br#"{"duration":2.25,"text":""}"#).unwrap().audio_millis, Some(2_250));
        assert_eq!(Answer::parse(br#"{"duration":"3.0"}"#).unwrap().audio_millis, Some(3_000));
        assert!(Answer::parse(br#"{"status":"queued"}"#).unwrap().is_pending);
        assert!(!Answer::parse(br#"{"status":"completed"}"#).unwrap().is_pending);
        let ranking = br#"{"id":"x","meta":{"billed_units":{"search_units":2}}}"#;
        assert_eq!(Answer::parse(ranking).unwrap().searches, Some(2));
        assert_eq!(Answer::parse(br#"{"meta":{"billed_units":{"search_units":-2}}}"#).unwrap().searches, None);
    }
}
