use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits;

/// One thing that is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Where, as `models[1].deployments[0].endpoint.url`.
    pub path: String,
    /// What is wrong with the value there, and what would be right. Never holds a secret.
    pub message: String,
}

/// Everything that is wrong with a document, up to [`limits::REPORTED`] faults; never empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(transparent)]
pub struct Faults(Vec<Fault>);

/// Collects faults while a document is walked; knows where it stands.
#[derive(Debug)]
pub(crate) struct Scope<'a> {
    path: String,
    faults: &'a mut Vec<Fault>,
}

// === impl Fault ===

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

// === impl Faults ===

impl Faults {
    /// `Ok` if there are none.
    pub fn from_list(faults: Vec<Fault>) -> Result<(), Self> {
        if faults.is_empty() { Ok(()) } else { Err(Self(faults)) }
    }

    /// The same with other paths.
    #[must_use]
    pub fn map_paths(self, path: impl Fn(&str) -> String) -> Self {
        let renamed = |fault: Fault| Fault { path: path(&fault.path), message: fault.message };
        Self(self.0.into_iter().map(renamed).collect())
    }

    /// All of them, in the order of the document.
    pub fn as_slice(&self) -> &[Fault] {
        &self.0
    }

    /// All of them, in the order of the document.
    pub fn into_vec(self) -> Vec<Fault> {
        self.0
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] => write!(f, "the document has a fault: {one}"),
            many => {
                write!(f, "the document has {} faults:", many.len())?;
                many.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
            }
        }
    }
}

// === impl Scope ===

impl<'a> Scope<'a> {
    /// The document itself.
    pub(crate) const fn root(faults: &'a mut Vec<Fault>) -> Self {
        Self { path: String::new(), faults }
    }

    /// A field of where this stands.
    pub(crate) fn field(&mut self, name: &str) -> Scope<'_> {
        let mut path = self.path.clone();
        if !path.is_empty() {
            path.push('.');
        }
        // A name can be one that somebody gave.
        for c in name.chars() {
            if c.is_control() { path.extend(c.escape_default()) } else { path.push(c) }
        }
        Scope { path, faults: self.faults }
    }

    /// An element of where this stands.
    pub(crate) fn element(&mut self, index: usize) -> Scope<'_> {
        Scope { path: format!("{}[{index}]", self.path), faults: self.faults }
    }

    /// Where this stands.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Reports a fault here.
    pub(crate) fn fault(&mut self, message: impl Into<String>) {
        if self.faults.len() >= limits::REPORTED {
            return;
        }
        self.faults.push(Fault { path: self.path.clone(), message: message.into() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_fields_and_elements() {
        let mut faults = Vec::new();
        let mut root = Scope::root(&mut faults);
        root.field("models").element(1).field("name").fault("is empty");
        root.field("version").fault("is 2");
        let shown = Faults(faults).to_string();
        assert_eq!(shown, "the document has 2 faults:\n  models[1].name: is empty\n  version: is 2");
    }
}
