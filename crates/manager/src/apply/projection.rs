//! `config.json`: the applied state as a file. Written from the store, never read while there is a revision.

use std::io;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use spec::Document;

use crate::Home;

/// What stands in the file.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Projection<'a> {
    pub(crate) revision: u64,
    pub(crate) digest: &'a str,
    /// What tells the containers of this home from those of others; with it, a home of which only this file is left knows its
    /// own ones again.
    pub(crate) instance: &'a str,
    pub(crate) document: &'a Document,
    pub(crate) intents: Intents,
}

/// What was decided outside of the document, and acts at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Intents {
    /// Whether the open routes are open.
    pub(crate) open_routes: bool,
    /// Models whose engines are stopped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) stopped: Vec<String>,
}

/// The document in a projection, or in a file that is a document itself. None where there is no file.
pub(crate) fn read(home: &Home) -> io::Result<Option<String>> {
    let text = match std::fs::read_to_string(home.config()) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Some(document_in(&text)))
}

/// The document in the text of a projection, or the text itself if it is none.
pub fn document_in(text: &str) -> String {
    let inner = match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(mut fields)) => fields.remove("document"),
        _ => None,
    };
    inner.map_or_else(|| text.to_owned(), |document| document.to_string())
}

/// The intents in a projection, if there is one that has them.
pub(crate) fn read_intents(home: &Home) -> Option<Intents> {
    let text = std::fs::read_to_string(home.config()).ok()?;
    let Value::Object(mut fields) = serde_json::from_str(&text).ok()? else { return None };
    serde_json::from_value(fields.remove("intents")?).ok()
}

/// What told the containers of the home from those of others, if there is a projection that says so.
pub(crate) fn read_instance(home: &Home) -> Option<String> {
    let text = std::fs::read_to_string(home.config()).ok()?;
    let Value::Object(mut fields) = serde_json::from_str(&text).ok()? else { return None };
    let instance: String = serde_json::from_value(fields.remove("instance")?).ok()?;
    Home::is_instance(&instance).then_some(instance)
}

/// What stands in the file.
pub(super) fn text(projection: &Projection<'_>) -> String {
    // Cannot fail: every key is a string.
    let mut text = serde_json::to_string_pretty(projection).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> (tempfile::TempDir, Home) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::create(folder.path()).unwrap();
        (folder, home)
    }

    #[test]
    fn document_and_intents_are_read_back() {
        let (_folder, home) = home();
        let document = Document::default();
        let intents = Intents { open_routes: false, stopped: vec!["m".to_owned()] };
        assert_eq!(read(&home).unwrap(), None);
        std::fs::write(
            home.config(),
            text(&Projection {
                revision: 3,
                digest: "d",
                instance: "0123456789abcdef",
                document: &document,
                intents: intents.clone(),
            }),
        )
        .unwrap();
        assert_eq!(read_instance(&home).as_deref(), Some("0123456789abcdef"));
        let found: Document = serde_json::from_str(&read(&home).unwrap().unwrap()).unwrap();
        assert_eq!((found, read_intents(&home)), (document, Some(intents)));
    }

    #[test]
    fn a_plain_document_is_read_as_it_is() {
        let (_folder, home) = home();
        std::fs::write(home.config(), "{\"version\": 1}").unwrap();
        assert_eq!(read(&home).unwrap().unwrap(), "{\"version\": 1}");
        assert_eq!(read_instance(&home), None);
        std::fs::write(home.config(), "{\"instance\": \"../../else\"}").unwrap();
        assert_eq!(read_instance(&home), None, "that is none of ours");
    }
}
