use serde_json::Value;

use crate::{environment_variable, is_secret_name};

/// What stands in place of a secret.
pub const MASK: &str = "***";

/// The data of an item as it can be shown: `***` in place of secrets.
pub fn masked(kind: crate::ItemKind, mut data: Value) -> Value {
    kind.kind().mask(&mut data);
    data
}

/// Masks every text under a name that secrets have, however deep; references to the environment stay.
pub(crate) fn secrets(data: &mut Value) {
    match data {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if is_secret_name(name) && environment_variable(text).is_none() => {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ItemKind;

    #[test]
    fn secrets_are_masked_and_references_are_not() {
        let env = json!({"HF_TOKEN": "hf_1", "API_KEY": "os.environ/API_KEY", "MODE": "fast"});
        let shown = masked(ItemKind::MODEL, json!({"deployments": [{"engine": {"env": env}}]}));
        let env = &shown["deployments"][0]["engine"]["env"];
        assert_eq!(*env, json!({"HF_TOKEN": "***", "API_KEY": "os.environ/API_KEY", "MODE": "fast"}));
    }
}
