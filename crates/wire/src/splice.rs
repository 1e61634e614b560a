use std::ops::Range;

use bytes::Bytes;

/// One replacement in a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Bytes that go.
    pub span: Range<usize>,
    /// Bytes that come in their place.
    pub text: Bytes,
}

/// Applies `edits` to `body` without copying it: the pieces, in order, are the new body.
///
/// Edits must not overlap and must lie in the body; one that does not is left out.
pub fn splice(body: &Bytes, mut edits: Vec<Edit>) -> Vec<Bytes> {
    edits.sort_by_key(|edit| edit.span.start);
    let mut pieces = Vec::with_capacity(2 * edits.len() + 1);
    let mut at = 0;
    for Edit { span, text } in edits {
        if span.start < at || span.end < span.start || span.end > body.len() {
            continue;
        }
        pieces.push(body.slice(at..span.start));
        pieces.push(text);
        at = span.end;
    }
    pieces.push(body.slice(at..));
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// `text` as a JSON string, quotes included.
pub fn json_string(text: &str) -> Bytes {
    Bytes::from(serde_json::Value::from(text).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(body: &str, edits: Vec<Edit>) -> String {
        String::from_utf8(splice(&Bytes::from(body.to_owned()), edits).concat()).unwrap()
    }

    #[test]
    fn replaces_and_inserts_in_place() {
        let edit = |span, text: &'static str| Edit { span, text: Bytes::from_static(text.as_bytes()) };
        assert_eq!(joined("abcdef", vec![edit(4..5, "E"), edit(1..1, "-")]), "a-bcdEf");
        assert_eq!(joined("abc", vec![edit(0..3, "")]), "");
        assert_eq!(joined("abc", vec![]), "abc");
        assert_eq!(joined("abc", vec![edit(2..9, "x")]), "abc", "outside of the body");
    }

    #[test]
    fn json_strings_are_escaped() {
        assert_eq!(json_string("a\"b\\\n"), Bytes::from_static(br#""a\"b\\\n""#));
    }
}
