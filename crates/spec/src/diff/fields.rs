use serde_json::{Map, Value};

/// Paths at which two versions of an item's data differ, in the order of the old one, then what is only in the new one.
pub(super) fn differing(old: &Value, new: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    compare("", old, new, &mut paths);
    paths
}

fn compare(path: &str, old: &Value, new: &Value, paths: &mut Vec<String>) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => compare_objects(path, old, new, paths),
        (Value::Array(old), Value::Array(new)) if has_deployments(old) && has_deployments(new) => {
            compare_objects(path, &by_id(old), &by_id(new), paths);
        }
        _ if old == new => {}
        _ => paths.push(path.to_owned()),
    }
}

fn compare_objects(path: &str, old: &Map<String, Value>, new: &Map<String, Value>, paths: &mut Vec<String>) {
    for (key, old) in old {
        match new.get(key) {
            Some(new) => compare(&below(path, key), old, new, paths),
            None => paths.push(below(path, key)),
        }
    }
    paths.extend(new.keys().filter(|key| !old.contains_key(*key)).map(|key| below(path, key)));
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
