use std::fmt::Write as _;

use serde_json::{Map, Value};

/// Words that some reader of YAML takes for something else than a string.
const WORDS: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];

/// A mapping as YAML that readers of version 1.1 and 1.2 understand alike: LiteLLM and docker-compose use `PyYAML`,
/// for which `1e-7` is a string and `no` is not.
pub(crate) fn to_string(map: &Map<String, Value>) -> String {
    let mut text = String::new();
    write_map(&mut text, map, 0);
    text
}

fn write_map(text: &mut String, map: &Map<String, Value>, depth: usize) {
    for (index, (key, value)) in map.iter().enumerate() {
        // The first key of a mapping in a list stands behind the dash.
        if index > 0 || !text.ends_with("- ") {
            indent(text, depth);
        }
        write_string(text, key);
        text.push(':');
        write_value(text, value, depth);
    }
}

fn write_value(text: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            text.push('\n');
            write_map(text, map, depth + 1);
        }
        Value::Array(list) if !list.is_empty() => {
            text.push('\n');
            for element in list {
                write_element(text, element, depth + 1);
            }
        }
        scalar => {
            text.push(' ');
            write_scalar(text, scalar);
            text.push('\n');
        }
    }
}

fn write_element(text: &mut String, element: &Value, depth: usize) {
    indent(text, depth);
    match element {
        Value::Object(map) if !map.is_empty() => {
            text.push_str("- ");
            write_map(text, map, depth + 1);
        }
        other => {
            text.push('-');
            write_value(text, other, depth);
        }
    }
}

fn write_scalar(text: &mut String, scalar: &Value) {
    match scalar {
        Value::Null => text.push_str("null"),
        Value::Bool(truth) => text.push_str(if *truth { "true" } else { "false" }),
        // Never with an exponent.
        Value::Number(number) if number.is_f64() => {
            let _ = write!(text, "{}", number.as_f64().unwrap_or_default());
        }
        Value::Number(number) => {
            let _ = write!(text, "{number}");
        }
        Value::String(string) => write_string(text, string),
        Value::Array(_) => text.push_str("[]"),
        Value::Object(_) => text.push_str("{}"),
    }
}

fn write_string(text: &mut String, string: &str) {
    if is_plain(string) {
        return text.push_str(string);
    }
    text.push('"');
    for c in string.chars() {
        match c {
            '"' | '\\' => {
                text.push('\\');
                text.push(c);
            }
            '\n' => text.push_str("\\n"),
            ' '..='~' => text.push(c),
            c if u32::from(c) <= 0xFFFF => {
                let _ = write!(text, "\\u{:04X}", u32::from(c));
            }
            c => {
                let _ = write!(text, "\\U{:08X}", u32::from(c));
            }
        }
    }
    text.push('"');
}

/// Whether every reader takes the text as it stands for this string.
fn is_plain(string: &str) -> bool {
    let starts = string.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '_');
    let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '.');
    starts && string.chars().all(inside) && !WORDS.iter().any(|word| word.eq_ignore_ascii_case(string))
}

fn indent(text: &mut String, depth: usize) {
    text.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn yaml(value: &Value) -> String {
        to_string(value.as_object().unwrap())
    }

    #[test]
    fn lists_and_mappings_stand_below_each_other() {
        let value = json!({ "a": [{ "b": 1, "c": ["x", []] }, [1, 2]], "d": {}, "e": { "f": null } });
        let text = "a:\n  - b: 1\n    c:\n      - x\n      - []\n  -\n    - 1\n    - 2\nd: {}\ne:\n  f: null\n";
        assert_eq!(yaml(&value), text);
    }

    #[test]
    fn nothing_is_taken_for_something_else() {
        let value = json!({ "no": "Yes", "n": 1e-7, "s": "1e-7", "t": "12:30", "v": "${X}", "u": "é\u{7f}😀\n" });
        let text = "\"no\": \"Yes\"\n\"n\": 0.0000001\ns: \"1e-7\"\nt: \"12:30\"\nv: \"${X}\"\nu: \"\\u00E9\\u007F\\U0001F600\\n\"\n";
        assert_eq!(yaml(&value), text);
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            "[a-z0-9:#\\- ]{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("[a-z~]{0,3}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(value in values()) {
            let mut map = Map::new();
            map.insert("value".to_owned(), value);
            let text = to_string(&map);
            let read: Value = serde_saphyr::from_str(&text).map_err(|e| TestCaseError::fail(format!("{e}\n{text}")))?;
            prop_assert_eq!(read, Value::Object(map), "{}", text);
        }
    }
}
