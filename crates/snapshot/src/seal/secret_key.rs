use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use ambient::Rng;
use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};

use crate::Secret;

/// Characters that a key has at least.
const MIN_CHARS: usize = 32;

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

    /// The one kept in the file at `path`; if there is none, one is made, for the owner only. Whoever else makes one at
    /// the same moment gets the same.
    pub fn load_or_make(path: &Path, rng: &Rng) -> Result<Self, SecretKeyError> {
        let io_error = |cause| SecretKeyError::Io { path: path.to_owned(), cause };
        match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => make(path, rng).map_err(io_error)?,
            found => return Self::new(&Secret::new(found.map_err(io_error)?)),
        }
        Self::new(&Secret::new(fs::read_to_string(path).map_err(io_error)?))
    }

    /// The key of one file: another for every `salt` and every `purpose`.
    pub(super) fn derive(&self, salt: &[u8], purpose: &[u8]) -> Option<LessSafeKey> {
        let extracted = Salt::new(HKDF_SHA256, salt).extract(self.0.expose().as_bytes());
        let key = UnboundKey::from(extracted.expand(&[purpose], &AES_256_GCM).ok()?);
        Some(LessSafeKey::new(key))
    }
}

/// Writes a new key whole before it gets its name; a name that is taken meanwhile stays.
fn make(path: &Path, rng: &Rng) -> io::Result<()> {
    let temporary = path.with_extension(format!("key.{}", hex::encode(rng.bytes::<8>())));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    let written = writeln!(file, "{}", hex::encode(rng.bytes::<32>())).and_then(|()| file.sync_all());
    let linked = written.and_then(|()| match fs::hard_link(&temporary, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    fs::remove_file(&temporary)?;
    linked
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_for_the_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret.key");
        let made = SecretKey::load_or_make(&path, &Rng::system()).unwrap();
        let read = SecretKey::load_or_make(&path, &Rng::system()).unwrap();
        assert_eq!(made.0, read.0);
        assert_eq!(made.0.expose().len(), 64);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn two_that_make_one_together_get_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret.key");
        let keys: Vec<_> = std::thread::scope(|scope| {
            let make = || SecretKey::load_or_make(&path, &Rng::system()).unwrap().0;
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
