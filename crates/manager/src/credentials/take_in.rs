use snapshot::Secret;
use spec::{Credential, Document, Fault, Faults, SecretText};

use crate::Manager;
use crate::vault::SealError;

/// A document cannot be taken in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TakeInError {
    #[error(transparent)]
    Faults(#[from] Faults),
    #[error(transparent)]
    Seal(#[from] SealError),
}

// === impl Manager ===

impl Manager {
    /// Makes the secrets of a document fit to be kept: what is a secret itself is sealed, and what is `***` becomes what is
    /// kept under that name in `kept`. To be called before anything is stored or logged of it; what comes from somebody's
    /// hands (a document, an item) comes in here.
    ///
    /// With `is_trial`, nothing is written, not even a key.
    pub(crate) fn take_in(&self, document: &mut Document, kept: &Document, is_trial: bool) -> Result<(), TakeInError> {
        let mut faults = Vec::new();
        for (index, credential) in document.credentials.iter_mut().enumerate() {
            let before = kept.credentials.iter().find(|before| before.name == credential.name);
            if let Err(message) = self.take_in_one(credential, before, is_trial)? {
                faults.push(Fault { path: format!("credentials[{index}].secret"), message });
            }
        }
        Ok(Faults::from_list(faults)?)
    }

    fn take_in_one(
        &self,
        credential: &mut Credential,
        before: Option<&Credential>,
        is_trial: bool,
    ) -> Result<Result<(), String>, SealError> {
        let Credential { name, secret, .. } = credential;
        if secret.variable().is_some() {
            return Ok(Ok(()));
        }
        if secret.is_mask() {
            let Some(before) = before else {
                return Ok(Err(
                    "secret is `***`, which stands for the one that is kept, but none is; give it".to_owned()
                ));
            };
            *secret = before.secret.clone();
            return Ok(Ok(()));
        }
        let vault = self.config().env.vault();
        if secret.is_sealed() {
            // What stands there already is not judged again: its key may have been lost meanwhile.
            let stands = before.is_some_and(|before| before.secret == *secret);
            let opened = vault.unseal(name, secret.expose());
            return Ok(if stands { Ok(()) } else { opened.map(drop).map_err(|cause| format!("secret {cause}")) });
        }
        let plain = Secret::new(secret.expose());
        // The same secret stays as it was sealed: else every apply of the same file would be a change.
        let is_same = |before: &&Credential| vault.unseal(name, before.secret.expose()).is_ok_and(|kept| kept == plain);
        let sealed = match before.filter(is_same) {
            Some(before) => before.secret.clone(),
            None if is_trial => SecretText::new(vault.seal_for_show(name, &plain, &self.config().rng)?),
            None => SecretText::new(vault.seal(name, &plain, &self.config().rng)?),
        };
        *secret = sealed;
        Ok(Ok(()))
    }
}
