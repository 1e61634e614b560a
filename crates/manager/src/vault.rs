use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use ambient::Rng;
use parking_lot::RwLock;
use snapshot::{Keyring, Secret, SecretKeyError, UnsealError};

/// What seals credentials and opens them again. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Vault(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Where the home keeps its keys.
    file: PathBuf,
    /// Given from outside; goes in front of those of the home.
    outside: Keyring,
    keyring: RwLock<Keyring>,
}

/// A credential cannot be sealed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealError {
    /// There is no key, and none can be made.
    #[error(transparent)]
    Key(#[from] SecretKeyError),
    /// The keys cannot be kept.
    #[error("cannot write {}: {cause}; nothing was sealed anew", path.display())]
    Io {
        path: PathBuf,
        /// What the system said; told in the text, so it is no `source`.
        cause: io::Error,
    },
    /// The cipher refused.
    #[error("the secret cannot be sealed")]
    Cipher,
}

// === impl Vault ===

impl Vault {
    /// With the keys of the home, and those given from outside in front of them.
    pub(crate) fn open(file: PathBuf, outside: Option<Keyring>) -> Result<Self, SecretKeyError> {
        let outside = outside.unwrap_or_default();
        let keyring = RwLock::new(outside.clone().before(&Keyring::read(&file)?));
        Ok(Self(Arc::new(Inner { file, outside, keyring })))
    }

    /// Seals what belongs to the credential `name`. The first one makes the key.
    pub(crate) fn seal(&self, name: &str, secret: &Secret, rng: &Rng) -> Result<String, SealError> {
        if self.0.keyring.read().keys().is_empty() {
            *self.0.keyring.write() = Keyring::load_or_make(&self.0.file, rng)?;
        }
        self.0.keyring.read().seal(&owner(name), secret, rng).ok_or(SealError::Cipher)
    }

    /// What would be sealed, for a change that is only tried: no key is made for it.
    pub(crate) fn seal_for_show(&self, name: &str, secret: &Secret, rng: &Rng) -> Result<String, SealError> {
        let keyring = self.0.keyring.read().clone();
        let keyring = if keyring.keys().is_empty() { keyring.with_new(rng) } else { keyring };
        keyring.seal(&owner(name), secret, rng).ok_or(SealError::Cipher)
    }

    /// Opens what was sealed for the credential `name`.
    pub(crate) fn unseal(&self, name: &str, sealed: &str) -> Result<Secret, UnsealError> {
        self.0.keyring.read().open(&owner(name), sealed)
    }

    /// Id of the key that seals; none before the first credential.
    pub(crate) fn key_id(&self) -> Option<String> {
        self.0.keyring.read().keys().first().map(snapshot::SecretKey::id)
    }

    /// Puts a new key in front, which is on the disk before it seals anything; whether it did. Where keys come from
    /// outside, it is there that a new one has to be put in front.
    pub(crate) fn renew(&self, rng: &Rng) -> Result<bool, SealError> {
        if !self.0.outside.keys().is_empty() {
            return Ok(false);
        }
        let kept = self.0.keyring.read().with_new(rng);
        self.replace(&kept, rng)?;
        Ok(true)
    }

    /// Forgets the keys behind the one that seals; how many they were. Those given from outside stay as long as they are
    /// given.
    pub(crate) fn forget(&self, rng: &Rng) -> Result<usize, SealError> {
        let before = self.0.keyring.read().keys().len();
        let kept =
            if self.0.outside.keys().is_empty() { self.0.keyring.read().without_earlier() } else { Keyring::default() };
        self.replace(&kept, rng)?;
        Ok(before - self.0.keyring.read().keys().len())
    }

    fn replace(&self, kept: &Keyring, rng: &Rng) -> Result<(), SealError> {
        kept.keep(&self.0.file, rng).map_err(|cause| SealError::Io { path: self.0.file.clone(), cause })?;
        *self.0.keyring.write() = self.0.outside.clone().before(kept);
        Ok(())
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault")
    }
}

/// What a sealed text is bound to.
fn owner(name: &str) -> String {
    format!("credential/{name}")
}
