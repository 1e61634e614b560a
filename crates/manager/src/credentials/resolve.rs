use snapshot::{Secret, UnsealError};
use spec::Credential;

use crate::config::Environment;

/// A credential has no secret that could be presented. The text never holds one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unresolved {
    #[error("there is no credential {0}")]
    Absent(String),
    #[error("the credential {credential} refers to the environment variable {variable}, which is not set")]
    Unset { credential: String, variable: String },
    #[error("the credential {credential} {cause}; or give it anew: enginehouse credential set {credential}")]
    Sealed { credential: String, cause: UnsealError },
    #[error("the credential {0} was never sealed; give it anew: enginehouse credential set {0}")]
    Plain(String),
}

/// The secret of the credential `name`.
pub(crate) fn resolve(credentials: &[Credential], name: &str, env: &Environment) -> Result<Secret, Unresolved> {
    let credential = credentials.iter().find(|credential| credential.name == name);
    let credential = credential.ok_or_else(|| Unresolved::Absent(name.to_owned()))?;
    secret_of(credential, env)
}

/// The secret of a credential.
pub(super) fn secret_of(credential: &Credential, env: &Environment) -> Result<Secret, Unresolved> {
    let name = || credential.name.clone();
    if let Some(variable) = credential.secret.variable() {
        let found = env.get(variable).map(Secret::new);
        return found.ok_or_else(|| Unresolved::Unset { credential: name(), variable: variable.to_owned() });
    }
    if !credential.secret.is_sealed() {
        return Err(Unresolved::Plain(name()));
    }
    let opened = env.vault().unseal(&credential.name, credential.secret.expose());
    opened.map_err(|cause| Unresolved::Sealed { credential: name(), cause })
}
