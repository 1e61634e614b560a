use std::sync::Arc;

use ambient::Rng;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use snapshot::Secret;
use tokio::sync::Semaphore;

/// Memory, passes and lanes of argon2id, as the OWASP Password Storage Cheat Sheet recommends them.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Those that may wait for their turn: each costs memory and time.
const WAITING: usize = 32;
/// Characters that a password has at least, as NIST SP 800-63B asks for, and at most.
const MIN_CHARS: usize = 8;
const MAX_CHARS: usize = 256;

/// Hashes passwords, as many at once as there are processors. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Passwords {
    rng: Rng,
    /// The line, those at work included.
    line: Arc<Semaphore>,
    work: Arc<Semaphore>,
}

/// Too many passwords are being checked already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being checked; try again in a moment")]
pub struct Busy;

/// A password cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnfitPassword {
    /// It can be guessed.
    #[error("must have at least {MIN_CHARS} characters")]
    Short,
    /// It is too long to be typed.
    #[error("must have at most {MAX_CHARS} characters")]
    Long,
}

// === impl Passwords ===

impl Passwords {
    pub(crate) fn new(rng: Rng) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { rng, line: Arc::new(Semaphore::new(cores + WAITING)), work: Arc::new(Semaphore::new(cores)) }
    }

    /// A new password: 144 random bits.
    pub(crate) fn make(&self) -> Secret {
        Secret::new(BASE64_URL_SAFE_NO_PAD.encode(self.rng.bytes::<18>()))
    }

    /// The hash of a password as a PHC string, with a salt of its own.
    pub(crate) async fn hash(&self, password: &Secret) -> Result<String, Busy> {
        let (password, salt) = (password.clone(), self.rng.bytes::<16>());
        self.at_turn(move || hash(&password, &salt)).await
    }

    /// Whether a password is the one that was hashed. Takes as long where there is none.
    pub(crate) async fn verify(&self, password: &Secret, hashed: Option<&str>) -> Result<bool, Busy> {
        let (password, hashed) = (password.clone(), hashed.map(str::to_owned));
        let check = move || {
            let Some(hashed) = hashed else {
                hash(&password, &[0; 16]);
                return false;
            };
            hasher().verify_password(password.expose().as_bytes(), hashed.as_str()).is_ok()
        };
        self.at_turn(check).await
    }

    async fn at_turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Busy> {
        let place = self.line.clone().try_acquire_owned().map_err(|_| Busy)?;
        let turn = self.work.clone().acquire_owned().await.map_err(|_| Busy)?;
        let done = tokio::task::spawn_blocking(move || {
            // Held until the work is done, also when nobody waits for it any more.
            let _held = (place, turn);
            work()
        });
        done.await.map_err(|_| Busy)
    }
}

/// Whether a password chosen by people can be one.
pub(crate) fn check(password: &Secret) -> Result<(), UnfitPassword> {
    match password.expose().chars().count() {
        ..MIN_CHARS => Err(UnfitPassword::Short),
        MIN_CHARS..=MAX_CHARS => Ok(()),
        _ => Err(UnfitPassword::Long),
    }
}

fn hash(password: &Secret, salt: &[u8]) -> String {
    // Cannot fail: parameters and the length of the salt are fixed. If it did, nobody could log in with the outcome.
    let hashed = hasher().hash_password_with_salt(password.expose().as_bytes(), salt);
    hashed.map(|hash| hash.to_string()).unwrap_or_default()
}

fn hasher() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_hashed_with_argon2id_and_the_parameters_of_owasp() {
        let passwords = Passwords::new(Rng::system());
        let password = Secret::new("correct horse");
        let hash = passwords.hash(&password).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(hash, passwords.hash(&password).await.unwrap(), "each has its own salt");
        assert!(passwords.verify(&password, Some(&hash)).await.unwrap());
        for (other, hash) in [("correct horsf", hash.as_str()), ("correct horse", ""), ("correct horse", "$argon2id$")]
        {
            assert!(!passwords.verify(&Secret::new(other), Some(hash)).await.unwrap(), "{other} {hash}");
        }
        assert!(!passwords.verify(&password, None).await.unwrap());
    }

    #[tokio::test]
    async fn the_line_is_bounded() {
        let passwords = Passwords::new(Rng::system());
        let places =
            passwords.line.clone().acquire_many_owned(u32::try_from(passwords.line.available_permits()).unwrap());
        let places = places.await.unwrap();
        assert_eq!(passwords.hash(&Secret::new("correct horse")).await, Err(Busy));
        drop(places);
        passwords.hash(&Secret::new("correct horse")).await.unwrap();
    }

    #[test]
    fn passwords_have_a_length() {
        assert_eq!(check(&Secret::new("1234567")), Err(UnfitPassword::Short));
        assert_eq!(check(&Secret::new("äöüäöüäö")), Ok(()));
        assert_eq!(check(&Secret::new("x".repeat(257))), Err(UnfitPassword::Long));
        assert_eq!(check(&Passwords::new(Rng::system()).make()), Ok(()));
    }
}
