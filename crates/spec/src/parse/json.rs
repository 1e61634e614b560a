use serde::Deserialize as _;

use super::{Fields, ParseError, strict::Strict};
use crate::Document;

pub(super) fn parse(text: &str) -> Result<Document, ParseError> {
    // serde_json stops at 128 levels by itself, and no field of ours nests without end.
    read(text).map_err(|error| {
        let (line, column) = (error.line() as u64, column(text, error.line(), error.column()));
        ParseError::at(text, line, column, &message(&error))
    })
}

pub(super) fn fields(text: &str) -> Result<Fields, ParseError> {
    serde_json::from_str(text).map_err(|error| ParseError::at(text, error.line() as u64, 1, &message(&error)))
}

fn read(text: &str) -> Result<Document, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let document = Document::deserialize(Strict(&mut deserializer))?;
    deserializer.end()?;
    Ok(document)
}

/// `serde_json` counts bytes up to and with the one where it stopped; people count characters.
fn column(text: &str, line: usize, bytes: usize) -> u64 {
    let line = text.split('\n').nth(line.saturating_sub(1)).unwrap_or_default();
    let before = line.char_indices().take_while(|(at, _)| at + 1 < bytes).count();
    before as u64 + 1
}

/// The text of the error without its place, which stands in front already.
fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).replacen("unknown variant", "unknown value", 1)
}
