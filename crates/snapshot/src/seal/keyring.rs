use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use ambient::Rng;

use super::secret_key::{SecretKey, SecretKeyError};
use crate::Secret;

/// Keys that a keyring holds at most.
const MOST: usize = 64;

/// What seals secrets at rest, and what sealed them before: the first key seals, any opens.
///
/// As a text, one key a line.
#[derive(Clone, Debug, Default)]
pub struct Keyring(Vec<SecretKey>);

// === impl Keyring ===

impl Keyring {
    /// From a text with one key a line; none where it is empty.
    pub fn new(text: &Secret) -> Result<Self, SecretKeyError> {
        let lines = text.expose().lines().map(str::trim).filter(|line| !line.is_empty());
        let keys = lines.take(MOST).map(|line| SecretKey::new(&Secret::new(line)));
        Ok(Self(keys.collect::<Result<_, _>>()?))
    }

    /// The one kept in the file at `path`; an empty one if there is none.
    pub fn read(path: &Path) -> Result<Self, SecretKeyError> {
        match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(cause) => Err(SecretKeyError::Io { path: path.to_owned(), cause }),
            Ok(text) => Self::new(&Secret::new(text)),
        }
    }

    /// The one kept in the file at `path`; if there is none, one is made, for the owner only. Whoever else makes one at the
    /// same moment gets the same.
    pub fn load_or_make(path: &Path, rng: &Rng) -> Result<Self, SecretKeyError> {
        let found = Self::read(path)?;
        if !found.0.is_empty() {
            return Ok(found);
        }
        SecretKey::make(path, rng).map_err(|cause| SecretKeyError::Io { path: path.to_owned(), cause })?;
        Self::read(path)
    }

    /// Keeps it in the file at `path`, whole or not at all, for the owner only, and forces it to the disk.
    pub fn keep(&self, path: &Path, rng: &Rng) -> io::Result<()> {
        let temporary = path.with_extension(format!("key.{}", hex::encode(rng.bytes::<8>())));
        let written = self.write(&temporary).and_then(|()| fs::rename(&temporary, path));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    }

    /// The key that seals, and the others behind it.
    pub fn keys(&self) -> &[SecretKey] {
        &self.0
    }

    /// With a new key in front, which seals from now on.
    #[must_use]
    pub fn with_new(&self, rng: &Rng) -> Self {
        let keys = std::iter::once(SecretKey::random(rng)).chain(self.0.iter().cloned());
        Self(keys.take(MOST).collect())
    }

    /// With the keys of another one behind its own, each once.
    #[must_use]
    pub fn before(mut self, other: &Self) -> Self {
        for key in &other.0 {
            if self.0.len() < MOST && !self.0.iter().any(|known| known.id() == key.id()) {
                self.0.push(key.clone());
            }
        }
        self
    }

    /// With the key that seals alone.
    #[must_use]
    pub fn without_earlier(&self) -> Self {
        Self(self.0.iter().take(1).cloned().collect())
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        for key in &self.0 {
            writeln!(file, "{}", key.expose())?;
        }
        file.sync_all()
    }
}

impl From<SecretKey> for Keyring {
    fn from(key: SecretKey) -> Self {
        Self(vec![key])
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    fn ids(keyring: &Keyring) -> Vec<String> {
        keyring.keys().iter().map(SecretKey::id).collect()
    }

    #[test]
    fn a_new_key_goes_in_front_and_the_file_keeps_all() {
        let folder = tempfile::tempdir().unwrap();
        let (path, rng) = (folder.path().join("secret.key"), Rng::system());
        assert!(Keyring::read(&path).unwrap().keys().is_empty());
        let first = Keyring::load_or_make(&path, &rng).unwrap();
        let second = first.with_new(&rng);
        second.keep(&path, &rng).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
        let read = Keyring::load_or_make(&path, &rng).unwrap();
        assert_eq!(ids(&read), ids(&second));
        assert_eq!(ids(&read)[1..], ids(&first));
        assert_eq!(ids(&read.without_earlier()), ids(&second)[..1]);
        assert_eq!(ids(&first.clone().before(&read)), [ids(&first), ids(&second)[..1].to_vec()].concat());
        assert!(!format!("{read:?}").contains(read.keys()[0].expose()));
    }

    #[test]
    fn a_line_that_can_be_guessed_is_refused() {
        let text = format!("{}\nshort\n", "0123456789abcdef".repeat(4));
        assert!(matches!(Keyring::new(&Secret::new(text)), Err(SecretKeyError::Short)));
    }
}
