use std::borrow::Cow;
use std::ops::Range;

use serde::Deserialize;

use crate::raw::{Member, WalkError, walk};

/// The fields of a request that the gateway acts on, and where they stand in the body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peek {
    /// `model`.
    pub model: Option<Spanned<String>>,
    /// `stream`.
    pub stream: bool,
    /// `stream_options`.
    pub stream_options: Option<StreamOptions>,
    /// The largest of `max_tokens`, `max_completion_tokens` and `max_output_tokens`, as far as the API has them.
    pub max_tokens: Option<u64>,
    /// `n`.
    pub n: Option<u64>,
    /// `previous_response_id`, where the API has it.
    pub previous_response_id: Option<String>,
    /// Characters of `input`, where the API speaks it.
    pub input_characters: Option<u64>,
}

/// Which fields a JSON request has, besides `model`, `stream` and `n`, which all APIs read alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// Chat and text completions.
    #[default]
    Completions,
    /// `/responses`.
    Responses,
    /// `/audio/speech`.
    Speech,
    /// Any other.
    Plain,
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Its bytes in the body.
    pub span: Range<usize>,
}

/// `stream_options` as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamOptions {
    /// Its bytes in the body; the value may be `null`.
    pub span: Range<usize>,
    /// Whether `include_usage` is on.
    pub include_usage: bool,
    /// Where the value of `include_usage` stands in the body, if it is given.
    pub include_usage_span: Option<Range<usize>>,
    /// Whether the value is an object with no member.
    pub is_empty: bool,
    /// Whether the value is `null`.
    pub is_null: bool,
}

/// Why a request body cannot be served.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PeekError {
    /// Not one JSON object.
    #[error("The request body is not a JSON object: {0}.")]
    NotJson(String),
    /// A field twice: two readers could each believe another one.
    #[error("The request body has the field '{0}' twice. Send it once.")]
    Duplicate(&'static str),
    /// A field of another type than every engine reads alike.
    #[error("Invalid value for '{field}': expected {expected}.")]
    WrongType {
        /// Name of the field.
        field: &'static str,
        /// What would be right.
        expected: &'static str,
    },
}

/// Fields of one dialect at most.
const MAX_FIELDS: usize = 6;

// === impl Dialect ===

impl Dialect {
    const fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Completions => &["model", "stream", "stream_options", "max_tokens", "max_completion_tokens", "n"],
            Self::Responses => &["model", "stream", "max_output_tokens", "previous_response_id"],
            Self::Speech => &["model", "stream", "stream_format", "input"],
            Self::Plain => &["model", "stream", "n"],
        }
    }
}

// === impl Peek ===

impl Peek {
    /// Reads the fields of a completion out of `body`.
    pub fn parse(body: &[u8]) -> Result<Self, PeekError> {
        Self::parse_as(Dialect::Completions, body)
    }

    /// Reads the fields of `dialect` out of `body`.
    pub fn parse_as(dialect: Dialect, body: &[u8]) -> Result<Self, PeekError> {
        // What is in most strings is not looked at; that all of it is text can be told at once.
        std::str::from_utf8(body).map_err(|error| PeekError::NotJson(error.to_string()))?;
        let mut peek = Self::default();
        let fields = dialect.fields();
        let mut seen = [false; MAX_FIELDS];
        walk(body, fields, |name, member| {
            let index = fields.iter().position(|field| *field == name).unwrap_or_default();
            if std::mem::replace(&mut seen[index], true) {
                return Err(PeekError::Duplicate(fields[index]));
            }
            peek.take(fields[index], member)
        })
        .map_err(|error| match error {
            WalkError::Json(error) => PeekError::NotJson(error.to_string()),
            WalkError::Field(error) => error,
        })?;
        Ok(peek)
    }

    fn take(&mut self, field: &'static str, member: Member<'_>) -> Result<(), PeekError> {
        let wrong = |expected| PeekError::WrongType { field, expected };
        if member.is_null() && field != "stream_options" {
            return Ok(());
        }
        match field {
            "model" => {
                let value = member.read().ok_or_else(|| wrong("a string"))?;
                self.model = Some(Spanned { value, span: member.span() });
            }
            "stream" => self.stream |= member.read::<bool>().ok_or_else(|| wrong("a boolean"))?,
            "stream_format" => self.stream |= member.read::<Cow<'_, str>>().is_some_and(|format| format == "sse"),
            "input" => {
                let input = member.read::<String>().ok_or_else(|| wrong("a string"))?;
                self.input_characters = Some(input.chars().count() as u64);
            }
            "previous_response_id" => {
                self.previous_response_id = Some(member.read().ok_or_else(|| wrong("a string"))?);
            }
            "stream_options" => {
                self.stream_options = Some(StreamOptions::read(member).ok_or_else(|| wrong("an object"))?);
            }
            "n" => self.n = count(member).map_err(|()| wrong("an integer"))?,
            _ => {
                let tokens = count(member).map_err(|()| wrong("an integer"))?;
                self.max_tokens = self.max_tokens.max(tokens);
            }
        }
        Ok(())
    }
}

// === impl StreamOptions ===

impl StreamOptions {
    fn read(member: Member<'_>) -> Option<Self> {
        let span = member.span();
        let mut options = Self {
            include_usage: false,
            include_usage_span: None,
            is_empty: true,
            is_null: member.is_null(),
            span: span.clone(),
        };
        if options.is_null {
            return Some(options);
        }
        options.is_empty = member.text[1..].trim_start().starts_with('}');
        walk(member.text.as_bytes(), &["include_usage"], |_, value| {
            if options.include_usage_span.is_some() {
                return Err(());
            }
            let at = value.span();
            options.include_usage_span = Some(span.start + at.start..span.start + at.end);
            options.include_usage = value.read().unwrap_or(false);
            Ok(())
        })
        .ok()?;
        Some(options)
    }
}

