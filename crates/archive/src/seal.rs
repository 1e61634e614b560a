//! Encryption with a passphrase: argon2id makes a key of it and a random salt, AES-256-GCM seals the file in chunks.
//!
//! The nonce of a chunk is its number and whether it is the last (the STREAM construction of Hoang, Reyhanitabar, Rogaway and
//! Vizár): chunks that are changed, swapped, repeated, left out or cut off at the end do not open. Each file has a key of its own by
//! its salt, so no nonce comes twice.

use std::fmt;
use std::io;

use ambient::Rng;
use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

mod opener;
mod sealer;
#[cfg(test)]
mod tests;

pub(crate) use opener::Opener;
pub(crate) use sealer::Sealer;

/// How a sealed file begins.
pub(crate) const MAGIC: &[u8; 8] = b"EHBACKUP";
/// Version of the seal. It stands for all that follows: bytes of a salt and of a chunk, and the costs below.
const VERSION: u8 = 1;
const SALT: usize = 16;
/// Magic, version, salt; authenticated with every chunk.
const HEADER: usize = 8 + 1 + SALT;
/// Bytes of a chunk before it is sealed.
const CHUNK: usize = 64 << 10;
/// Bytes that sealing adds.
const TAG: usize = 16;
/// What guessing a passphrase costs: KiB of memory, passes, lanes. The second choice of RFC 9106.
const COST: (u32, u32, u32) = (64 << 10, 3, 4);
/// Shortest passphrase.
const SHORTEST: usize = 8;

/// What a backup is encrypted with.
pub struct Passphrase(String);

/// Too short to keep anybody out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the passphrase has fewer than {SHORTEST} characters; take a longer one")]
pub struct UnfitPassphrase;

/// Why a sealed file does not open; travels inside an [`io::Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    #[error("the first chunk does not open")]
    First,
    #[error("chunk {0} does not open")]
    Later(u32),
    #[error("it is cut short")]
    Cut,
}

/// What seals and opens the chunks of one file.
struct Keyed {
    key: LessSafeKey,
    header: [u8; HEADER],
}

// === impl Passphrase ===

impl Passphrase {
    /// From text.
    pub fn new(text: impl Into<String>) -> Result<Self, UnfitPassphrase> {
        let text = text.into();
        if text.chars().count() < SHORTEST { Err(UnfitPassphrase) } else { Ok(Self(text)) }
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(***)")
    }
}

// === impl Keyed ===

impl Keyed {
    /// For a file yet to be written.
    fn fresh(passphrase: &Passphrase, rng: &Rng) -> io::Result<Self> {
        let mut header = [0; HEADER];
        header[..8].copy_from_slice(MAGIC);
        header[8] = VERSION;
        header[9..].copy_from_slice(&rng.bytes::<SALT>());
        Self::new(passphrase, header)
    }

    fn new(passphrase: &Passphrase, header: [u8; HEADER]) -> io::Result<Self> {
        let (memory, passes, lanes) = COST;
        let params = Params::new(memory, passes, lanes, Some(32)).map_err(io::Error::other)?;
        let mut key = [0; 32];
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon.hash_password_into(passphrase.0.as_bytes(), &header[9..], &mut key).map_err(io::Error::other)?;
        Self::from_key(&key, header)
    }

    fn from_key(key: &[u8; 32], header: [u8; HEADER]) -> io::Result<Self> {
        let key = UnboundKey::new(&AES_256_GCM, key).map_err(io::Error::other)?;
        Ok(Self { key: LessSafeKey::new(key), header })
    }

    fn seal(&self, number: u32, is_last: bool, chunk: &mut Vec<u8>) -> io::Result<()> {
        let (nonce, aad) = (nonce(number, is_last), Aad::from(&self.header));
        self.key.seal_in_place_append_tag(nonce, aad, chunk).map_err(io::Error::other)
    }

    fn open(&self, number: u32, is_last: bool, chunk: &mut Vec<u8>) -> io::Result<()> {
        let (nonce, aad) = (nonce(number, is_last), Aad::from(&self.header));
        match self.key.open_in_place(nonce, aad, chunk) {
            Ok(opened) => {
                let length = opened.len();
                chunk.truncate(length);
                Ok(())
            }
            Err(_) if number == 0 => Err(io::Error::other(Broken::First)),
            // One that opens as not the last was meant to have others behind it.
            Err(_) => Err(io::Error::other(Broken::Later(number))),
        }
    }
}

fn nonce(number: u32, is_last: bool) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce[7..11].copy_from_slice(&number.to_be_bytes());
    nonce[11] = u8::from(is_last);
    Nonce::assume_unique_for_key(nonce)
}
