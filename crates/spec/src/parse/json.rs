use super::ParseError;
use crate::Document;

pub(super) fn parse(text: &str) -> Result<Document, ParseError> {
    // serde_json stops at 128 levels by itself, and no field of ours nests without end.
    serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line() as u64, column(text, error.line(), error.column()));
        ParseError::at(text, line, column, message(&error))
    })
}

/// serde_json counts bytes up to and with the one where it stopped; people count characters.
fn column(text: &str, line: usize, bytes: usize) -> u64 {
    let line = text.split('\n').nth(line.saturating_sub(1)).unwrap_or_default();
    let before = line.char_indices().take_while(|(at, _)| at + 1 < bytes).count();
    before as u64 + 1
}

fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}
