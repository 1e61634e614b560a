use ambient::Rng;
use aws_lc_rs::aead::{Aad, NONCE_LEN, Nonce};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;

use super::{Keyring, SecretKey};
use crate::Secret;

/// What a sealed text begins with, and what it is bound to.
const VERSION: &str = "sealed:v1:";
/// What the key is for.
const PURPOSE: &[u8] = b"enginehouse sealed text";
const SALT_BYTES: usize = 16;

/// A sealed text cannot be opened. Says nothing of what is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsealError {
    /// It has not the form of one.
    #[error("is no sealed text that this version reads (`{VERSION}<key>:<text>`)")]
    Foreign,
    /// Its key is not there.
    #[error(
        "is sealed with the key {0}, which is neither in secret.key nor in ENGINEHOUSE_SECRET_KEY; bring that key back"
    )]
    UnknownKey(String),
    /// It was changed, or belongs to something else.
    #[error("does not fit its seal: it was changed, or sealed under another name")]
    Broken,
}

// === impl Keyring ===

impl Keyring {
    /// Seals a secret with the first key, bound to what it belongs to. As `sealed:v1:<key id>:<salt and sealed text>`.
    /// None without a key.
    pub fn seal(&self, owner: &str, secret: &Secret, rng: &Rng) -> Option<String> {
        let key = self.keys().first()?;
        let salt = rng.bytes::<SALT_BYTES>();
        let mut sealed = secret.expose().as_bytes().to_vec();
        let aad = aad(&key.id(), owner);
        key.derive(&salt, PURPOSE)?.seal_in_place_append_tag(nonce(), aad, &mut sealed).ok()?;
        Some(format!("{VERSION}{}:{}", key.id(), BASE64.encode([salt.as_slice(), &sealed].concat())))
    }

    /// Opens what was sealed for the same owner.
    pub fn open(&self, owner: &str, sealed: &str) -> Result<Secret, UnsealError> {
        let (id, text) = parts(sealed).ok_or(UnsealError::Foreign)?;
        let key = self.keys().iter().find(|key| key.id() == id);
        let key = key.ok_or_else(|| UnsealError::UnknownKey(shown(id)))?;
        let mut bytes = BASE64.decode(text).map_err(|_| UnsealError::Foreign)?;
        open(key, owner, &mut bytes).ok_or(UnsealError::Broken)
    }

    /// The id of the key that a text was sealed with.
    pub fn key_id(sealed: &str) -> Option<&str> {
        parts(sealed).map(|(id, _)| id)
    }
}

fn open(key: &SecretKey, owner: &str, bytes: &mut [u8]) -> Option<Secret> {
    let (salt, sealed) = bytes.split_at_mut_checked(SALT_BYTES)?;
    let opened = key.derive(salt, PURPOSE)?.open_in_place(nonce(), aad(&key.id(), owner), sealed).ok()?;
    Some(Secret::new(std::str::from_utf8(opened).ok()?))
}

fn parts(sealed: &str) -> Option<(&str, &str)> {
    sealed.strip_prefix(VERSION)?.split_once(':')
}

/// The id as a message repeats it: who writes anything at all in its place does not fill the log.
fn shown(id: &str) -> String {
    id.chars().filter(char::is_ascii_alphanumeric).take(16).collect()
}

/// What a text is bound to: version, key and owner. The parts have no line breaks, so none runs into the next.
fn aad(id: &str, owner: &str) -> Aad<String> {
    Aad::from(format!("{VERSION}\n{id}\n{owner}"))
}

/// Always the same: every text has a key of its own, from its salt.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyring() -> Keyring {
        Keyring::default().with_new(&Rng::system())
    }

    #[test]
    fn what_is_sealed_is_opened_by_its_owner_only() {
        let (keyring, rng) = (keyring(), Rng::system());
        let sealed = keyring.seal("credential/a", &Secret::new("sk-plain"), &rng).unwrap();
        assert!(!sealed.contains("sk-plain") && sealed.starts_with("sealed:v1:"), "{sealed}");
        assert_eq!(keyring.open("credential/a", &sealed).unwrap(), Secret::new("sk-plain"));
        assert_eq!(keyring.open("credential/b", &sealed), Err(UnsealError::Broken));
        assert_ne!(sealed, keyring.seal("credential/a", &Secret::new("sk-plain"), &rng).unwrap());
    }

    #[test]
    fn an_earlier_key_opens_and_a_lost_one_is_named() {
        let (old, rng) = (keyring(), Rng::system());
        let sealed = old.seal("o", &Secret::new("s"), &rng).unwrap();
        let new = old.with_new(&rng);
        assert_eq!(new.open("o", &sealed).unwrap(), Secret::new("s"));
        assert_ne!(Keyring::key_id(&sealed), Keyring::key_id(&new.seal("o", &Secret::new("s"), &rng).unwrap()));
        let lost = new.without_earlier().open("o", &sealed);
        assert_eq!(lost, Err(UnsealError::UnknownKey(old.keys()[0].id())));
        assert_eq!(Keyring::default().seal("o", &Secret::new("s"), &rng), None);
    }

    #[test]
    fn no_character_of_it_can_be_changed() {
        let (keyring, rng) = (keyring(), Rng::system());
        let sealed = keyring.seal("o", &Secret::new("secret"), &rng).unwrap();
        for at in 0..sealed.len() {
            let mut bytes = sealed.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(changed == sealed || keyring.open("o", &changed).is_err(), "{at}");
            assert!(keyring.open("o", &sealed[..at]).is_err(), "{at}");
        }
    }
}
