use snapshot::Keyring;
use spec::{Credential, Document, ItemKind, Provider, references};

use super::resolve::secret_of;
use crate::Manager;

/// What may be told of a credential.
#[derive(Clone, Debug)]
pub(crate) struct CredentialRow {
    pub(crate) name: String,
    pub(crate) provider: Option<Provider>,
    pub(crate) held: Held,
    /// Why it cannot be presented; none if it can.
    pub(crate) fault: Option<String>,
    /// Models that refer to it, each once.
    pub(crate) used_by: Vec<String>,
}

/// Where its secret is.
#[derive(Clone, Debug)]
pub(crate) enum Held {
    /// In an environment variable.
    Variable(String),
    /// Here, sealed with the key of this id.
    Sealed(String),
}

// === impl Manager ===

impl Manager {
    /// The credentials that apply, in their order.
    pub(crate) fn credentials(&self) -> Vec<CredentialRow> {
        let current = self.current();
        current.document.credentials.iter().map(|credential| self.row(&current.document, credential)).collect()
    }

    fn row(&self, document: &Document, credential: &Credential) -> CredentialRow {
        let key = || Keyring::key_id(credential.secret.expose()).unwrap_or("?").to_owned();
        let held =
            credential.secret.variable().map_or_else(|| Held::Sealed(key()), |name| Held::Variable(name.to_owned()));
        CredentialRow {
            name: credential.name.clone(),
            provider: credential.provider,
            held,
            fault: secret_of(credential, &self.config().env).err().map(|fault| fault.to_string()),
            used_by: users(document, &credential.name),
        }
    }
}

/// Names of the models that refer to a credential.
pub(super) fn users(document: &Document, name: &str) -> Vec<String> {
    let to_it =
        references(document).into_iter().filter(|one| one.to.kind == ItemKind::CREDENTIAL && one.to.name == name);
    let mut models: Vec<String> = to_it.map(|reference| reference.from.name).collect();
    models.dedup();
    models
}