/// A count as engines read it: `10` or `10.0`. Negative counts are left for the engine to refuse.
fn count(member: Member<'_>) -> Result<Option<u64>, ()> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Number {
        Count(u64),
        Negative(#[expect(dead_code, reason = "only its type matters")] i64),
        Float(f64),
    }
    // Mostly plain digits.
    if let Ok(count) = member.text.parse() {
        return Ok(Some(count));
    }
    match member.read().ok_or(())? {
        Number::Count(count) => Ok(Some(count)),
        Number::Negative(_) => Ok(None),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
        Number::Float(value) if value.fract() == 0.0 => Ok((value >= 0.0).then_some(value as u64)),
        Number::Float(_) => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_fields_and_spans() {
        let body = br#"{"messages":[{"model":"no"}],"mod\u0065l" : "a/b","stream":true,"max_tokens":5,"max_completion_tokens":7.0,"n":2}"#;
        let peek = Peek::parse(body).unwrap();
        let model = peek.model.unwrap();
        assert_eq!((model.value.as_str(), &body[model.span]), ("a/b", br#""a/b""#.as_slice()));
        assert!(peek.stream);
        assert_eq!((peek.max_tokens, peek.n), (Some(7), Some(2)));
    }

    #[test]
    fn each_dialect_has_its_own_fields() {
        let body = br#"{"model":"m","input":"Gr\u00fc\u00dfe","stream_format":"sse","previous_response_id":"r"}"#;
        let speech = Peek::parse_as(Dialect::Speech, body).unwrap();
        assert_eq!((speech.input_characters, speech.stream, speech.previous_response_id), (Some(5), true, None));
        let responses = Peek::parse_as(Dialect::Responses, body).unwrap();
        assert_eq!((responses.previous_response_id.as_deref(), responses.stream), (Some("r"), false));
        let plain = br#"{"model":"m","input":["a"],"n":2,"max_tokens":"x"}"#;
        assert_eq!(Peek::parse_as(Dialect::Plain, plain).unwrap().n, Some(2));
        assert!(Peek::parse_as(Dialect::Speech, plain).is_err());
        let twice = br#"{"model":"m","previous_response_id":"a","previous_response_id":"b"}"#;
        assert_eq!(Peek::parse_as(Dialect::Responses, twice), Err(PeekError::Duplicate("previous_response_id")));
        for dialect in [Dialect::Completions, Dialect::Responses, Dialect::Speech, Dialect::Plain] {
            assert!(dialect.fields().len() <= MAX_FIELDS);
        }
    }

    #[test]
    fn refuses_duplicates_however_they_are_written() {
        for body in [r#"{"model":"a","model":"b"}"#, r#"{"model":"a","\u006dodel":"b"}"#] {
            assert_eq!(Peek::parse(body.as_bytes()), Err(PeekError::Duplicate("model")));
        }
        assert_eq!(Peek::parse(br#"{"stream":true,"stream":false}"#), Err(PeekError::Duplicate("stream")));
        assert_eq!(Peek::parse(br#"{"max_tokens":1,"max_tokens":2}"#), Err(PeekError::Duplicate("max_tokens")));
    }

    #[test]
    fn refuses_what_engines_could_read_differently() {
        for (body, field) in [
            (r#"{"stream":"true"}"#, "stream"),
            (r#"{"model":7}"#, "model"),
            (r#"{"max_tokens":"10"}"#, "max_tokens"),
            (r#"{"n":1.5}"#, "n"),
            (r#"{"stream_options":true}"#, "stream_options"),
            (r#"{"stream_options":{"include_usage":true,"include_usage":false}}"#, "stream_options"),
        ] {
            let error = Peek::parse(body.as_bytes()).unwrap_err();
            assert!(matches!(error, PeekError::WrongType { field: f, .. } if f == field), "{body}: {error}");
        }
    }

    #[test]
    fn refuses_what_is_not_one_object() {
        for body in ["", "[]", "{", r#"{"model":"a"} x"#, "\u{feff}{}", "nul", r#"{"model":"a",}"#] {
            assert!(matches!(Peek::parse(body.as_bytes()), Err(PeekError::NotJson(_))), "{body:?}");
        }
        assert!(Peek::parse(b"{\"model\":\"\xff\"}").is_err());
    }

    #[test]
    fn deep_nesting_does_not_overflow_the_stack() {
        let deep = format!("{{\"x\":{}1{},\"model\":\"m\"}}", "[".repeat(200_000), "]".repeat(200_000));
        // Either way is fine; what matters is that it returns.
        let _ = Peek::parse(deep.as_bytes());
    }

    #[test]
    fn reads_stream_options() {
        let body = br#"{"stream_options": {"include_usage": false, "x": 1}}"#;
        let options = Peek::parse(body).unwrap().stream_options.unwrap();
        assert!(!options.include_usage && !options.is_empty);
        assert_eq!(&body[options.include_usage_span.unwrap()], b"false");
        assert!(Peek::parse(br#"{"stream_options": { } }"#).unwrap().stream_options.unwrap().is_empty);
        assert!(Peek::parse(br#"{"stream_options": null}"#).unwrap().stream_options.unwrap().is_null);
    }
}
