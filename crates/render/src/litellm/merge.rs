use serde_json::{Map, Value};

/// What is managed over what is passed through: mappings are merged, and where both say something else, what is managed
/// wins and the path of what lost is noted.
pub(super) fn over(
    managed: Map<String, Value>,
    passed: &Map<String, Value>,
    path: &str,
    notes: &mut Vec<String>,
) -> Map<String, Value> {
    let mut merged = Map::new();
    for (key, value) in managed {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let value = match (value, passed.get(&key)) {
            (Value::Object(ours), Some(Value::Object(theirs))) => Value::Object(over(ours, theirs, &path, notes)),
            (ours, Some(theirs)) if ours != *theirs => {
                notes.push(format!("passthrough.litellm.{path} has no effect: Enginehouse sets it"));
                ours
            }
            (ours, _) => ours,
        };
        merged.insert(key, value);
    }
    for (key, value) in passed {
        if !merged.contains_key(key) {
            merged.insert(key.clone(), value.clone());
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn merged(managed: Value, passed: Value) -> (Value, Vec<String>) {
        let (Value::Object(managed), Value::Object(passed)) = (managed, passed) else { panic!() };
        let mut notes = Vec::new();
        (Value::Object(over(managed, &passed, "", &mut notes)), notes)
    }

    #[test]
    fn managed_keys_win_and_what_lost_is_named() {
        let managed = json!({ "a": 1, "s": { "b": 2, "c": 3 }, "t": { "u": 1 } });
        let passed = json!({ "a": 1, "s": { "b": 9, "d": 4 }, "t": "scalar", "e": [5] });
        let (result, notes) = merged(managed, passed);
        assert_eq!(result, json!({ "a": 1, "s": { "b": 2, "c": 3, "d": 4 }, "t": { "u": 1 }, "e": [5] }));
        let lost = |path: &str| format!("passthrough.litellm.{path} has no effect: Enginehouse sets it");
        assert_eq!(notes, [lost("s.b"), lost("t")]);
    }
}
