use spec::{Credential, Document, ItemId, ItemKind, Provider, SecretText};

use super::list::users;
use super::resolve::secret_of;
use crate::apply::{Applied, ApplyError, EditHow};
use crate::current::Current;
use crate::staged::digest;
use crate::vault::SealError;
use crate::{Actor, Manager};

/// A credential to be set.
#[derive(Debug)]
pub(crate) struct NewCredential {
    pub(crate) name: String,
    /// None keeps what it was.
    pub(crate) provider: Option<Provider>,
    pub(crate) secret: SecretText,
}

/// What sealing anew did.
#[derive(Debug)]
pub(crate) struct Resealed {
    pub(crate) applied: Applied,
    /// Credentials that have a new seal.
    pub(crate) count: usize,
    /// What cannot be opened, and so keeps its old seal: why, one by one.
    pub(crate) left: Vec<String>,
    /// Id of the key that seals now.
    pub(crate) key: Option<String>,
    /// Earlier keys that are forgotten.
    pub(crate) forgotten: usize,
}

/// A credential was not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CredentialError {
    #[error("there is no credential {0}")]
    Unknown(String),
    #[error("models refer to the credential {name}: {}; let them name another one first", models.join(", "))]
    Used { name: String, models: Vec<String> },
    #[error("{} cannot be opened and would be lost with their keys; give them anew first", names.join("; "))]
    WouldBeLost { names: Vec<String> },
    #[error("credentials are staged, sealed with a key that would be forgotten; apply or discard them first")]
    Staged,
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Apply(#[from] ApplyError),
}

// === impl Manager ===

impl Manager {
    /// Sets a credential, new or known, as a revision of its own.
    pub(crate) async fn set_credential(&self, new: NewCredential, actor: &Actor) -> Result<Applied, CredentialError> {
        let set = |document: &mut Document| {
            let NewCredential { name, provider, secret } = &new;
            match document.credentials.iter_mut().find(|known| known.name == *name) {
                Some(known) => {
                    known.provider = provider.or(known.provider);
                    known.secret = secret.clone();
                }
                None => document.credentials.push(Credential {
                    name: name.clone(),
                    provider: *provider,
                    secret: secret.clone(),
                }),
            }
            Ok(())
        };
        self.edit(&format!("credential {} set", new.name), set, actor).await
    }

    /// Deletes a credential to which nothing refers, as a revision of its own.
    pub(crate) async fn delete_credential(&self, name: &str, actor: &Actor) -> Result<Applied, CredentialError> {
        let delete = |document: &mut Document| {
            let models = users(document, name);
            if !models.is_empty() {
                return Err(CredentialError::Used { name: name.to_owned(), models });
            }
            if !document.remove_item(&ItemId::new(ItemKind::CREDENTIAL, name)) {
                return Err(CredentialError::Unknown(name.to_owned()));
            }
            Ok(())
        };
        self.edit(&format!("credential {name} deleted"), delete, actor).await
    }

    /// Seals all credentials anew, with a new key where the home keeps them, as a revision of its own. Earlier keys stay for
    /// revisions to which one may go back, unless they are to be forgotten.
    pub(crate) async fn reseal(&self, forget: bool, actor: &Actor) -> Result<Resealed, CredentialError> {
        let (env, rng) = (&self.config().env, &self.config().rng);
        let closed = unopened(&self.current().document, self);
        if forget && !closed.is_empty() {
            return Err(CredentialError::WouldBeLost { names: closed });
        }
        if forget && self.has_staged_credentials().await.map_err(ApplyError::from)? {
            return Err(CredentialError::Staged);
        }
        env.vault().renew(rng)?;
        let before = self.current();
        let mut resealed = 0;
        let anew = |document: &mut Document| {
            resealed = 0;
            for credential in document.credentials.iter_mut().filter(|credential| credential.secret.is_sealed()) {
                let Ok(plain) = secret_of(credential, env) else { continue };
                credential.secret = SecretText::new(env.vault().seal(&credential.name, &plain, rng)?);
                resealed += 1;
            }
            Ok(())
        };
        let applied = self.edit("credentials sealed anew", anew, actor).await?;
        self.follow_seals(&before, applied.revision).await.map_err(ApplyError::from)?;
        let forgotten = if forget { env.vault().forget(rng)? } else { 0 };
        tracing::info!(resealed, forgotten, "credentials were sealed anew");
        Ok(Resealed { applied, count: resealed, left: closed, key: env.vault().key_id(), forgotten })
    }

    /// Staged edits of credentials started from other seals of the same secrets: nobody changed what their authors saw.
    async fn follow_seals(&self, before: &Current, revision: u64) -> store::Result<()> {
        let now = self.current();
        for staged in self.staged().await?.iter().filter(|item| item.id.kind == ItemKind::CREDENTIAL) {
            if let Some(item) = now.document.item(&staged.id)
                && now.revision == revision
                && !staged.is_stale(before.document.item(&staged.id).as_ref())
            {
                self.store().staged().rebase(staged.key(), &digest(&item), revision).await?;
            }
        }
        Ok(())
    }

    async fn has_staged_credentials(&self) -> store::Result<bool> {
        let staged = self.staged().await?;
        Ok(staged.iter().any(|item| item.id.kind == ItemKind::CREDENTIAL && item.data.is_some()))
    }

    /// Applies what `change` makes of what applies.
    async fn edit(
        &self,
        message: &str,
        change: impl FnMut(&mut Document) -> Result<(), CredentialError> + Send,
        actor: &Actor,
    ) -> Result<Applied, CredentialError> {
        self.apply_edit(message, actor, EditHow::default(), change).await
    }
}

/// Why each sealed credential that cannot be opened cannot.
fn unopened(document: &Document, manager: &Manager) -> Vec<String> {
    let sealed = document.credentials.iter().filter(|credential| credential.secret.is_sealed());
    sealed.filter_map(|one| secret_of(one, &manager.config().env).err()).map(|fault| fault.to_string()).collect()
}
