use serde_json::{Map, Value};

use super::FieldChange;

/// Where two versions of an item's data differ, in the order of the old one, then what is only in the new one.
pub(super) fn differing(old: &Value, new: &Value) -> Vec<FieldChange> {
    let mut found = Vec::new();
    compare("", old, new, &mut found);
    found
}

fn compare(path: &str, old: &Value, new: &Value, found: &mut Vec<FieldChange>) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => compare_objects(path, old, new, found),
        (Value::Array(old), Value::Array(new)) if has_deployments(old) && has_deployments(new) => {
            compare_objects(path, &by_id(old), &by_id(new), found);
        }
        _ if old == new => {}
        _ => found.push(field(path.to_owned(), Some(old), Some(new))),
    }
}

fn compare_objects(path: &str, old: &Map<String, Value>, new: &Map<String, Value>, found: &mut Vec<FieldChange>) {
    for (key, old) in old {
        match new.get(key) {
            Some(new) => compare(&below(path, key), old, new, found),
            None => found.push(field(below(path, key), Some(old), None)),
        }
    }
    let added = new.iter().filter(|(key, _)| !old.contains_key(*key));
    found.extend(added.map(|(key, new)| field(below(path, key), None, Some(new))));
}

/// Whether the list is one of deployments (or empty), which have an identity; other lists are compared as a whole.
fn has_deployments(list: &[Value]) -> bool {
    list.iter().all(|element| element.get("endpoint").is_some() || element.get("engine").is_some())
}

/// The deployments under `[id]`, or `[position]` where they have none.
fn by_id(list: &[Value]) -> Map<String, Value> {
    let key = |(position, element): (usize, &Value)| match element.get("id").and_then(Value::as_str) {
        Some(id) => format!("[{id}]"),
        None => format!("[{position}]"),
    };
    list.iter().enumerate().map(|entry| (key(entry), entry.1.clone())).collect()
}

fn below(path: &str, key: &str) -> String {
    let dot = if path.is_empty() || key.starts_with('[') { "" } else { "." };
    format!("{path}{dot}{key}")
}

fn field(path: String, old: Option<&Value>, new: Option<&Value>) -> FieldChange {
    FieldChange { path, old: old.cloned(), new: new.cloned() }
}
