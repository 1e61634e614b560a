use serde::de::DeserializeOwned;
use serde_saphyr::{Error, Options, SnippetMode, UserMessageFormatter};

use super::{Fields, ParseError};
use crate::{Document, limits};

pub(super) fn parse(text: &str) -> Result<Document, ParseError> {
    read(text)
}

pub(super) fn fields(text: &str) -> Result<Fields, ParseError> {
    read(text)
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, ParseError> {
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| {
        let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
        ParseError::at(text, line, column, &message(&error))
    })
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: limits::DEPTH, flow_nesting_limit: limits::DEPTH },
        emit_comments: false,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

/// What the parser says in its own terms, in the terms of who writes a document.
fn message(error: &Error) -> String {
    match error {
        Error::Eof { .. } => "the document is empty or ends too early".to_owned(),
        Error::Unexpected { expected: "mapping start", .. } => "expected a mapping of fields".to_owned(),
        Error::Unexpected { expected: "sequence start", .. } => "expected a list".to_owned(),
        Error::InvalidScalar { ty: "u32" | "u64", .. } => "expected a whole number, not below 0".to_owned(),
        Error::InvalidScalar { ty: "floating point", .. } => "expected a number".to_owned(),
        Error::InvalidScalar { ty: "boolean", .. } => "expected `true` or `false`".to_owned(),
        Error::DuplicateMappingKey { key: Some(key), .. } => format!("duplicate key `{key}`"),
        Error::SerdeUnknownField { field, expected, .. } => format!("unknown field `{field}`, {}", one_of(expected)),
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            format!("unknown value `{variant}`, {}", one_of(expected))
        }
        other => plain(other),
    }
}

fn one_of(words: &[&str]) -> String {
    format!("expected one of `{}`", words.join("`, `"))
}

/// The parser's text without its place, which stands in front already.
fn plain(error: &Error) -> String {
    let options = serde_saphyr::render_options! { formatter: &UserMessageFormatter, snippets: SnippetMode::Off };
    let text = error.render_with_options(options);
    let place = error.location().map(|at| format!(" at line {}, column {}", at.line(), at.column()));
    place.and_then(|place| text.strip_suffix(&place)).unwrap_or(&text).to_owned()
}
