use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use ambient::{Rng, Timestamp};
use aws_lc_rs::aead::{Aad, NONCE_LEN, Nonce};
use serde::{Deserialize, Serialize};

use super::Keyring;
use crate::Snapshot;

/// What every file begins with; the digit counts formats.
const MAGIC: &[u8; 8] = b"EHSNAP1\n";
/// Random bytes that give every file a key of its own, so that no nonce is ever used twice with one.
const SALT_BYTES: usize = 32;
const PURPOSE: &[u8] = b"enginehouse: the gateway's last snapshot";
/// Bytes that a file may have: far more than any snapshot.
const MAX_BYTES: u64 = 256 << 20;

/// Where a gateway keeps its last snapshot.
#[derive(Debug)]
pub struct SealedFile {
    path: PathBuf,
    keyring: Keyring,
    rng: Rng,
}

/// A snapshot that was kept.
#[derive(Clone, Debug, Deserialize)]
pub struct Kept {
    /// When it was written.
    pub at: Timestamp,
    /// What was served then.
    pub snapshot: Snapshot,
}

/// A snapshot cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The disk refused.
    #[error("{}: {cause}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said; told in the text, so it is no `source`.
        cause: io::Error,
    },
    /// It is something else.
    #[error("{} is no sealed snapshot, or one of another version of this program", .0.display())]
    Foreign(PathBuf),
    /// What is in it does not fit its seal.
    #[error("{} was changed or cut short since it was sealed, or secret.key is another one", .0.display())]
    Broken(PathBuf),
    /// It holds what this version does not understand.
    #[error("{} cannot be understood ({cause}); it was written by another version of this program", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong; told in the text, so it is no `source`.
        cause: serde_json::Error,
    },
}

#[derive(Serialize)]
struct Keeping<'a> {
    at: Timestamp,
    snapshot: &'a Snapshot,
}

// === impl SealedFile ===

impl SealedFile {
    /// The file at `path`, which need not be there.
    pub fn new(path: impl Into<PathBuf>, keyring: impl Into<Keyring>, rng: Rng) -> Self {
        Self { path: path.into(), keyring: keyring.into(), rng }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps `snapshot` in the place of the one before, whole or not at all, and forces it to the disk. Blocks.
    pub fn keep(&self, snapshot: &Snapshot, now: Timestamp) -> Result<(), SealError> {
        let sealed = self.seal(&Keeping { at: now, snapshot })?;
        self.replace(&sealed).map_err(|cause| SealError::Io { path: self.path.clone(), cause })
    }

    /// The snapshot that was kept last, if there is one. Blocks.
    pub fn read(&self) -> Result<Option<Kept>, SealError> {
        let path = || self.path.clone();
        let io_error = |cause| SealError::Io { path: path(), cause };
        match fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            meta if meta.as_ref().is_ok_and(|meta| meta.len() > MAX_BYTES) => return Err(SealError::Foreign(path())),
            Err(error) => return Err(io_error(error)),
            Ok(_) => {}
        }
        let bytes = fs::read(&self.path).map_err(io_error)?;
        let content = self.open(&bytes)?;
        let kept = serde_json::from_slice(&content).map_err(|cause| SealError::Content { path: path(), cause })?;
        Ok(Some(kept))
    }

    fn seal(&self, content: &Keeping<'_>) -> Result<Vec<u8>, SealError> {
        let salt = self.rng.bytes::<SALT_BYTES>();
        let mut bytes = [MAGIC.as_slice(), &salt].concat();
        let path = || self.path.clone();
        let content = serde_json::to_vec(content).map_err(|cause| SealError::Content { path: path(), cause })?;
        let broken = || SealError::Broken(path());
        let key = self.keyring.keys().first().and_then(|key| key.derive(&salt, PURPOSE)).ok_or_else(broken)?;
        let mut sealed = content;
        key.seal_in_place_append_tag(nonce(), Aad::from(MAGIC), &mut sealed).map_err(|_| broken())?;
        bytes.append(&mut sealed);
        Ok(bytes)
    }

    fn open(&self, bytes: &[u8]) -> Result<Vec<u8>, SealError> {
        let broken = || SealError::Broken(self.path.clone());
        let Some((_, sealed)) = bytes.split_at_checked(MAGIC.len()).filter(|(magic, _)| magic == MAGIC) else {
            return Err(SealError::Foreign(self.path.clone()));
        };
        let (salt, sealed) = sealed.split_at_checked(SALT_BYTES).ok_or_else(broken)?;
        // A key that does not fit destroys what it is tried on.
        let mut opened = Err(broken());
        for key in self.keyring.keys().iter().filter_map(|key| key.derive(salt, PURPOSE)) {
            let mut tried = sealed.to_vec();
            if let Ok(content) = key.open_in_place(nonce(), Aad::from(MAGIC), &mut tried) {
                opened = Ok(content.to_vec());
                break;
            }
        }
        opened
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let temporary = self.path.with_extension("new");
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, &self.path)?;
        self.path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    }
}

/// Always the same: every file has a key of its own.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;
    use crate::testing::snapshot;
    use crate::{KeyHash, Secret, SecretKey};

    fn file(folder: &Path) -> SealedFile {
        let key = SecretKey::new(&Secret::new("0123456789abcdef0123456789abcdef")).unwrap();
        SealedFile::new(folder.join("snapshot"), key, Rng::system())
    }

    #[test]
    fn what_is_kept_is_read_again_and_nobody_else_can() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path());
        assert!(file.read().unwrap().is_none());
        let (first, last) = (snapshot(3), snapshot(5));
        file.keep(&first, Timestamp::from_micros(1)).unwrap();
        file.keep(&last, Timestamp::from_micros(2)).unwrap();
        let kept = file.read().unwrap().unwrap();
        assert_eq!((kept.snapshot, kept.at), (last.clone(), Timestamp::from_micros(2)));
        assert_eq!(fs::metadata(file.path()).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");

        let bytes = fs::read(file.path()).unwrap();
        let hash = last.keys[0].hash.to_string();
        for secret in ["sk-credential", &hash, &KeyHash::of("master").to_string(), "model-0"] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
        }
        let other = SecretKey::new(&Secret::new("another-key-another-key-another-key")).unwrap();
        let other = SealedFile::new(file.path(), other, Rng::system());
        assert!(matches!(other.read(), Err(SealError::Broken(_))));
    }

    #[test]
    fn what_an_earlier_key_sealed_is_read_too() {
        let folder = tempfile::tempdir().unwrap();
        let rng = Rng::system();
        let old = Keyring::default().with_new(&rng);
        let with = |keyring: Keyring| SealedFile::new(folder.path().join("snapshot"), keyring, rng.clone());
        with(old.clone()).keep(&snapshot(1), Timestamp::default()).unwrap();
        with(old.with_new(&rng)).read().unwrap().unwrap();
        assert!(with(old.with_new(&rng).without_earlier()).read().is_err());
    }

    #[test]
    fn no_bit_of_it_can_be_changed_and_no_byte_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(folder.path());
        file.keep(&snapshot(2), Timestamp::default()).unwrap();
        let whole = fs::read(file.path()).unwrap();
        let middle = whole.len() / 2;
        for at in [0, MAGIC.len(), MAGIC.len() + SALT_BYTES, middle, whole.len() - 1] {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(file.path(), changed).unwrap();
            assert!(file.read().is_err(), "byte {at} was changed");
            fs::write(file.path(), &whole[..at]).unwrap();
            assert!(file.read().is_err(), "cut off at byte {at}");
        }
        fs::write(file.path(), &whole).unwrap();
        file.read().unwrap().unwrap();
    }
}
