use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::Usage;
use crate::raw::{Member, walk};

/// What the gateway needs of the JSON in one event of a stream whose events have a `type`: responses, speech,
/// transcriptions and images, as OpenAI streams them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TypedEvent {
    /// Where the value of `response.model` stands.
    pub model: Option<Range<usize>>,
    /// Where the value of `response.id` stands.
    pub id: Option<Range<usize>>,
    /// What was used, where the engine says so.
    pub usage: Option<Usage>,
    /// Whether no other event follows.
    pub is_last: bool,
    /// Whether one whole image came.
    pub is_image: bool,
    /// Whether the engine reports an error in band.
    pub is_error: bool,
}

/// Types after which nothing follows.
const LAST: [&str; 6] = [
    "response.completed",
    "response.incomplete",
    "response.failed",
    "response.cancelled",
    "speech.audio.done",
    "transcript.text.done",
];

/// Types that bring a whole image; there can be several of them.
const IMAGES: [&str; 2] = ["image_generation.completed", "image_edit.completed"];

// === impl TypedEvent ===

impl TypedEvent {
    /// Whether an event can hold anything of interest. Most hold a piece of the answer and need no parse: inside
    /// of strings the quotes would be escaped, so the words in plain quotes are names and types.
    pub fn may_matter(data: &[u8]) -> bool {
        static WORDS: LazyLock<[Finder<'static>; 5]> = LazyLock::new(|| {
            [r#""response""#, r#""usage""#, r#""error""#, r#".done""#, r#".completed""#].map(Finder::new)
        });
        WORDS.iter().any(|word| word.find(data).is_some())
    }

    /// Whether this is such an event, where it could be a chunk with `choices` as well.
    pub fn is_typed(data: &[u8]) -> bool {
        static CHOICES: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(r#""choices""#));
        CHOICES.find(data).is_none()
    }

    /// Whether the event brings at least one token.
    pub fn has_content(data: &[u8]) -> bool {
        static DELTA: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(r#".delta""#));
        DELTA.find(data).is_some()
    }

    /// Reads the fields out of `data`; none if it is not a JSON object, which is then passed on as it is.
    pub fn parse(data: &[u8]) -> Option<Self> {
        let mut event = Self::default();
        walk(data, &["type", "response", "usage", "error"], |name, member| {
            match name {
                "type" => event.take_type(member.read().unwrap_or_default()),
                "response" => event.take_response(&member),
                "usage" => event.usage = Usage::read(member.text),
                _ => event.is_error |= !member.is_null(),
            }
            Ok::<_, ()>(())
        })
        .ok()?;
        Some(event)
    }

    fn take_type(&mut self, kind: &str) {
        self.is_last = LAST.contains(&kind);
        self.is_image = IMAGES.contains(&kind);
        self.is_error |= matches!(kind, "error" | "response.failed");
    }

    fn take_response(&mut self, response: &Member<'_>) {
        let start = response.span().start;
        // A response that is no object has nothing to find.
        let _ = walk(response.text.as_bytes(), &["model", "id", "usage"], |name, member| {
            let span = start + member.span().start..start + member.span().end;
            match name {
                "model" if member.text.starts_with('"') => self.model = Some(span),
                "id" if member.text.starts_with('"') => self.id = Some(span),
                "usage" => self.usage = Usage::read(member.text),
                _ => {}
            }
            Ok::<_, ()>(())
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_response_inside_is_read() {
        let data = br#"{"type":"response.completed","response":{"id":"resp_1","model":"up","usage":{"input_tokens":2,"output_tokens":3}}}"#;
        let event = TypedEvent::parse(data).unwrap();
        assert!(TypedEvent::may_matter(data) && event.is_last && !event.is_error);
        assert_eq!((&data[event.model.unwrap()], &data[event.id.unwrap()]), (&br#""up""#[..], &br#""resp_1""#[..]));
        assert_eq!(event.usage.unwrap().completion_tokens, 3);
    }

    #[test]
    fn ends_images_errors_and_content_are_told_apart() {
        let parse = |data: &str| TypedEvent::parse(data.as_bytes()).unwrap();
        assert!(parse(r#"{"type":"speech.audio.done"}"#).is_last);
        assert!(!parse(r#"{"type":"response.output_text.done","text":"x"}"#).is_last);
        assert!(parse(r#"{"type":"image_edit.completed","usage":null}"#).is_image);
        assert!(parse(r#"{"type":"error","message":"m"}"#).is_error);
        assert!(parse(r#"{"type":"response.failed","response":{"error":{}}}"#).is_error);
        assert!(parse(r#"{"error":{"message":"m"}}"#).is_error);
        let delta = br#"{"type":"response.output_text.delta","delta":"say \"usage\""}"#;
        assert!(TypedEvent::has_content(delta) && !TypedEvent::may_matter(delta));
        assert!(!TypedEvent::has_content(br#"{"type":"response.in_progress"}"#));
    }
}
