use serde_json::{Map, Value};

use crate::{ItemKind, environment_variable, is_secret_name};

/// What stands in place of a secret.
pub const MASK: &str = "***";

/// The data of an item as it can be shown: `***` in place of secrets.
pub fn masked(kind: ItemKind, mut data: Value) -> Value {
    kind.kind().mask(&mut data);
    data
}

/// A whole document, as JSON, as it can be shown.
pub fn mask_document(document: &mut Value) {
    secrets(document);
}

/// Masks a value that stands at `path` of an item.
pub(crate) fn field(kind: ItemKind, path: &str, value: &mut Value) {
    let name = path.rsplit('.').next().unwrap_or(path).to_owned();
    let mut alone = Value::Object(Map::from_iter([(name.clone(), value.take())]));
    kind.kind().mask(&mut alone);
    *value = alone[name].take();
}

/// The field of an endpoint that says which secret, not what it is.
const NAME_OF_SECRET: &str = "credential";

/// Masks every text under a name that secrets have, however deep; references to the environment stay.
pub(crate) fn secrets(data: &mut Value) {
    match data {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if is_masked(name) && environment_variable(text).is_none() => {
                        MASK.clone_into(text);
                    }
                    other => secrets(other),
                }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(secrets),
        _ => {}
    }
}

fn is_masked(name: &str) -> bool {
    is_secret_name(name) && name != NAME_OF_SECRET
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{ItemId, compare};

    #[test]
    fn a_change_says_that_a_secret_changed_and_not_what_it_was() {
        let document = |secret: &str| {
            let text = format!("version: 1\ncredentials: [{{name: a, secret: '{secret}'}}]");
            crate::parse(&text, crate::Format::Yaml).unwrap()
        };
        let changes = crate::diff(&document("os.environ/A"), &document("sealed:v1:x:y"));
        let change = changes[0].clone().masked();
        let field = &change.fields[0];
        assert_eq!(
            (field.path.as_str(), &field.old, &field.new),
            ("secret", &Some(json!("os.environ/A")), &Some(json!("***")))
        );
    }

    #[test]
    fn secrets_are_masked_and_references_are_not() {
        let env = json!({"HF_TOKEN": "hf_1", "API_KEY": "os.environ/API_KEY", "MODE": "fast"});
        let shown = masked(ItemKind::MODEL, json!({"deployments": [{"engine": {"env": env}}]}));
        let env = &shown["deployments"][0]["engine"]["env"];
        assert_eq!(*env, json!({"HF_TOKEN": "***", "API_KEY": "os.environ/API_KEY", "MODE": "fast"}));
        let endpoint = json!({"deployments": [{"endpoint": {"credential": "my-openai"}}]});
        assert_eq!(masked(ItemKind::MODEL, endpoint.clone()), endpoint, "that is the name of a credential");
    }

    #[test]
    fn a_difference_of_a_secret_is_seen_and_not_read() {
        let item = |token: &str| json!({"env": {"HF_TOKEN": token, "A": "b"}, "tokens": 5});
        let id = ItemId::new(ItemKind::MODEL, "m");
        let change = compare(&id, Some(&item("one")), Some(&item("two"))).unwrap().masked();
        assert_eq!(change.fields.len(), 1);
        assert_eq!((&change.fields[0].old, &change.fields[0].new), (&Some(json!(MASK)), &Some(json!(MASK))));
    }
}
