use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use ambient::Rng;
use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};

use crate::Secret;

/// Characters that a key has at least.
const MIN_CHARS: usize = 32;

/// Bytes of a key's id.
const ID_BYTES: usize = 4;
/// What the id is derived for.
const ID_PURPOSE: &[u8] = b"enginehouse key id";

/// How long an id is.
#[derive(Clone, Copy, Debug)]
struct IdLength;

/// What seals secrets at rest. Whoever has it and the sealed files has the secrets.
#[derive(Clone, Debug)]
pub struct SecretKey(Secret);

/// There is no usable key.
#[derive(Debug, thiserror::Error)]
pub enum SecretKeyError {
    /// The file cannot be read or made.
    #[error("cannot use {}: {cause}; check owner and mode", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said; told in the text, so it is no `source`.
        cause: io::Error,
    },
    /// It is too short to be secret.
    #[error("a key that seals secrets must be at least {MIN_CHARS} characters long; `openssl rand -hex 32` makes one")]
    Short,
}

// === impl SecretKey ===

impl SecretKey {
    /// From a text given from outside.
    pub fn new(text: &Secret) -> Result<Self, SecretKeyError> {
        if text.expose().trim().len() < MIN_CHARS {
            return Err(SecretKeyError::Short);
        }
        Ok(Self(Secret::new(text.expose().trim())))
    }

    /// A new one.
    pub(super) fn random(rng: &Rng) -> Self {
        Self(Secret::new(hex::encode(rng.bytes::<32>())))
    }

    /// Makes one in a file for the owner only: whole before the file gets its name. A name that is taken meanwhile stays.
    pub(super) fn make(path: &Path, rng: &Rng) -> io::Result<()> {
        let temporary = path.with_extension(format!("key.{}", hex::encode(rng.bytes::<8>())));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        let written = writeln!(file, "{}", Self::random(rng).expose()).and_then(|()| file.sync_all());
        let linked = written.and_then(|()| match fs::hard_link(&temporary, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        });
        fs::remove_file(&temporary)?;
        linked
    }

    /// Its text.
    pub(super) fn expose(&self) -> &str {
        self.0.expose()
    }

    /// What tells it from others, and nothing else of it: 8 hex digits.
    pub fn id(&self) -> String {
        let extracted = Salt::new(HKDF_SHA256, &[]).extract(self.0.expose().as_bytes());
        let mut id = [0; ID_BYTES];
        // Cannot fail: it asks for less than a hash.
        let _ = extracted.expand(&[ID_PURPOSE], IdLength).and_then(|key| key.fill(&mut id));
        hex::encode(id)
    }

    /// The key of one file or text: another for every `salt` and every `purpose`.
    pub(super) fn derive(&self, salt: &[u8], purpose: &[u8]) -> Option<LessSafeKey> {
        let extracted = Salt::new(HKDF_SHA256, salt).extract(self.0.expose().as_bytes());
        let key = UnboundKey::from(extracted.expand(&[purpose], &AES_256_GCM).ok()?);
        Some(LessSafeKey::new(key))
    }
}

// === impl IdLength ===

impl KeyType for IdLength {
    fn len(&self) -> usize {
        ID_BYTES
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;
    use crate::Keyring;

    #[test]
    fn a_key_is_made_once_for_the_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret.key");
        let made = Keyring::load_or_make(&path, &Rng::system()).unwrap();
        let read = Keyring::load_or_make(&path, &Rng::system()).unwrap();
        assert_eq!(made.keys()[0].0, read.keys()[0].0);
        assert_eq!(made.keys()[0].expose().len(), 64);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn two_that_make_one_together_get_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret.key");
        let keys: Vec<_> = std::thread::scope(|scope| {
            let make = || Keyring::load_or_make(&path, &Rng::system()).unwrap().keys()[0].0.clone();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(keys.windows(2).all(|pair| pair[0] == pair[1]));
    }

    #[test]
    fn what_can_be_guessed_is_refused() {
        assert!(matches!(SecretKey::new(&Secret::new("short")), Err(SecretKeyError::Short)));
    }
}
