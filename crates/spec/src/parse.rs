use std::collections::BTreeMap;
use std::path::Path;

use crate::{Document, limits};

mod json;
mod snippet;
mod strict;
mod yaml;

/// The fields of a document, whatever stands in them.
type Fields = BTreeMap<String, serde_json::Value>;

pub(crate) use strict::Strict;

/// Characters of a message that are shown.
const MESSAGE_CHARS: usize = 500;

/// How a document is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// YAML 1.2.
    #[default]
    Yaml,
    /// JSON, without comments.
    Json,
}

/// A text is not a document.
///
/// Its text shows a line of the document, and that may hold a secret: give it to who gave the document, and to no log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// It is longer than [`limits::DOCUMENT_BYTES`].
    #[error("the document has {bytes} bytes; at most {} are read", limits::DOCUMENT_BYTES)]
    TooLarge {
        /// Its length in bytes.
        bytes: usize,
    },
    /// It breaks a rule of its format, or says what the document's types do not know.
    #[error("line {line}, column {column}: {message}\n{snippet}")]
    Invalid {
        /// Where, from 1.
        line: u64,
        /// The character in the line, from 1.
        column: u64,
        /// What was found and what was expected.
        message: String,
        /// The line, with a mark below the character.
        snippet: String,
    },
}

// === impl Format ===

impl Format {
    /// JSON if the file's name ends in `.json`, else YAML.
    pub fn from_path(path: &Path) -> Self {
        let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        if is_json { Self::Json } else { Self::Yaml }
    }
}

// === impl ParseError ===

impl ParseError {
    fn at(text: &str, line: u64, column: u64, message: &str) -> Self {
        // A message may repeat a key of the document, which has as many characters as it likes.
        let message = message.chars().take(MESSAGE_CHARS).map(snippet::printable).collect();
        Self::Invalid { line, column, message, snippet: snippet::snippet(text, line, column) }
    }
}

/// Reads a document. Unknown fields, duplicate keys, wrong types and a second document are refused.
pub fn parse(text: &str, format: Format) -> Result<Document, ParseError> {
    if text.len() > limits::DOCUMENT_BYTES {
        return Err(ParseError::TooLarge { bytes: text.len() });
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match format {
        Format::Yaml => yaml::parse(text),
        Format::Json => json::parse(text),
    }
}

/// Names of the fields that stand in a document.
pub(crate) fn top_level(text: &str, format: Format) -> Result<Vec<String>, ParseError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let fields = match format {
        Format::Yaml => yaml::fields(text)?,
        Format::Json => json::fields(text)?,
    };
    Ok(fields.into_keys().collect())
}

#[cfg(test)]
mod tests;
