use serde_json::{Value, json};

use crate::Document;

/// The JSON Schema (draft 2020-12) of a desired state, for editors and for `enginehouse schema`.
///
/// It knows types, names and plain bounds. What ties several fields together only [`validate`](crate::validate) knows.
pub fn json_schema() -> Value {
    schemars::generate::SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Document>().to_value()
}

/// A document that uses what people use first; stands in the schema.
pub(crate) fn example() -> Value {
    json!({
        "version": 1,
        "models": [
            {
                "name": "tiny",
                "type": "chat",
                "deployments": [
                    { "engine": {
                        "source": "./models/tiny",
                        "runtime": "process",
                        "command": ["vllm", "serve", "{source}", "--uds", "{socket}", "--served-model-name", "{name}"]
                    } }
                ],
                "price": { "input": 0.1, "output": 0.4 }
            },
            {
                "name": "gpt",
                "type": "chat",
                "deployments": [
                    { "endpoint": {
                        "provider": "openai",
                        "url": "https://api.openai.com/v1",
                        "credential": "os.environ/OPENAI_API_KEY"
                    } }
                ]
            }
        ]
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{Format, parse, validate};

    /// After a change of the types: `UPDATE=1 cargo test -p spec schema`.
    #[test]
    fn the_committed_schema_is_the_one_of_the_types() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schema.json");
        let text = format!("{:#}\n", json_schema());
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap();
        assert!(committed == text, "docs/schema.json is not current; run `UPDATE=1 cargo test -p spec schema`");
    }

    #[test]
    fn the_example_is_a_valid_document() {
        let document = parse(&example().to_string(), Format::Json).unwrap();
        assert_eq!(validate(&document), Ok(()));
        assert_eq!(crate::warnings(&document), []);
        assert_eq!(json_schema()["examples"], json!([example()]));
    }
}
