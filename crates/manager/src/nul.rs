//! Texts with a NUL character, which PostgreSQL cannot hold, and no program can be given.

use serde_json::Value;

/// How JSON writes it; it has no other way.
const ESCAPED: &str = "\\u0000";

/// Where in a JSON body the first text with a NUL is, as `fields.deep[2]`; none if there is none.
pub(crate) fn place(body: &[u8]) -> Option<String> {
    // Nearly every body is done with here.
    std::str::from_utf8(body).ok().filter(|text| text.contains(ESCAPED))?;
    below(&serde_json::from_slice(body).ok()?, String::new())
}

fn below(value: &Value, path: String) -> Option<String> {
    match value {
        Value::String(text) => text.contains('\0').then_some(path),
        Value::Array(elements) => {
            elements.iter().enumerate().find_map(|(index, element)| below(element, format!("{path}[{index}]")))
        }
        Value::Object(fields) => {
            let dot = if path.is_empty() { "" } else { "." };
            fields.iter().find_map(|(name, field)| {
                let here = format!("{path}{dot}{}", name.replace('\0', "\\0"));
                if name.contains('\0') { Some(here) } else { below(field, here) }
            })
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_in_texts_and_names_and_only_where_it_is_one() {
        let place = |text: &str| place(text.as_bytes());
        assert_eq!(place(r#"{"a": [1, {"b": "x\u0000y"}]}"#).as_deref(), Some("a[1].b"));
        assert_eq!(place(r#"{"meta": {"k\u0000": 1}}"#).as_deref(), Some(r"meta.k\0"));
        assert_eq!(place(r#"{"a": "\\u0000 is how it is written"}"#), None);
        assert_eq!(place(r#"{"a": "b"}"#), None);
        assert_eq!(place(r#"{"a": "\u0000"#), None, "what is no JSON is said elsewhere");
    }
}
