use serde_json::{Map, Value, json};

/// Nesting past this is cut short with `null`.
const DEPTH: u32 = 16;

/// A small value that fits a simple JSON schema: every property, first choices, shortest lists.
///
/// Patterns and formats are not honoured.
pub(crate) fn sample(schema: &Value) -> Value {
    value_of(schema, schema, DEPTH)
}

fn value_of(root: &Value, schema: &Value, depth: u32) -> Value {
    if depth == 0 {
        return Value::Null;
    }
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        let target = target.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return target.map_or(Value::Null, |target| value_of(root, target, depth - 1));
    }
    if let Some(value) = schema.get("const").or_else(|| schema.pointer("/enum/0")) {
        return value.clone();
    }
    let first = ["anyOf", "oneOf", "allOf"].iter().find_map(|key| schema.get(key)?.get(0));
    if let Some(first) = first {
        return value_of(root, first, depth - 1);
    }
    typed(root, schema, depth)
}

fn typed(root: &Value, schema: &Value, depth: u32) -> Value {
    let kind = schema.get("type").and_then(|kind| kind.as_str().or_else(|| kind.get(0)?.as_str()));
    match kind {
        Some("string") => Value::String(text(schema)),
        Some("integer") => schema.get("minimum").and_then(Value::as_i64).unwrap_or(1).into(),
        Some("number") => schema.get("minimum").cloned().unwrap_or_else(|| json!(1.5)),
        Some("boolean") => true.into(),
        Some("null") => Value::Null,
        Some("array") => array(root, schema, depth),
        _ => object(root, schema, depth),
    }
}

fn text(schema: &Value) -> String {
    let least = schema.get("minLength").and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    let most = schema.get("maxLength").and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok()).unwrap_or(4);
    "text".chars().cycle().take(least.clamp(4.min(most), 1024)).collect()
}

fn array(root: &Value, schema: &Value, depth: u32) -> Value {
    let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0).min(64);
    let item = schema.get("items").map_or(Value::Null, |items| value_of(root, items, depth - 1));
    (0..least).map(|_| item.clone()).collect()
}

fn object(root: &Value, schema: &Value, depth: u32) -> Value {
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let members = properties.map(|(name, schema)| (name.clone(), value_of(root, schema, depth - 1)));
    Value::Object(members.collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_property_gets_a_value_of_its_type() {
        let schema = json!({"type": "object", "$defs": {"unit": {"enum": ["c", "f"]}}, "properties": {
            "city": {"type": "string", "minLength": 6}, "days": {"type": "integer", "minimum": 3},
            "unit": {"$ref": "#/$defs/unit"}, "tags": {"type": "array", "minItems": 2, "items": {"type": "boolean"}},
            "note": {"anyOf": [{"type": "null"}, {"type": "string"}]}, "size": {"type": ["number", "null"]}}});
        let expected =
            json!({"city": "textte", "days": 3, "unit": "c", "tags": [true, true], "note": null, "size": 1.5});
        assert_eq!(sample(&schema), expected);
    }

    #[test]
    fn a_schema_that_names_itself_ends() {
        let schema = json!({"type": "object", "properties": {"next": {"$ref": "#"}}});
        assert!(sample(&schema).to_string().ends_with("null}}}}}}}}"));
    }

    #[test]
    fn no_schema_gives_an_empty_object() {
        assert_eq!(sample(&json!({})), json!({}));
        assert_eq!(sample(&Value::Null), json!({}));
    }
}
