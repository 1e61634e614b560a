use std::collections::HashSet;

use serde_json::Value;

use super::read::read;
use super::{ItemKind, Kind, json};
use crate::{Credential, Document, Fault, MASK, environment_variable, quote::Quoted};

/// Credentials, by their names.
pub(super) struct Credentials;

// === impl ItemKind ===

impl ItemKind {
    /// A credential, by its name.
    pub const CREDENTIAL: Self = Self(&Credentials);
}

// === impl Credentials ===

impl Kind for Credentials {
    fn name(&self) -> &'static str {
        "credential"
    }

    fn items(&self, document: &Document) -> Vec<(String, Value)> {
        let mut names = HashSet::with_capacity(document.credentials.len());
        let firsts = document.credentials.iter().filter(|credential| names.insert(&credential.name));
        firsts.map(|credential| (credential.name.clone(), json(credential))).collect()
    }

    fn put(&self, document: &mut Document, name: &str, data: Value) -> Result<(), Fault> {
        let credential: Credential = read(data)?;
        if credential.name != name {
            let message = format!(
                "name is {}, but the item is {}; to rename a credential, make another and delete this one",
                Quoted(&credential.name),
                Quoted(name)
            );
            return Err(Fault { path: "name".to_owned(), message });
        }
        match document.credentials.iter_mut().find(|credential| credential.name == name) {
            Some(place) => *place = credential,
            None => document.credentials.push(credential),
        }
        Ok(())
    }

    fn remove(&self, document: &mut Document, name: &str) -> bool {
        let before = document.credentials.len();
        document.credentials.retain(|credential| credential.name != name);
        document.credentials.len() < before
    }

    fn locate<'p>(&self, document: &Document, path: &'p str) -> Option<(String, &'p str)> {
        let (index, below) = path.strip_prefix("credentials[")?.split_once(']')?;
        let credential = document.credentials.get(index.parse::<usize>().ok()?)?;
        Some((credential.name.clone(), below.trim_start_matches('.')))
    }

    fn place(&self, document: &Document, name: &str) -> Option<String> {
        let index = document.credentials.iter().position(|credential| credential.name == name)?;
        Some(format!("credentials[{index}]"))
    }

    fn mask(&self, data: &mut Value) {
        if let Some(Value::String(text)) = data.get_mut("secret")
            && environment_variable(text).is_none()
        {
            MASK.clone_into(text);
        }
    }
}
