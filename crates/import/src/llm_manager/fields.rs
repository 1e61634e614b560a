use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// The fields of an object, and which of them were looked at.
pub(super) struct Fields<'a> {
    map: &'a Map<String, Value>,
    seen: BTreeSet<&'a str>,
}

// === impl Fields ===

impl<'a> Fields<'a> {
    pub(super) fn new(map: &'a Map<String, Value>) -> Self {
        Self { map, seen: BTreeSet::new() }
    }

    /// The first of these fields that holds something: null, "" and empty lists hold nothing.
    pub(super) fn take(&mut self, names: &[&str]) -> Option<&'a Value> {
        let mut found = None;
        for name in names {
            if let Some((name, value)) = self.map.get_key_value(*name) {
                self.seen.insert(name);
                found = found.or((!is_nothing(value)).then_some(value));
            }
        }
        found
    }

    /// As text.
    pub(super) fn text(&mut self, names: &[&str]) -> Option<String> {
        self.take(names).and_then(as_text)
    }

    /// As a whole number; text that is one counts too.
    pub(super) fn number(&mut self, names: &[&str]) -> Option<u64> {
        let value = self.take(names)?;
        value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
    }

    /// As yes or no.
    pub(super) fn flag(&mut self, names: &[&str]) -> Option<bool> {
        let value = self.take(names)?;
        value.as_bool().or_else(|| match value.as_str()?.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => Some(true),
            "false" | "no" | "off" => Some(false),
            _ => None,
        })
    }

    /// Names of the fields that hold something and nobody has looked at.
    pub(super) fn unseen(&self) -> Vec<&'a str> {
        let unseen = self.map.iter().filter(|(name, value)| !self.seen.contains(name.as_str()) && !is_nothing(value));
        unseen.map(|(name, _)| name.as_str()).collect()
    }
}

/// A text or a number as text.
pub(super) fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Words out of a list, or out of text with commas or spaces between them.
pub(super) fn words(value: &Value) -> Vec<String> {
    match value {
        Value::Array(list) => list.iter().filter_map(as_text).collect(),
        Value::String(text) => {
            text.split([',', ' ']).map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
        }
        Value::Number(number) => vec![number.to_string()],
        _ => Vec::new(),
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}
